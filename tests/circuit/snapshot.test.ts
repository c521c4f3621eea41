import { beforeEach, describe, expect, test } from 'vitest';
import type { CircuitSnapshot } from '../../src/circuit/contract.js';
import type { DetectorFactory } from '../../src/circuit/detectors/detectors.js';
import type { BreakerRegistryOptions } from '../../src/circuit/options.js';
import {
  allOf,
  anyOf,
  BreakerRegistry,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  exponential,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  type RegistrySnapshot,
  slowCallRate,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { tryAcquire } from '../support/permits.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType, succeed, transitions } from './support.js';

const KEY = 'GET https://api.example.com';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const create = (options: CircuitBreakerOptions = {}) => new CircuitBreaker(KEY, { ...CLASSIC, clock, ...options });

/** Plays outcomes, `F` for a failure, `S` for a success. */
function play(breaker: CircuitBreaker, outcomes: string): void {
  for (const outcome of outcomes) acquire(breaker).settle(outcome === 'F' ? 'failure' : 'success');
}

/** How many failures in succession open the circuit; at most 20 are tried. */
function failuresToOpen(breaker: CircuitBreaker): number {
  for (let failures = 1; failures <= 20; failures++) {
    fail(breaker);
    if (breaker.state === 'open') return failures;
  }
  return Number.POSITIVE_INFINITY;
}

/** The snapshot of a circuit that is open for another 5 s. */
function openSnapshot(): CircuitSnapshot {
  const breaker = new CircuitBreaker(KEY, { ...CLASSIC, clock: manualClock() });
  breaker.trip({ cooldownMs: 5_000 });
  return breaker.snapshot();
}

const throughJson = <T>(snapshot: T): T => JSON.parse(JSON.stringify(snapshot)) as T;

/** Restores the circuit in another process, whose clock starts elsewhere. */
function move(breaker: CircuitBreaker, options: CircuitBreakerOptions = {}): CircuitBreaker {
  const other = create({ clock: manualClock(987_654.25), ...options });
  other.restore(throughJson(breaker.snapshot()));
  return other;
}

describe('the snapshot of a breaker', () => {
  test('of a closed circuit has what its detector counted', () => {
    const breaker = create();
    fail(breaker, 3);
    expect(throughJson(breaker.snapshot())).toMatchObject({
      version: 1,
      key: KEY,
      state: 'closed',
      remainingCooldownMs: 0,
      openings: 0,
      detector: { failures: 3, agesMs: [0, 0] },
    });
  });

  test('of an open circuit has what is left of the cooldown, whatever the clock says', () => {
    for (const startMs of [0, 1_000_000]) {
      clock = manualClock(startMs);
      const breaker = create();
      fail(breaker, 5);
      clock.advance(4_000);
      expect(breaker.snapshot()).toMatchObject({ state: 'open', remainingCooldownMs: 6_000, openings: 1 });
    }
  });

  test('of a half-open circuit is that of an open one whose cooldown is over', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(10_000);
    acquire(breaker);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', remainingCooldownMs: 0, openings: 1 });
  });

  test('of an isolated circuit is that of what lies below', () => {
    const breaker = create();
    fail(breaker, 2);
    breaker.isolate();
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', detector: { failures: 2, agesMs: [0, 0] } });
  });

  test('is the same after JSON, and taking it changes nothing', () => {
    const breaker = create({
      detector: anyOf(consecutiveFailures(9), failureRate(), failuresInWindow({ failures: 9 })),
    });
    play(breaker, 'SSSSSF');
    clock.advance(1_234);
    const before = breaker.stats();
    const snapshot = breaker.snapshot();
    expect(throughJson(snapshot)).toEqual(snapshot);
    expect(breaker.stats()).toEqual(before);
    expect(breaker.snapshot()).toEqual(snapshot);
  });
});

