import axios from 'axios';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { DetectorFactory } from '../../src/circuit/detectors/detectors.js';
import {
  allOf,
  anyOf,
  attach,
  BreakerRegistry,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  type FailureDetector,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  memorySink,
  slowCallRate,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType, succeed, transitions } from './support.js';

const KEY = 'GET https://api.example.com';
const HOUR_MS = 3_600_000;

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const create = (detector: DetectorFactory, options: CircuitBreakerOptions = {}) =>
  new CircuitBreaker(KEY, { ...CLASSIC, clock, detector, ...options });

/** Plays outcomes, `F` for a failure, `S` for a success; says at which of them the circuit opened. */
function play(breaker: CircuitBreaker, outcomes: string, everyMs = 0): number | 'stays closed' {
  for (const [index, outcome] of Array.from(outcomes).entries()) {
    acquire(breaker).settle(outcome === 'F' ? 'failure' : 'success');
    if (breaker.state === 'open') return index + 1;
    clock.advance(everyMs);
  }
  return 'stays closed';
}

/** One attempt that takes its time. */
function take(breaker: CircuitBreaker, durationMs: number, outcome: 'success' | 'failure' = 'success'): void {
  const permit = acquire(breaker);
  clock.advance(durationMs);
  permit.settle(outcome);
}

function advanceTo(timeMs: number): void {
  clock.advance(timeMs - clock.now());
}

describe('consecutiveFailures', () => {
  test.each([60_000, Number.POSITIVE_INFINITY])(
    'begins anew when the clock is set back by an hour (maxAgeMs: %d)',
    (maxAgeMs) => {
      clock.advance(HOUR_MS);
      const breaker = create(consecutiveFailures(3, { minSpanMs: 600, maxAgeMs }));
      expect(play(breaker, 'FF', 300)).toBe('stays closed');
      clock.advance(-HOUR_MS);
      expect(breaker.stats().failures).toBe(0);
      expect(play(breaker, 'FFFFF', 300)).toBe(3);
    },
  );

  test.each([
    [1, 'SSF', 3],
    [3, 'FFF', 3],
    [3, 'FFSFFSFFF', 9],
    [3, 'FFSFFSFF', 'stays closed'],
  ])('of %i with %s opens at %s', (threshold, outcomes, opensAt) => {
    expect(play(create(consecutiveFailures(threshold)), outcomes)).toBe(opensAt);
  });

  describe('over a time', () => {
    const spanned = consecutiveFailures(3, { minSpanMs: 600, maxAgeMs: 60_000 });

    /** Fails at these times, ms from the beginning; says at which the circuit opened. */
    function failAt(breaker: CircuitBreaker, ...times: number[]): number | undefined {
      let passed = 0;
      for (const time of times) {
        clock.advance(time - passed);
        passed = time;
        fail(breaker);
        if (breaker.state === 'open') return time;
      }
      return undefined;
    }

    test.each([
      [[0, 300, 600], 600],
      [[0, 300, 599], undefined],
      [[0, 599, 599, 599, 600], 600],
      [[0, 600], undefined],
      [[0, 0, 0, 0, 0, 0, 0, 0], undefined],
      [[0, 0, 0, 1_000], 1_000],
      [[0, 30_000, 60_000], 60_000],
      [[0, 30_000, 60_001], undefined],
      [[0, 30_000, 60_001, 60_002], 60_002],
      [[0, 59_999, 86_400_000, 86_400_000, 86_400_599, 86_400_600], 86_400_600],
    ])('of 3 that span 600 ms and are no older than a minute, failures at %j open at %s', (times, opensAt) => {
      expect(failAt(create(spanned), ...times)).toBe(opensAt);
    });

    test('a success between starts the time anew, too', () => {
      const breaker = create(spanned);
      failAt(breaker, 0, 500);
      succeed(breaker);
      expect(failAt(breaker, 100, 200, 699, 700)).toBe(700);
    });

    test('with perCall a call counts once, and its other attempts can be those by which the time is over', () => {
      const breaker = create(consecutiveFailures(3, { perCall: true, minSpanMs: 600 }));
      const [one, two, three] = [{}, {}, {}];
      const failOf = (call: object, afterMs: number) => {
        clock.advance(afterMs);
        const permit = tryAcquire(breaker, undefined, undefined, call);
        if (permit.admitted) permit.settle('failure');
        return [breaker.state, breaker.stats().failures];
      };
      expect(failOf(one, 0)).toEqual(['closed', 1]);
      for (let retry = 0; retry < 5; retry++) expect(failOf(one, 300)).toEqual(['closed', 1]);
      succeed(breaker);
      expect([failOf(one, 0), failOf(two, 0), failOf(three, 0)]).toEqual([
        ['closed', 1],
        ['closed', 2],
        ['closed', 3],
      ]);
      expect(failOf(one, 599)).toEqual(['closed', 3]);
      expect(failOf(two, 1)).toEqual(['open', 0]);
    });

    test('with perCall attempts of which nobody says the call count each', () => {
      const breaker = create(consecutiveFailures(3, { perCall: true }));
      fail(breaker, 3);
      expect(breaker.state).toBe('open');
    });

    test('what is too old is not shown either', () => {
      const breaker = create(spanned);
      failAt(breaker, 0, 100);
      clock.advance(59_901);
      expect(breaker.stats().failures).toBe(1);
      clock.advance(100);
      expect(breaker.stats().failures).toBe(0);
    });

    test('the change of state tells all failures in a row, also of a storm of thousands', () => {
      const breaker = create(spanned);
      const events = listen(breaker);
      for (let failure = 0; failure < 5_000; failure++) fail(breaker);
      clock.advance(600);
      fail(breaker);
      expect(ofType(events, 'stateChange')).toMatchObject([{ failures: 5_001, to: 'open' }]);
    });

    test('also where the clock began long ago', () => {
      clock.advance(86_400_000);
      const breaker = create(spanned);
      for (let failure = 0; failure < 5_000; failure++) fail(breaker);
      expect(breaker.stats().failures).toBe(5_000);
    });

    test('a snapshot has the ages of the failures', () => {
      const breaker = create(spanned);
      failAt(breaker, 0, 500);
      clock.advance(50);
      const snapshot = JSON.parse(JSON.stringify(breaker.snapshot())) as ReturnType<CircuitBreaker['snapshot']>;
      expect(snapshot.detector).toEqual({ failures: 2, agesMs: [550, 50] });
      const other = create(spanned);
      other.restore(snapshot);
      expect(failAt(other, 49, 50)).toBe(50);
    });
  });

  test('counts in a row over any time, an idle hour too', () => {
    const breaker = create(consecutiveFailures(3));
    expect(play(breaker, 'FFF', HOUR_MS)).toBe(3);
  });
});

