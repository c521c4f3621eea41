import axios, { type AxiosInstance } from 'axios';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  CircuitBreaker,
  type CircuitBreakerOptions,
  CircuitOpenError,
  consecutiveFailures,
  exponential,
  type ResilienceOptions,
  reportOf,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { tryAcquire } from '../support/permits.js';
import { type ScriptedAdapter, scripted } from '../support/scripted-adapter.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType, succeed, transitions } from './support.js';

const KEY = 'GET https://api.example.com';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const STATES = ['closed', 'open', 'half-open'] as const;

const create = (options: CircuitBreakerOptions = {}) => new CircuitBreaker(KEY, { ...CLASSIC, clock, ...options });

/** A circuit that came to its state by itself: closed with 4 failures, open with 6 s left, or half-open. */
function createIn(state: (typeof STATES)[number], options: CircuitBreakerOptions = {}): CircuitBreaker {
  const breaker = create(options);
  fail(breaker, state === 'closed' ? 4 : 5);
  if (state !== 'closed') clock.advance(state === 'open' ? 4_000 : 10_000);
  expect(breaker.state).toBe(state);
  return breaker;
}

interface Guarded {
  readonly api: AxiosInstance;
  readonly adapter: ScriptedAdapter;
  readonly circuit: CircuitBreaker;
}

function guard(options: ResilienceOptions = {}): Guarded {
  const adapter = scripted(200);
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const { breakers } = attach(api, { retry: false, clock, ...options });
  return { api, adapter, circuit: breakers.ensure(KEY) };
}

describe('trip', () => {
  test.each(STATES)('opens a circuit that is %s for as long as it is told', (state) => {
    const breaker = createIn(state);
    breaker.trip({ cooldownMs: 700 });
    expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: 700 });
    clock.advance(699);
    expect(breaker.state).toBe('open');
    clock.advance(1);
    expect(breaker.state).toBe('half-open');
  });

  test.each(STATES)('opens a circuit that is %s for its cooldown unless told otherwise', (state) => {
    const breaker = createIn(state);
    breaker.trip();
    expect(ask(breaker)).toBe(10_000);
    breaker.trip({});
    breaker.trip({ cooldownMs: undefined });
    expect(ask(breaker)).toBe(10_000);
  });

  test.each([
    ['closed', ['closed -> open (manual)']],
    ['open', []],
    ['half-open', ['half-open -> open (manual)']],
  ] as const)('of a circuit that is %s emits %j', (state, expected) => {
    const breaker = createIn(state);
    const events = listen(breaker);
    breaker.trip({ cooldownMs: 700 });
    expect(transitions(events)).toEqual(expected);
  });

  test.each<[unknown, string]>([
    [null, 'Expected `options` to be an object, got null'],
    [5, 'Expected `options` to be an object, got 5'],
    [{ formMs: 5 }, 'Unknown option `formMs`; the options are `cooldownMs`'],
  ])('trip(%j) is refused and changes nothing', (options, message) => {
    const breaker = create();
    expect(() => breaker.trip(options as never)).toThrow(new TypeError(message));
    expect(breaker.state).toBe('closed');
  });

  test('after it the circuit goes on by itself: a probe closes it', () => {
    const breaker = create();
    breaker.trip({ cooldownMs: 700 });
    clock.advance(700);
    succeed(breaker);
    expect(breaker.state).toBe('closed');
  });

  test('counts as an opening, so that the next cooldown grows', () => {
    const breaker = create({ cooldownMs: exponential({ baseMs: 1_000 }) });
    breaker.trip();
    clock.advance(1_000);
    fail(breaker);
    expect(ask(breaker)).toBe(2_000);
  });
});

describe('reset', () => {
  test.each(STATES)('closes a circuit that is %s, with nothing counted', (state) => {
    const breaker = createIn(state);
    breaker.reset();
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, openings: 0, remainingCooldownMs: 0 });
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test.each([
    ['closed', []],
    ['open', ['open -> closed (manual)']],
    ['half-open', ['half-open -> closed (manual)']],
  ] as const)('of a circuit that is %s emits %j', (state, expected) => {
    const breaker = createIn(state);
    const events = listen(breaker);
    breaker.reset();
    expect(transitions(events)).toEqual(expected);
  });

  test('makes what was under way late', () => {
    const breaker = createIn('half-open');
    const probe = acquire(breaker);
    breaker.reset();
    probe.settle('failure');
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, counts: { late: 1 } });
  });
});

