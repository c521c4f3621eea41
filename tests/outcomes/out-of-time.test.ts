import axios, { type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  CircuitBreaker,
  consecutiveFailures,
  isRejectedError,
  type Outcome,
  type ResilienceOptions,
  reportOf,
  retry,
  slowCallRate,
} from '../../src/index.js';
import { after, type Step, scripted, untilCancelled } from '../support/scripted-adapter.js';
import { hang, startServer } from '../support/server.js';

const KEY = 'GET https://api.example.com';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start(options: ResilienceOptions, ...steps: Step[]) {
  const adapter = scripted(...steps);
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const resilience = attach(api, options);
  const outcomes: Outcome[] = [];
  resilience.on('attempt', ({ outcome }) => void outcomes.push(outcome));
  const end = async (call: Promise<unknown>): Promise<any> => {
    const settled = call.catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    return settled;
  };
  const get = (config: AxiosRequestConfig = {}) => end(api.get('/', config));
  return { adapter, api, get, outcomes, resilience, circuit: resilience.breakers.ensure(KEY) };
}

/** A signal that aborts as `AbortSignal.timeout` does, by the timers of the test. */
function signalAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
  return controller.signal;
}

const QUICK = { retries: 3, backoff: () => 10 };

describe('deadlineMs, when it ends an attempt', () => {
  test.each([
    [100, 'failure'],
    [99, 'neutral'],
    [20, 'neutral'],
  ])('that had all of %i ms: %s', async (deadlineMs, outcome) => {
    const { get, outcomes } = start({ deadlineMs }, untilCancelled);
    expect(reportOf(await get())?.stopped).toBe('deadline');
    expect(outcomes).toEqual([outcome]);
  });

  test.each([
    [100, 'failure'],
    [101, 'neutral'],
  ])('that came after %i of 1000 ms: %s', async (beforeMs, outcome) => {
    const { get, outcomes } = start(
      { retry: { ...QUICK, backoff: () => 0 }, deadlineMs: 1_000 },
      after(beforeMs, 503),
      untilCancelled,
    );
    await get();
    expect(outcomes).toEqual(['failure', outcome]);
  });

  test.each([
    [50, 'failure'],
    [51, 'neutral'],
  ])('of 50 ms, where the slowest success of the last minute took %i: %s', async (slowestMs, outcome) => {
    const { get, outcomes } = start({ deadlineMs: 5_000 }, after(slowestMs, 200), after(5, 200), untilCancelled);
    await get();
    await get();
    await get({ resilience: { deadlineMs: 50 } });
    expect(outcomes).toEqual(['success', 'success', outcome]);
  });

  test('what successes took longer than a minute ago does not count', async () => {
    const { get, outcomes } = start({ deadlineMs: 5_000 }, after(5, 200), untilCancelled);
    await get();
    await vi.advanceTimersByTimeAsync(61_000);
    await get({ resilience: { deadlineMs: 50 } });
    expect(outcomes).toEqual(['success', 'neutral']);
  });

  test('the durations of calls without deadline and signal are not kept', async () => {
    const { get, outcomes } = start({}, after(5, 200), untilCancelled);
    await get();
    await get({ resilience: { deadlineMs: 50 } });
    expect(outcomes).toEqual(['success', 'neutral']);
  });

  test('a service that hangs trips, and a fallback for failures answers', async () => {
    const options = { deadlineMs: 200, fallback: 'old', fallbackOn: 'failure' as const };
    const { get, circuit } = start({ ...options, breaker: { detector: consecutiveFailures(3) } }, untilCancelled);
    for (let call = 0; call < 3; call++) expect(await get()).toMatchObject({ data: 'old' });
    expect(circuit.state).toBe('open');
  });

  test('slowCallRate sees how long it was', async () => {
    const detector = slowCallRate({ slowMs: 150, size: 3, minAttempts: 3 });
    const { get, circuit } = start({ deadlineMs: 200, breaker: { detector } }, untilCancelled);
    for (let call = 0; call < 3; call++) await get();
    expect(circuit.stats()).toMatchObject({ state: 'open' });
  });

  test('time that ran out in a wait of ours is no attempt at all', async () => {
    const { get, outcomes } = start({ retry: { ...QUICK, backoff: () => 190 }, deadlineMs: 200 }, 503, after(5, 503));
    await get();
    expect(outcomes).toEqual(['failure', 'failure']);
  });
});