describe('failuresInWindow', () => {
  test.each([
    ['FFFFF', 5],
    ['FFFF', 'stays closed'],
    ['FSFSFSFSF', 9],
    ['SSSSSSSSSSFFFFF', 15],
  ])('of 5 in 60 s with %s opens at %s, whatever succeeds between', (outcomes, opensAt) => {
    expect(play(create(failuresInWindow({ failures: 5, windowMs: 60_000 })), outcomes)).toBe(opensAt);
    expect(play(create(failuresInWindow()), outcomes)).toBe(opensAt);
  });

  test('opens when the 5th failure comes within 60 s of the first, not when it comes after', () => {
    expect(play(create(failuresInWindow()), 'FFFFF', 14_999)).toBe(5);
    clock = manualClock();
    expect(play(create(failuresInWindow()), 'FFFFFFFFFFFFFFFFFFFF', 15_000)).toBe('stays closed');
  });

  test.each([
    ['counts until 60 s after the beginning of its bucket', 5_999, 59_999, 'open'],
    ['has expired 60 s after the beginning of its bucket', 5_999, 60_000, 'closed'],
    ['at the beginning of a bucket counts for all of 60 s', 6_000, 65_999, 'open'],
    ['at the beginning of a bucket has expired after 60 s', 6_000, 66_000, 'closed'],
    ['has expired after 10 more windows, though its slot is used again', 6_000, 606_000, 'closed'],
  ])('a failure %s', (_what, firstMs, secondMs, state) => {
    const breaker = create(failuresInWindow({ failures: 2, windowMs: 60_000 }));
    advanceTo(firstMs);
    fail(breaker);
    advanceTo(secondMs);
    fail(breaker);
    expect(breaker.state).toBe(state);
  });

  test('buckets expire one by one', () => {
    const breaker = create(failuresInWindow({ failures: 100, windowMs: 1_000 }));
    for (let bucket = 0; bucket < 10; bucket++) {
      fail(breaker, bucket + 1);
      clock.advance(100);
    }
    const counted = Array.from({ length: 10 }, () => {
      const { failures } = breaker.stats();
      clock.advance(100);
      return failures;
    });
    expect(counted).toEqual([54, 52, 49, 45, 40, 34, 27, 19, 10, 0]);
  });

  test.each([0.25, 1_000_000.125, 2 ** 40])('works the same from any origin of the clock, such as %d', (originMs) => {
    clock = manualClock(originMs);
    expect(play(create(failuresInWindow({ failures: 3, windowMs: 1_000 })), 'FFF', 300)).toBe(3);
    clock = manualClock(originMs);
    expect(play(create(failuresInWindow({ failures: 3, windowMs: 1_000 })), 'FFFFFF', 501)).toBe('stays closed');
  });

  test('a window of 1 ms counts what ends in the same instant', () => {
    expect(play(create(failuresInWindow({ failures: 2, windowMs: 1 })), 'FF')).toBe(2);
    expect(play(create(failuresInWindow({ failures: 2, windowMs: 1 })), 'FFFF', 1)).toBe('stays closed');
  });
});

