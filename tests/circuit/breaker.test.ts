import axios, { CanceledError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import type { DelayContext } from '../../src/delay.js';
import {
  attach,
  CircuitBreaker,
  type CircuitBreakerOptions,
  CircuitOpenError,
  consecutiveFailures,
  type FailureDetector,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  retry,
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
afterEach(() => {
  vi.useRealTimers();
});

const create = (options: CircuitBreakerOptions = {}) => new CircuitBreaker(KEY, { ...CLASSIC, clock, ...options });

/** A circuit that tripped and whose cooldown is over. */
function createHalfOpen(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const breaker = create(options);
  breaker.trip({ cooldownMs: 0 });
  return breaker;
}

describe('closed', () => {
  test('is closed at first, with its key', () => {
    const breaker = create();
    expect([breaker.key, breaker.state, breaker.isOpen, breaker.inFlight, breaker.mode]).toEqual([
      KEY,
      'closed',
      false,
      0,
      'enforce',
    ]);
  });

  test('gives a permit to each of 1,000 concurrent attempts', () => {
    const breaker = create();
    const answers = Array.from({ length: 1000 }, () => tryAcquire(breaker));
    expect(answers.every(({ admitted }) => admitted)).toBe(true);
    expect(breaker.inFlight).toBe(1000);
  });

  test('stays closed after 4 failures in a row and opens at the 5th', () => {
    const breaker = create();
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('open');
    expect(breaker.isOpen).toBe(true);
  });

  test('counts failures afresh after a success', () => {
    const breaker = create();
    fail(breaker, 4);
    succeed(breaker);
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('counts nothing for neutral attempts: they neither fail nor break a row of failures', () => {
    const breaker = create();
    fail(breaker, 4);
    for (let i = 0; i < 100; i++) acquire(breaker).settle('neutral');
    expect([breaker.state, breaker.stats().failures, breaker.inFlight]).toEqual(['closed', 4, 0]);
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('opens at the first failure with consecutiveFailures(1)', () => {
    const breaker = create({ detector: consecutiveFailures(1) });
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('tells a listener of the opening: reason, failures and cooldown', () => {
    const breaker = create({ cooldownMs: 7_000 });
    const events = listen(breaker);
    const before = Date.now();
    fail(breaker, 5);
    expect(events).toEqual([
      {
        type: 'stateChange',
        key: KEY,
        at: expect.any(Number),
        from: 'closed',
        to: 'open',
        reason: 'threshold',
        failures: 5,
        cooldownMs: 7_000,
      },
    ]);
    expect(events[0]?.at).toBeGreaterThanOrEqual(before);
    expect(events[0]?.at).toBeLessThanOrEqual(Date.now());
  });
});

describe('permits', () => {
  test('a permit settles once: a second settle counts nothing', () => {
    const breaker = create();
    const permit = acquire(breaker);
    for (let i = 0; i < 5; i++) permit.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 1, inFlight: 0 });
  });

  test('the first outcome of a permit stands', () => {
    const breaker = create({ detector: consecutiveFailures(1) });
    const permit = acquire(breaker);
    permit.settle('neutral');
    permit.settle('failure');
    expect(breaker.state).toBe('closed');
  });

  test('a probe that is settled twice frees one seat', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 2, successThreshold: 5 } });
    const first = acquire(breaker);
    acquire(breaker);
    first.settle('neutral');
    first.settle('neutral');
    acquire(breaker);
    expect(tryAcquire(breaker).admitted).toBe(false);
    expect(breaker.inFlight).toBe(2);
  });
});

describe('open', () => {
  test('rejects until the cooldown is over and says how long that is', () => {
    const breaker = create();
    fail(breaker, 5);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 10_000 });
    clock.advance(2_500);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 7_500 });
    clock.advance(7_499);
    expect([ask(breaker), breaker.state]).toEqual([1, 'open']);
    clock.advance(1);
    expect([ask(breaker), breaker.state]).toEqual(['admitted', 'half-open']);
  });

  test('takes the time as an argument', () => {
    const breaker = create();
    for (let i = 0; i < 5; i++) {
      const permit = tryAcquire(breaker, 1_000);
      if (permit.admitted) permit.settle('failure', 1_100);
    }
    expect(tryAcquire(breaker, 1_200)).toEqual({ admitted: false, retryAfterMs: 9_900 });
    expect(tryAcquire(breaker, 11_100).admitted).toBe(true);
  });

  test('emits one rejected event for each rejection', () => {
    const breaker = create();
    fail(breaker, 5);
    const events = listen(breaker);
    clock.advance(4_000);
    ask(breaker);
    ask(breaker);
    const rejected = { type: 'rejected', by: 'circuit', key: KEY, at: expect.any(Number), retryAfterMs: 6_000 };
    expect(events).toEqual([rejected, rejected]);
  });

  test('becomes half-open once, at the first read after the cooldown', () => {
    const breaker = create();
    fail(breaker, 5);
    const events = listen(breaker);
    clock.advance(3_600_000);
    expect(events).toEqual([]);
    expect([breaker.state, breaker.state, breaker.isOpen, breaker.stats().state]).toEqual([
      'half-open',
      'half-open',
      false,
      'half-open',
    ]);
    expect(events).toMatchObject([
      { type: 'stateChange', from: 'open', to: 'half-open', reason: 'cooldown-elapsed', cooldownMs: 0 },
    ]);
  });

  test('failures that end while it is open neither lengthen the cooldown nor emit a change', () => {
    const breaker = create();
    const slow = Array.from({ length: 20 }, () => acquire(breaker));
    fail(breaker, 5);
    const events = listen(breaker);
    clock.advance(9_000);
    for (const permit of slow) permit.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'open', openings: 1, remainingCooldownMs: 1_000, inFlight: 0 });
    expect(ofType(events, 'stateChange')).toEqual([]);
    expect(ofType(events, 'late')).toHaveLength(20);
  });

  test('a success that ends while it is open does not close it', () => {
    const breaker = create();
    const slow = acquire(breaker);
    fail(breaker, 5);
    slow.settle('success');
    expect(breaker.state).toBe('open');
  });

  test('has no timer while open, half-open or leased', () => {
    vi.useFakeTimers();
    const breaker = new CircuitBreaker(KEY, CLASSIC);
    fail(breaker, 5);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    acquire(breaker);
    expect([breaker.state, vi.getTimerCount()]).toEqual(['half-open', 0]);
  });

  test('goes by performance.now of the moment, so fake timers installed later move it', () => {
    const breaker = new CircuitBreaker(KEY, CLASSIC);
    vi.useFakeTimers();
    breaker.trip({ cooldownMs: 10_000 });
    vi.advanceTimersByTime(9_999);
    expect(breaker.state).toBe('open');
    vi.advanceTimersByTime(1);
    expect(breaker.state).toBe('half-open');
  });

  test.each([
    ['back', -3_600_000],
    ['forward', 3_600_000],
  ])('is not moved by a wall clock that is set %s an hour', (_direction, jumpMs) => {
    const wallClock = vi.spyOn(Date, 'now');
    try {
      const breaker = new CircuitBreaker(KEY, CLASSIC);
      breaker.trip({ cooldownMs: 60_000 });
      wallClock.mockReturnValue(Date.now() + jumpMs);
      expect(breaker.state).toBe('open');
      expect(breaker.stats().remainingCooldownMs).toBeGreaterThan(50_000);
      expect(breaker.stats().remainingCooldownMs).toBeLessThanOrEqual(60_000);
    } finally {
      wallClock.mockRestore();
    }
  });
});