describe('a signal with a time limit, when it ends an attempt', () => {
  const inside = (signal: AbortSignal) => AbortSignal.any([new AbortController().signal, signal]);

  test.each([
    ['AbortSignal.timeout', (signal: AbortSignal) => signal],
    ['AbortSignal.any around it', inside],
  ])('%s: a failure, and the call is not retried', async (_what, shape) => {
    const { get, outcomes } = start({ retry: QUICK }, untilCancelled);
    const error = await get({ signal: shape(signalAfter(500)) });
    expect(axios.isCancel(error)).toBe(true);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'aborted' });
    expect(outcomes).toEqual(['failure']);
  });

  test('with a deadline that is longer it is a failure, too', async () => {
    const { get, outcomes } = start({ retry: { ...QUICK }, deadlineMs: 5_000 }, untilCancelled);
    expect(reportOf(await get({ signal: signalAfter(500) }))?.stopped).toBe('aborted');
    expect(outcomes).toEqual(['failure']);
  });

  test.each([
    [100, 'failure'],
    [99, 'neutral'],
  ])('after %i ms: %s', async (ms, outcome) => {
    const { get, outcomes } = start({}, untilCancelled);
    await get({ signal: signalAfter(ms) });
    expect(outcomes).toEqual([outcome]);
  });

  test('the rest of its time for a later attempt: neutral', async () => {
    const { get, outcomes } = start({ retry: QUICK }, after(300, 503), untilCancelled);
    await get({ signal: signalAfter(500) });
    expect(outcomes).toEqual(['failure', 'neutral']);
  });

  test('a signal that is aborted for any other reason: neutral', async () => {
    const { get, outcomes } = start({}, untilCancelled);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 500);
    await get({ signal: controller.signal });
    expect(outcomes).toEqual(['neutral']);
  });

  test('a signal of a polyfill, which has no reason: neutral', async () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      addEventListener: (_type: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: (_type: string, listener: () => void) => void listeners.delete(listener),
    };
    setTimeout(() => {
      signal.aborted = true;
      for (const listener of listeners) listener();
    }, 500);
    const { get, outcomes } = start({}, untilCancelled);
    await get({ signal });
    expect(outcomes).toEqual(['neutral']);
  });
});

describe.each(['http', 'fetch'])('over real HTTP with the %s adapter', (adapter) => {
  beforeEach(() => {
    vi.useRealTimers();
  });

  test.each([
    ['AbortSignal.timeout', () => AbortSignal.timeout(500)],
    ['AbortSignal.any', () => AbortSignal.any([new AbortController().signal, AbortSignal.timeout(500)])],
  ])('six hangs under %s open the circuit', async (_what, signal) => {
    const server = await startServer(hang);
    const api = axios.create({ baseURL: server.url, adapter });
    const { breakers } = attach(api, { breaker: { detector: consecutiveFailures(6), cooldownMs: 60_000 } });
    await Promise.allSettled(Array.from({ length: 6 }, () => api.get('/', { signal: signal() })));
    expect(breakers.get(`GET ${server.url}`)?.state).toBe('open');
    await server.close();
  });
});

describe('execute and retry', () => {
  const breakerOf = () => new CircuitBreaker('queue', { detector: consecutiveFailures(1), cooldownMs: 1_000 });
  const hanging = ({ signal }: { signal: AbortSignal | undefined }) =>
    new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });

  async function settled(call: Promise<unknown>): Promise<unknown> {
    const end = call.catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    return end;
  }

  test.each([
    [100, 'open'],
    [99, 'closed'],
  ])('execute whose signal ends it after %i ms leaves the circuit %s', async (ms, state) => {
    const breaker = breakerOf();
    await settled(breaker.execute(hanging, { signal: signalAfter(ms) }));
    expect(breaker.stats()).toMatchObject({ state, inFlight: 0 });
  });

  test('execute in a hurry is a failure where successes take no longer', async () => {
    const breaker = breakerOf();
    const quick = () => new Promise<void>((resolve) => setTimeout(resolve, 30));
    await settled(breaker.execute(quick, { signal: new AbortController().signal }));
    await settled(breaker.execute(hanging, { signal: signalAfter(29) }));
    expect(breaker.state).toBe('closed');
    await settled(breaker.execute(hanging, { signal: signalAfter(30) }));
    expect(breaker.state).toBe('open');
  });

  test.each(['signal', 'deadlineMs'] as const)(
    'retry in a hurry by its %s is a failure where successes take no longer',
    async (option) => {
      const breaker = breakerOf();
      const within = (ms: number) => (option === 'signal' ? { signal: signalAfter(ms) } : { deadlineMs: ms });
      const quick = () => new Promise<void>((resolve) => setTimeout(resolve, 30));
      await settled(retry(quick, { breaker, ...within(5_000) }));
      await settled(retry(hanging, { breaker, ...within(29) }));
      expect(breaker.state).toBe('closed');
      await settled(retry(hanging, { breaker, ...within(30) }));
      expect(breaker.state).toBe('open');
    },
  );

  test('retry with less time left than successes take gets no probe', async () => {
    const breaker = breakerOf();
    const took = (ms: number) => vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, ms)));
    await settled(retry(took(300), { breaker, deadlineMs: 5_000 }));
    breaker.trip({ cooldownMs: 0 });
    const fn = took(10);
    expect(isRejectedError(await settled(retry(fn, { breaker, deadlineMs: 299, maxWaitMs: 0 })))).toBe(true);
    expect(fn).not.toHaveBeenCalled();
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    await settled(retry(fn, { breaker, deadlineMs: 300 }));
    expect(breaker.state).toBe('closed');
  });

  test.each(['signal', 'deadlineMs'] as const)(
    'retry with a %s of 100 ms opens, with 99 it does not',
    async (option) => {
      for (const ms of [99, 100]) {
        const breaker = breakerOf();
        const limit = option === 'signal' ? { signal: signalAfter(ms) } : { deadlineMs: ms };
        await settled(retry(hanging, { breaker, ...limit }));
        expect(breaker.stats()).toMatchObject({ state: ms < 100 ? 'closed' : 'open', inFlight: 0 });
      }
    },
  );

  test('retry: an attempt that had the rest of the time is neutral', async () => {
    const breaker = new CircuitBreaker('queue', { detector: consecutiveFailures(2) });
    const fn = ({ attempt, signal }: { attempt: number; signal: AbortSignal }) =>
      attempt === 1 ? Promise.reject(new Error('busy')) : hanging({ signal });
    await settled(retry(fn, { breaker, deadlineMs: 1_000, backoff: () => 200 }));
    expect(breaker.stats()).toMatchObject({ state: 'closed', counts: { failure: 1, neutral: 1 } });
  });

  test.each(['execute', 'retry'] as const)(
    '%s: a probe that ran out of time re-opens, however short that was',
    async (how) => {
      const breaker = breakerOf();
      breaker.trip({ cooldownMs: 0 });
      expect(breaker.state).toBe('half-open');
      const signal = signalAfter(20);
      await settled(how === 'execute' ? breaker.execute(hanging, { signal }) : retry(hanging, { breaker, signal }));
      expect(breaker.stats()).toMatchObject({ inFlight: 0, counts: { failure: 1 } });
      expect(breaker.stats().openings).toBe(2);
    },
  );
});