describe('failureRate', () => {
  const halfOfTen = failureRate({ size: 10, rate: 0.5, minAttempts: 5 });

  test.each([
    ['FFFF', 'stays closed'],
    ['FFFFF', 5],
    ['FSFSF', 5],
    ['FFFFS', 5],
    ['SSSFFF', 6],
    ['SSSSSFFFFF', 10],
    ['SSSSSFFFF', 'stays closed'],
    ['SSSSSSSSSSFFFFF', 15],
    ['SSSSSSSSSSFFFF', 'stays closed'],
  ])('of half of the last 10 with at least 5 and %s opens at %s', (outcomes, opensAt) => {
    expect(play(create(halfOfTen), outcomes)).toBe(opensAt);
    expect(play(create(failureRate()), outcomes)).toBe(opensAt);
  });

  test.each([
    [{ size: 4, rate: 0.5, minAttempts: 4 }, 'FSSSFF', 6],
    [{ size: 4, rate: 0.5, minAttempts: 4 }, 'FSSSFSSSF', 'stays closed'],
    [{ size: 1, rate: 1, minAttempts: 1 }, 'SSF', 3],
    [{ size: 10, rate: 0.3, minAttempts: 10 }, 'SSSSSSSFFF', 10],
    [{ size: 3, rate: 1 / 3, minAttempts: 3 }, 'SSF', 3],
    [{ size: 7, rate: 0.5, minAttempts: 7 }, 'SSSSFFF', 'stays closed'],
    [{ size: 7, rate: 0.5, minAttempts: 7 }, 'SSSSFFFF', 8],
    [{ size: 10, rate: 0.5, minAttempts: 1 }, 'F', 1],
  ])('with %j and %s opens at %s', (options, outcomes, opensAt) => {
    expect(play(create(failureRate(options)), outcomes)).toBe(opensAt);
  });

  test('reaches a rate of 1 when the last 5 of 5 failed', () => {
    expect(play(create(failureRate({ size: 5, rate: 1 })), 'FFFFF')).toBe(5);
    expect(play(create(failureRate({ size: 5, rate: 1 })), 'SFFFFF')).toBe(6);
    expect(play(create(failureRate({ size: 5, rate: 1 })), 'FFFFSFFFF')).toBe('stays closed');
  });

  test('is over completed attempts: those under way, neutral ones and rejected ones are not in it', () => {
    const breaker = create(halfOfTen);
    const underWay = Array.from({ length: 100 }, () => acquire(breaker));
    for (let i = 0; i < 100; i++) acquire(breaker).settle('neutral');
    expect(play(breaker, 'FFFF')).toBe('stays closed');
    expect(breaker.stats()).toMatchObject({ failures: 4, rate: 1 });
    expect(play(breaker, 'F')).toBe(1);
    for (let i = 0; i < 1_000; i++) expect(ask(breaker)).toBe(10_000);
    for (const permit of underWay) permit.settle('success');
    clock.advance(10_000);
    succeed(breaker);
    expect(play(breaker, 'FFFFF')).toBe(5);
  });

  test('without maxAgeMs the last 10 count over any time', () => {
    expect(play(create(halfOfTen), 'FFFFF', HOUR_MS)).toBe(5);
  });

  test('with maxAgeMs an attempt counts for so long, to the millisecond', () => {
    const detector = failureRate({ size: 10, rate: 1, minAttempts: 2, maxAgeMs: 1_000 });
    expect(play(create(detector), 'FF', 999)).toBe(2);
    expect(play(create(detector), 'FFFFFF', 1_000)).toBe('stays closed');
  });

  test('with maxAgeMs old successes go as well as old failures', () => {
    const breaker = create(failureRate({ size: 10, rate: 1, minAttempts: 2, maxAgeMs: 1_000 }));
    succeed(breaker);
    clock.advance(500);
    fail(breaker);
    expect(breaker.stats().rate).toBe(0.5);
    clock.advance(500);
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('with maxAgeMs both the age and the number of attempts bound the window', () => {
    const breaker = create(failureRate({ size: 3, rate: 1, minAttempts: 3, maxAgeMs: 10_000 }));
    expect(play(breaker, 'SSSSSFFF', 1)).toBe(8);
  });
});

describe('failureRateInWindow', () => {
  const halfOfMinute = failureRateInWindow({ windowMs: 60_000, rate: 0.5, minAttempts: 5 });

  test.each([
    ['FFFF', 'stays closed'],
    ['FFFFF', 5],
    ['SSSFFF', 6],
    ['SSSSSSSSSSFFFFFFFFF', 'stays closed'],
    ['SSSSSSSSSSFFFFFFFFFF', 20],
  ])('of half of the attempts of a minute with at least 5 and %s opens at %s', (outcomes, opensAt) => {
    expect(play(create(halfOfMinute), outcomes)).toBe(opensAt);
    expect(play(create(failureRateInWindow()), outcomes)).toBe(opensAt);
  });

  test('reaches a rate of 1, once the one success has expired', () => {
    const breaker = create(failureRateInWindow({ windowMs: 1_000, rate: 1, minAttempts: 3 }));
    expect(play(breaker, 'SFFFFFFFFF', 100)).toBe('stays closed');
    expect(play(breaker, 'F')).toBe(1);
  });

  test('asks for minAttempts within the window, not over all time', () => {
    const breaker = create(failureRateInWindow({ windowMs: 1_000, rate: 0.5, minAttempts: 3 }));
    expect(play(breaker, 'FFFFFFFFFFFF', 500)).toBe('stays closed');
  });

  test('a bucket keeps successes and failures apart', () => {
    const breaker = create(failureRateInWindow({ windowMs: 1_000, rate: 0.5, minAttempts: 5 }));
    expect(play(breaker, 'SFSFSSS')).toBe('stays closed');
    expect(breaker.stats()).toMatchObject({ failures: 2, rate: 2 / 7 });
  });
});

describe('slowCallRate', () => {
  const slow = slowCallRate({ slowMs: 1_000, rate: 0.5, size: 10, minAttempts: 5 });

  test('opens when at least half of the last 10 attempts took 1,000 ms or more, with reason slow', () => {
    const breaker = create(slow);
    const events = listen(breaker);
    for (let i = 0; i < 3; i++) take(breaker, 999);
    for (let i = 0; i < 2; i++) take(breaker, 1_000);
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 2, rate: 0.4 });
    take(breaker, 1_000);
    expect(breaker.state).toBe('open');
    expect(ofType(events, 'stateChange')).toMatchObject([{ to: 'open', reason: 'slow', failures: 3 }]);
  });

  test.each(['success', 'failure'] as const)('a slow %s counts, so does one that is much too slow', (outcome) => {
    const breaker = create(slow);
    for (let i = 0; i < 4; i++) take(breaker, 5_000, outcome);
    expect(breaker.state).toBe('closed');
    take(breaker, 5_000, outcome);
    expect(breaker.state).toBe('open');
  });

  test('quick failures do not open it', () => {
    expect(play(create(slow), 'FFFFFFFFFFFFFFFFFFFF', 10_000)).toBe('stays closed');
  });

  test('reaches a rate of 1', () => {
    const breaker = create(slowCallRate({ slowMs: 10, rate: 1, size: 2, minAttempts: 2 }));
    for (const durationMs of [10, 9, 10]) take(breaker, durationMs);
    expect(breaker.state).toBe('closed');
    take(breaker, 10);
    expect(breaker.state).toBe('open');
  });

  test('takes half of the last 10 with at least 5 unless told otherwise', () => {
    const breaker = create(slowCallRate({ slowMs: 100 }));
    for (let i = 0; i < 10; i++) take(breaker, 99);
    for (let i = 0; i < 4; i++) take(breaker, 100);
    expect(breaker.state).toBe('closed');
    take(breaker, 100);
    expect(breaker.state).toBe('open');
  });
});

describe('anyOf and allOf', () => {
  const inARow = consecutiveFailures(3);
  const inAMinute = failuresInWindow({ failures: 5, windowMs: 60_000 });

  test('anyOf opens with the first that trips', () => {
    expect(play(create(anyOf(inARow, inAMinute)), 'FFF')).toBe(3);
    expect(play(create(anyOf(inARow, inAMinute)), 'FFSFFSF')).toBe(7);
    expect(play(create(anyOf(inAMinute, inARow)), 'FFSFFS')).toBe('stays closed');
  });

  test('allOf opens only when all trip at the same outcome', () => {
    expect(play(create(allOf(inARow, inAMinute)), 'FFF')).toBe('stays closed');
    expect(play(create(allOf(inARow, inAMinute)), 'FFFFF')).toBe(5);
    expect(play(create(allOf(inARow, inAMinute)), 'FFFSFFSFF')).toBe('stays closed');
    expect(play(create(allOf(inARow, inAMinute)), 'FFFSFFSFFF')).toBe(10);
  });

  test('every part sees every outcome, also when an earlier one has decided', () => {
    const seen = vi.fn(() => false);
    const observer: DetectorFactory = () => ({ failures: 0, record: seen, reset: vi.fn() });
    play(create(anyOf(consecutiveFailures(1), observer)), 'F');
    play(create(allOf(consecutiveFailures(9), observer)), 'F');
    expect(seen.mock.calls).toEqual([
      ['failure', 0, 0, undefined],
      ['failure', 0, 0, undefined],
    ]);
  });

  test('of one detector are that detector', () => {
    expect(play(create(anyOf(inARow)), 'FFSFFF')).toBe(6);
    expect(play(create(allOf(inARow)), 'FFSFFF')).toBe(6);
  });

  test('can be nested: 3 in a row, or both half of the last 10 and 4 in a second', () => {
    const detector = anyOf(
      inARow,
      allOf(failureRate({ minAttempts: 4 }), failuresInWindow({ failures: 4, windowMs: 1_000 })),
    );
    expect(play(create(detector), 'FFF')).toBe(3);
    expect(play(create(detector), 'FFSFF')).toBe(5);
    clock = manualClock();
    expect(play(create(detector), 'FFSFFSFF', 600)).toBe('stays closed');
  });

  test('give the reason of the part that tripped, through all levels', () => {
    const detector = anyOf(consecutiveFailures(2), allOf(slowCallRate({ slowMs: 50, size: 2, minAttempts: 2 })));
    const [slow, failing] = [create(detector), create(detector)];
    const events = [listen(slow), listen(failing)];
    take(slow, 50);
    take(slow, 50);
    play(failing, 'FF');
    expect(events.map((list) => ofType(list, 'stateChange').map(({ reason }) => reason))).toEqual([
      ['slow'],
      ['threshold'],
    ]);
  });

  test('report the most failures that a part counts', () => {
    const breaker = create(anyOf(consecutiveFailures(5), inAMinute));
    play(breaker, 'FFSF');
    expect(breaker.stats().failures).toBe(3);
  });

  test('every circuit has parts of its own', () => {
    const detector = anyOf(inARow);
    const [one, other] = [create(detector), create(detector)];
    play(one, 'FF');
    expect(play(other, 'FF')).toBe('stays closed');
    expect(play(one, 'F')).toBe(1);
  });
});