describe('restore', () => {
  test('of a closed circuit goes on counting', () => {
    const breaker = create();
    fail(breaker, 4);
    const other = move(breaker);
    expect(other.stats()).toMatchObject({ state: 'closed', failures: 4 });
    fail(other);
    expect(other.state).toBe('open');
  });

  test('of an open circuit rejects for what was left, by its own clock', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(4_000);
    const other = new BreakerRegistry({ ...CLASSIC, clock: manualClock(50) }).ensure(KEY);
    other.restore(throughJson(breaker.snapshot()));
    expect(tryAcquire(other, 50)).toEqual({ admitted: false, retryAfterMs: 6_000 });
    expect(tryAcquire(other, 6_049).admitted).toBe(false);
    expect(tryAcquire(other, 6_050).admitted).toBe(true);
  });

  test('of a half-open circuit comes back as open and is probed at the next attempt', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(10_000);
    acquire(breaker);
    const target = create();
    const events = listen(target);
    target.restore(throughJson(breaker.snapshot()));
    expect(transitions(events)).toEqual(['closed -> open (restored)']);
    succeed(target);
    expect(transitions(events)).toEqual([
      'closed -> open (restored)',
      'open -> half-open (cooldown-elapsed)',
      'half-open -> closed (probe-succeeded)',
    ]);
  });

  test('emits one change with reason restored and the cooldown that is left, and none where the state is the same', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(4_000);
    const target = create();
    const events = listen(target);
    target.restore(breaker.snapshot());
    expect(events).toMatchObject([
      { type: 'stateChange', from: 'closed', to: 'open', reason: 'restored', cooldownMs: 6_000 },
    ]);
    target.restore(breaker.snapshot());
    expect(events).toHaveLength(1);
    target.restore(create().snapshot());
    expect(transitions(events).at(-1)).toBe('open -> closed (restored)');
  });

  test('is over when listeners hear of it: a snapshot they take is the one that was restored', () => {
    const closed = create();
    fail(closed, 3);
    const open = create();
    open.trip({ cooldownMs: 8_000 });
    clock.advance(3_000);
    for (const saved of [closed.snapshot(), open.snapshot()]) {
      const breaker = create();
      if (saved.state === 'closed') breaker.trip();
      const taken: CircuitSnapshot[] = [];
      breaker.on('stateChange', () => taken.push(breaker.snapshot()));
      breaker.restore(saved);
      expect(taken).toEqual([saved]);
    }
  });

  test('does not undo what a listener of it does', () => {
    const breaker = create();
    breaker.on('stateChange', ({ to }) => {
      if (to === 'open') breaker.reset();
    });
    breaker.restore(openSnapshot());
    expect(breaker.stats()).toMatchObject({ state: 'closed', openings: 0 });
  });

  test('makes what was under way late and replaces what was counted', () => {
    const target = create();
    const slow = acquire(target);
    fail(target, 4);
    target.restore(create().snapshot());
    slow.settle('failure');
    expect(target.stats()).toMatchObject({ state: 'closed', failures: 0, counts: { late: 1 } });
  });

  test('leaves an isolation in place', () => {
    const target = create();
    const isolation = target.isolate();
    target.restore(create().snapshot());
    expect(target.state).toBe('open');
    isolation.release();
    expect(target.state).toBe('closed');
  });

  test('the growth of the cooldown goes on after an open circuit was restored', () => {
    const cooldownMs = exponential({ baseMs: 1_000 });
    const breaker = create({ cooldownMs });
    for (const waitMs of [1_000, 2_000, 3_999]) {
      fail(breaker, breaker.state === 'closed' ? 5 : 1);
      clock.advance(waitMs);
    }
    const other = create({ cooldownMs });
    other.restore(throughJson(breaker.snapshot()));
    expect(other.stats()).toMatchObject({ openings: 3, remainingCooldownMs: 1 });
    clock.advance(1);
    fail(other);
    expect(ask(other)).toBe(8_000);
  });

  test.each([
    [9, 8_000],
    [10, 1_000],
  ])('flapping is remembered: after %d successes and a restore it opens for %d ms', (served, expected) => {
    const cooldownMs = exponential({ baseMs: 1_000 });
    const breaker = create({ cooldownMs });
    for (const waitMs of [1_000, 2_000, 4_000]) {
      fail(breaker, breaker.state === 'closed' ? 5 : 1);
      clock.advance(waitMs);
    }
    succeed(breaker);
    for (let call = 0; call < served; call++) succeed(breaker);
    const other = create({ cooldownMs });
    other.restore(throughJson(breaker.snapshot()));
    fail(other, 5);
    expect(ask(other)).toBe(expected);
  });

  test('an open circuit that was restored grows on when it flaps within the cooldown it had', () => {
    const cooldownMs = exponential({ baseMs: 1_000 });
    const breaker = create({ cooldownMs });
    fail(breaker, 5);
    clock.advance(999);
    const other = create({ cooldownMs });
    other.restore(throughJson(breaker.snapshot()));
    clock.advance(1);
    succeed(other);
    clock.advance(500);
    fail(other, 5);
    expect(ask(other)).toBe(2_000);
  });
});