describe('half-open', () => {
  test('admits one probe and rejects the next until the lease of the first is over', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 4_000 } });
    acquire(breaker);
    clock.advance(1_500);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 1_000 });
  });

  test.each([1, 3, 10])('gives exactly %i permits to 1,000 callers at the end of the cooldown', (permits) => {
    const breaker = create({ halfOpen: { probes: permits } });
    fail(breaker, 5);
    clock.advance(10_000);
    const answers = Array.from({ length: 1000 }, () => tryAcquire(breaker));
    expect(answers.filter(({ admitted }) => admitted)).toHaveLength(permits);
    expect(breaker.inFlight).toBe(permits);
  });

  test('closes when a probe succeeds, with an empty detector', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(10_000);
    const events = listen(breaker);
    succeed(breaker);
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0, remainingCooldownMs: 0 });
    expect(transitions(events)).toEqual([
      'open -> half-open (cooldown-elapsed)',
      'half-open -> closed (probe-succeeded)',
    ]);
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
  });

  test('opens again for a whole cooldown when a probe fails', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(10_000);
    const probe = acquire(breaker);
    clock.advance(300);
    const events = listen(breaker);
    probe.settle('failure');
    expect(ask(breaker)).toBe(10_000);
    expect(events).toMatchObject([
      { type: 'stateChange', from: 'half-open', to: 'open', reason: 'probe-failed', cooldownMs: 10_000 },
      { type: 'rejected', retryAfterMs: 10_000 },
    ]);
  });

  test('a neutral probe gives its permit back and neither closes nor opens', () => {
    const breaker = createHalfOpen();
    const events = listen(breaker);
    for (let i = 0; i < 10; i++) acquire(breaker).settle('neutral');
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(transitions(events)).toEqual(['open -> half-open (cooldown-elapsed)']);
  });

  test('closes at the second success with successThreshold 2', () => {
    const breaker = createHalfOpen({ halfOpen: { successThreshold: 2 } });
    succeed(breaker);
    expect(breaker.state).toBe('half-open');
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });

  test('opens at one failure, however many successes came before it', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 2, successThreshold: 3 } });
    succeed(breaker);
    succeed(breaker);
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('asks for all successes again after it was re-opened', () => {
    const breaker = createHalfOpen({ halfOpen: { successThreshold: 2 }, cooldownMs: 1_000 });
    succeed(breaker);
    fail(breaker);
    clock.advance(1_000);
    succeed(breaker);
    expect(breaker.state).toBe('half-open');
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });

  test('other probes that end after one has closed it count as late', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 3 }, detector: consecutiveFailures(1) });
    const [first, second, third] = [acquire(breaker), acquire(breaker), acquire(breaker)];
    first.settle('success');
    const events = listen(breaker);
    second.settle('failure');
    third.settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
    expect(events).toMatchObject([
      { type: 'late', key: KEY, outcome: 'failure' },
      { type: 'late', key: KEY, outcome: 'success' },
    ]);
  });
});

describe('generations', () => {
  test.each(['success', 'failure'] as const)('a %s that began while closed changes nothing in half-open', (outcome) => {
    const breaker = create();
    const slow = acquire(breaker);
    fail(breaker, 5);
    clock.advance(10_000);
    const probe = acquire(breaker);
    const events = listen(breaker);
    slow.settle(outcome);
    expect(breaker.state).toBe('half-open');
    expect(tryAcquire(breaker).admitted).toBe(false);
    expect(events).toMatchObject([{ type: 'late', key: KEY, outcome }, { type: 'rejected' }]);
    probe.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test('failures that began before the opening change nothing after it has closed again', () => {
    const breaker = create();
    const slow = Array.from({ length: 10 }, () => acquire(breaker));
    fail(breaker, 5);
    clock.advance(10_000);
    succeed(breaker);
    for (const permit of slow) permit.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0 });
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
  });

  test('a success that began before the opening does not break a row of failures after it', () => {
    const breaker = create();
    const slow = acquire(breaker);
    fail(breaker, 5);
    clock.advance(10_000);
    succeed(breaker);
    fail(breaker, 4);
    slow.settle('success');
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('a probe of an earlier half-open phase changes nothing in the next', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 2 }, cooldownMs: 1_000 });
    const slow = acquire(breaker);
    fail(breaker);
    clock.advance(1_000);
    expect(breaker.state).toBe('half-open');
    slow.settle('success');
    expect(breaker.state).toBe('half-open');
    acquire(breaker);
    acquire(breaker);
    expect(tryAcquire(breaker).admitted).toBe(false);
  });
});