const BUILT_IN: [name: string, detector: DetectorFactory, needed: number][] = [
  ['consecutiveFailures', consecutiveFailures(5), 5],
  ['failuresInWindow', failuresInWindow(), 5],
  ['failureRate', failureRate(), 5],
  ['failureRate with maxAgeMs', failureRate({ maxAgeMs: 60_000 }), 5],
  ['failureRateInWindow', failureRateInWindow(), 5],
  ['anyOf', anyOf(consecutiveFailures(5), failureRate({ size: 20, minAttempts: 20 })), 5],
  ['allOf', allOf(consecutiveFailures(2), failuresInWindow()), 5],
];

describe.each(BUILT_IN)('%s is empty', (_name, detector, needed) => {
  const almost = 'F'.repeat(needed - 1);

  test('after a good probe: one failure does not open the circuit again', () => {
    const breaker = create(detector, { cooldownMs: 0 });
    expect(play(breaker, `${almost}F`)).toBe('stays closed');
    succeed(breaker);
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0 });
    fail(breaker, needed - 1);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('half-open');
  });

  test('after reset', () => {
    const breaker = create(detector);
    play(breaker, almost);
    breaker.reset();
    expect(breaker.stats().failures).toBe(0);
    expect(play(breaker, almost)).toBe('stays closed');
    expect(play(breaker, 'F')).toBe(1);
  });

  test('after trip, with what had been counted before', () => {
    const breaker = create(detector);
    play(breaker, almost);
    breaker.trip({ cooldownMs: 10 });
    expect(breaker.stats().failures).toBe(0);
    clock.advance(10);
    succeed(breaker);
    expect(play(breaker, almost)).toBe('stays closed');
  });
});

describe('a circuit that opened because attempts were slow', () => {
  test.each<[string, DetectorFactory]>([
    ['slowCallRate', slowCallRate({ slowMs: 50 })],
    ['anyOf', anyOf(consecutiveFailures(9), slowCallRate({ slowMs: 50 }))],
    ['allOf, nested', anyOf(allOf(slowCallRate({ slowMs: 50 })), consecutiveFailures(9))],
  ])('is re-opened by a slow probe and closed by a fast one (%s)', (_name, detector) => {
    const breaker = create(detector, { cooldownMs: 10 });
    for (let i = 0; i < 5; i++) take(breaker, 50);
    expect(breaker.state).toBe('open');
    clock.advance(10);
    take(breaker, 50);
    expect(breaker.stats()).toMatchObject({ state: 'open', openings: 2 });
    clock.advance(10);
    take(breaker, 49);
    expect(breaker.state).toBe('closed');
  });

  test('is empty after a good probe', () => {
    const breaker = create(slowCallRate({ slowMs: 50 }), { cooldownMs: 0 });
    for (let i = 0; i < 5; i++) take(breaker, 50);
    take(breaker, 49);
    for (let i = 0; i < 4; i++) take(breaker, 50);
    expect(breaker.state).toBe('closed');
  });

  test('lets 5 of 26 slow calls pass, and one for each cooldown that has passed', () => {
    const breaker = create(slowCallRate({ slowMs: 50 }), { cooldownMs: 1_000 });
    let passed = 0;
    for (let i = 0; i < 26; i++) {
      const answer = tryAcquire(breaker);
      clock.advance(50);
      if (!answer.admitted) continue;
      passed++;
      answer.settle('success');
    }
    expect(passed).toBe(5 + 1);
  });

  test('a slow probe is no failure where slowness trips nothing', () => {
    const breaker = create(consecutiveFailures(1), { cooldownMs: 0 });
    breaker.trip();
    take(breaker, 29_999);
    expect(breaker.state).toBe('closed');
  });

  test('an isSlow that throws is reported and slows nothing', () => {
    const detector = () => ({
      failures: 0,
      record: () => false,
      reset: () => undefined,
      isSlow: () => {
        throw new Error('oops');
      },
    });
    const breaker = create(detector, { cooldownMs: 0 });
    const events = listen(breaker);
    breaker.trip();
    take(breaker, 50);
    expect(breaker.state).toBe('closed');
    expect(ofType(events, 'callbackError')).toMatchObject([{ source: 'breaker.detector' }]);
  });
});

describe('after an idle hour', () => {
  const WINDOWS: [string, DetectorFactory][] = [
    ['failuresInWindow', failuresInWindow()],
    ['failureRateInWindow', failureRateInWindow()],
    ['failureRate with maxAgeMs', failureRate({ maxAgeMs: 60_000 })],
  ];

  test.each(WINDOWS)('%s counts no old failure', (_name, detector) => {
    const breaker = create(detector);
    play(breaker, 'FFFF');
    clock.advance(HOUR_MS);
    expect(play(breaker, 'FFFF')).toBe('stays closed');
    expect(breaker.stats().failures).toBe(4);
    expect(play(breaker, 'F')).toBe(1);
  });

  test.each(WINDOWS)('%s counts no old success', (_name, detector) => {
    const breaker = create(detector);
    play(breaker, 'SSSSSSSSSS');
    clock.advance(HOUR_MS);
    expect(play(breaker, 'FFFFF')).toBe(5);
  });

  test.each(WINDOWS)('stats of %s shows no old failure, also before the next attempt', (_name, detector) => {
    const breaker = create(detector);
    play(breaker, 'FFFF');
    clock.advance(HOUR_MS);
    expect(breaker.stats().failures).toBe(0);
    expect(breaker.stats().rate ?? 0).toBe(0);
  });
});