describe('a half-open circuit', () => {
  const breaker = { detector: consecutiveFailures(1), cooldownMs: 1_000 };

  test.each<[string, (circuit: CircuitBreaker) => [ResilienceOptions, () => AxiosRequestConfig]]>([
    ['a deadline', () => [{ retry: { retries: 0 }, deadlineMs: 80 }, () => ({})]],
    ['a signal', () => [{ retry: { retries: 0 } }, () => ({ signal: signalAfter(80) })]],
  ])('a service that hangs is asked once per cooldown, where %s ends the probe', async (_what, given) => {
    const [options, config] = given(new CircuitBreaker('x'));
    const { adapter, api, circuit } = start({ ...options, breaker }, untilCancelled);
    circuit.trip({ cooldownMs: 0 });
    const calls: Promise<unknown>[] = [];
    for (let elapsedMs = 0; elapsedMs < 3_000; elapsedMs += 50) {
      calls.push(api.get('/', config()).catch((error: unknown) => error));
      await vi.advanceTimersByTimeAsync(50);
    }
    await vi.runAllTimersAsync();
    await Promise.all(calls);
    expect(adapter.attempts).toHaveLength(3);
  });

  test('a probe that its caller cancelled gives the seat back', async () => {
    const { get, circuit } = start({ breaker }, untilCancelled);
    circuit.trip({ cooldownMs: 0 });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 500);
    await get({ signal: controller.signal });
    expect(circuit.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
  });

  test('an attempt that has less time left than successes take gets no probe', async () => {
    const { adapter, get, circuit } = start({ breaker, deadlineMs: 5_000 }, after(300, 200));
    await get();
    circuit.trip({ cooldownMs: 120_000 });
    await vi.advanceTimersByTimeAsync(120_000);
    const error = await get({ resilience: { deadlineMs: 299 } });
    expect(isRejectedError(error)).toBe(true);
    expect(error.retryAfterMs).toBe(0);
    expect(adapter.attempts).toHaveLength(1);
    expect(circuit.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(await get({ resilience: { deadlineMs: 301 } })).toMatchObject({ status: 200 });
    expect(circuit.state).toBe('closed');
  });

  test('in `observe` it is made all the same', async () => {
    const options = { breaker: { ...breaker, mode: 'observe' as const }, deadlineMs: 5_000 };
    const { adapter, get, circuit } = start(options, after(300, 200), 200);
    await get();
    circuit.trip({ cooldownMs: 0 });
    expect(await get({ resilience: { deadlineMs: 200 } })).toMatchObject({ status: 200 });
    expect(adapter.attempts).toHaveLength(2);
  });
});

test('a deadline of retry that fires far later than it was due is neutral, too', async () => {
  let now = 0;
  const clock = { now: () => now };
  const breaker = new CircuitBreaker('queue', { clock });
  const hanging = ({ signal }: { signal: AbortSignal }) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  for (const lateMs of [500, 501]) {
    const call = retry(hanging, { breaker, deadlineMs: 1_000, clock }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(999);
    now += 1_000 + lateMs;
    await vi.advanceTimersByTimeAsync(1);
    await call;
  }
  expect(breaker.stats().counts).toMatchObject({ failure: 1, neutral: 1 });
});

test('a deadline that fires far later than it was due is neutral: the process slept', async () => {
  let now = 0;
  const { api, outcomes } = start({ deadlineMs: 1_000, clock: { now: () => now } }, untilCancelled);
  for (const lateMs of [500, 501]) {
    const call = api.get('/').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(999);
    now += 1_000 + lateMs;
    await vi.advanceTimersByTimeAsync(1);
    await call;
  }
  expect(outcomes).toEqual(['failure', 'neutral']);
});