describe('leases of probes', () => {
  test('a probe that never ends has failed when its lease of 30 s runs out, not before', () => {
    const breaker = createHalfOpen();
    acquire(breaker);
    clock.advance(29_999);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 1 });
    clock.advance(1);
    const events = listen(breaker);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 10_000 });
    expect(events).toMatchObject([
      { type: 'stateChange', from: 'half-open', to: 'open', reason: 'probe-failed', cooldownMs: 10_000 },
      { type: 'rejected' },
    ]);
    clock.advance(10_000);
    expect(tryAcquire(breaker).admitted).toBe(true);
  });

  test('the cooldown begins when the lease has run out, not when that is seen', () => {
    const breaker = createHalfOpen();
    acquire(breaker);
    clock.advance(33_000);
    expect(breaker.stats()).toMatchObject({ state: 'open', stateAgeMs: 3_000, remainingCooldownMs: 7_000 });
    const unseen = createHalfOpen();
    acquire(unseen);
    clock.advance(40_000);
    const events = listen(unseen);
    expect(tryAcquire(unseen).admitted).toBe(true);
    expect(transitions(events)).toEqual(['half-open -> open (probe-failed)', 'open -> half-open (cooldown-elapsed)']);
  });

  test('a service that fails after 40 s is probed 10 times an hour at a lease of 30 s and a cooldown of 300 s, and the cooldown grows', () => {
    const openings: number[] = [];
    const cooldownMs = (context: DelayContext) => {
      openings.push(context.attempt);
      return 300_000;
    };
    const breaker = create({ cooldownMs });
    breaker.trip({ cooldownMs: 0 });
    const underWay: { permit: Permit; endsAt: number }[] = [];
    let probes = 0;
    for (let second = 0; second < 3_600; second++) {
      for (const { permit, endsAt } of underWay) if (endsAt === second) permit.settle('failure');
      const answer = tryAcquire(breaker);
      if (answer.admitted) {
        probes++;
        underWay.push({ permit: answer, endsAt: second + 40 });
      }
      clock.advance(1_000);
    }
    expect(probes).toBe(11);
    expect(openings).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(breaker.stats().counts.late).toBe(11);
  });

  test('halfOpen.leaseMs goes before the lease that is asked for', () => {
    const asked = createHalfOpen();
    tryAcquire(asked, 0, 2_000);
    expect(tryAcquire(asked, 0)).toEqual({ admitted: false, retryAfterMs: 1_000 });

    const given = createHalfOpen({ halfOpen: { leaseMs: 500 } });
    tryAcquire(given, 0, 2_000);
    expect(tryAcquire(given, 0)).toEqual({ admitted: false, retryAfterMs: 500 });
  });

  test('says when the first of several leases ends', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 2, leaseMs: 1_000, failureRate: 0.5 } });
    acquire(breaker);
    clock.advance(400);
    acquire(breaker);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 600 });
    clock.advance(600);
    acquire(breaker);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 400 });
  });

  test.each([999, 1_000, 5_000])(
    'a failure after %i ms re-opens at a lease of 1,000 ms, from then on if nobody looked before',
    (durationMs) => {
      const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
      const probe = acquire(breaker);
      clock.advance(durationMs);
      probe.settle('failure');
      expect(breaker.stats()).toMatchObject({
        state: 'open',
        remainingCooldownMs: 10_000,
        openings: 2,
        counts: { late: 0 },
      });
    },
  );

  test('a failure of a probe that was seen to be lost is late and opens nothing again', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
    const lost = acquire(breaker);
    clock.advance(1_000);
    expect(breaker.state).toBe('open');
    clock.advance(500);
    const events = listen(breaker);
    lost.settle('failure');
    expect(events).toMatchObject([{ type: 'late', key: KEY, outcome: 'failure' }]);
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 9_500, openings: 2 });
  });

  test('a late failure takes nothing from the probe that followed', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
    const overdue = acquire(breaker);
    clock.advance(11_000);
    const probe = acquire(breaker);
    overdue.settle('failure');
    expect(tryAcquire(breaker).admitted).toBe(false);
    probe.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test.each([
    ['open', 5_000],
    ['half-open', 15_000],
  ] as const)(
    'a late success closes the circuit that is %s since its probe was lost, so a service slower than the lease is used again',
    (state, afterMs) => {
      const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
      const overdue = acquire(breaker);
      clock.advance(afterMs);
      expect(breaker.state).toBe(state);
      const events = listen(breaker);
      overdue.settle('success');
      expect(transitions(events)).toEqual([`${state} -> closed (probe-succeeded)`]);
      expect(ofType(events, 'late')).toEqual([]);
    },
  );

  test('late successes count one by one towards successThreshold', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000, successThreshold: 2 } });
    const first = acquire(breaker);
    clock.advance(11_000);
    const second = acquire(breaker);
    clock.advance(1_000);
    expect(breaker.state).toBe('open');
    first.settle('success');
    expect(breaker.state).toBe('open');
    clock.advance(10_000);
    expect(breaker.state).toBe('half-open');
    second.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test.each(['trip', 'failure'] as const)('a late success is void after a %s', (what) => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
    const overdue = acquire(breaker);
    clock.advance(11_000);
    if (what === 'trip') breaker.trip();
    else fail(breaker);
    const events = listen(breaker);
    overdue.settle('success');
    expect(breaker.state).toBe('open');
    expect(events).toMatchObject([{ type: 'late', outcome: 'success' }]);
  });

  test('an overdue neutral probe does not free the seat of the one that followed', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
    const overdue = acquire(breaker);
    clock.advance(11_000);
    acquire(breaker);
    overdue.settle('neutral');
    expect(tryAcquire(breaker).admitted).toBe(false);
  });

  test('1,000 callers during probes that never end get one probe per lease and cooldown', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 }, cooldownMs: 1_000 });
    let admitted = 0;
    for (let i = 0; i < 1000; i++) {
      if (tryAcquire(breaker).admitted) admitted++;
      clock.advance(10);
    }
    expect(admitted).toBe(5);
  });
});