describe('the configurations of the quick start', () => {
  const threeInARow = consecutiveFailures(3);
  const fiveInAMinute = failuresInWindow({ failures: 5, windowMs: 60_000 });
  const halfOfTen = failureRate({ size: 10, rate: 0.5, minAttempts: 5 });

  test('3 in a row', () => {
    expect(play(create(threeInARow), 'FFSFFSFFF')).toBe(9);
  });

  test('5 in 60 s', () => {
    expect(play(create(fiveInAMinute), 'FSFSFSFSF', 5_000)).toBe(9);
    clock = manualClock();
    expect(play(create(fiveInAMinute), 'FSFSFSFSFSFSFSF', 7_500)).toBe('stays closed');
  });

  test('half of the last 10 with at least 5', () => {
    expect(play(create(halfOfTen), 'SFSF')).toBe('stays closed');
    expect(play(create(halfOfTen), 'SFSFSF')).toBe(6);
  });

  test('both: 5 in 60 s and half of the last 10', () => {
    expect(play(create(allOf(fiveInAMinute, halfOfTen)), 'FSFSFSFSF')).toBe(9);
    expect(play(create(allOf(fiveInAMinute, halfOfTen)), 'SSFSSFSSFSSFSSF')).toBe('stays closed');
  });

  test('either: 3 in a row or half of the last 10', () => {
    expect(play(create(anyOf(threeInARow, halfOfTen)), 'SSSSSSSFFF')).toBe(10);
    expect(play(create(anyOf(threeInARow, halfOfTen)), 'FFSFF')).toBe(5);
  });

  test('as options of attach', async () => {
    const adapter = scripted(200, 503, 503, 200);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const detector = anyOf(threeInARow, failureRate({ size: 4, rate: 0.5, minAttempts: 3 }));
    const { breakers } = attach(api, { retry: false, breaker: { detector } });
    await Promise.allSettled([api.get('/')]);
    await Promise.allSettled([api.get('/')]);
    expect(breakers.get(KEY)?.state).toBe('closed');
    await Promise.allSettled([api.get('/')]);
    expect(breakers.get(KEY)?.state).toBe('open');
  });
});

describe('options that are wrong', () => {
  const MAKERS: Record<string, (given: any) => DetectorFactory> = {
    consecutiveFailures,
    'consecutiveFailures over a time': (given) => consecutiveFailures(3, given),
    failuresInWindow,
    failureRate,
    failureRateInWindow,
    slowCallRate,
    anyOf: (detectors) => anyOf(...detectors),
    allOf: (detectors) => allOf(...detectors),
  };
  const make = (name: string, given: unknown) => () => MAKERS[name]?.(given);

  test.each<[string, unknown, ErrorConstructor, string]>([
    ['consecutiveFailures', 0, RangeError, '`consecutiveFailures(failures)` to be an integer >= 1, got 0'],
    ['consecutiveFailures', 2.5, RangeError, '`consecutiveFailures(failures)` to be an integer >= 1, got 2.5'],
    ['consecutiveFailures', '3', TypeError, '`consecutiveFailures(failures)` to be an integer >= 1, got "3"'],
    [
      'consecutiveFailures over a time',
      { minSpanMs: -1 },
      RangeError,
      '`consecutiveFailures(options).minSpanMs` to be a number of milliseconds >= 0, got -1',
    ],
    [
      'consecutiveFailures over a time',
      { minSpanMs: 600, maxAgeMs: 500 },
      RangeError,
      '`consecutiveFailures(options).maxAgeMs` to be at least `minSpanMs`, got 500',
    ],
    [
      'consecutiveFailures over a time',
      { maxAgeMs: '1m' },
      TypeError,
      '`consecutiveFailures(options).maxAgeMs` to be a number of milliseconds >= 1, got "1m"',
    ],
    [
      'failuresInWindow',
      { failures: 0 },
      RangeError,
      '`failuresInWindow(options).failures` to be an integer >= 1, got 0',
    ],
    [
      'failuresInWindow',
      { failures: 1.5 },
      RangeError,
      '`failuresInWindow(options).failures` to be an integer >= 1, got 1.5',
    ],
    [
      'failuresInWindow',
      { windowMs: 0 },
      RangeError,
      '`failuresInWindow(options).windowMs` to be a number of milliseconds >= 1, got 0',
    ],
    [
      'failuresInWindow',
      { windowMs: Number.POSITIVE_INFINITY },
      RangeError,
      '`failuresInWindow(options).windowMs` to be a number of milliseconds >= 1, got Infinity',
    ],
    [
      'failuresInWindow',
      { windowMs: '1m' },
      TypeError,
      '`failuresInWindow(options).windowMs` to be a number of milliseconds >= 1, got "1m"',
    ],
    ['failuresInWindow', 5, TypeError, '`failuresInWindow(options)` to be an object, got 5'],
    ['failureRate', { rate: 0 }, RangeError, '`failureRate(options).rate` to be a number in (0, 1], got 0'],
    ['failureRate', { rate: 1.01 }, RangeError, '`failureRate(options).rate` to be a number in (0, 1], got 1.01'],
    ['failureRate', { rate: 50 }, RangeError, '`failureRate(options).rate` to be a number in (0, 1], got 50'],
    ['failureRate', { rate: Number.NaN }, RangeError, '`failureRate(options).rate` to be a number in (0, 1], got NaN'],
    ['failureRate', { rate: '50%' }, TypeError, '`failureRate(options).rate` to be a number in (0, 1], got "50%"'],
    ['failureRate', { size: 0 }, RangeError, '`failureRate(options).size` to be an integer from 1 to 1000000, got 0'],
    [
      'slowCallRate',
      { slowMs: 1, size: 2 ** 32 + 5 },
      RangeError,
      '`slowCallRate(options).size` to be an integer from 1 to 1000000, got 4294967301',
    ],
    [
      'failureRate',
      { size: 10, minAttempts: 11 },
      RangeError,
      '`failureRate(options).minAttempts` to be an integer from 1 to 10, got 11',
    ],
    ['failureRate', { minAttempts: 0 }, RangeError, '`failureRate(options).minAttempts` to be an integer >= 1, got 0'],
    [
      'failureRate',
      { maxAgeMs: 0 },
      RangeError,
      '`failureRate(options).maxAgeMs` to be a number of milliseconds >= 1, got 0',
    ],
    [
      'failureRateInWindow',
      { rate: -0.5 },
      RangeError,
      '`failureRateInWindow(options).rate` to be a number in (0, 1], got -0.5',
    ],
    [
      'failureRateInWindow',
      { windowMs: -1 },
      RangeError,
      '`failureRateInWindow(options).windowMs` to be a number of milliseconds >= 1, got -1',
    ],
    [
      'failureRateInWindow',
      { minAttempts: 0 },
      RangeError,
      '`failureRateInWindow(options).minAttempts` to be an integer >= 1, got 0',
    ],
    [
      'slowCallRate',
      {},
      TypeError,
      '`slowCallRate(options).slowMs` to be a number of milliseconds >= 1, got undefined',
    ],
    [
      'slowCallRate',
      { slowMs: 0 },
      RangeError,
      '`slowCallRate(options).slowMs` to be a number of milliseconds >= 1, got 0',
    ],
    [
      'slowCallRate',
      { slowMs: 5, rate: 2 },
      RangeError,
      '`slowCallRate(options).rate` to be a number in (0, 1], got 2',
    ],
    [
      'slowCallRate',
      { slowMs: 5, size: 4, minAttempts: 5 },
      RangeError,
      '`slowCallRate(options).minAttempts` to be an integer from 1 to 4, got 5',
    ],
    ['anyOf', [], RangeError, '`anyOf(...detectors)` to be at least one detector, got []'],
    ['allOf', [], RangeError, '`allOf(...detectors)` to be at least one detector, got []'],
    ['anyOf', [consecutiveFailures(1), 3], TypeError, '`anyOf(...detectors)[1]` to be a function, got 3'],
    [
      'allOf',
      [consecutiveFailures(1)()],
      TypeError,
      '`allOf(...detectors)[0]` to be a function, got an instance of ConsecutiveFailures',
    ],
  ])('%s with %j is refused', (name, given, kind, message) => {
    expect(make(name, given)).toThrow(kind);
    expect(make(name, given)).toThrow(`Expected ${message}`);
  });

  test.each<[string, unknown, string]>([
    ['failuresInWindow', { window: 5 }, 'Unknown option `failuresInWindow(options).window`: did you mean `windowMs`?'],
    [
      'failureRate',
      { minimumCall: 5 },
      'Unknown option `failureRate(options).minimumCall`; the options are `size`, `rate`, `minAttempts`, `maxAgeMs`',
    ],
    [
      'failureRateInWindow',
      { size: 5, rates: 1 },
      'Unknown option `failureRateInWindow(options).size`; the options are `windowMs`, `rate`, `minAttempts`',
    ],
    ['slowCallRate', { slowMS: 5 }, 'Unknown option `slowCallRate(options).slowMS`: did you mean `slowMs`?'],
  ])('%s with %j is refused and a name is offered', (name, given, message) => {
    expect(make(name, given)).toThrow(TypeError);
    expect(make(name, given)).toThrow(message);
  });

  test('those that are undefined count as not given', () => {
    expect(play(create(failuresInWindow({ failures: undefined, windowMs: undefined })), 'FFFFF')).toBe(5);
    expect(play(create(failureRate({ size: undefined, rate: undefined, maxAgeMs: undefined })), 'FFFFF')).toBe(5);
  });
});

