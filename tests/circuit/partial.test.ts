import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../src/circuit/options.js';
import type { DelayContext } from '../../src/delay.js';
import {
  BreakerRegistry,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  failureRateInWindow,
} from '../../src/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { tryAcquire } from '../support/permits.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, succeed } from './support.js';

let clock: ManualClock;
let seen: (boolean | undefined)[];
let breaker: CircuitBreaker;

const detector = consecutiveFailures(5);

beforeEach(() => {
  clock = manualClock(1_000_000);
  seen = [];
  const cooldownMs = ({ isPartial }: DelayContext) => {
    seen.push(isPartial);
    return 1_000;
  };
  breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs, detector });
});

const TIMEOUT = Object.assign(new Error('timeout of 1000ms exceeded'), { code: 'ECONNABORTED' });

/** Ends with the failure that opens the circuit. */
function openAmong(failures: number): void {
  fail(breaker, failures);
  expect(breaker.state).toBe('open');
}

describe('a cooldown function learns whether only a part of the service fails', () => {
  test('not where no call succeeds any more', () => {
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('where a call that began among three failures in a row succeeded, and three more followed', () => {
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([true]);
  });

  test('not after two failures in a row', () => {
    fail(breaker, 2);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by the success of an attempt that began before the failures: it says nothing of an outage', () => {
    const before = acquire(breaker);
    fail(breaker);
    clock.advance(5_000);
    fail(breaker, 3);
    before.settle('success');
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('for 20 s after that', () => {
    const timeOut = () => acquire(breaker).settle('failure', undefined, { error: TIMEOUT });
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 3);
    succeed(breaker);
    clock.advance(20_000);
    for (let call = 0; call < 5; call++) timeOut();
    clock.advance(1_000);
    timeOut();
    expect(seen).toEqual([true, false]);
  });

  test('not by failures that are more than 20 s apart', () => {
    fail(breaker, 2);
    clock.advance(20_001);
    fail(breaker);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by failures in a row with a timeout among them: an overloaded service answers some calls, too', () => {
    acquire(breaker).settle('failure', undefined, { error: TIMEOUT });
    fail(breaker, 2);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by failures in a row of which an attempt says that no answer came in time', () => {
    fail(breaker, 2);
    acquire(breaker).settle('failure', undefined, { isTimeout: true });
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by a blip that was over, and ten calls before the next failures', () => {
    fail(breaker, 4);
    for (let call = 0; call < 11; call++) succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('by two blips with nine calls between them', () => {
    fail(breaker, 4);
    for (let call = 0; call < 10; call++) succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([true]);
  });

  test('where it served for a moment between two openings', () => {
    fail(breaker, 5);
    clock.advance(1_000);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false, true]);
  });

  test('not where it has served ten calls between two openings', () => {
    fail(breaker, 5);
    clock.advance(1_000);
    for (let call = 0; call < 11; call++) succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false, false]);
  });

  test('also where there were timeouts before', () => {
    acquire(breaker).settle('failure', undefined, { error: TIMEOUT });
    succeed(breaker);
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([true]);
  });

  test.each([
    ['a timeout behind an error of fetch', { error: new TypeError('fetch failed', { cause: TIMEOUT }) }],
    ['a TimeoutError', { error: new DOMException('signal timed out', 'TimeoutError') }],
    ['a response that sheds', { error: Object.assign(new Error('503'), { response: { status: 503, headers: {} } }) }],
    ['a failure with Retry-After', { status: 500, retryAfterMs: 1 }],
  ])('not by failures in a row with %s among them', (_, details) => {
    fail(breaker, 2);
    acquire(breaker).settle('failure', undefined, details);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen.at(-1)).toBe(false);
  });

  test('not where timeouts had opened it and it served for a moment', () => {
    for (let call = 0; call < 5; call++) acquire(breaker).settle('failure', undefined, { error: TIMEOUT });
    clock.advance(1_000);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false, false]);
  });

  test('not more than 20 s after it has closed', () => {
    fail(breaker, 5);
    clock.advance(1_000);
    succeed(breaker);
    clock.advance(20_001);
    fail(breaker, 5);
    expect(seen).toEqual([false, false]);
  });

  test.each([
    ['times out', (probe: Permit) => probe.settle('failure', undefined, { error: TIMEOUT })],
    ['never ends', () => clock.advance(DEFAULT_LEASE_MS)],
  ])('no more once a probe %s', (_, end) => {
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    clock.advance(1_000);
    end(acquire(breaker));
    while (!breaker.isOpen) fail(breaker);
    expect(seen.at(-1)).toBe(false);
  });

  test('not by what was before somebody closed it', () => {
    fail(breaker, 3);
    succeed(breaker);
    breaker.reset();
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });
});