describe('a call that holds a probe', () => {
  test('gets no second one in the same half-open period, however many seats there are', () => {
    const breaker = createHalfOpen({ halfOpen: { probes: 3, failureRate: 0.9 } });
    const [call, other] = [{}, {}];
    const first = tryAcquire(breaker, undefined, undefined, call) as Permit;
    first.settle('failure');
    expect(tryAcquire(breaker, undefined, undefined, call)).toEqual({ admitted: false, retryAfterMs: 0 });
    expect(tryAcquire(breaker, undefined, undefined, other).admitted).toBe(true);
    expect(tryAcquire(breaker, undefined, undefined, call)).toEqual({ admitted: false, retryAfterMs: 1_000 });
    expect(tryAcquire(breaker).admitted).toBe(true);
  });

  test('gets another where its first said nothing, and one in the next period', () => {
    const breaker = createHalfOpen();
    const call = {};
    for (const outcome of ['neutral', 'failure'] as const) {
      const permit = tryAcquire(breaker, undefined, undefined, call);
      expect(permit.admitted).toBe(true);
      if (permit.admitted) permit.settle(outcome);
    }
    clock.advance(10_000);
    expect(tryAcquire(breaker, undefined, undefined, call).admitted).toBe(true);
  });

  test('is not held back while the circuit is closed', () => {
    const breaker = create();
    const call = {};
    for (let i = 0; i < 3; i++) expect(tryAcquire(breaker, undefined, undefined, call).admitted).toBe(true);
  });
});

describe('a circuit that is asked twice by one call', () => {
  const work = async () => 'done';
  const nested: [string, (breaker: CircuitBreaker) => Promise<unknown>][] = [
    ['execute in execute', (breaker) => breaker.execute(() => breaker.execute(work))],
    ['execute in execute in execute', (breaker) => breaker.execute(() => breaker.execute(() => breaker.execute(work)))],
    [
      'execute in execute, later',
      (breaker) => breaker.execute(async () => Promise.resolve().then(() => breaker.execute(work))),
    ],
    ['execute in retry', (breaker) => retry(() => breaker.execute(work), { breaker, retries: 0 })],
  ];

  test.each(nested)('closes when the service is back (%s)', async (_name, call) => {
    const breaker = createHalfOpen();
    const answers: unknown[] = [];
    for (let i = 0; i < 3; i++) answers.push(await call(breaker).catch((error: unknown) => error));
    expect(answers.at(-1)).toBe('done');
    expect(breaker.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  test('closes when the service is back (an attached call in execute)', async () => {
    const api = axios.create({
      baseURL: 'https://api.example.com',
      adapter: async (config) => ({ data: 'done', status: 200, statusText: 'OK', headers: {}, config }),
    });
    const { breakers } = attach(api, { retry: false, clock, breaker: CLASSIC });
    const breaker = breakers.ensure('GET https://api.example.com');
    breaker.trip({ cooldownMs: 0 });
    const call = () => breaker.execute(async () => (await api.get('/')).data as unknown);
    await expect(call()).rejects.toBeInstanceOf(CircuitOpenError);
    await expect(call()).resolves.toBe('done');
    expect(breaker.state).toBe('closed');
  });

  test('needs no second lesson in the next period, and keeps to its seats once it was closed', async () => {
    const breaker = createHalfOpen();
    const fails = () => breaker.execute(() => breaker.execute(() => Promise.reject(new Error('down'))));
    await expect(fails()).rejects.toThrow('is open');
    await expect(fails()).rejects.toThrow('down');
    clock.advance(10_000);
    await expect(breaker.execute(() => breaker.execute(work))).resolves.toBe('done');
    breaker.trip({ cooldownMs: 0 });
    acquire(breaker);
    expect(tryAcquire(breaker).admitted).toBe(false);
  });

  test('has one seat more after each rejection of its own, and no more than eight', () => {
    const breaker = createHalfOpen();
    const error = new CircuitOpenError({ key: breaker.key, retryAfterMs: 0 });
    const seats = () => {
      const permits: Permit[] = [];
      for (let answer = tryAcquire(breaker); answer.admitted; answer = tryAcquire(breaker)) permits.push(answer);
      for (const permit of permits) permit.settle('neutral');
      return permits.length;
    };
    const counts = Array.from({ length: 10 }, () => {
      acquire(breaker).settle('neutral', undefined, { error });
      return seats();
    });
    expect(counts).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 9, 9]);
  });

  test('no seat is added for the rejection of another circuit', async () => {
    const breaker = createHalfOpen();
    const other = new CircuitBreaker('another', { ...CLASSIC, clock });
    other.trip();
    await expect(breaker.execute(() => other.execute(work))).rejects.toThrow('"another" is open');
    acquire(breaker);
    expect(tryAcquire(breaker).admitted).toBe(false);
  });
});

describe('rejections', () => {
  /** Remembers what it was given, and trips when it is told to. */
  function createSpy() {
    const detector = {
      failures: 0,
      record: vi.fn<FailureDetector['record']>(() => false),
      reset: vi.fn(),
    };
    return detector;
  }

  test('enter no detector: only completed attempts do, with outcome, end and duration', () => {
    const detector = createSpy();
    const breaker = create({ detector: () => detector });
    const permit = acquire(breaker);
    clock.advance(250);
    permit.settle('failure');
    expect(detector.record.mock.calls).toEqual([['failure', 250, 250, undefined]]);

    breaker.trip();
    for (let i = 0; i < 1000; i++) ask(breaker);
    expect(detector.record).toHaveBeenCalledTimes(1);
  });

  test('after 1,000 of them a circuit that closed again takes exactly 5 failures to open', () => {
    const breaker = create();
    fail(breaker, 5);
    for (let i = 0; i < 1000; i++) ask(breaker);
    clock.advance(10_000);
    succeed(breaker);
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('the detector is emptied at every transition', () => {
    const detector = createSpy();
    const breaker = create({ detector: () => detector });
    detector.record.mockReturnValueOnce(true);
    fail(breaker);
    expect(detector.reset).toHaveBeenCalledTimes(1);
    clock.advance(10_000);
    expect(breaker.state).toBe('half-open');
    expect(detector.reset).toHaveBeenCalledTimes(2);
    succeed(breaker);
    expect(detector.reset).toHaveBeenCalledTimes(3);
    expect(detector.record).toHaveBeenCalledTimes(1);
  });

  test('every circuit has a detector of its own', () => {
    const options = { clock, detector: consecutiveFailures(2) };
    const [one, other] = [new CircuitBreaker('one', options), new CircuitBreaker('other', options)];
    fail(one);
    fail(other);
    expect([one.state, other.state]).toEqual(['closed', 'closed']);
  });
});

describe('cooldown', () => {
  test('a function is told the key and how often in succession the circuit opened, also when it closed for less than a cooldown', () => {
    const cooldownMs = vi.fn(({ attempt }: DelayContext) => 1_000 * attempt);
    const breaker = create({ cooldownMs });
    fail(breaker, 5);
    expect(ask(breaker)).toBe(1_000);
    clock.advance(1_000);
    fail(breaker);
    expect(ask(breaker)).toBe(2_000);
    clock.advance(2_000);
    succeed(breaker);
    clock.advance(1_999);
    fail(breaker, 5);
    expect(ask(breaker)).toBe(3_000);
    expect(cooldownMs.mock.calls).toMatchObject([
      [{ key: KEY, attempt: 1 }],
      [{ key: KEY, attempt: 2 }],
      [{ key: KEY, attempt: 3 }],
    ]);
  });

  test.each([
    ['NaN', () => Number.NaN],
    ['a negative number', () => -1],
    ['Infinity', () => Number.POSITIVE_INFINITY],
    ['a string', () => '5000' as never],
    ['nothing', () => undefined as never],
    [
      'an error',
      () => {
        throw new Error('no cooldown today');
      },
    ],
  ])('falls back to the default, with one listenerError, when the function yields %s', (_what, cooldownMs) => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const breaker = create({ cooldownMs });
    const events = listen(breaker);
    fail(breaker, 5);
    vi.restoreAllMocks();
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 500 });
    expect(ofType(events, 'callbackError')).toEqual([
      expect.objectContaining({ key: KEY, source: expect.stringContaining('cooldownMs'), error: expect.any(Error) }),
    ]);
    expect(ofType(events, 'stateChange')).toMatchObject([{ to: 'open', cooldownMs: 500 }]);
  });

  test('of 0 ms probes at the next attempt', () => {
    const breaker = create({ cooldownMs: 0 });
    fail(breaker, 5);
    expect(tryAcquire(breaker).admitted).toBe(true);
    expect(tryAcquire(breaker).admitted).toBe(false);
  });
});