describe('a detector of the user', () => {
  /** Trips as soon as the attempts have failed for longer than this, whatever their number. */
  class FailingFor implements FailureDetector {
    failures = 0;
    readonly #limitMs: number;
    #since: number | undefined;

    constructor(limitMs: number) {
      this.#limitMs = limitMs;
    }

    record(outcome: 'success' | 'failure', now: number): boolean {
      if (outcome === 'success') this.reset();
      else {
        this.failures++;
        this.#since ??= now;
      }
      return this.#since !== undefined && now - this.#since >= this.#limitMs;
    }

    reset(): void {
      this.failures = 0;
      this.#since = undefined;
    }
  }

  test('decides, alone or in a combination', () => {
    expect(
      play(
        create(() => new FailingFor(300)),
        'FFSFFFFF',
        100,
      ),
    ).toBe(7);
    expect(play(create(anyOf(consecutiveFailures(3), () => new FailingFor(150))), 'FFF', 100)).toBe(3);
    expect(play(create(allOf(consecutiveFailures(3), () => new FailingFor(300))), 'FFFF', 100)).toBe(4);
  });

  test('is told outcome, end and duration of each attempt', () => {
    const record = vi.fn(() => false);
    const breaker = create(() => ({ failures: 0, record, reset: vi.fn() }));
    clock.advance(1_000);
    take(breaker, 30, 'failure');
    take(breaker, 70);
    expect(record.mock.calls).toEqual([
      ['failure', 1_030, 30, undefined],
      ['success', 1_100, 70, undefined],
    ]);
  });

  test('gives its reason, its failures and its rate', () => {
    const breaker = create(() => ({
      failures: 7,
      rate: 0.75,
      reason: 'slow',
      record: () => true,
      reset: vi.fn(),
    }));
    const events = listen(breaker);
    expect(breaker.stats()).toMatchObject({ failures: 7, rate: 0.75 });
    succeed(breaker);
    expect(ofType(events, 'stateChange')).toMatchObject([{ to: 'open', reason: 'slow', failures: 7 }]);
  });

  test('that never trips never opens the circuit, which can still be opened by hand', () => {
    const breaker = create(() => ({ failures: 0, record: () => false, reset: vi.fn() }));
    const events = listen(breaker);
    fail(breaker, 1_000);
    expect([breaker.state, events]).toEqual(['closed', []]);
    breaker.trip();
    expect(breaker.state).toBe('open');
  });
});