describe('what a detector has counted survives', () => {
  const DETECTORS: [string, DetectorFactory, string][] = [
    ['consecutiveFailures', consecutiveFailures(4), 'SFFF'],
    ['failuresInWindow', failuresInWindow({ failures: 4 }), 'FSFSF'],
    ['failureRate', failureRate({ size: 8, minAttempts: 8 }), 'SSSSFFF'],
    ['failureRate whose ring is full', failureRate({ size: 4, minAttempts: 4, rate: 0.75 }), 'SSSSSFF'],
    ['failureRate with maxAgeMs', failureRate({ size: 8, minAttempts: 8, maxAgeMs: 60_000 }), 'SSSSFFF'],
    ['failureRateInWindow', failureRateInWindow({ minAttempts: 8 }), 'SSSSFFF'],
    ['anyOf', anyOf(consecutiveFailures(9), failureRate({ size: 8, minAttempts: 8 })), 'SSSSFFF'],
    ['allOf', allOf(consecutiveFailures(2), failuresInWindow({ failures: 5 })), 'FFSFF'],
    ['a nested anyOf', anyOf(consecutiveFailures(9), allOf(anyOf(failuresInWindow({ failures: 4 })))), 'FSFSF'],
  ];

  test.each(DETECTORS)(
    '%s: the next failure opens the restored circuit as it would have opened the saved one',
    (_name, detector, outcomes) => {
      const breaker = create({ detector });
      play(breaker, outcomes);
      const other = move(breaker, { detector });
      expect(other.stats()).toMatchObject({ state: 'closed', failures: breaker.stats().failures });
      expect(other.stats().rate).toBe(breaker.stats().rate);
      fail(breaker);
      fail(other);
      expect([breaker.state, other.state]).toEqual(['open', 'open']);
    },
  );

  test.each(DETECTORS)('%s: a second snapshot, of the restored circuit, is the same', (_name, detector, outcomes) => {
    const breaker = create({ detector });
    play(breaker, outcomes);
    const other = create({ detector });
    other.restore(throughJson(breaker.snapshot()));
    expect(other.snapshot()).toEqual(breaker.snapshot());
  });

  test('slowCallRate', () => {
    const detector = slowCallRate({ slowMs: 50, size: 4, minAttempts: 4 });
    const breaker = create({ detector });
    for (const durationMs of [50, 10, 10]) {
      const permit = acquire(breaker);
      clock.advance(durationMs);
      permit.settle('success');
    }
    const other = create({ detector });
    other.restore(throughJson(breaker.snapshot()));
    expect(other.stats()).toMatchObject({ failures: 1, rate: 1 / 3 });
    const permit = acquire(other);
    clock.advance(50);
    permit.settle('success');
    expect(other.state).toBe('open');
  });

  const WINDOWS: [string, DetectorFactory][] = [
    ['failuresInWindow', failuresInWindow({ failures: 3, windowMs: 60_000 })],
    ['failureRateInWindow', failureRateInWindow({ windowMs: 60_000, rate: 1, minAttempts: 3 })],
    ['failureRate with maxAgeMs', failureRate({ rate: 1, minAttempts: 3, maxAgeMs: 60_000 })],
  ];
  const ORIGINS = [0, 1, 2_999.5, 3_000, 5_999, 6_000, 123_456.789, 2 ** 40 + 0.25];

  describe.each(WINDOWS)('%s', (_name, detector) => {
    test.each(ORIGINS)('with its age, into a clock that says %d', (originMs) => {
      const breaker = create({ detector });
      clock.advance(500);
      fail(breaker, 2);
      clock.advance(56_000);
      const snapshot = throughJson(breaker.snapshot());

      const otherClock = manualClock(originMs);
      const other = create({ detector, clock: otherClock });
      other.restore(snapshot);
      expect(other.stats().failures).toBe(2);
      fail(other);
      expect(other.state).toBe('open');

      const aged = create({ detector, clock: otherClock });
      aged.restore(snapshot);
      otherClock.advance(10_000);
      fail(aged);
      expect(aged.stats()).toMatchObject({ state: 'closed', failures: 1 });
    });

    test('unless it had expired before it was saved', () => {
      const breaker = create({ detector });
      fail(breaker, 2);
      clock.advance(60_000);
      const other = move(breaker, { detector });
      expect(other.stats().failures).toBe(0);
    });
  });

  test('what a smaller window has room for: the latest', () => {
    const breaker = create({ detector: failureRate({ size: 10, minAttempts: 10 }) });
    play(breaker, 'FFFFSSSSF');
    const other = move(breaker, { detector: failureRate({ size: 3, minAttempts: 3, rate: 1 }) });
    expect(other.stats()).toMatchObject({ failures: 1, rate: 1 / 3 });
  });

  test('of a detector of the user that saves and loads, with times as ages; one that does not starts empty', () => {
    const saving: DetectorFactory = () => {
      const failedAt: number[] = [];
      return {
        get failures() {
          return failedAt.length;
        },
        record: (outcome, now) => outcome === 'failure' && failedAt.push(now) >= 3,
        reset: () => void failedAt.splice(0),
        save: (now) => failedAt.map((at) => now - at),
        load: (ages: number[], now: number) => void failedAt.push(...ages.map((ageMs) => now - ageMs)),
      };
    };
    const breaker = create({ detector: saving });
    fail(breaker, 2);
    clock.advance(30);
    expect(breaker.snapshot().detector).toEqual([30, 30]);
    const other = move(breaker, { detector: saving });
    fail(other);
    expect(other.state).toBe('open');

    const forgetting = move(breaker, {
      detector: () => ({ failures: 0, record: () => false, reset: () => undefined }),
    });
    expect(forgetting.stats()).toMatchObject({ state: 'closed', failures: 0 });
    const events = listen(forgetting);
    expect(forgetting.snapshot().detector).toBeUndefined();
    expect(events).toEqual([]);
  });
});