describe('by hand', () => {
  test('trip opens a closed circuit for its cooldown, then it is probed', () => {
    const breaker = create();
    const events = listen(breaker);
    breaker.trip();
    expect(ask(breaker)).toBe(10_000);
    clock.advance(10_000);
    succeed(breaker);
    expect(transitions(events)).toEqual([
      'closed -> open (manual)',
      'open -> half-open (cooldown-elapsed)',
      'half-open -> closed (probe-succeeded)',
    ]);
    expect(ofType(events, 'stateChange')[0]).toMatchObject({ cooldownMs: 10_000 });
  });

  test('trip({ cooldownMs: 500 }) opens it for 500 ms', () => {
    const breaker = create();
    breaker.trip({ cooldownMs: 500 });
    clock.advance(499);
    expect(ask(breaker)).toBe(1);
    clock.advance(1);
    expect(ask(breaker)).toBe('admitted');
  });

  test.each<[unknown, ErrorConstructor]>([
    [-1, RangeError],
    [Number.NaN, RangeError],
    [Number.POSITIVE_INFINITY, RangeError],
    ['500', TypeError],
  ])('trip({ cooldownMs: %j }) is refused and leaves the circuit as it is', (cooldownMs, kind) => {
    const breaker = create();
    expect(() => breaker.trip({ cooldownMs: cooldownMs as number })).toThrow(kind);
    expect(breaker.state).toBe('closed');
  });

  test('trip on an open circuit sets its cooldown anew and emits no change', () => {
    const breaker = create();
    fail(breaker, 5);
    clock.advance(6_000);
    const events = listen(breaker);
    breaker.trip({ cooldownMs: 60_000 });
    expect(breaker.stats().remainingCooldownMs).toBe(60_000);
    expect(ofType(events, 'stateChange')).toEqual([]);
  });

  test('trip on a half-open circuit opens it and makes its probe late', () => {
    const breaker = createHalfOpen();
    const probe = acquire(breaker);
    const events = listen(breaker);
    breaker.trip();
    probe.settle('success');
    expect(breaker.state).toBe('open');
    expect(transitions(events)).toEqual(['half-open -> open (manual)']);
    expect(ofType(events, 'late')).toHaveLength(1);
  });

  test('reset closes an open circuit at once', () => {
    const breaker = create();
    fail(breaker, 5);
    const events = listen(breaker);
    breaker.reset();
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, openings: 0, remainingCooldownMs: 0 });
    expect(ask(breaker)).toBe('admitted');
    expect(transitions(events)).toEqual(['open -> closed (manual)']);
  });

  test('reset closes a half-open circuit and makes its probe late', () => {
    const breaker = createHalfOpen({ detector: consecutiveFailures(1) });
    const probe = acquire(breaker);
    breaker.reset();
    probe.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0 });
  });

  test('reset of a closed circuit forgets its failures, also those under way, and emits no change', () => {
    const breaker = create();
    const slow = acquire(breaker);
    fail(breaker, 4);
    const events = listen(breaker);
    breaker.reset();
    slow.settle('failure');
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    expect(ofType(events, 'stateChange')).toEqual([]);
  });
});