describe('a detector of the user that does not work', () => {
  const error = new Error('detector is broken');
  const explode = (): never => {
    throw error;
  };
  const working: FailureDetector = { failures: 0, record: () => false, reset: () => undefined };

  /** One good and one bad call through axios; says how they ended and what was heard of it. */
  async function call(detector: unknown) {
    const adapter = scripted(200, 503);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const sink = memorySink();
    const { breakers } = attach(api, {
      retry: false,
      breaker: { detector: detector as DetectorFactory },
      sinks: [sink],
    });
    const { data, status } = await api.get('/');
    const [failed] = await Promise.allSettled([api.get('/')]);
    return {
      answered: [data, status],
      failed: failed.status === 'rejected' ? failed.reason.response?.status : 'answered',
      stats: breakers.get(KEY)?.stats(),
      heard: ofType(sink.events, 'callbackError').map((event) => [event.source, event.key, event.error]),
    };
  }

  test('one that throws loses no call; one listenerError for each attempt says so', async () => {
    const { answered, failed, stats, heard } = await call(() => ({ ...working, record: explode }));
    expect([answered, failed]).toEqual([['', 200], 503]);
    expect(stats).toMatchObject({ state: 'closed', inFlight: 0 });
    expect(heard).toEqual([
      ['breaker.detector', KEY, error],
      ['breaker.detector', KEY, error],
    ]);
  });

  test.each([
    ['nothing', undefined, 'undefined'],
    ['a number', 1, '1'],
    ['a string', 'open', '"open"'],
    ['a promise', Promise.resolve(true), 'a promise'],
  ])('one whose record yields %s loses no call and does not trip', async (_what, answer, shown) => {
    const { answered, failed, stats, heard } = await call(() => ({ ...working, record: () => answer }));
    expect([answered, failed, stats?.state]).toEqual([['', 200], 503, 'closed']);
    const complaint = new TypeError(`Expected \`detector.record(…)\` to be a boolean, got ${shown}`);
    expect(heard).toEqual([
      ['breaker.detector', KEY, complaint],
      ['breaker.detector', KEY, complaint],
    ]);
  });

  test.each([
    ['anyOf', anyOf],
    ['allOf', allOf],
  ])('a part of %s whose record yields a promise or a string does not trip either', async (_name, combine) => {
    for (const answer of [Promise.resolve(false), 'open']) {
      const { answered, failed, stats, heard } = await call(
        combine(() => ({ ...working, record: () => answer as never })),
      );
      expect([answered, failed, stats?.state]).toEqual([['', 200], 503, 'closed']);
      expect(heard.map(([source]) => source)).toEqual(['breaker.detector', 'breaker.detector']);
    }
  });

  test('a promise of record that rejects is not left unhandled', async () => {
    const others = process.rawListeners('unhandledRejection') as (() => void)[];
    process.removeAllListeners('unhandledRejection');
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const breaker = create(() => ({ ...working, record: (async () => explode()) as never }));
      fail(breaker);
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const other of others) process.on('unhandledRejection', other);
    }
  });

  test('one whose reason throws opens the circuit all the same and loses no call', async () => {
    const { answered, stats, heard } = await call(() => ({
      ...working,
      record: () => true,
      get reason() {
        return explode();
      },
    }));
    expect(answered).toEqual(['', 200]);
    expect(stats).toMatchObject({ state: 'open', inFlight: 0 });
    expect(heard).toEqual([['breaker.detector', KEY, error]]);
  });

  test('one whose failures throw opens the circuit all the same, with 0 failures', async () => {
    const breaker = create(() => ({
      record: () => true,
      reset: () => undefined,
      get failures() {
        return explode();
      },
    }));
    const events = listen(breaker);
    fail(breaker);
    expect(breaker.stats()).toMatchObject({ state: 'open', failures: 0 });
    expect(ofType(events, 'stateChange')).toMatchObject([{ to: 'open', failures: 0 }]);
    expect(ofType(events, 'callbackError')[0]).toMatchObject({ key: KEY, source: 'breaker.detector', error });
  });

  test('one whose rate throws fails neither stats nor a call', async () => {
    const breaker = create(() => ({
      ...working,
      get rate() {
        return explode();
      },
    }));
    const events = listen(breaker);
    expect(breaker.stats()).toMatchObject({ state: 'closed', rate: undefined });
    expect(ofType(events, 'callbackError')).toMatchObject([{ key: KEY, source: 'breaker.detector', error }]);
  });

  test.each<[string, object, unknown, string]>([
    ['failures', { failures: Number.NaN }, 0, 'Expected `detector.failures` to be an integer >= 0, got NaN'],
    ['failures', { failures: 'many' }, 0, 'Expected `detector.failures` to be an integer >= 0, got "many"'],
    ['rate', { rate: 5 }, undefined, 'Expected `detector.rate` to be a number from 0 to 1, got 5'],
    ['rate', { rate: 'half' }, undefined, 'Expected `detector.rate` to be a number from 0 to 1, got "half"'],
  ])('one whose %s is nonsense shows none in stats, and says so', (name, fields, shown, message) => {
    const breaker = create(() => ({ failures: 0, record: () => false, reset: () => undefined, ...fields }));
    const events = listen(breaker);
    expect(breaker.stats()[name as 'failures' | 'rate']).toBe(shown);
    expect(ofType(events, 'callbackError').map(({ error }) => (error as Error).message)).toEqual([message]);
  });

  test('one whose reason is nonsense opens the circuit with reason threshold, and says so', () => {
    const reason = 'banana' as never;
    const breaker = create(() => ({ failures: 1, record: () => true, reset: () => undefined, reason }));
    const events = listen(breaker);
    fail(breaker);
    expect(transitions(events)).toEqual(['closed -> open (threshold)']);
    const message = 'Expected `detector.reason` to be "threshold" or "slow", got "banana"';
    expect(ofType(events, 'callbackError').map(({ error }) => (error as Error).message)).toEqual([message]);
  });

  test('one whose reset throws keeps the circuit from no transition', () => {
    const breaker = create(() => ({ ...working, record: () => true, reset: explode }), { cooldownMs: 0 });
    const events = listen(breaker);
    fail(breaker);
    succeed(breaker);
    expect(breaker.state).toBe('closed');
    expect(ofType(events, 'stateChange')).toHaveLength(3);
    expect(ofType(events, 'callbackError').map((event) => [event.source, event.error])).toEqual([
      ['breaker.detector', error],
      ['breaker.detector', error],
      ['breaker.detector', error],
    ]);
  });

  test.each<[string, unknown, string]>([
    ['yields nothing', () => undefined, 'undefined'],
    ['yields null', () => null, 'null'],
    ['yields a number', () => 5, '5'],
    ['yields an object without record', () => ({ failures: 0, reset: () => undefined }), 'an object'],
    ['yields an object without reset', () => ({ failures: 0, record: () => false }), 'an object'],
    ['is async', async () => working, 'a promise'],
  ])('a factory that %s is refused before any call', (_what, factory, shown) => {
    const detector = factory as DetectorFactory;
    const expected = `\` to be a FailureDetector with record(…) and reset(), got ${shown}`;
    expect(() => create(detector)).toThrow(new TypeError(`Expected \`detector()${expected}`));
    expect(() => new BreakerRegistry({ ...CLASSIC, detector })).toThrow(
      new TypeError(`Expected \`detector()${expected}`),
    );
    expect(() => attach(axios.create(), { breaker: { detector } })).toThrow(TypeError);
    const overriding = new BreakerRegistry({ ...CLASSIC, perKey: () => ({ detector }) });
    expect(() => overriding.ensure(KEY)).toThrow(new TypeError(`Expected \`perKey("${KEY}").detector()${expected}`));
    expect(overriding.size).toBe(0);
  });

  test('a factory that throws is refused before any call', () => {
    expect(() => create(explode)).toThrow(error);
    expect(() => attach(axios.create(), { breaker: { detector: explode } })).toThrow(error);
  });

  test.each<[string, unknown]>([
    ['yields null', () => null],
    ['yields an object without record', () => ({ failures: 0, reset: () => undefined })],
    ['yields another factory', () => consecutiveFailures(1)],
    ['throws', explode],
  ])('a factory within anyOf or allOf, however deep, that %s is refused before any call', (_what, factory) => {
    const detector = factory as DetectorFactory;
    expect(() => create(anyOf(consecutiveFailures(1), detector))).toThrow();
    expect(() => create(allOf(anyOf(detector)))).toThrow();
  });

  test.each<[string, unknown]>([
    ['throws', explode],
    ['yields nothing', () => undefined],
    ['is async', async () => working],
  ])(
    'a factory that first works and then %s loses no call: an event says so, the default decides',
    async (_what, later) => {
      let made = 0;
      const { answered, failed, stats, heard } = await call(() =>
        ++made === 1 ? consecutiveFailures(1)() : (later as DetectorFactory)(),
      );
      expect([answered, failed]).toEqual([['', 200], 503]);
      expect(stats).toMatchObject({ state: 'closed', failures: 1, inFlight: 0 });
      expect(heard).toEqual([['breaker.detector', KEY, expect.any(Error)]]);
    },
  );
});