describe('a snapshot that does not fit', () => {
  const valid = openSnapshot();

  test.each<[string, unknown]>([
    ['of version 2', { ...valid, version: 2 }],
    ['without a version', { ...valid, version: undefined }],
    ['of state half-open', { ...valid, state: 'half-open' }],
    ['with a negative cooldown', { ...valid, remainingCooldownMs: -1 }],
    ['with a cooldown that is no number', { ...valid, remainingCooldownMs: '5000' }],
    ['with a cooldown without an end', { ...valid, remainingCooldownMs: Number.POSITIVE_INFINITY }],
    ['without openings', { ...valid, openings: undefined }],
    ['that is null', null],
    ['that is missing', undefined],
    ['that is a string', JSON.stringify(valid)],
  ])('%s is ignored with one listenerError of source restore', (_what, snapshot) => {
    const breaker = create();
    fail(breaker, 3);
    const events = listen(breaker);
    breaker.restore(snapshot as CircuitSnapshot);
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 3, openings: 0 });
    expect(events).toEqual([
      expect.objectContaining({ type: 'callbackError', key: KEY, source: 'restore', error: expect.any(RangeError) }),
    ]);
  });

  test('says what was expected', () => {
    const breaker = create();
    const events = listen(breaker);
    breaker.restore('nonsense' as never);
    expect(ofType(events, 'callbackError')[0]?.error).toEqual(
      new RangeError('Expected `snapshot` to be a snapshot of version 1, got "nonsense"'),
    );
  });

  const CHANGED: [string, DetectorFactory, string, DetectorFactory][] = [
    ['failureRate to consecutiveFailures', failureRate(), 'FSF', consecutiveFailures(5)],
    ['anyOf to consecutiveFailures', anyOf(consecutiveFailures(9)), 'FF', consecutiveFailures(5)],
    ['consecutiveFailures to failureRate', consecutiveFailures(9), 'FF', failureRate({ rate: 1 })],
    ['consecutiveFailures to failuresInWindow', consecutiveFailures(9), 'FF', failuresInWindow()],
    ['consecutiveFailures to anyOf', consecutiveFailures(9), 'FF', anyOf(consecutiveFailures(5))],
    [
      'anyOf(a, b) to anyOf(b, a)',
      anyOf(failureRate(), consecutiveFailures(9)),
      'FF',
      anyOf(consecutiveFailures(5), failuresInWindow()),
    ],
    ['failuresInWindow to failureRate', failuresInWindow(), 'SFSF', failureRate({ rate: 1 })],
    ['anyOf to failuresInWindow', anyOf(anyOf(failureRate())), 'FF', failuresInWindow()],
  ];

  test.each(CHANGED)(
    'a deploy that changes the detector from %s leaves one that still opens',
    (_change, before, outcomes, after) => {
      const breaker = create({ detector: before });
      play(breaker, outcomes);
      const other = move(breaker, { detector: after });
      const needed = failuresToOpen(other);
      expect(needed).toBeGreaterThanOrEqual(3);
      expect(needed).toBeLessThanOrEqual(5);
    },
  );

  test.each<[string, unknown]>([
    ['a string', 'many'],
    ['an object', {}],
    ['a list of nonsense', [1, null, 'x']],
    ['a negative number', -5],
  ])('contents of a detector that are %s leave one that still opens after 5 failures', (_what, contents) => {
    for (const detector of [
      consecutiveFailures(5),
      failureRate({ rate: 1 }),
      failuresInWindow(),
      anyOf(failuresInWindow()),
    ]) {
      const breaker = create({ detector });
      breaker.restore({ ...valid, state: 'closed', remainingCooldownMs: 0, detector: contents });
      expect(failuresToOpen(breaker)).toBe(5);
    }
  });

  test.each<[string, unknown]>([
    ['fewer than no failures', { failures: -1, agesMs: [0] }],
    ['half a failure', { failures: 1.5, agesMs: [0] }],
    ['no number', { failures: '1', agesMs: [0] }],
    ['no ages', { failures: 1 }],
    ['ages that are none', { failures: 1, agesMs: 'soon' }],
    ['a failure of the future', { failures: 2, agesMs: [-1, 0] }],
    ['an endless age among others', { failures: 2, agesMs: [0, null] }],
  ])('failures in a row with %s are not taken over', (_what, contents) => {
    const breaker = create({ detector: consecutiveFailures(5) });
    breaker.restore({ ...valid, state: 'closed', remainingCooldownMs: 0, detector: contents });
    expect(breaker.stats().failures).toBe(0);
    expect(failuresToOpen(breaker)).toBe(5);
  });

  test.each<[string, unknown]>([
    ['more failures than outcomes', [[0, 2, 1]]],
    ['fewer than none', [[0, -1, 1]]],
    ['no outcome at all', [[0, 0, 0]]],
    ['half a failure', [[0, 0.5, 1]]],
    ['outcomes of the future', [[-1, 1, 1]]],
    ['no age', [[null, 1, 1]]],
    ['a number less', [[0, 1]]],
    ['a number more', [[0, 1, 1, 1]]],
    ['texts', [['0', '1', '1']]],
    ['something else among them', [[0, 1, 1], {}]],
  ])('windows that hold %s are not taken over, not even in part', (_what, contents) => {
    for (const detector of [failureRate(), failuresInWindow()]) {
      const breaker = create({ detector });
      breaker.restore({ ...valid, state: 'closed', remainingCooldownMs: 0, detector: contents });
      expect(breaker.stats().failures).toBe(0);
      fail(breaker);
      expect(breaker.stats().failures).toBe(1);
    }
  });

  test('what a window of time has counted together is nothing for a window of single outcomes', () => {
    const [ring, span] = [failureRate(), failuresInWindow({ failures: 9 })].map((detector) => create({ detector }));
    for (const breaker of [ring!, span!]) {
      breaker.restore({
        ...valid,
        state: 'closed',
        remainingCooldownMs: 0,
        detector: [
          [0, 1, 1],
          [0, 3, 4],
        ],
      });
    }
    expect([ring!.stats().failures, span!.stats().failures]).toEqual([0, 4]);
  });

  test('a detector of the user that throws while it saves or loads costs its contents only', () => {
    const error = new Error('no');
    const detector: DetectorFactory = () => ({
      failures: 0,
      record: () => false,
      reset: () => undefined,
      save: () => {
        throw error;
      },
      load: () => {
        throw error;
      },
    });
    const breaker = create({ detector });
    const events = listen(breaker);
    breaker.trip({ cooldownMs: 3_000 });
    const snapshot = breaker.snapshot();
    expect(snapshot).toMatchObject({ state: 'open', remainingCooldownMs: 3_000 });
    breaker.restore({ ...snapshot, detector: 'contents' });
    expect(ask(breaker)).toBe(3_000);
    expect(ofType(events, 'callbackError').map((event) => [event.source, event.error])).toEqual([
      ['breaker.detector', error],
      ['breaker.detector', error],
    ]);
  });
});