describe('isolate', () => {
  test.each(STATES)('keeps a circuit that is %s open, for ever, and rejects everybody', (state) => {
    const breaker = createIn(state);
    breaker.isolate();
    for (const ms of [0, 10_000, 1_000_000_000]) {
      clock.advance(ms);
      expect([breaker.state, breaker.isOpen, breaker.stats().isolated]).toEqual(['open', true, true]);
      expect(tryAcquire(breaker)).toEqual({ admitted: false, retryAfterMs: Number.POSITIVE_INFINITY });
    }
  });

  test('released, a closed circuit is closed as it was, with its failures', () => {
    const breaker = createIn('closed');
    breaker.isolate().release();
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 4, isolated: false, openings: 0 });
    fail(breaker);
    expect(breaker.state).toBe('open');
  });

  test('released, an open circuit is open for what is left of its cooldown', () => {
    const breaker = createIn('open');
    const isolation = breaker.isolate();
    clock.advance(1_000);
    isolation.release();
    expect(ask(breaker)).toBe(5_000);
  });

  test('released after the cooldown, an open circuit is half-open and takes one probe', () => {
    const breaker = createIn('open');
    const isolation = breaker.isolate();
    clock.advance(60_000);
    isolation.release();
    expect(breaker.state).toBe('half-open');
    expect([tryAcquire(breaker).admitted, tryAcquire(breaker).admitted]).toEqual([true, false]);
  });

  test('released, a half-open circuit still has its probe under way', () => {
    const breaker = createIn('half-open');
    const probe = acquire(breaker);
    breaker.isolate().release();
    expect([breaker.state, tryAcquire(breaker).admitted]).toEqual(['half-open', false]);
    probe.settle('success');
    expect(breaker.state).toBe('closed');
  });

  test('lies above the automatic state, which goes on with what was under way', () => {
    const closed = createIn('closed');
    const attempt = acquire(closed);
    const first = closed.isolate();
    attempt.settle('failure');
    expect(closed.state).toBe('open');
    first.release();
    expect(ask(closed)).toBe(10_000);

    const halfOpen = createIn('half-open');
    const probe = acquire(halfOpen);
    const second = halfOpen.isolate();
    probe.settle('success');
    expect(halfOpen.state).toBe('open');
    second.release();
    expect(halfOpen.state).toBe('closed');
  });

  test('several isolations add up: the last one released lifts them, in any order', () => {
    const breaker = create();
    const [one, two, three] = [breaker.isolate(), breaker.isolate(), breaker.isolate()];
    two.release();
    one.release();
    expect(breaker.state).toBe('open');
    three.release();
    expect(breaker.state).toBe('closed');
  });

  test('a handle that is released twice counts once', () => {
    const breaker = create();
    const [one, two] = [breaker.isolate(), breaker.isolate()];
    one.release();
    one.release();
    expect(breaker.stats()).toMatchObject({ state: 'open', isolated: true });
    two.release();
    two.release();
    expect(breaker.state).toBe('closed');
    breaker.isolate();
    expect(breaker.state).toBe('open');
  });

  test('emits one change when it begins and one when the last is released, with reason manual', () => {
    const breaker = create();
    const events = listen(breaker);
    const [one, two] = [breaker.isolate(), breaker.isolate()];
    one.release();
    two.release();
    two.release();
    expect(transitions(events)).toEqual(['closed -> open (manual)', 'open -> closed (manual)']);
  });

  test('emits no change above an open circuit, and only what it became when released', () => {
    const breaker = createIn('open');
    const events = listen(breaker);
    const isolation = breaker.isolate();
    clock.advance(60_000);
    expect(breaker.state).toBe('open');
    expect(events).toEqual([]);
    isolation.release();
    expect(breaker.state).toBe('half-open');
    expect(ofType(events, 'stateChange')).toMatchObject([{ from: 'open', to: 'half-open' }]);
  });

  test('trip and reset change what lies below it', () => {
    const tripped = create();
    const first = tripped.isolate();
    tripped.trip({ cooldownMs: 3_000 });
    expect(ask(tripped)).toBe(Number.POSITIVE_INFINITY);
    first.release();
    expect(ask(tripped)).toBe(3_000);

    const restored = createIn('open');
    const second = restored.isolate();
    const events = listen(restored);
    restored.reset();
    expect([restored.state, restored.stats().isolated]).toEqual(['open', true]);
    second.release();
    expect(restored.state).toBe('closed');
    expect(transitions(events)).toEqual(['open -> closed (manual)']);
  });

  test('emits rejected with a retryAfterMs of Infinity', () => {
    const breaker = create();
    breaker.isolate();
    const events = listen(breaker);
    ask(breaker);
    expect(events).toMatchObject([{ type: 'rejected', by: 'circuit', retryAfterMs: Number.POSITIVE_INFINITY }]);
  });

  test('stats shows since when the circuit has been open', () => {
    const breaker = create();
    clock.advance(60_000);
    const isolation = breaker.isolate();
    clock.advance(500);
    expect(breaker.stats()).toMatchObject({ state: 'open', stateAgeMs: 500 });
    isolation.release();
    clock.advance(40);
    expect(breaker.stats()).toMatchObject({ state: 'closed', stateAgeMs: 40 });
  });

  test('in mode observe rejects nobody, counts nothing of what it lets through, and says so', () => {
    const breaker = create({ mode: 'observe', detector: consecutiveFailures(1) });
    const isolation = breaker.isolate();
    const events = listen(breaker);
    expect(breaker.state).toBe('open');
    fail(breaker, 3);
    expect(ofType(events, 'wouldReject').map(({ retryAfterMs }) => retryAfterMs)).toEqual(
      Array(3).fill(Number.POSITIVE_INFINITY),
    );
    isolation.release();
    expect(breaker.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
  });

  test('execute rejects with an error that names no time and has no Retry-After', async () => {
    const breaker = create();
    breaker.isolate();
    const work = vi.fn();
    const error: unknown = await breaker.execute(work).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({ status: 503, retryAfterMs: Number.POSITIVE_INFINITY });
    expect((error as CircuitOpenError).headers).toEqual({});
    expect((error as CircuitOpenError).message).toBe(`The circuit "${KEY}" is open; it is isolated`);
    expect(work).not.toHaveBeenCalled();
  });

  test('calls of axios are rejected without a request until it is released, and fallback data answers', async () => {
    const { api, adapter, circuit } = guard();
    const isolation = circuit.isolate();
    const error: unknown = await api.get('/').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: Number.POSITIVE_INFINITY, headers: {} });
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'circuit-open' });
    expect((await api.get('/', { resilience: { fallback: 'data' } })).data).toBe('data');
    expect(adapter.attempts).toHaveLength(0);
    isolation.release();
    expect((await api.get('/')).status).toBe(200);
  });
});