describe('a combination', () => {
  test('lets its parts go of what is too old: after an idle hour no failure is counted', () => {
    const breaker = create(anyOf(failuresInWindow({ failures: 5, windowMs: 60_000 }), consecutiveFailures(9)));
    fail(breaker, 2);
    succeed(breaker);
    expect(breaker.stats().failures).toBe(2);
    clock.advance(HOUR_MS);
    expect(breaker.stats().failures).toBe(0);
  });

  test('reports the error that a part threw, itself', () => {
    const error = new Error('out of order');
    const broken: DetectorFactory = () => ({
      failures: 0,
      record: () => {
        throw error;
      },
      reset: () => undefined,
    });
    const breaker = create(anyOf(broken, consecutiveFailures(3)));
    const events = listen(breaker);
    fail(breaker);
    expect(ofType(events, 'callbackError').map((event) => event.error)).toEqual([error]);
  });

  test('is saved and restored also where a part of it cannot be', () => {
    const load = vi.fn();
    const forgetful: DetectorFactory = () => ({ failures: 0, record: () => false, reset: () => undefined, load });
    const detector = anyOf(forgetful, consecutiveFailures(3));
    const [before, after] = [create(detector), create(detector)];
    fail(before, 2);
    after.restore({ ...before.snapshot(), detector: JSON.parse(JSON.stringify(before.snapshot().detector)) });
    expect(play(after, 'F')).toBe(1);
    expect(load).not.toHaveBeenCalled();
    const events = listen(after);
    after.restore({ ...before.snapshot(), detector: [1, 2] });
    expect(events.filter(({ type }) => type === 'callbackError')).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['an object', {}],
    ['a list of nothing', [null, null]],
  ])('starts empty, without complaint, from a snapshot whose detector is %s', (_what, saved) => {
    const breaker = create(anyOf(consecutiveFailures(2), failuresInWindow({ failures: 2 })));
    const events = listen(breaker);
    fail(breaker);
    breaker.restore({ ...breaker.snapshot(), detector: saved });
    expect(events).toEqual([]);
    expect(breaker.stats().failures).toBe(0);
  });

  test('names the part that is no detector', () => {
    const nothing = (() => undefined) as unknown as DetectorFactory;
    expect(() => create(anyOf(consecutiveFailures(1), nothing))).toThrow('`anyOf(...detectors)[1]()`');
    expect(() => create(allOf(nothing))).toThrow('`allOf(...detectors)[0]()`');
  });
});

describe('the clock of a closed circuit', () => {
  const ofOwn = (flags: Pick<FailureDetector, 'isTimeless' | 'ignoresDuration'>): DetectorFactory =>
    anyOf(() => ({ failures: 0, record: () => false, reset: () => undefined, ...flags }));

  test.each<[string, DetectorFactory, number]>([
    ['consecutiveFailures', consecutiveFailures(5), 0],
    ['failureRate', failureRate(), 0],
    ['failureRate with maxAgeMs', failureRate({ maxAgeMs: 60_000 }), 1],
    ['failuresInWindow', failuresInWindow(), 1],
    ['failureRateInWindow', failureRateInWindow(), 1],
    ['slowCallRate', slowCallRate({ slowMs: 1_000 }), 2],
    ['anyOf of two that look at no time', anyOf(consecutiveFailures(5), failureRate()), 0],
    ['allOf of one that looks at the time', allOf(failuresInWindow(), failureRate()), 1],
    ['anyOf of one that looks at the duration', anyOf(failureRate(), slowCallRate({ slowMs: 1_000 })), 2],
    [
      'anyOf of one that is timeless and one that ignores durations',
      anyOf(ofOwn({ isTimeless: true }), ofOwn({ ignoresDuration: true })),
      1,
    ],
    ['a detector of the user that says nothing', ofOwn({}), 2],
    [
      'a detector of the user that cannot say it',
      () => ({
        failures: 0,
        record: () => false,
        reset: () => undefined,
        get isTimeless(): boolean {
          throw new Error('cannot say');
        },
        get ignoresDuration(): boolean {
          throw new Error('cannot say');
        },
      }),
      2,
    ],
    ['a detector of the user that ignores durations', ofOwn({ ignoresDuration: true }), 1],
    ['a detector of the user that is timeless', ofOwn({ isTimeless: true }), 0],
  ])('with %s is read as often as it must be for a success', (_what, detector, reads) => {
    const now = vi.fn(clock.now);
    const breaker = create(detector, { clock: { now } });
    now.mockClear();
    succeed(breaker);
    expect(now).toHaveBeenCalledTimes(reads);
  });

  test('is read when a success trips: the circuit stays open for its whole cooldown', () => {
    clock.advance(HOUR_MS);
    const breaker = create(failureRate({ size: 5, rate: 0.5, minAttempts: 5 }), { cooldownMs: 10_000 });
    expect(play(breaker, 'FFFFS')).toBe(5);
    expect(ask(breaker)).toBe(10_000);
  });
});

describe('a detector that is built on one of ours', () => {
  const wrapped = (): { detector: () => FailureDetector; heard: string[] } => {
    const heard: string[] = [];
    const detector = () => {
      const own = consecutiveFailures(5)();
      const record = own.record.bind(own);
      return Object.assign(own, {
        record: (...given: Parameters<FailureDetector['record']>) => {
          heard.push(given[0]);
          return record(...given);
        },
      });
    };
    return { detector, heard };
  };

  test('is told every success', async () => {
    const { detector, heard } = wrapped();
    const breaker = new CircuitBreaker('GET https://api.example.com', { detector });
    heard.length = 0;
    await breaker.execute(() => 1);
    await breaker.execute(() => 2);
    expect(heard).toEqual(['success', 'success']);
    expect(breaker.stats().counts.success).toBe(2);
  });
});
