import axios, { type AxiosError, type AxiosInstance } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import type { HalfOpenOptions } from '../../src/circuit/options.js';
import {
  attach,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type MemorySink,
  memorySink,
  type ResilienceOptions,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { tryAcquire } from '../support/permits.js';
import { hang, startServer, type TestServer } from '../support/server.js';
import { acquire, fail, listen, type ManualClock, manualClock, ofType, succeed, transitions } from './support.js';

const KEY = 'GET https://api.example.com';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

/** A circuit that tripped and whose cooldown is over. */
function createHalfOpen(halfOpen: HalfOpenOptions, options: CircuitBreakerOptions = {}): CircuitBreaker {
  const breaker = new CircuitBreaker(KEY, { ...CLASSIC, clock, halfOpen, ...options });
  breaker.trip({ cooldownMs: 0 });
  return breaker;
}

/** Plays probes one after the other, `F` for a failure, `S` for a success; says at which the circuit decided, and how. */
function probe(breaker: CircuitBreaker, outcomes: string): string {
  for (const [index, outcome] of Array.from(outcomes).entries()) {
    acquire(breaker).settle(outcome === 'F' ? 'failure' : 'success');
    if (breaker.state !== 'half-open') return `${breaker.state} at ${index + 1}`;
  }
  return 'undecided';
}

describe('permits and successThreshold', () => {
  test.each([
    [{}, 'S', 'closed at 1'],
    [{}, 'F', 'open at 1'],
    [{ successThreshold: 3 }, 'SS', 'undecided'],
    [{ successThreshold: 3 }, 'SSS', 'closed at 3'],
    [{ successThreshold: 3 }, 'SSF', 'open at 3'],
    [{ probes: 3, successThreshold: 2 }, 'SS', 'closed at 2'],
    [{ probes: 3 }, 'S', 'closed at 1'],
  ])('with %j and %s the circuit is %s', (halfOpen, outcomes, decision) => {
    expect(probe(createHalfOpen(halfOpen), outcomes)).toBe(decision);
  });

  test('a probe that ends gives its seat to the next, so more successes than permits can be asked for', () => {
    const breaker = createHalfOpen({ probes: 1, successThreshold: 5 });
    for (let i = 0; i < 4; i++) {
      const permit = acquire(breaker);
      expect(tryAcquire(breaker).admitted).toBe(false);
      permit.settle('success');
    }
    expect(breaker.state).toBe('half-open');
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });

  test('a rejected caller is told when the first probe may have ended', () => {
    const breaker = createHalfOpen({ probes: 2, leaseMs: 2_000 });
    acquire(breaker);
    clock.advance(300);
    acquire(breaker);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 700 });
  });
});

describe('leases', () => {
  test('a rejected caller is told of the one that runs out first, where that is soon', () => {
    const breaker = createHalfOpen({ probes: 3 });
    for (const leaseMs of [700, 600, 650]) expect(tryAcquire(breaker, clock.now(), leaseMs).admitted).toBe(true);
    clock.advance(300);
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 300 });
  });

  test.each([
    [[500, 100, 300], 9_500],
    [[100, 300, 500], 9_500],
    [[600], 10_000],
  ])('of %j ms that ran out unseen re-open the circuit from the end of the first: %i ms are left', (leases, leftMs) => {
    const breaker = createHalfOpen({ probes: leases.length });
    for (const leaseMs of leases) tryAcquire(breaker, clock.now(), leaseMs);
    clock.advance(600);
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: leftMs });
  });

  test('of probes of which one may fail, the second to run out re-opens it', () => {
    const breaker = createHalfOpen({ probes: 3, failureRate: 0.5 });
    for (const leaseMs of [500, 100, 300]) tryAcquire(breaker, clock.now(), leaseMs);
    clock.advance(600);
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 9_700 });
  });

  test('one without an end is one of 30 seconds', () => {
    const breaker = createHalfOpen({});
    tryAcquire(breaker, clock.now(), Number.POSITIVE_INFINITY);
    clock.advance(29_999);
    expect(breaker.state).toBe('half-open');
    clock.advance(1);
    expect(breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 10_000 });
  });
});