describe('the default cooldown', () => {
  const opened = (random: number) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, detector, random: () => random });
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    return breaker.stats().remainingCooldownMs;
  };

  test('is 200 ms, less up to 20 %, while only a part of the service fails', () => {
    expect(opened(0)).toBe(200);
    expect(opened(0.5)).toBe(180);
  });

  test('does not grow meanwhile, and grows to where it would be once no call succeeds for 20 s', () => {
    const cooldowns: number[] = [opened(0)];
    while (clock.now() <= 1_000_000 + 21_000) {
      clock.advance(2_500);
      while (!breaker.isOpen) fail(breaker);
      cooldowns.push(breaker.stats().remainingCooldownMs);
    }
    expect(cooldowns).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 200, 1_200]);
  });

  test('grows to where it would be once 50 probes have failed in a row', () => {
    const cooldowns: number[] = [opened(0)];
    for (let probe = 1; probe <= 51; probe++) {
      clock.advance(breaker.stats().remainingCooldownMs);
      fail(breaker);
      if (breaker.isOpen) cooldowns.push(breaker.stats().remainingCooldownMs);
    }
    expect(cooldowns).toEqual([...new Array(13).fill(200), 1_200, 1_200]);
  });

  test('a number is taken as it is', () => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, detector, cooldownMs: 10_000 });
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    expect(breaker.stats().remainingCooldownMs).toBe(10_000);
  });
});

describe('the success of an attempt that began among the failures in a row', () => {
  const late = () => {
    fail(breaker);
    const attempt = acquire(breaker);
    openAmong(4);
    return attempt;
  };

  test('closes the circuit that they have opened', () => {
    const attempt = late();
    const events = listen(breaker);
    attempt.settle('success');
    expect(breaker.state).toBe('closed');
    expect(events).toMatchObject([
      { type: 'stateChange', from: 'open', to: 'closed', reason: 'late-success', cooldownMs: 0, failures: 0 },
    ]);
  });

  test('counts, and is not late', () => {
    late().settle('success');
    expect(breaker.stats().counts).toMatchObject({ success: 1, failure: 5, late: 0 });
  });

  test('closes it also while probes are under way; what they come to is late', () => {
    const attempt = late();
    clock.advance(1_000);
    const probe = acquire(breaker);
    attempt.settle('success');
    expect(breaker.state).toBe('closed');
    probe.settle('failure');
    expect(breaker.state).toBe('closed');
    expect(breaker.stats().counts.late).toBe(1);
  });

  test('closes it once: it is the end of the failures in a row', () => {
    fail(breaker);
    const [first, second] = [acquire(breaker), acquire(breaker)];
    openAmong(4);
    first.settle('success');
    openAmong(5);
    second.settle('success');
    expect(breaker.state).toBe('open');
  });

  test('says that only a part of the service fails', () => {
    late().settle('success');
    openAmong(5);
    expect(seen).toEqual([false, true]);
  });

  test('changes nothing where it began before the failures', () => {
    const before = acquire(breaker);
    openAmong(5);
    before.settle('success');
    expect(breaker.state).toBe('open');
    expect(breaker.stats().counts.late).toBe(1);
  });

  test('changes nothing after a probe that was asked to wait', () => {
    const attempt = late();
    clock.advance(1_000);
    acquire(breaker).settle('failure', undefined, { status: 500, retryAfterMs: 30_000 });
    attempt.settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 30_000 });
  });

  test('changes nothing more than 20 s after the last of the failures', () => {
    const attempt = late();
    clock.advance(20_001);
    attempt.settle('success');
    expect(breaker.state).toBe('half-open');
  });

  test.each([
    [49, 'closed'],
    [50, 'open'],
  ])('after %i failed probes leaves the circuit %s', (probes, state) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs: 1, detector });
    const attempt = late();
    for (let probe = 0; probe < probes; probe++) {
      clock.advance(1);
      fail(breaker);
    }
    attempt.settle('success');
    expect(breaker.state).toBe(state);
  });

  test('changes nothing where a rate had opened the circuit, and its detector was replaced', () => {
    const registry = new BreakerRegistry({ clock, detector: failureRateInWindow({ minAttempts: 5 }) });
    breaker = registry.ensure('GET https://api.example.com');
    const attempt = late();
    registry.update({ detector });
    attempt.settle('success');
    expect(breaker.state).toBe('open');
  });

  test('closes the circuit at once also where a store shares it', async () => {
    const store = sharedStore(memoryEngine());
    breaker = new CircuitBreaker('GET https://api.example.com', { cooldownMs: 1_000, detector, store });
    late().settle('success');
    expect(breaker.state).toBe('closed');
    await store.close();
  });

  test('changes nothing where one of them was a timeout', () => {
    acquire(breaker).settle('failure', undefined, { error: TIMEOUT });
    const attempt = acquire(breaker);
    openAmong(4);
    attempt.settle('success');
    expect(breaker.state).toBe('open');
  });

  test('changes nothing where the failure that opened the circuit asked to wait', () => {
    fail(breaker);
    const attempt = acquire(breaker);
    fail(breaker, 3);
    acquire(breaker).settle('failure', undefined, { status: 503, retryAfterMs: 5_000 });
    attempt.settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 5_000 });
  });

  test.each(['trip', 'isolate'] as const)('changes nothing after %s', (act) => {
    fail(breaker, 3);
    const attempt = acquire(breaker);
    breaker[act]();
    attempt.settle('success');
    expect(breaker.state).toBe('open');
  });

  test('changes nothing where a snapshot opened the circuit', () => {
    fail(breaker, 3);
    const attempt = acquire(breaker);
    breaker.restore({ ...breaker.snapshot(), state: 'open', remainingCooldownMs: 1_000 });
    attempt.settle('success');
    expect(breaker.state).toBe('open');
  });

  test.each([
    ['the options say how many probes there are', { detector, halfOpen: { probes: 1 } }],
    ['the options say how many of them have to succeed', { detector, halfOpen: { successThreshold: 1 } }],
    ['the options say how many of them may fail', { detector, halfOpen: { failureRate: 0.5 } }],
    ['another detector opened the circuit', { detector: failureRateInWindow({ minAttempts: 5 }) }],
  ])('changes nothing where %s', (_, options) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs: 1_000, ...options });
    late().settle('success');
    expect(breaker.state).toBe('open');
  });

  test('closes it where the options only say how long a probe may take', () => {
    const halfOpen = { probeTimeoutMs: 500, leaseMs: 1_000 };
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs: 1_000, detector, halfOpen });
    late().settle('success');
    expect(breaker.state).toBe('closed');
  });
});