describe('mode observe', () => {
  test('opens as in enforce, rejects nobody and says who would have been rejected', () => {
    const breaker = create({ mode: 'observe' });
    const events = listen(breaker);
    fail(breaker, 5);
    expect(breaker.state).toBe('open');
    clock.advance(1_000);
    expect(tryAcquire(breaker).admitted).toBe(true);
    expect(transitions(events)).toEqual(['closed -> open (threshold)']);
    expect(ofType(events, 'rejected')).toEqual([]);
    expect(ofType(events, 'wouldReject')).toMatchObject([{ key: KEY, retryAfterMs: 9_000 }]);
  });

  test('what it lets through while open counts nothing', () => {
    const breaker = create({ mode: 'observe' });
    fail(breaker, 5);
    clock.advance(9_000);
    const events = listen(breaker);
    fail(breaker, 20);
    succeed(breaker);
    expect(ofType(events, 'late')).toEqual([]);
    expect(breaker.stats()).toMatchObject({ state: 'open', openings: 1, remainingCooldownMs: 1_000, inFlight: 0 });
  });

  test('gives everybody a permit in half-open, where as in enforce only the probe decides', () => {
    const breaker = createHalfOpen({ mode: 'observe' });
    const events = listen(breaker);
    const probe = acquire(breaker);
    const others = Array.from({ length: 99 }, () => acquire(breaker));
    expect(ofType(events, 'rejected')).toEqual([]);
    expect(ofType(events, 'wouldReject')).toHaveLength(99);
    for (const other of others) other.settle('failure');
    expect(breaker.state).toBe('half-open');
    probe.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test('an attempt let through while open does not close or open the half-open circuit it ends in', () => {
    const breaker = create({ mode: 'observe' });
    fail(breaker, 5);
    const [good, bad] = [acquire(breaker), acquire(breaker)];
    clock.advance(10_000);
    expect(breaker.state).toBe('half-open');
    good.settle('success');
    bad.settle('failure');
    expect(breaker.state).toBe('half-open');
  });

  test('can be switched on over each state, and switched off again where the circuit is by then', () => {
    const breaker = create();
    fail(breaker, 5);
    breaker.mode = 'observe';
    expect(ask(breaker)).toBe('admitted');
    breaker.mode = 'enforce';
    expect(ask(breaker)).toBe(10_000);

    breaker.mode = 'observe';
    clock.advance(10_000);
    const probe = acquire(breaker);
    expect(ask(breaker)).toBe('admitted');
    breaker.mode = 'enforce';
    expect(tryAcquire(breaker).admitted).toBe(false);
    probe.settle('success');

    breaker.mode = 'observe';
    fail(breaker, 4);
    breaker.mode = 'enforce';
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('a mode that does not exist is refused and leaves the mode as it is', () => {
    const breaker = create();
    expect(() => {
      breaker.mode = 'watch' as never;
    }).toThrow(new TypeError('Expected `mode` to be "enforce" or "observe", got "watch"'));
    expect(breaker.mode).toBe('enforce');
  });
});

describe('stats', () => {
  test('of a new circuit has nothing in it', () => {
    expect(create().stats()).toEqual({
      state: 'closed',
      stateAgeMs: 0,
      remainingCooldownMs: 0,
      failures: 0,
      rate: undefined,
      openings: 0,
      inFlight: 0,
      queued: 0,
      isolated: false,
      counts: { success: 0, failure: 0, neutral: 0, rejected: 0, late: 0 },
    });
  });

  test('shows failures, openings, permits out and what is left of the cooldown', () => {
    const breaker = create();
    acquire(breaker);
    fail(breaker, 3);
    expect(breaker.stats()).toMatchObject({
      state: 'closed',
      failures: 3,
      openings: 0,
      inFlight: 1,
      remainingCooldownMs: 0,
    });
    fail(breaker, 2);
    clock.advance(4_000);
    expect(breaker.stats()).toMatchObject({
      state: 'open',
      failures: 0,
      openings: 1,
      inFlight: 1,
      remainingCooldownMs: 6_000,
    });
    clock.advance(6_000);
    fail(breaker);
    expect(breaker.stats()).toMatchObject({ state: 'open', openings: 2, remainingCooldownMs: 10_000 });
  });

  test('shows how long the circuit has been in its state', () => {
    const breaker = create();
    clock.advance(700);
    expect(breaker.stats()).toMatchObject({ state: 'closed', stateAgeMs: 700 });
    fail(breaker, 5);
    clock.advance(4_000);
    expect(breaker.stats()).toMatchObject({ state: 'open', stateAgeMs: 4_000 });
    clock.advance(6_000);
    expect(breaker.stats()).toMatchObject({ state: 'half-open', stateAgeMs: 0 });
    clock.advance(300);
    expect(breaker.stats().stateAgeMs).toBe(300);
    succeed(breaker);
    clock.advance(50);
    expect(breaker.stats()).toMatchObject({ state: 'closed', stateAgeMs: 50 });
  });

  test('counts attempts by outcome, rejections and late ones since the circuit was made, over all states', () => {
    const breaker = create();
    const slow = [acquire(breaker), acquire(breaker)];
    succeed(breaker);
    succeed(breaker);
    acquire(breaker).settle('neutral');
    fail(breaker, 5);
    ask(breaker);
    ask(breaker);
    ask(breaker);
    for (const permit of slow) permit.settle('success');
    expect(breaker.stats().counts).toEqual({ success: 4, failure: 5, neutral: 1, rejected: 3, late: 2 });
    clock.advance(10_000);
    fail(breaker);
    breaker.reset();
    expect(breaker.stats().counts).toEqual({ success: 4, failure: 6, neutral: 1, rejected: 3, late: 2 });
  });

  test('counts a neutral attempt that ends late as neutral only', () => {
    const breaker = create();
    const slow = acquire(breaker);
    breaker.trip();
    slow.settle('neutral');
    expect(breaker.stats().counts).toMatchObject({ neutral: 1, late: 0 });
  });

  test('gives counts that later attempts do not change', () => {
    const breaker = create();
    const before = breaker.stats();
    fail(breaker);
    expect(before).toMatchObject({ failures: 0, counts: { failure: 0 } });
  });

  test.each([
    ['failureRate', failureRate(), 0.25],
    ['failureRateInWindow', failureRateInWindow(), 0.25],
    ['failuresInWindow', failuresInWindow(), undefined],
    ['slowCallRate', slowCallRate({ slowMs: 1 }), 0],
    ['consecutiveFailures', consecutiveFailures(5), undefined],
  ])('shows the rate of %s after three successes and a failure', (_name, detector, rate) => {
    const breaker = create({ detector });
    for (let i = 0; i < 3; i++) succeed(breaker);
    fail(breaker);
    expect(breaker.stats().rate).toBe(rate);
  });

  test('shows a rate of 0 where nothing has ended yet', () => {
    const breaker = create({ detector: failureRate() });
    acquire(breaker);
    expect(breaker.stats().rate).toBe(0);
  });

  test('counts a lost probe as in flight until it ends', () => {
    const breaker = createHalfOpen({ halfOpen: { leaseMs: 1_000 } });
    const lost = acquire(breaker);
    clock.advance(11_000);
    acquire(breaker);
    expect(breaker.stats().inFlight).toBe(2);
    lost.settle('failure');
    expect(breaker.stats().inFlight).toBe(1);
  });
});

describe('execute', () => {
  test('yields what the function returns, whether it is async or not', async () => {
    const breaker = create();
    await expect(breaker.execute(async () => 'later')).resolves.toBe('later');
    await expect(breaker.execute(() => 'now')).resolves.toBe('now');
    expect(breaker.inFlight).toBe(0);
  });

  test('rejects with the very error of the function and counts a failure, thrown or rejected', async () => {
    const breaker = create();
    const error = new Error('down');
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error);
    await expect(
      breaker.execute(() => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect(breaker.stats()).toMatchObject({ failures: 2, inFlight: 0 });
  });

  test('holds its permit until the promise is settled', async () => {
    const breaker = createHalfOpen();
    let finish = (): void => undefined;
    const pending = breaker.execute(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await expect(breaker.execute(() => 'second probe')).rejects.toBeInstanceOf(CircuitOpenError);
    finish();
    await pending;
    expect(breaker.state).toBe('closed');
  });

  test('does not call the function while open and rejects with a CircuitOpenError', async () => {
    const breaker = create();
    breaker.trip({ cooldownMs: 2_500 });
    const work = vi.fn();
    await expect(breaker.execute(work)).rejects.toMatchObject({
      name: 'CircuitOpenError',
      code: 'ERR_CIRCUIT_OPEN',
      key: KEY,
      retryAfterMs: 2_500,
    });
    expect(work).not.toHaveBeenCalled();
  });

  test('calls the function while open in mode observe', async () => {
    const breaker = create({ mode: 'observe' });
    breaker.trip();
    await expect(breaker.execute(() => 'answer')).resolves.toBe('answer');
  });

  test.each([
    ['AbortError of fetch', () => new DOMException('This operation was aborted', 'AbortError')],
    ['CanceledError of axios', () => new CanceledError()],
    ['Cancel of an axios CancelToken', () => new axios.Cancel('stop')],
  ])('an %s is neutral: it gives the permit back and counts nothing', async (_what, makeError) => {
    const closed = create({ detector: consecutiveFailures(1) });
    const error = makeError();
    await expect(closed.execute(() => Promise.reject(error))).rejects.toBe(error);
    expect(closed.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });

    const halfOpen = createHalfOpen();
    await expect(halfOpen.execute(() => Promise.reject(error))).rejects.toBe(error);
    expect(halfOpen.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
  });

  test('a rejection of another circuit inside the function is neutral', async () => {
    const inner = create();
    inner.trip();
    const outer = create({ detector: consecutiveFailures(1) });
    await expect(outer.execute(() => inner.execute(() => 'never'))).rejects.toBeInstanceOf(CircuitOpenError);
    expect(outer.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
  });

  test.each([undefined, null, 'a string'])('counts a failure when %s is thrown', async (thrown) => {
    const breaker = create({ detector: consecutiveFailures(1) });
    await expect(breaker.execute(() => Promise.reject(thrown))).rejects.toBe(thrown);
    expect(breaker.state).toBe('open');
  });
});

describe('listeners', () => {
  test('run when the state is final', () => {
    const breaker = create();
    const seen: string[] = [];
    breaker.on('stateChange', ({ to }) => {
      seen.push(`${to}: ${breaker.state}, openings ${breaker.stats().openings}`);
    });
    fail(breaker, 5);
    clock.advance(10_000);
    succeed(breaker);
    expect(seen).toEqual(['open: open, openings 1', 'half-open: half-open, openings 1', 'closed: closed, openings 1']);
  });

  test('that throw stop neither the circuit nor other listeners and become a listenerError', () => {
    const breaker = create();
    const error = new Error('listener is broken');
    breaker.on('stateChange', () => {
      throw error;
    });
    const events = listen(breaker);
    fail(breaker, 5);
    expect(breaker.state).toBe('open');
    expect(transitions(events)).toEqual(['closed -> open (threshold)']);
    expect(ofType(events, 'callbackError')).toMatchObject([{ key: KEY, error }]);
  });

  test('that reject become a listenerError, not an unhandled rejection', async () => {
    const breaker = create();
    const error = new Error('listener rejects');
    const reject = (): unknown => Promise.reject(error);
    breaker.on('stateChange', reject);
    const events = listen(breaker);
    fail(breaker, 5);
    await vi.waitFor(() => expect(ofType(events, 'callbackError')).toMatchObject([{ key: KEY, error }]));
  });

  test('of listenerError that throw are not asked about their own error', () => {
    const breaker = create();
    const listener = vi.fn(() => {
      throw new Error('again');
    });
    breaker.on('callbackError', listener);
    breaker.on('stateChange', () => {
      throw new Error('first');
    });
    fail(breaker, 5);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('hear nothing after they were taken out', () => {
    const breaker = create();
    const listener = vi.fn();
    const off = breaker.on('stateChange', listener);
    breaker.trip();
    off();
    off();
    breaker.reset();
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe('arguments that make no sense', () => {
  test('a function that is none is refused by execute, takes no permit and counts nothing', async () => {
    const breaker = create();
    const expected = new TypeError('Expected `execute(fn)` to be a function, got undefined');
    await expect(breaker.execute(undefined as never)).rejects.toThrow(expected);
    expect(breaker.stats()).toMatchObject({ inFlight: 0, counts: { success: 0, failure: 0, neutral: 0 } });
  });

  test.each<[unknown, string]>([
    [null, 'Expected `execute(options)` to be an object, got null'],
    [{ signal: 5 }, 'Expected `execute(options).signal` to be an AbortSignal, got 5'],
    [{ singal: undefined }, 'Unknown option `execute(options).singal`: did you mean `signal`?'],
  ])('%j as options of execute is refused before the function is called', async (options, message) => {
    const breaker = create();
    const fn = vi.fn();
    await expect(breaker.execute(fn, options as never)).rejects.toThrow(new TypeError(message));
    expect(fn).not.toHaveBeenCalled();
    expect(breaker.inFlight).toBe(0);
  });

  test.each([undefined, 'succes', true])('%j is no outcome: the probe gives its seat back', (outcome) => {
    const breaker = createHalfOpen();
    const permit = acquire(breaker);
    expect(() => permit.settle(outcome as never)).toThrow(
      'Expected `outcome` to be "success" or "failure" or "neutral", got ',
    );
    expect(breaker.stats()).toMatchObject({ inFlight: 0, counts: { success: 0, failure: 0, neutral: 0 } });
    expect(ask(breaker)).toBe('admitted');
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, '5'])('a lease of %j ms ends after 30 s', (leaseMs) => {
    const breaker = createHalfOpen();
    tryAcquire(breaker, undefined, leaseMs as number);
    expect(ask(breaker)).toBe(1_000);
    clock.advance(29_999);
    expect(ask(breaker)).toBe(1);
    clock.advance(1);
    expect(ask(breaker)).toBe(10_000);
  });

  test('a circuit that opened at a time that is no number can be probed', () => {
    const breaker = create({ detector: consecutiveFailures(1) });
    acquire(breaker).settle('failure', Number.NaN);
    expect(breaker.state).toBe('half-open');
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });
});

describe('options', () => {
  test.each<[unknown, ErrorConstructor, string]>([
    [
      { cooldownMs: -1 },
      RangeError,
      'Expected `cooldownMs` to be a number of milliseconds >= 0, or a function such as exponential(), got -1',
    ],
    [
      { cooldownMs: Number.NaN },
      RangeError,
      'Expected `cooldownMs` to be a number of milliseconds >= 0, or a function such as exponential(), got NaN',
    ],
    [
      { cooldownMs: '10s' },
      TypeError,
      'Expected `cooldownMs` to be a number of milliseconds >= 0, or a function such as exponential(), got "10s"',
    ],
    [
      { detector: 5 },
      TypeError,
      'Expected `detector` to be a detector such as consecutiveFailures(5) or failureRate(), got 5',
    ],
    [{ halfOpen: { probes: 0 } }, RangeError, 'Expected `halfOpen.probes` to be an integer >= 1, got 0'],
    [{ halfOpen: { successThreshold: 1.5 } }, RangeError, '`halfOpen.successThreshold` to be an integer >= 1, got 1.5'],
    [{ halfOpen: { leaseMs: 0 } }, RangeError, 'Expected `halfOpen.leaseMs` to be '],
    [{ halfOpen: 1 }, TypeError, 'Expected `halfOpen` to be an object such as { probes: 2 }, got 1'],
    [{ mode: 'watch' }, TypeError, 'Expected `mode` to be "enforce" or "observe", got "watch"'],
    [{ clock: {} }, TypeError, 'Expected `clock` to be a clock with a method now(), got '],
    [{ clock: { now: () => 5n } }, TypeError, 'Expected `clock.now()` to be a finite number of milliseconds, got 5'],
    [{ clock: { now: () => new Date() } }, TypeError, 'Expected `clock.now()` to be a finite number of milliseconds'],
    [{ clock: { now: () => Number.NaN } }, TypeError, '`clock.now()` to be a finite number of milliseconds, got NaN'],
    [Promise.resolve({}), TypeError, 'Expected `options` to be an object, got a promise'],
    [{ cooldwonMs: 1 }, TypeError, 'Unknown option `cooldwonMs`: did you mean `cooldownMs`?'],
    [{ halfOpen: { probe: 1 } }, TypeError, 'Unknown option `halfOpen.probe`: did you mean `probes`?'],
  ])('%j is refused', (options, kind, message) => {
    const create = () => new CircuitBreaker(KEY, options as CircuitBreakerOptions);
    expect(create).toThrow(kind);
    expect(create).toThrow(message);
  });

  test.each([undefined, null, 5, { cooldownMs: 5 }])('%j is no key', (key) => {
    expect(() => new CircuitBreaker(key as never)).toThrow(TypeError);
    expect(() => new CircuitBreaker(key as never)).toThrow('Expected `key` to be a string, got ');
  });

  test('those that are undefined count as not given', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const breaker = create({ cooldownMs: undefined, detector: undefined, halfOpen: { probes: undefined } });
    fail(breaker, 4);
    clock.advance(600);
    fail(breaker);
    vi.restoreAllMocks();
    expect(ask(breaker)).toBe(500);
    clock.advance(500);
    expect([tryAcquire(breaker).admitted, tryAcquire(breaker).admitted]).toEqual([true, false]);
  });

  test.each<[unknown, ErrorConstructor]>([
    [0, RangeError],
    [1.5, RangeError],
    [-1, RangeError],
    ['5', TypeError],
    [undefined, TypeError],
  ])('consecutiveFailures(%j) is refused', (threshold, kind) => {
    expect(() => consecutiveFailures(threshold as number)).toThrow(kind);
  });
});