describe('failureRate', () => {
  test.each([
    [{ probes: 4, failureRate: 0.5 }, 'FF', 'undecided'],
    [{ probes: 4, failureRate: 0.5 }, 'FFF', 'open at 3'],
    [{ probes: 4, failureRate: 0.5 }, 'SS', 'closed at 2'],
    [{ probes: 4, failureRate: 0.5 }, 'FFSS', 'closed at 4'],
    [{ probes: 4, failureRate: 0.5 }, 'SFFF', 'open at 4'],
    [{ probes: 10, failureRate: 0.3 }, 'FFFSSSSSSS', 'closed at 10'],
    [{ probes: 10, failureRate: 0.3 }, 'FFFF', 'open at 4'],
    [{ probes: 10, failureRate: 0.3 }, 'SSSSSSS', 'closed at 7'],
    [{ probes: 3, failureRate: 0.5 }, 'FF', 'open at 2'],
    [{ probes: 3, failureRate: 0.5 }, 'FSS', 'closed at 3'],
    [{ probes: 3, failureRate: 0.1 }, 'F', 'open at 1'],
    [{ probes: 3, failureRate: 0.1 }, 'SSS', 'closed at 3'],
    [{ probes: 1, failureRate: 0.9 }, 'F', 'open at 1'],
    [{ probes: 1, failureRate: 0.9 }, 'S', 'closed at 1'],
    [{ probes: 3, failureRate: 1 }, 'FFF', 'open at 3'],
    [{ probes: 3, failureRate: 1 }, 'FFS', 'closed at 3'],
    [{ probes: 2, failureRate: 0.5, successThreshold: 1 }, 'S', 'closed at 1'],
  ])('with %j and %s the circuit is %s', (halfOpen, outcomes, decision) => {
    expect(probe(createHalfOpen(halfOpen), outcomes)).toBe(decision);
  });

  test.each([
    [0.29, 29],
    [0.57, 57],
    [0.58, 58],
  ])('of %d lets exactly %i of 100 probes fail', (failureRate, allowed) => {
    const halfOpen = { probes: 100, failureRate };
    const within = 'F'.repeat(allowed) + 'S'.repeat(100 - allowed);
    expect(probe(createHalfOpen(halfOpen), within)).toBe('closed at 100');
    expect(probe(createHalfOpen(halfOpen), 'F'.repeat(100))).toBe(`open at ${allowed + 1}`);
  });

  test('is decided in whatever order concurrent probes end; the rest is late', () => {
    const breaker = createHalfOpen({ probes: 4, failureRate: 0.5 });
    const probes = Array.from({ length: 4 }, () => acquire(breaker)) as [Permit, Permit, Permit, Permit];
    expect(tryAcquire(breaker).admitted).toBe(false);
    const events = listen(breaker);
    probes[3].settle('failure');
    probes[1].settle('success');
    expect(breaker.state).toBe('half-open');
    probes[2].settle('success');
    expect(breaker.state).toBe('closed');
    probes[0].settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, counts: { late: 1 } });
    expect(transitions(events)).toEqual(['half-open -> closed (probe-succeeded)']);
  });

  test('neutral probes decide nothing and are replaced', () => {
    const breaker = createHalfOpen({ probes: 2, failureRate: 0.5 });
    for (let i = 0; i < 10; i++) acquire(breaker).settle('neutral');
    expect(probe(breaker, 'FF')).toBe('open at 2');
  });

  test('a probe whose lease runs out is one of those that may fail, and its late success is one that did not', () => {
    const breaker = createHalfOpen({ probes: 3, failureRate: 0.4, leaseMs: 1_000 });
    const [lost] = [acquire(breaker), acquire(breaker)] as const;
    clock.advance(999);
    const third = acquire(breaker);
    clock.advance(1);
    expect(breaker.state).toBe('open');

    const other = createHalfOpen({ probes: 2, failureRate: 0.5, leaseMs: 1_000 });
    const slow = acquire(other);
    clock.advance(1_000);
    expect(other.state).toBe('half-open');
    slow.settle('success');
    expect(other.state).toBe('closed');
    lost.settle('failure');
    third.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'open', openings: 2, counts: { late: 2 } });
  });

  test('a late success takes back the failure that its probe was counted as', () => {
    const breaker = createHalfOpen({ probes: 4, failureRate: 0.25, leaseMs: 1_000 });
    const slow = acquire(breaker);
    clock.advance(1_000);
    expect(breaker.state).toBe('half-open');
    slow.settle('success');
    fail(breaker);
    expect(breaker.state).toBe('half-open');
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('counts afresh in the next half-open phase', () => {
    const breaker = createHalfOpen({ probes: 4, failureRate: 0.5 }, { cooldownMs: 0 });
    fail(breaker, 3);
    expect(breaker.stats()).toMatchObject({ state: 'half-open', openings: 2 });
    expect(probe(breaker, 'FFSS')).toBe('closed at 4');
  });

  test('the re-opening has reason probe-failed', () => {
    const breaker = createHalfOpen({ probes: 2, failureRate: 0.5 });
    const events = listen(breaker);
    fail(breaker, 2);
    expect(ofType(events, 'stateChange').at(-1)).toMatchObject({
      from: 'half-open',
      to: 'open',
      reason: 'probe-failed',
    });
  });
});

