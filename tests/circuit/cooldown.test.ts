import axios, { type AxiosInstance } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DelayContext } from '../../src/delay.js';
import {
  attach,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  exponential,
  type MemorySink,
  memorySink,
  type ResilienceOptions,
  retry,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { json, startServer, type TestServer } from '../support/server.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType, succeed } from './support.js';

const KEY = 'GET https://api.example.com';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const create = (options: CircuitBreakerOptions = {}) =>
  new CircuitBreaker(KEY, { ...CLASSIC, clock, detector: consecutiveFailures(1), ...options });

/** Opens a closed or half-open circuit; says for how long. */
function open(breaker: CircuitBreaker): number {
  fail(breaker);
  return breaker.stats().remainingCooldownMs;
}

/** Waits for the end of the cooldown and closes the circuit with a probe. */
function recover(breaker: CircuitBreaker): void {
  clock.advance(breaker.stats().remainingCooldownMs);
  succeed(breaker);
  expect(breaker.state).toBe('closed');
}

/** Opens the circuit, again and again after each cooldown; says how long each was. */
function keepOpening(breaker: CircuitBreaker, times: number): number[] {
  return Array.from({ length: times }, () => {
    const cooldownMs = open(breaker);
    clock.advance(cooldownMs);
    return cooldownMs;
  });
}

describe('a number', () => {
  test.each([0, 1, 250.5, 10_000])('of %d ms is the same at every opening', (cooldownMs) => {
    expect(keepOpening(create({ cooldownMs }), 3)).toEqual([cooldownMs, cooldownMs, cooldownMs]);
  });
});

test('a function is told the length of a cooldown that a hand has set, and nothing of one that was restored', () => {
  const told: unknown[] = [];
  const cooldownMs = ({ attempt, previousMs }: DelayContext) => {
    told.push([attempt, previousMs]);
    return 100;
  };
  const tripped = create({ cooldownMs });
  tripped.trip({ cooldownMs: 777 });
  clock.advance(777);
  fail(tripped);
  const restored = create({ cooldownMs });
  restored.restore({ version: 1, key: KEY, state: 'open', remainingCooldownMs: 300, openings: 1 });
  clock.advance(300);
  fail(restored);
  expect(told).toEqual([
    [2, 777],
    [2, undefined],
  ]);
});

describe('by default', () => {
  const growing = (random: number) => {
    vi.spyOn(Math, 'random').mockReturnValue(random);
    const cooldowns = keepOpening(create({ cooldownMs: undefined }), 9);
    vi.restoreAllMocks();
    return cooldowns.map(Math.round);
  };

  test('it begins with 500 ms and grows by 15 % to at most 1.2 s', () => {
    expect(growing(0)).toEqual([500, 575, 661, 760, 875, 1_006, 1_157, 1_200, 1_200]);
  });

  test('up to a fifth of it is random', () => {
    expect(growing(0.999_999)).toEqual([400, 460, 529, 608, 700, 805, 925, 960, 960]);
  });
});

describe('a function', () => {
  test('is told the key, the number of the opening, the failure and what the server asked for', () => {
    const cooldownMs = vi.fn(() => 100);
    const breaker = create({ cooldownMs });
    const error = new Error('503');
    const random = expect.any(Function) as unknown;
    acquire(breaker).settle('failure', undefined, { retryAfterMs: 50, error });
    clock.advance(100);
    fail(breaker);
    const { response, retryAfterMs } = { response: undefined, retryAfterMs: undefined };
    expect(cooldownMs.mock.calls).toEqual([
      [{ key: KEY, attempt: 1, previousMs: undefined, isPartial: false, error, response, retryAfterMs: 50, random }],
      [{ key: KEY, attempt: 2, previousMs: 100, isPartial: false, error: undefined, response, retryAfterMs, random }],
    ]);
    expect(ask(breaker)).toBe(100);
  });

  test('that is async is reported and left neither to be waited for nor to reject unhandled', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const breaker = create({ cooldownMs: (async () => Promise.reject(new Error('no'))) as never });
    const events = listen(breaker);
    fail(breaker);
    expect(ask(breaker)).toBe(500);
    expect(ofType(events, 'callbackError').map(({ error }) => String(error))).toEqual([
      'TypeError: Expected `cooldownMs(context)` to be a number of milliseconds >= 0, got a promise',
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test('is asked once for each opening, also of a probe that failed and of trip', () => {
    const cooldownMs = vi.fn(({ attempt }: DelayContext) => attempt * 100);
    const breaker = create({ cooldownMs });
    expect(keepOpening(breaker, 2)).toEqual([100, 200]);
    clock.advance(200);
    expect(breaker.state).toBe('half-open');
    breaker.trip();
    expect(ask(breaker)).toBe(300);
    expect(cooldownMs).toHaveBeenCalledTimes(3);
  });

  test('is not asked by trip({ cooldownMs })', () => {
    const cooldownMs = vi.fn(() => 100);
    const breaker = create({ cooldownMs });
    breaker.trip({ cooldownMs: 7 });
    expect(ask(breaker)).toBe(7);
    expect(cooldownMs).not.toHaveBeenCalled();
  });
});

describe('growth', () => {
  const doubling = exponential({ baseMs: 1_000, maxMs: 8_000 });

  /** Lets the closed circuit answer calls. */
  function serve(breaker: CircuitBreaker, times: number): void {
    for (let call = 0; call < times; call++) succeed(breaker);
  }

  test('survives flapping: open, closed and open again before 10 successes goes on growing, up to the cap', () => {
    const breaker = create({ cooldownMs: doubling });
    const cooldowns = Array.from({ length: 6 }, () => {
      const cooldownMs = open(breaker);
      recover(breaker);
      serve(breaker, 9);
      return cooldownMs;
    });
    expect(cooldowns).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test.each([
    [9, 8_000],
    [10, 1_000],
  ])('after three openings and %d successes in the closed circuit the next cooldown is %d ms', (served, expected) => {
    const breaker = create({ cooldownMs: doubling });
    keepOpening(breaker, 2);
    open(breaker);
    recover(breaker);
    serve(breaker, served);
    expect(open(breaker)).toBe(expected);
  });

  test('successes need not be in a row', () => {
    const breaker = create({ cooldownMs: doubling, detector: consecutiveFailures(2) });
    fail(breaker, 2);
    recover(breaker);
    for (let call = 0; call < 10; call++) {
      fail(breaker);
      succeed(breaker);
    }
    expect(breaker.stats().openings).toBe(0);
  });

  test('quiet time alone ends it never: the first call after a day says as little as the last one before it', () => {
    const breaker = create({ cooldownMs: doubling });
    open(breaker);
    recover(breaker);
    clock.advance(86_400_000);
    expect(open(breaker)).toBe(2_000);
  });

  test('eight hours of outage cost no more than 10 successes: the next cooldown is the first again', () => {
    const breaker = create({ cooldownMs: doubling });
    keepOpening(breaker, 4_000);
    succeed(breaker);
    serve(breaker, 10);
    expect(open(breaker)).toBe(1_000);
  });

  test('stats shows that it began anew', () => {
    const breaker = create({ cooldownMs: doubling });
    keepOpening(breaker, 2);
    open(breaker);
    recover(breaker);
    serve(breaker, 9);
    expect(breaker.stats().openings).toBe(3);
    serve(breaker, 1);
    expect(breaker.stats().openings).toBe(0);
  });

  test('starts anew after reset', () => {
    const breaker = create({ cooldownMs: doubling });
    keepOpening(breaker, 3);
    breaker.reset();
    expect(breaker.stats().openings).toBe(0);
    expect(open(breaker)).toBe(1_000);
  });

  test('a trip of a circuit that is open already is no further opening', () => {
    const breaker = create({ cooldownMs: doubling });
    open(breaker);
    breaker.trip({ cooldownMs: 5_000 });
    breaker.trip({ cooldownMs: 5_000 });
    expect(breaker.stats()).toMatchObject({ openings: 1, remainingCooldownMs: 5_000 });
  });
});

describe('Retry-After', () => {
  /** Fails with what the server asks to wait; says for how long the circuit is open. */
  function openAfter(breaker: CircuitBreaker, retryAfterMs: number): number {
    acquire(breaker).settle('failure', undefined, { retryAfterMs });
    return breaker.stats().remainingCooldownMs;
  }

  test.each([
    [{}, 0, 10_000],
    [{}, 9_999, 10_000],
    [{}, 25_000, 25_000],
    [{}, 60_000, 60_000],
    [{}, 3_600_000, 60_000],
    [{ retryAfter: { maxMs: 20_000 } }, 3_600_000, 20_000],
    [{ retryAfter: { maxMs: 5_000 } }, 3_600_000, 10_000],
    [{ retryAfter: { maxMs: 0 } }, 25_000, 10_000],
    [{ cooldownMs: 90_000 }, 3_600_000, 90_000],
    [{ cooldownMs: exponential({ baseMs: 2_000 }) }, 30_000, 30_000],
  ])('with %j and %d ms asked for the circuit is open for %d ms', (options, retryAfterMs, expected) => {
    const breaker = create(options);
    const events = listen(breaker);
    expect(openAfter(breaker, retryAfterMs)).toBe(expected);
    expect(ofType(events, 'stateChange')).toMatchObject([{ to: 'open', reason: 'threshold', cooldownMs: expected }]);
  });

  test.each([Number.NaN, 'soon', null])('of %j is none: the circuit is open for its cooldown', (retryAfterMs) => {
    expect(openAfter(create(), retryAfterMs as number)).toBe(10_000);
  });

  test('counts on the response that trips the circuit, not on those before it', () => {
    const breaker = create({ detector: consecutiveFailures(2) });
    acquire(breaker).settle('failure', undefined, { retryAfterMs: 30_000 });
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(ask(breaker)).toBe(10_000);
  });

  test('of a probe that fails lengthens the next cooldown', () => {
    const breaker = create();
    breaker.trip({ cooldownMs: 0 });
    expect(openAfter(breaker, 30_000)).toBe(30_000);
  });

  test.each<[unknown, ErrorConstructor, string]>([
    [
      { retryAfter: { maxMs: -1 } },
      RangeError,
      'Expected `retryAfter.maxMs` to be a number of milliseconds >= 0, got -1',
    ],
    [
      { retryAfter: { maxMs: '1m' } },
      TypeError,
      'Expected `retryAfter.maxMs` to be a number of milliseconds >= 0, got "1m"',
    ],
    [{ retryAfter: { opens: 1 } }, TypeError, 'Expected `retryAfter.opens` to be a boolean, got 1'],
  ])('%j is refused', (options, kind, message) => {
    expect(() => create(options as CircuitBreakerOptions)).toThrow(kind);
    expect(() => create(options as CircuitBreakerOptions)).toThrow(message);
  });
});

describe('retryAfter.opens', () => {
  const detector = consecutiveFailures(5);

  test('opens at the first failure that carries a Retry-After, with reason retry-after', () => {
    const breaker = create({ detector, retryAfter: { opens: true } });
    const events = listen(breaker);
    fail(breaker);
    expect(breaker.state).toBe('closed');
    acquire(breaker).settle('failure', undefined, { retryAfterMs: 25_000 });
    expect(ask(breaker)).toBe(25_000);
    expect(ofType(events, 'stateChange')).toMatchObject([
      { from: 'closed', to: 'open', reason: 'retry-after', failures: 2, cooldownMs: 25_000 },
    ]);
  });

  test('gives the reason of the detector where that trips as well', () => {
    const breaker = create({ detector: consecutiveFailures(1), retryAfter: { opens: true } });
    const events = listen(breaker);
    acquire(breaker).settle('failure', undefined, { retryAfterMs: 25_000 });
    expect(ofType(events, 'stateChange')).toMatchObject([{ reason: 'threshold' }]);
  });

  test.each(['success', 'neutral'] as const)('leaves the circuit closed for a %s with a Retry-After', (outcome) => {
    const breaker = create({ detector, retryAfter: { opens: true } });
    acquire(breaker).settle(outcome, undefined, { retryAfterMs: 25_000 });
    expect(breaker.state).toBe('closed');
  });

  test('is off unless asked for', () => {
    const breaker = create({ detector });
    acquire(breaker).settle('failure', undefined, { retryAfterMs: 25_000 });
    expect(breaker.state).toBe('closed');
  });
});

describe('over HTTP', () => {
  let server: TestServer;
  let sink: MemorySink;
  beforeEach(async () => {
    server = await startServer(200);
    sink = memorySink();
  });
  afterEach(() => server.close());

  function guard(breaker: ResilienceOptions['breaker']): { api: AxiosInstance; circuit: CircuitBreaker } {
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: false, clock, breaker, sinks: [sink] });
    return { api, circuit: breakers.ensure(`GET ${server.url}`) };
  }

  const opening = () => ofType(sink.events, 'stateChange').filter(({ to }) => to === 'open');

  test.each([
    ['30', 30_000],
    ['5', 10_000],
    ['86400', 60_000],
    ['soon', 10_000],
  ])('a Retry-After of %s on the tripping response opens the circuit for %d ms', async (retryAfter, expected) => {
    server.script(503, json(503, {}, { 'retry-after': retryAfter }));
    const { api, circuit } = guard({ ...CLASSIC, detector: consecutiveFailures(2) });
    await Promise.allSettled([api.get('/')]);
    await Promise.allSettled([api.get('/')]);
    expect(circuit.stats()).toMatchObject({ state: 'open', remainingCooldownMs: expected });
    expect(opening()).toMatchObject([{ reason: 'threshold', cooldownMs: expected }]);
  });

  test('a date is taken against the Date of the response', async () => {
    server.script(
      json(503, {}, { date: 'Tue, 01 Jan 2030 00:00:00 GMT', 'retry-after': 'Tue, 01 Jan 2030 00:00:45 GMT' }),
    );
    const { api, circuit } = guard({ detector: consecutiveFailures(1) });
    await Promise.allSettled([api.get('/')]);
    expect(circuit.stats().remainingCooldownMs).toBe(45_000);
  });

  test('it counts on a response that validateStatus accepts, and the function is told of that response', async () => {
    server.script(json(429, {}, { 'retry-after': '30' }));
    const cooldownMs = vi.fn(({ attempt }: DelayContext) => attempt);
    const { api, circuit } = guard({ detector: consecutiveFailures(1), cooldownMs });
    cooldownMs.mockClear(); // attach tries it once
    const response = await api.get('/', { validateStatus: () => true });
    expect(circuit.stats().remainingCooldownMs).toBe(30_000);
    const [context] = cooldownMs.mock.calls[0] ?? [];
    expect(context).toMatchObject({ key: circuit.key, attempt: 1, retryAfterMs: 30_000, response: { status: 429 } });
    expect(response.status).toBe(429);
  });

  test('the function is told of the error that trips the circuit', async () => {
    server.script(json(503, {}, { 'retry-after': '120' }));
    const cooldownMs = vi.fn(({ retryAfterMs }: DelayContext) => retryAfterMs ?? 0);
    const { api, circuit } = guard({ detector: consecutiveFailures(1), cooldownMs });
    cooldownMs.mockClear(); // attach tries it once
    const [result] = await Promise.allSettled([api.get('/')]);
    expect(cooldownMs).toHaveBeenCalledTimes(1);
    expect(cooldownMs.mock.calls[0]?.[0].error).toBe(result.status === 'rejected' && result.reason);
    expect(circuit.stats().remainingCooldownMs).toBe(120_000);
  });

  test.each([429, 503])('retryAfter.opens opens at the first %i that carries one', async (status) => {
    server.script(status, json(status, {}, { 'retry-after': '20' }));
    const { api, circuit } = guard({ retryAfter: { opens: true } });
    await Promise.allSettled([api.get('/')]);
    expect(circuit.state).toBe('closed');
    await Promise.allSettled([api.get('/')]);
    expect(opening()).toMatchObject([{ reason: 'retry-after', failures: 2, cooldownMs: 20_000 }]);
    await expect(api.get('/')).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 20_000 });
    expect(server.requests).toHaveLength(2);
  });

  test.each([404, 500])('retryAfter.opens leaves the circuit closed for a %i that carries one', async (status) => {
    server.script(json(status, {}, { 'retry-after': '20' }));
    const { api, circuit } = guard({ retryAfter: { opens: true } });
    await Promise.allSettled([api.get('/')]);
    expect(circuit.state).toBe('closed');
  });

  test('a probe that is told to stay away re-opens the circuit for so long', async () => {
    server.script(json(503, {}, { 'retry-after': '40' }));
    const { api, circuit } = guard({});
    circuit.trip({ cooldownMs: 0 });
    await Promise.allSettled([api.get('/')]);
    expect(circuit.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 40_000 });
  });
});

describe('a `Retry-After` of what a function has thrown', () => {
  const answered = (headers: object, status = 503) =>
    Object.assign(new Error('answered'), { response: { status, headers } });

  const ways: [string, (breaker: CircuitBreaker, error: Error) => Promise<unknown>][] = [
    ['execute', (breaker, error) => breaker.execute(() => Promise.reject(error))],
    [
      'execute with a signal',
      (breaker, error) => breaker.execute(() => Promise.reject(error), { signal: new AbortController().signal }),
    ],
    ['acquire', async (breaker, error) => (await breaker.acquire()).settle('failure', error)],
    ['retry', (breaker, error) => retry(() => Promise.reject(error), { breaker, retries: 0 })],
    [
      'retry that follows none',
      (breaker, error) => retry(() => Promise.reject(error), { breaker, retryAfter: false, retries: 0 }),
    ],
  ];

  /** What is left of the cooldown after the failure, ms; 0 where it opened nothing. */
  const cooldownAfter = async (way: (typeof ways)[0][1], error: Error, options: CircuitBreakerOptions = {}) => {
    const breaker = create({ cooldownMs: 100, ...options });
    await way(breaker, error).catch(() => undefined);
    return breaker.stats().remainingCooldownMs;
  };

  test.each(ways)('lengthens the cooldown (%s)', async (_name, way) => {
    expect(await cooldownAfter(way, answered({ 'retry-after': '7' }))).toBe(7_000);
    expect(await cooldownAfter(way, answered(new Headers({ 'Retry-After': '7' })))).toBe(7_000);
    expect(await cooldownAfter(way, answered({ 'retry-after': '7' }), { retryAfter: { maxMs: 3_000 } })).toBe(3_000);
    expect(await cooldownAfter(way, answered({ 'retry-after': '7' }), { retryAfter: false })).toBe(100);
    expect(await cooldownAfter(way, answered({}))).toBe(100);
  });

  test.each(ways)('opens with `retryAfter.opens` where the status is 429 or 503 (%s)', async (_name, way) => {
    const options = { detector: consecutiveFailures(9), retryAfter: { opens: true } };
    expect(await cooldownAfter(way, answered({ 'retry-after': '7' }, 429), options)).toBe(7_000);
    expect(await cooldownAfter(way, answered({ 'retry-after': '7' }, 500), options)).toBe(0);
  });

  test('is shown to a cooldown function with the response', async () => {
    const told: unknown[] = [];
    const cooldownMs = ({ retryAfterMs, response, error }: DelayContext) => {
      told.push([retryAfterMs, response?.status, error?.message]);
      return 1;
    };
    await create({ cooldownMs })
      .execute(() => Promise.reject(answered({ 'retry-after': '2' })))
      .catch(() => undefined);
    expect(told).toEqual([[2_000, 503, 'answered']]);
  });

  test('that cannot be read is none, and the failure counts', async () => {
    const error = new Error('closed');
    Object.defineProperty(error, 'response', {
      get: () => {
        throw new Error('not to be read');
      },
    });
    for (const [, way] of ways) expect(await cooldownAfter(way, error)).toBe(100);
  });
});
