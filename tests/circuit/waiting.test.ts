import { getEventListeners } from 'node:events';
import axios, { type AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  type BreakerOptions,
  CircuitBreaker,
  CircuitOpenError,
  consecutiveFailures,
  memorySink,
  type ResilienceEvent,
  type ResilienceOptions,
  RetryBudget,
  reportOf,
  retry,
} from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';

const KEY = 'GET https://api.example.com';
const breakerOptions: BreakerOptions = { detector: consecutiveFailures(1), cooldownMs: 400, maxWaitMs: 1_000 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

interface Ended {
  readonly data?: unknown;
  readonly error?: AxiosError;
  readonly afterMs: number;
}

function start(options: ResilienceOptions = {}) {
  const adapter = scripted();
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const events: ResilienceEvent[] = [];
  const resilience = attach(api, {
    retry: { retries: 3, backoff: 100 },
    ...options,
    breaker: { ...breakerOptions, ...(options.breaker as BreakerOptions | undefined) },
    sinks: [{ record: (event) => events.push(event) }],
  });
  const circuit = resilience.breakers.ensure(KEY);
  const open = () => {
    const permit = tryAcquire(circuit);
    if (permit.admitted) permit.settle('failure');
  };
  const get = (config = {}): Promise<Ended> => {
    const startedAt = performance.now();
    const ended = () => performance.now() - startedAt;
    return api.get('/', config).then(
      (response) => ({ data: response, afterMs: ended() }),
      (error: unknown) => ({ error: error as AxiosError, afterMs: ended() }),
    );
  };
  return { adapter, api, resilience, circuit, events, open, get };
}

const stoppedOf = (ended: Ended) => reportOf(ended.error ?? ended.data)?.stopped;

describe('a call under an open circuit', () => {
  test('waits for the cooldown, is the probe, and is answered', async () => {
    const { get, open, circuit } = start();
    open();
    const call = get();
    await pass(399);
    expect(circuit.queued).toBe(1);
    await pass(1);
    const ended = await call;
    expect(ended.afterMs).toBe(400);
    expect(reportOf(ended.data)).toMatchObject({ attempts: 1, stopped: 'success', waitedMs: { circuit: 400 } });
    expect(circuit.state).toBe('closed');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is rejected at once where it may wait for less than the cooldown, and told so once', async () => {
    const { get, open, events } = start({ breaker: { maxWaitMs: 399 } });
    open();
    const ended = await get();
    expect(ended.error).toBeInstanceOf(CircuitOpenError);
    expect(ended.afterMs).toBe(0);
    expect(events.filter(({ type }) => type === 'rejected' || type === 'queued')).toMatchObject([{ type: 'rejected' }]);
  });

  test('tells when it begins to wait, and of its rejection at the end alone', async () => {
    const { get, open, adapter, events, circuit } = start({
      retry: { retries: 1, backoff: 100 },
      breaker: { maxWaitMs: 700 },
    });
    open();
    adapter.script(503);
    const [first, second] = [get(), get()];
    await pass(400);
    await pass(1_000);
    const [probe, waiter] = [await first, await second];
    expect(probe.error?.response?.status).toBe(503);
    expect(waiter.error).toBeInstanceOf(CircuitOpenError);
    const told = events.filter(({ type }) => type === 'queued' || type === 'rejected');
    expect(told.slice(0, 2)).toMatchObject([
      { type: 'queued', by: 'circuit', key: KEY, queued: 1 },
      { type: 'queued', by: 'circuit', key: KEY, queued: 2 },
    ]);
    expect(told.filter(({ type }) => type === 'rejected').length).toBe(circuit.stats().counts.rejected);
  });

  test.each([
    ['retry: false', { retry: false as const }],
    ['no retries', { retry: 0 }],
  ])('is rejected at once by default with %s, as who turns retries off expects', async (_name, resilience) => {
    const { get, open } = start({ breaker: { maxWaitMs: undefined } });
    open();
    const ended = await get({ resilience });
    expect([ended.error?.code, ended.afterMs]).toEqual(['ERR_CIRCUIT_OPEN', 0]);
  });

  test('waits for 1,000 ms by default', async () => {
    const { get, circuit } = start({ breaker: { maxWaitMs: undefined, cooldownMs: 1_000 } });
    tryAcquire(circuit, performance.now());
    const permit = tryAcquire(circuit);
    if (permit.admitted) permit.settle('failure');
    const call = get();
    await pass(1_000);
    expect((await call).afterMs).toBe(1_000);
  });

  test('goes by what one request says', async () => {
    const { get, open } = start({ breaker: { maxWaitMs: 0 } });
    open();
    const call = get({ resilience: { breaker: { maxWaitMs: 500 } } });
    await pass(400);
    expect((await call).data).toBeDefined();
  });

  test('does not wait for what a hand opened', async () => {
    const { get, circuit } = start();
    circuit.trip({ cooldownMs: 100 });
    expect((await get()).afterMs).toBe(0);
    circuit.reset();
    circuit.isolate();
    expect((await get()).afterMs).toBe(0);
  });

  test('is answered by its fallback at once, whatever that yields', async () => {
    const fallback = vi.fn(() => undefined);
    const { get, open } = start({ fallback });
    open();
    const ended = await get();
    expect([ended.error?.code, ended.afterMs]).toEqual(['ERR_CIRCUIT_OPEN', 0]);
    expect(fallback).toHaveBeenCalledTimes(1);
  });

  test('waits where the predicate says that the fallback does not apply; it is asked first', async () => {
    const fallbackOn = vi.fn(() => false);
    const { get, open } = start({ fallback: 'saved', fallbackOn });
    open();
    const call = get();
    expect(fallbackOn).toHaveBeenCalledWith(expect.objectContaining({ stopped: 'circuit-open', key: KEY }));
    await pass(400);
    expect((await call).afterMs).toBe(400);
  });

  test('of any method waits before its first attempt', async () => {
    const { api, resilience } = start();
    const circuit = resilience.breakers.ensure('POST https://api.example.com');
    const permit = tryAcquire(circuit);
    if (permit.admitted) permit.settle('failure');
    const call = api.post('/', {});
    await pass(400);
    expect((await call).status).toBe(200);
  });

  test('is not let wait where only observed', async () => {
    const { get, open, circuit } = start({ breaker: { mode: 'observe' } });
    open();
    expect((await get()).afterMs).toBe(0);
    expect(circuit.queued).toBe(0);
  });
});

describe('before a retry', () => {
  test('the wait takes the place of the backoff: the longer of the two', async () => {
    const { get, adapter } = start();
    adapter.script(503, 200);
    const call = get();
    await pass(0);
    await pass(399);
    expect(adapter.attempts).toHaveLength(1);
    await pass(1);
    const ended = await call;
    expect(ended.afterMs).toBe(400);
    expect(reportOf(ended.data)).toMatchObject({ attempts: 2, delaysMs: [100], waitedMs: { circuit: 300 } });
  });

  test('all waits of a call are counted together', async () => {
    const { get, adapter } = start({ breaker: { maxWaitMs: 1_000 } });
    adapter.script(503);
    const call = get();
    await pass(5_000);
    const ended = await call;
    expect(ended.error?.response?.status).toBe(503);
    expect([ended.afterMs, adapter.attempts.length, stoppedOf(ended)]).toEqual([800, 3, 'circuit-open']);
  });

  test('only what would be retried waits', async () => {
    const { api, adapter } = start();
    adapter.script(503);
    const startedAt = performance.now();
    const error: unknown = await api.post('/', {}).catch((thrown: unknown) => thrown);
    expect([reportOf(error)?.stopped, performance.now() - startedAt]).toEqual(['method', 0]);
  });

  test('the token of its budget is taken when it is let through', async () => {
    const { get, adapter } = start({ retry: { backoff: 100, budget: { ratio: 0.01, minPerSecond: 0.1 } } });
    adapter.script(503, 200, 503, 200);
    const first = get();
    await pass(400);
    expect((await first).data).toBeDefined();
    const second = get();
    await pass(400);
    expect(stoppedOf(await second)).toBe('budget');
    expect(adapter.attempts).toHaveLength(3);
  });
});

describe('a wait ends', () => {
  test('at once when the call is cancelled, and leaves nothing', async () => {
    const controller = new AbortController();
    const { get, open, circuit, adapter } = start();
    open();
    const call = get({ signal: controller.signal });
    await pass(100);
    controller.abort();
    const ended = await call;
    expect([axios.isCancel(ended.error), ended.afterMs, stoppedOf(ended)]).toEqual([true, 100, 'aborted']);
    expect([circuit.queued, vi.getTimerCount(), adapter.attempts.length]).toEqual([0, 0, 0]);
  });

  test('with the cancellation also before a retry', async () => {
    const controller = new AbortController();
    const { get, adapter } = start();
    adapter.script(503);
    const call = get({ signal: controller.signal });
    await pass(200);
    controller.abort();
    const ended = await call;
    expect([axios.isCancel(ended.error), ended.afterMs, stoppedOf(ended)]).toEqual([true, 200, 'aborted']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('never in a deadline error: what does not fit before the deadline is rejected at once', async () => {
    const { get, open } = start();
    open();
    const ended = await get({ resilience: { deadlineMs: 300 } });
    expect([ended.error?.code, ended.afterMs]).toEqual(['ERR_CIRCUIT_OPEN', 0]);
  });

  test('by a probe that hangs: after a second where nothing is known of successes', async () => {
    const { get, open, circuit } = start();
    open();
    await pass(400);
    tryAcquire(circuit);
    const call = get({ resilience: { breaker: { maxWaitMs: 5_000 } } });
    await pass(1_000);
    expect((await call).afterMs).toBe(1_000);
    expect((await get({ resilience: { breaker: { maxWaitMs: 5_000 } } })).afterMs).toBe(0);
  });

  test('by a probe that hangs: after twice as long as the slowest recent success', async () => {
    const { get, open, circuit } = start();
    const slow = tryAcquire(circuit, performance.now() + 10);
    if (slow.admitted) slow.settle('success', performance.now() + 110);
    open();
    await pass(400);
    tryAcquire(circuit, performance.now());
    const call = get();
    await pass(200);
    expect((await call).afterMs).toBe(200);
  });

  test.each([
    ['reset', 'answered'],
    ['trip', 'rejected'],
    ['isolate', 'rejected'],
  ] as const)('with %s: %s', async (what, end) => {
    const { get, open, circuit } = start();
    open();
    const call = get();
    await pass(100);
    circuit[what]();
    await pass(0);
    const ended = await call;
    expect([ended.data ? 'answered' : 'rejected', ended.afterMs]).toEqual([end, 100]);
  });

  test('by observing the circuit: calls go on', async () => {
    const { get, open, circuit } = start();
    open();
    const call = get();
    await pass(100);
    circuit.mode = 'observe';
    await pass(0);
    expect((await call).afterMs).toBe(100);
  });

  test('as it began after detach', async () => {
    const { get, open, resilience } = start();
    open();
    const call = get();
    resilience.detach();
    await pass(400);
    expect((await call).data).toBeDefined();
  });

  test('with close: those under a circuit are rejected, those before a retry end with their failure', async () => {
    const { get, open, resilience, adapter } = start();
    open();
    const waiter = get();
    const other = start({ breaker: { detector: consecutiveFailures(100) } });
    other.adapter.script(503);
    const retrying = other.get();
    await pass(50);
    resilience.close();
    other.resilience.close();
    await pass(0);
    const [rejected, failed] = [await waiter, await retrying];
    expect([rejected.error?.code, rejected.afterMs]).toEqual(['ERR_CIRCUIT_OPEN', 50]);
    expect([failed.error?.response?.status, failed.afterMs, stoppedOf(failed)]).toEqual([503, 50, 'closed']);
    expect(vi.getTimerCount()).toBe(0);
    expect((await get()).afterMs).toBe(0);
    expect(stoppedOf(await other.get())).toBe('closed');
    expect(adapter.attempts).toHaveLength(0);
  });
});

describe('close, called while a wait begins,', () => {
  test('ends the wait before a retry, too, when a listener of `retry` calls it', async () => {
    const { get, adapter, resilience } = start({ breaker: false, retry: { retries: 3, backoff: 5_000 } });
    adapter.script(503);
    resilience.on('retry', () => resilience.close());
    const call = get();
    await pass(0);
    const ended = await call;
    expect([ended.error?.response?.status, ended.afterMs, stoppedOf(ended)]).toEqual([503, 0, 'closed']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends the wait for a circuit, too, when a listener of `queued` calls it', async () => {
    const { get, open, circuit, resilience } = start();
    open();
    resilience.on('queued', () => resilience.close());
    const call = get();
    await pass(0);
    const ended = await call;
    expect([ended.error?.code, ended.afterMs]).toEqual(['ERR_CIRCUIT_OPEN', 0]);
    expect(circuit.queued).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('lets no retry be sent when `beforeRetry` calls it', async () => {
    const { get, adapter, resilience } = start({
      retry: { retries: 3, backoff: 0, beforeRetry: () => resilience.close() },
      breaker: { detector: consecutiveFailures(100) },
    });
    adapter.script(503);
    const call = get();
    await pass(0);
    expect(stoppedOf(await call)).toBe('closed');
    expect(adapter.attempts).toHaveLength(1);
  });
});

test('those who waited come back a few at a time, and new calls do not queue behind them', async () => {
  const { get, open, adapter, circuit } = start();
  open();
  const sentAt: number[] = [];
  const answerLater = () =>
    new Promise<number>((resolve) => {
      sentAt.push(performance.now() - startedAt);
      setTimeout(() => resolve(200), 50);
    });
  adapter.script(answerLater);
  const startedAt = performance.now();
  const calls = Array.from({ length: 7 }, () => get());
  await pass(460);
  expect(circuit.queued).toBe(5);
  calls.push(get());
  await pass(1_000);
  const ended = await Promise.all(calls);
  expect(ended.filter(({ data }) => data !== undefined)).toHaveLength(8);
  expect(sentAt).toEqual([400, 450, 460, 500, 500, 550, 550, 550]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a breaker for which calls wait is not dropped by a full registry', async () => {
  const { get, open, resilience, circuit } = start({ breaker: { maxBreakers: 1 } });
  open();
  const call = get();
  resilience.breakers.ensure('other');
  resilience.breakers.ensure('another');
  expect(resilience.breakers.get(KEY)).toBe(circuit);
  await pass(400);
  expect((await call).data).toBeDefined();
});

test('10,000 callers leave nothing behind: at most 100 wait, and the rest is rejected at once', async () => {
  const { get, open, circuit } = start();
  open();
  const calls = Array.from({ length: 10_000 }, () => get());
  await pass(0);
  expect(circuit.queued).toBe(100);
  expect(vi.getTimerCount()).toBe(1);
  await pass(400);
  await pass(1_000);
  const ended = await Promise.all(calls);
  expect(ended.filter(({ data }) => data).length).toBe(100);
  expect([circuit.queued, circuit.inFlight, vi.getTimerCount()]).toEqual([0, 0, 0]);
});

describe('execute', () => {
  const opened = () => {
    const breaker = new CircuitBreaker('queue', { detector: consecutiveFailures(1), cooldownMs: 400 });
    const permit = tryAcquire(breaker);
    if (permit.admitted) permit.settle('failure');
    return breaker;
  };

  test('waits where it is told how long, and rejects at once by default', async () => {
    const breaker = opened();
    await expect(breaker.execute(() => 'done')).rejects.toBeInstanceOf(CircuitOpenError);
    const call = breaker.execute(() => 'done', { maxWaitMs: 400 });
    await pass(400);
    expect(await call).toBe('done');
  });

  test('ends the wait with the reason of its signal', async () => {
    const breaker = opened();
    const controller = new AbortController();
    const call = breaker.execute(() => 'done', { maxWaitMs: 400, signal: controller.signal });
    const reason = new Error('shutdown');
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect([breaker.queued, vi.getTimerCount(), breaker.stats().counts.rejected]).toEqual([0, 0, 0]);
  });

  test('gives back a permit that comes in the moment of its abort', async () => {
    const breaker = opened();
    const controller = new AbortController();
    const reason = new Error('shutdown');
    const fn = vi.fn();
    const call = breaker.execute(fn, { maxWaitMs: 400, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 400);
    vi.advanceTimersByTime(400);
    expect(breaker.inFlight).toBe(1);
    await expect(call).rejects.toBe(reason);
    expect(fn).not.toHaveBeenCalled();
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, counts: { neutral: 1, rejected: 0 } });
  });

  test('leaves no listener on its signal after the wait', async () => {
    const { signal } = new AbortController();
    const call = opened().execute(() => 'done', { maxWaitMs: 400, signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await pass(400);
    await call;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('where a probe says nothing, the next that waits is the probe at once', async () => {
    const breaker = opened();
    const cancelled = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      throw new DOMException('cancelled', 'AbortError');
    };
    const startedAt = performance.now();
    const first = breaker.execute(cancelled, { maxWaitMs: 400 }).catch((error: unknown) => error);
    const second = breaker.execute(() => performance.now() - startedAt, { maxWaitMs: 5_000 });
    await pass(2_000);
    expect(await first).toMatchObject({ name: 'AbortError' });
    expect(await second).toBe(410);
  });

  test('a bad maxWaitMs is named', async () => {
    await expect(opened().execute(() => 'done', { maxWaitMs: -1 })).rejects.toThrow(/maxWaitMs/);
  });

  test('retry waits as long as the backoffs that are left would take', async () => {
    const breaker = opened();
    const short = retry(() => 'done', { breaker, backoff: 100 });
    await expect(short).rejects.toBeInstanceOf(CircuitOpenError);
    const long = retry(() => 'done', { breaker, backoff: 200 });
    await pass(400);
    expect(await long).toBe('done');
  });

  test('is not let wait where only observed', async () => {
    const breaker = opened();
    breaker.mode = 'observe';
    const queued = vi.fn();
    breaker.on('queued', queued);
    expect(await breaker.execute(() => 'done', { maxWaitMs: 1_000 })).toBe('done');
    expect(queued).not.toHaveBeenCalled();
  });

  test('whom the next cooldown does not fit is told how long that is', async () => {
    const breaker = opened();
    const fails = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      throw new Error('down');
    };
    const probe = breaker.execute(fails, { maxWaitMs: 400 }).catch((error: unknown) => error);
    const waiting = breaker.execute(() => 'done', { maxWaitMs: 500 }).catch((error: unknown) => error);
    await pass(410);
    expect(await probe).toMatchObject({ message: 'down' });
    expect(await waiting).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 400 });
  });

  test('who waited in vain for a probe is told when that may have ended', async () => {
    const breaker = opened();
    const probe = breaker.execute(() => new Promise((resolve) => setTimeout(resolve, 200)), { maxWaitMs: 400 });
    const waiting = breaker.execute(() => 'done', { maxWaitMs: 500 }).catch((error: unknown) => error);
    await pass(500);
    expect(await waiting).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 900 });
    await pass(100);
    await probe;
  });

  test('retry waits without a budget, too, and keeps no duration where nothing limits its time', async () => {
    const breaker = opened();
    const slow = () => new Promise((resolve) => setTimeout(() => resolve('done'), 300));
    const fn = vi.fn(slow).mockRejectedValueOnce(new Error('down'));
    breaker.reset();
    const call = retry(fn, { breaker, maxWaitMs: 1_000, backoff: 0 });
    await pass(1_000);
    expect(await call).toBe('done');
    expect([fn.mock.calls.length, breaker.slowestMs]).toEqual([2, undefined]);
  });

  test('retry waits as long as the default backoffs would take where its backoff says no time', async () => {
    const backoff = () => Number.NaN;
    const call = retry(() => 'done', { breaker: opened(), backoff, random: () => 0.9 });
    await pass(400);
    expect(await call).toBe('done');
    await expect(retry(() => 'done', { breaker: opened(), backoff, random: () => 0.1 })).rejects.toMatchObject({
      code: 'ERR_CIRCUIT_OPEN',
    });
  });

  test('retry waits no longer in sum than it is told, and takes its token when it is let through', async () => {
    const breaker = new CircuitBreaker('queue', { detector: consecutiveFailures(1), cooldownMs: 400 });
    const budget = new RetryBudget();
    const spent = vi.spyOn(budget, 'withdraw');
    const at: number[] = [];
    const fn = () => {
      at.push(performance.now());
      throw new Error('down');
    };
    const startedAt = performance.now();
    const call = retry(fn, { breaker, backoff: 100, budget, maxWaitMs: 900, retries: 5 }).catch(
      (error: unknown) => error,
    );
    await pass(400);
    expect(spent).toHaveBeenCalledTimes(1);
    await pass(1_000);
    expect(await call).toMatchObject({ message: 'down' });
    expect(at.map((time) => time - startedAt)).toEqual([0, 400, 800]);
    expect(spent).toHaveBeenCalledTimes(2);
  });
});

test('sinks hear of waits', async () => {
  const sink = memorySink();
  const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted() });
  const { breakers } = attach(api, { breaker: breakerOptions, sinks: [sink] });
  const permit = tryAcquire(breakers.ensure(KEY));
  if (permit.admitted) permit.settle('failure');
  const call = api.get('/');
  await pass(400);
  await call;
  expect(JSON.stringify(sink.summary())).toContain('queued');
});

describe('retry of a function', () => {
  test.each([0, 5_000])(
    'that is aborted at once ends with the reason, and the circuit says nothing (%i ms)',
    async (maxWaitMs) => {
      const breaker = new CircuitBreaker(KEY, { detector: consecutiveFailures(1), cooldownMs: 100 });
      await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => undefined);
      await pass(150);
      await breaker.acquire();
      const events: string[] = [];
      breaker.on('*', ({ type }) => events.push(type));
      const { signal, abort } = abortable();
      const call = retry(() => 1, { breaker, signal, maxWaitMs, retries: 0 });
      abort('enough');
      await expect(call).rejects.toBe('enough');
      expect(events).toEqual([]);
      expect(breaker.stats().counts.rejected).toBe(0);
    },
  );

  test('does not wait for an isolated circuit, however patient it is', async () => {
    const breaker = new CircuitBreaker(KEY);
    breaker.isolate();
    const call = retry(() => 1, { breaker, backoff: Number.MAX_VALUE });
    await expect(call).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  });
});

const abortable = () => {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: unknown) => controller.abort(reason) };
};