describe('options that are wrong', () => {
  test.each<[unknown, ErrorConstructor, string]>([
    [{ failureRate: 0 }, RangeError, 'Expected `halfOpen.failureRate` to be a number in (0, 1], got 0'],
    [{ failureRate: 1.1 }, RangeError, 'Expected `halfOpen.failureRate` to be a number in (0, 1], got 1.1'],
    [{ failureRate: '1' }, TypeError, 'Expected `halfOpen.failureRate` to be a number in (0, 1], got "1"'],
    [
      { probeTimeoutMs: 0 },
      RangeError,
      'Expected `halfOpen.probeTimeoutMs` to be a number of milliseconds >= 1, got 0',
    ],
    [
      { probeTimeoutMs: '1' },
      TypeError,
      'Expected `halfOpen.probeTimeoutMs` to be a number of milliseconds >= 1, got "1"',
    ],
    [{ probes: 1.5 }, RangeError, 'Expected `halfOpen.probes` to be an integer >= 1, got 1.5'],
    [{ successThreshold: 0 }, RangeError, 'Expected `halfOpen.successThreshold` to be an integer >= 1, got 0'],
  ])('%j is refused', (halfOpen, kind, message) => {
    const make = () => new CircuitBreaker(KEY, { ...CLASSIC, halfOpen: halfOpen as HalfOpenOptions });
    expect(make).toThrow(kind);
    expect(make).toThrow(message);
  });
});