describe('while only a part of the service fails', () => {
  const partial = (options: CircuitBreakerOptions = {}) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs: 1_000, detector, ...options });
    fail(breaker, 3);
    succeed(breaker);
    openAmong(5);
    clock.advance(1_000);
  };

  test('four probes are made at a time', () => {
    partial();
    for (let probe = 0; probe < 4; probe++) acquire(breaker);
    expect(ask(breaker)).not.toBe('admitted');
  });

  test('the first that succeeds closes the circuit, although three have failed', () => {
    partial();
    fail(breaker, 3);
    expect(breaker.state).toBe('half-open');
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });

  test('the fourth that fails opens it again', () => {
    partial();
    openAmong(4);
  });

  test('a call whose probe has failed may probe again: it may be the only one', () => {
    partial();
    const call = {};
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = tryAcquire(breaker, undefined, undefined, call);
      expect(answer.admitted).toBe(true);
      if (answer.admitted) answer.settle('failure');
    }
  });

  test('the success of a probe that was under way when the circuit opened again closes it', () => {
    partial();
    const probes = [acquire(breaker), acquire(breaker), acquire(breaker)];
    openAmong(4);
    probes[0]?.settle('failure');
    expect(breaker.state).toBe('open');
    probes[1]?.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test('four of those that wait become probes', async () => {
    vi.useFakeTimers();
    breaker = new CircuitBreaker('GET https://api.example.com', { cooldownMs: 1_000, detector });
    fail(breaker, 3);
    succeed(breaker);
    openAmong(5);
    let probes = 0;
    for (let waiter = 0; waiter < 6; waiter++) {
      void breaker.acquire({ maxWaitMs: 1_500 }).then(
        () => probes++,
        () => undefined,
      );
    }
    await vi.advanceTimersByTimeAsync(1_000);
    expect(probes).toBe(4);
    vi.useRealTimers();
  });

  test('the classic rules go on where the options give them', () => {
    partial({ halfOpen: { probes: 1 } });
    acquire(breaker);
    expect(ask(breaker)).not.toBe('admitted');
  });
});