describe('the snapshot of a registry', () => {
  const fill = (options: BreakerRegistryOptions = {}) => {
    const registry = new BreakerRegistry({ ...CLASSIC, clock, ...options });
    fail(registry.ensure('closed'), 3);
    fail(registry.ensure('open'), 5);
    registry.ensure('half-open').trip({ cooldownMs: 0 });
    clock.advance(4_000);
    return registry;
  };

  /** Key, state, failures and what is left of the cooldown of each circuit. */
  const contents = (registry: BreakerRegistry) =>
    Array.from(registry, (breaker) => {
      const { state, failures, remainingCooldownMs } = breaker.stats();
      return `${breaker.key}: ${state}, ${failures} failures, ${remainingCooldownMs} ms`;
    });

  test('has all circuits, the least recently used first, and survives JSON', () => {
    const registry = fill();
    registry.ensure('closed');
    const snapshot = registry.snapshot();
    expect(snapshot).toMatchObject({
      version: 1,
      breakers: [
        { key: 'open', state: 'open', remainingCooldownMs: 6_000 },
        { key: 'half-open', state: 'open', remainingCooldownMs: 0 },
        { key: 'closed', state: 'closed', detector: { failures: 3, agesMs: [4_000, 4_000] } },
      ],
    });
    expect(throughJson(snapshot)).toEqual(snapshot);
  });

  test('is taken over by an empty registry on another clock', () => {
    const registry = fill();
    const other = new BreakerRegistry({ ...CLASSIC, clock: manualClock(77.5) });
    const events = listen(other);
    other.restore(throughJson(registry.snapshot()));
    expect(transitions(events)).toEqual(['closed -> open (restored)', 'closed -> open (restored)']);
    expect(contents(other)).toEqual([
      'closed: closed, 3 failures, 0 ms',
      'open: open, 0 failures, 6000 ms',
      'half-open: half-open, 0 failures, 0 ms',
    ]);
  });

  test('changes the circuits it has and leaves the others', () => {
    const snapshot = fill().snapshot();
    const other = new BreakerRegistry({ ...CLASSIC, clock });
    other.ensure('open');
    fail(other.ensure('other'), 2);
    const known = other.get('open');
    other.restore(snapshot);
    expect(other.get('open')).toBe(known);
    expect(contents(other)).toContain('open: open, 0 failures, 6000 ms');
    expect(contents(other)).toContain('other: closed, 2 failures, 0 ms');
  });

  test('larger than the cap: open circuits are kept before closed ones', () => {
    const registry = new BreakerRegistry({ ...CLASSIC, clock });
    registry.ensure('open').trip();
    for (const key of ['a', 'b', 'c']) registry.ensure(key);
    const other = new BreakerRegistry({ ...CLASSIC, clock, maxBreakers: 2 });
    other.restore(throughJson(registry.snapshot()));
    expect([...other].map(({ key, state }) => `${key} ${state}`)).toEqual(['open open', 'c closed']);
  });

  test('options of the registry that takes it over hold, not those of the one that gave it', () => {
    const other = new BreakerRegistry({ ...CLASSIC, clock, cooldownMs: 1_000, detector: consecutiveFailures(4) });
    other.restore(throughJson(fill().snapshot()));
    fail(other.ensure('closed'));
    expect(ask(other.ensure('closed'))).toBe(1_000);
  });

  test.each<[string, unknown]>([
    ['of version 2', { version: 2, breakers: [] }],
    ['without breakers', { version: 1 }],
    ['with breakers that are no list', { version: 1, breakers: {} }],
    ['that is null', null],
    ['that is missing', undefined],
    ['that is a string', '{}'],
  ])('%s is ignored with one listenerError of source restore', (_what, snapshot) => {
    const registry = fill();
    const before = contents(registry);
    const events = listen(registry);
    registry.restore(snapshot as RegistrySnapshot);
    expect(contents(registry)).toEqual(before);
    expect(ofType(events, 'callbackError')).toMatchObject([
      {
        source: 'restore',
        error: { message: expect.stringMatching(/^Expected `snapshot` to be a snapshot of version 1, got /) },
      },
    ]);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a string', 'x'],
    ['of version 2', { version: 2, key: 'later' }],
    ['without a key', { ...openSnapshot(), key: undefined }],
  ])('one circuit in it that is %s is ignored with a listenerError; the others are taken over', (_what, circuit) => {
    const [, open] = fill().snapshot().breakers;
    const registry = new BreakerRegistry({ ...CLASSIC, clock });
    const events = listen(registry);
    registry.restore({ version: 1, breakers: [circuit, open] as CircuitSnapshot[] });
    expect(registry.get('open')?.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 6_000 });
    expect(
      [...registry].every(({ key, state }) => typeof key === 'string' && (key === 'open') === (state === 'open')),
    ).toBe(true);
    expect(ofType(events, 'callbackError')).toMatchObject([{ source: 'restore' }]);
  });
});