describe('probeTimeoutMs', () => {
  let server: TestServer;
  let sink: MemorySink;
  beforeEach(async () => {
    server = await startServer(hang);
    sink = memorySink();
  });
  afterEach(() => server.close());

  function guard(
    halfOpen: HalfOpenOptions,
    options: Partial<ResilienceOptions> = {},
    timeout = 10_000,
    adapter = 'http',
  ): { api: AxiosInstance; circuit: CircuitBreaker } {
    const api = axios.create({ baseURL: server.url, timeout, adapter });
    const { breakers } = attach(api, { retry: false, clock, breaker: { halfOpen }, sinks: [sink], ...options });
    return { api, circuit: breakers.ensure(`GET ${server.url}`) };
  }

  /** The error of a call that must fail, and how long it took, ms. */
  async function timed(call: Promise<unknown>): Promise<{ error: AxiosError; tookMs: number }> {
    const startedAt = performance.now();
    const [result] = await Promise.allSettled([call]);
    if (result.status === 'fulfilled') throw new Error('the call was answered');
    return { error: result.reason as AxiosError, tookMs: performance.now() - startedAt };
  }

  test.each(['http', 'fetch'])(
    "ends a probe of a server that hangs (%s), and the timeout is the user's again",
    async (adapter) => {
      const { api, circuit } = guard({ probeTimeoutMs: 60 }, {}, 10_000, adapter);
      circuit.trip({ cooldownMs: 0 });
      const { error, tookMs } = await timed(api.get('/'));
      expect(error.message).toBe('timeout of 60ms exceeded');
      expect(tookMs).toBeLessThan(5_000);
      expect(error.config?.timeout).toBe(10_000);
      expect(ofType(sink.events, 'attempt')).toMatchObject([{ outcome: 'failure' }]);
      expect(circuit.stats()).toMatchObject({ state: 'open', openings: 2, inFlight: 0 });
      await expect(api.get('/')).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
    },
  );

  test('a shorter timeout of the request stays', async () => {
    const { api, circuit } = guard({ probeTimeoutMs: 5_000 });
    circuit.trip({ cooldownMs: 0 });
    const { error } = await timed(api.get('/', { timeout: 40 }));
    expect(error.message).toBe('timeout of 40ms exceeded');
    expect(error.config?.timeout).toBe(40);
  });

  test('bounds a probe of a request that has no timeout, which has none afterwards', async () => {
    const { api, circuit } = guard({ probeTimeoutMs: 50 }, {}, 0);
    circuit.trip({ cooldownMs: 0 });
    const { error } = await timed(api.get('/'));
    expect(error.message).toBe('timeout of 50ms exceeded');
    expect(error.config?.timeout).toBe(0);
  });

  test('leaves attempts of a closed circuit alone', async () => {
    const { api, circuit } = guard({ probeTimeoutMs: 20 }, {}, 120);
    const { error } = await timed(api.get('/'));
    expect(error.message).toBe('timeout of 120ms exceeded');
    expect(circuit.state).toBe('closed');
  });

  test('leaves the timeout of an answered probe as it was, and of the calls after it', async () => {
    server.script(200, 200);
    const { api, circuit } = guard({ probeTimeoutMs: 5_000 });
    circuit.trip({ cooldownMs: 0 });
    const response = await api.get('/');
    expect(response.config.timeout).toBe(10_000);
    expect(circuit.state).toBe('closed');
    expect((await api.get('/')).config.timeout).toBe(10_000);
    expect(api.defaults.timeout).toBe(10_000);
  });

  test('under a longer deadlineMs the probe still fails for its own timeout', async () => {
    const { api, circuit } = guard({ probeTimeoutMs: 50 }, { retry: { retries: 0 }, deadlineMs: 8_000 });
    circuit.trip({ cooldownMs: 0 });
    const { error } = await timed(api.get('/'));
    expect(error.message).toBe('timeout of 50ms exceeded');
    expect(error.config?.timeout).toBe(10_000);
    expect(ofType(sink.events, 'attempt')).toMatchObject([{ outcome: 'failure' }]);
    expect(circuit.state).toBe('open');
  });

  test('a probe that runs into a shorter deadlineMs has failed, however short that is', async () => {
    const { api, circuit } = guard({ probeTimeoutMs: 5_000 }, { retry: { retries: 0 }, deadlineMs: 50 });
    circuit.trip({ cooldownMs: 0 });
    const { error } = await timed(api.get('/'));
    expect(error.config?.timeout).toBe(10_000);
    expect(ofType(sink.events, 'attempt')).toMatchObject([{ outcome: 'failure' }]);
    expect(circuit.stats()).toMatchObject({ state: 'open', inFlight: 0 });
  });

  test('the retry that becomes the probe is bounded, the attempt before it is not', async () => {
    const { api, circuit } = guard(
      { probeTimeoutMs: 40 },
      {
        retry: { retries: 1, backoff: () => 0, beforeRetry: () => void circuit.trip({ cooldownMs: 0 }) },
      },
      150,
    );
    const { error } = await timed(api.get('/'));
    expect(error.message).toBe('timeout of 40ms exceeded');
    expect(error.config?.timeout).toBe(150);
    expect(ofType(sink.events, 'attempt').map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, 'failure'],
      [2, 'failure'],
    ]);
    expect(circuit.state).toBe('open');
  });

  test('a permit says how long its attempt may take, and only that of a probe', () => {
    const breaker = new CircuitBreaker(KEY, { ...CLASSIC, clock, halfOpen: { probeTimeoutMs: 300 } });
    expect(acquire(breaker).timeoutMs).toBeUndefined();
    breaker.trip({ cooldownMs: 0 });
    expect(acquire(breaker).timeoutMs).toBe(300);
  });
});