describe('mode', () => {
  test.each(STATES)('observe over a circuit that is %s gives everybody a permit and leaves the state', (state) => {
    const breaker = createIn(state);
    breaker.mode = 'observe';
    const answers = Array.from({ length: 20 }, () => tryAcquire(breaker));
    expect(answers.every(({ admitted }) => admitted)).toBe(true);
    expect([breaker.state, breaker.mode]).toEqual([state, 'observe']);
  });

  test.each([
    ['closed', [true, true]],
    ['open', [false, false]],
    ['half-open', [true, false]],
  ] as const)('back in enforce a circuit that is %s admits %j', (state, admitted) => {
    const breaker = createIn(state);
    breaker.mode = 'observe';
    breaker.mode = 'enforce';
    expect([tryAcquire(breaker).admitted, tryAcquire(breaker).admitted]).toEqual(admitted);
  });

  test('observe over an isolated circuit lets calls through; enforce rejects them again', async () => {
    const { api, adapter, circuit } = guard();
    const isolation = circuit.isolate();
    circuit.mode = 'observe';
    expect((await api.get('/')).status).toBe(200);
    circuit.mode = 'enforce';
    await expect(api.get('/')).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
    isolation.release();
    expect(adapter.attempts).toHaveLength(1);
  });

  test('changing it emits nothing and counts nothing', () => {
    const breaker = createIn('closed');
    const events = listen(breaker);
    breaker.mode = 'observe';
    breaker.mode = 'enforce';
    expect([events, breaker.stats().failures]).toEqual([[], 4]);
  });
});

describe('execute with a signal', () => {
  test('gives the signal to the function', async () => {
    const { signal } = new AbortController();
    const work = vi.fn(async (context: { readonly signal: AbortSignal | undefined }) => context.signal);
    expect(await create().execute(work, { signal })).toBe(signal);
    expect(await create().execute(work)).toBeUndefined();
  });

  test('that is aborted already does not call the function, takes no permit and throws the reason', async () => {
    const breaker = createIn('half-open');
    const work = vi.fn();
    const reason = new Error('stop');
    await expect(breaker.execute(work, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(work).not.toHaveBeenCalled();
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(tryAcquire(breaker).admitted).toBe(true);
  });

  test('that is aborted already is thrown also where the circuit is open, and is no rejection', async () => {
    const breaker = createIn('open');
    const events = listen(breaker);
    const reason = new Error('stop');
    await expect(breaker.execute(vi.fn(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(events).toEqual([]);
  });

  test('that aborts while it runs makes the failure neutral, whatever error comes', async () => {
    const breaker = create({ detector: consecutiveFailures(1) });
    const controller = new AbortController();
    const error = new Error('socket closed');
    const call = breaker.execute(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(error));
        }),
      { signal: controller.signal },
    );
    controller.abort();
    await expect(call).rejects.toBe(error);
    expect(breaker.stats()).toMatchObject({ state: 'closed', inFlight: 0, counts: { failure: 0, neutral: 1 } });
  });

  test('that aborts while it runs leaves a success a success', async () => {
    const breaker = createIn('half-open');
    const controller = new AbortController();
    const call = breaker.execute(
      async () => {
        controller.abort();
        return 'in time';
      },
      { signal: controller.signal },
    );
    await expect(call).resolves.toBe('in time');
    expect(breaker.state).toBe('closed');
  });

  test('that does not abort changes nothing: a failure is a failure', async () => {
    const breaker = create({ detector: consecutiveFailures(1) });
    const { signal } = new AbortController();
    await expect(breaker.execute(() => Promise.reject(new Error('down')), { signal })).rejects.toThrow('down');
    expect(breaker.state).toBe('open');
  });
});
