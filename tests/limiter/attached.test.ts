import axios, { type AxiosAdapter, AxiosError, type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  adaptiveLimit,
  attach,
  byOrigin,
  concurrencyLimit,
  consecutiveFailures,
  customLimit,
  type FallbackContext,
  isRejectedError,
  type Limit,
  LimitError,
  Limiter,
  type LimitRule,
  memorySink,
  type ResilienceOptions,
  rateLimit,
  reportOf,
} from '../../src/index.js';
import type { LimitedAttempt } from '../../src/limiter/rule.js';
import type { AttachLimiterOptions } from '../../src/options.js';

const ORIGIN = 'https://api.example.com';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});

afterEach(() => {
  vi.useRealTimers();
});

/** What the service answers, and when. */
interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly afterMs?: number;
  /** It does not answer, and the caller's time runs out. */
  readonly isLost?: boolean;
}

/** A service that is asked through an adapter. */
class Service {
  readonly asked: { readonly path: string; readonly at: number }[] = [];
  inFlight = 0;
  most = 0;
  answer: (path: string, count: number) => Answer = () => ({});
  readonly #from = performance.now();

  readonly adapter: AxiosAdapter = async (config: InternalAxiosRequestConfig) => {
    const path = String(config.url);
    const { status = 200, headers = {}, afterMs = 100, isLost } = this.answer(path, this.asked.length);
    this.asked.push({ path, at: performance.now() - this.#from });
    this.inFlight++;
    this.most = Math.max(this.most, this.inFlight);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, afterMs);
      config.signal?.addEventListener?.('abort', () => {
        clearTimeout(timer);
        reject(new axios.CanceledError());
      });
    }).finally(() => this.inFlight--);
    if (isLost) throw new AxiosError('timeout', 'ECONNABORTED', config, {});
    const response = { status, statusText: '', data: path, headers, config };
    if (status < 300) return response;
    throw new AxiosError(`status ${status}`, 'ERR_BAD_RESPONSE', config, {}, response);
  };

  get paths(): string[] {
    return this.asked.map(({ path }) => path);
  }

  get times(): number[] {
    return this.asked.map(({ at }) => at);
  }
}

interface Setup {
  readonly api: AxiosInstance;
  readonly service: Service;
  readonly resilience: ReturnType<typeof attach>;
  readonly sink: ReturnType<typeof memorySink>;
}

function setup(limiter: AttachLimiterOptions | Limit | Limiter | false, options: ResilienceOptions = {}): Setup {
  const service = new Service();
  const api = axios.create({ baseURL: ORIGIN, adapter: service.adapter });
  const sink = memorySink();
  const resilience = attach(api, { limiter, sinks: [sink], random: () => 0, ...options });
  return { api, service, resilience, sink };
}

/** A rule of one seat that keeps what it is told. */
function keeping(): { limit: Limit; ended: LimitedAttempt[] } {
  const ended: LimitedAttempt[] = [];
  const limit = customLimit(() => ({
    waitMs: (_now, inFlight) => (inFlight < 1 ? 0 : Number.POSITIVE_INFINITY),
    ended: (attempt) => {
      ended.push(attempt);
    },
  }));
  return { limit, ended };
}

const settled = async (calls: readonly Promise<unknown>[], ms = 60_000) => {
  const all = Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
  await vi.advanceTimersByTimeAsync(ms);
  return all;
};

test('no more attempts are in flight than the limit says, whatever the method', async () => {
  const { api, service } = setup(concurrencyLimit(2));
  await settled([api.get('/a'), api.post('/b'), api.get('/c'), api.put('/d'), api.get('/e')]);
  expect(service.most).toBe(2);
  expect(service.paths).toEqual(['/a', '/b', '/c', '/d', '/e']);
  expect(service.times).toEqual([0, 0, 100, 100, 200]);
});

test('each origin has a limiter of its own, or what the key says; null: none', async () => {
  const { api, service, resilience } = setup({
    limit: concurrencyLimit(1),
    key: (config) => (config.url === '/free' ? null : config.url === '/own' ? 'own' : byOrigin(config)),
  });
  await settled([api.get('/a'), api.get('/b'), api.get('/own'), api.get('/free'), api.get('http://other.example/c')]);
  expect(service.paths).toEqual(['/a', '/own', '/free', 'http://other.example/c', '/b']);
  expect(Object.keys(resilience.limiters).sort()).toEqual(['http://other.example', ORIGIN, 'own']);
  expect(resilience.limiters[ORIGIN]).toMatchObject({ limit: 1, inFlight: 0, queued: 0, counts: { started: 2 } });
});

describe('the report tells what was waited for the limiter', () => {
  test('of a success at the first attempt, whose own time begins with its dispatch', async () => {
    const { api } = setup(concurrencyLimit(1));
    const [first, second] = await settled([api.get('/a'), api.get('/b')]);
    expect(reportOf(first)?.waitedMs).toEqual({ circuit: 0, limiter: 0 });
    expect(reportOf(second)).toEqual({
      key: `GET ${ORIGIN}`,
      attempts: 1,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 100 },
      elapsedMs: 200,
      stopped: 'success',
      fallback: false,
      history: [{ status: 200, code: undefined, durationMs: 100 }],
    });
  });

  test('of all attempts together', async () => {
    const { api, service } = setup(concurrencyLimit(1), { retry: { backoff: 10 } });
    service.answer = (path, count) => ({ status: path === '/fails-once' && count < 2 ? 500 : 200 });
    const calls = [api.get('/a'), api.get('/fails-once')];
    await vi.advanceTimersByTimeAsync(150);
    calls.push(api.get('/c'));
    const [, failing] = await settled(calls);
    expect(reportOf(failing)).toMatchObject({ attempts: 2, waitedMs: { circuit: 0, limiter: 190 }, elapsedMs: 400 });
  });

  test.each([
    ['was rejected', { timeout: 30 }, 'limited'],
    ['was cut off at its deadline', { resilience: { deadlineMs: 30, limiter: { maxWaitMs: 60_000 } } }, 'deadline'],
  ])('of a call that %s', async (_what, options, stopped) => {
    const { api } = setup(concurrencyLimit(1));
    const [, error] = await settled([api.get('/a'), api.get('/b', options)]);
    expect(reportOf(error)).toMatchObject({ attempts: 0, waitedMs: { circuit: 0, limiter: 30 }, stopped });
  });
});

test('retries count as attempts, and stand behind first attempts', async () => {
  const { api, service } = setup(concurrencyLimit(1), { retry: { backoff: 0 } });
  service.answer = (_path, count) => ({ status: count === 0 ? 500 : 200 });
  await settled([api.get('/fails-once'), api.get('/b'), api.get('/c')]);
  expect(service.most).toBe(1);
  expect(service.paths).toEqual(['/fails-once', '/b', '/c', '/fails-once']);
});

test('priorities are served first, and low ones go over board first', async () => {
  const { api, service } = setup({ limit: concurrencyLimit(1), maxQueue: 2 });
  const get = (path: string, priority: 'high' | 'normal' | 'low') =>
    api.get(path, { resilience: { limiter: { priority } } });
  const results = await settled([
    get('/first', 'normal'),
    get('/low', 'low'),
    get('/normal', 'normal'),
    get('/high', 'high'),
  ]);
  expect(service.paths).toEqual(['/first', '/high', '/normal']);
  expect(results[1]).toMatchObject({ code: 'ERR_LIMITED', why: 'queue' });
});

describe('a call that no attempt was made for', () => {
  test('ends with a LimitError once what is left of its timeout is over', async () => {
    const { api, service, sink } = setup(concurrencyLimit(1));
    service.answer = () => ({ afterMs: 5_000 });
    const [, error] = await settled([api.get('/slow'), api.get('/late', { timeout: 300 })]);
    expect(error).toBeInstanceOf(LimitError);
    expect(isRejectedError(error)).toBe(true);
    expect(axios.isAxiosError(error)).toBe(true);
    expect(error).toMatchObject({
      code: 'ERR_LIMITED',
      status: 503,
      key: ORIGIN,
      why: 'wait',
      config: { url: '/late' },
    });
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'limited', elapsedMs: 300 });
    expect(sink.events.filter(({ type }) => type === 'queued' || type === 'rejected')).toMatchObject([
      { type: 'queued', by: 'limiter', key: ORIGIN, queued: 1 },
      { type: 'rejected', by: 'limiter', key: ORIGIN, why: 'wait', retryAfterMs: 0 },
    ]);
  });

  test.each<[string, AttachLimiterOptions, string]>([
    ['a queue that is full', { limit: concurrencyLimit(1), maxQueue: 0 }, 'queue'],
    ['no time to wait', { limit: concurrencyLimit(1), maxWaitMs: 0 }, 'wait'],
    [
      'a wait that would be too long',
      { limit: customLimit(() => ({ waitMs: () => 60_000, heldMs: () => 60_000 })) },
      'held',
    ],
  ])('was not queued if it was rejected at once, for %s', async (_what, limiter, why) => {
    const { api, resilience, sink } = setup(limiter);
    const errors = await settled([api.get('/a'), api.get('/b')]);
    expect(errors[1]).toMatchObject({ code: 'ERR_LIMITED', why });
    const told = sink.events.filter(({ type }) => type === 'queued' || type === 'rejected');
    expect(new Set(told.map(({ type }) => type))).toEqual(new Set(['rejected']));
    expect(resilience.limiters[ORIGIN]?.counts.queued).toBe(0);
  });

  test('was queued where it went before another in a full queue, which is rejected', async () => {
    const { api, sink } = setup({ limit: concurrencyLimit(1), maxQueue: 1 });
    const high = { resilience: { limiter: { priority: 'high' } } } as const;
    await settled([api.get('/a'), api.get('/b'), api.get('/c', high), api.get('/d')]);
    const told = sink.events.filter(({ type }) => type === 'queued' || type === 'rejected');
    expect(told.map(({ type }) => type)).toEqual(['queued', 'queued', 'rejected', 'rejected']);
  });

  test('says nothing of the service, and adds nothing to the budget', async () => {
    const { api, resilience, service } = setup({ limit: concurrencyLimit(1), maxQueue: 0 });
    await settled([api.get('/a'), ...Array.from({ length: 20 }, () => api.get('/b'))]);
    expect(service.paths).toEqual(['/a']);
    const breaker = resilience.breakers.get(`GET ${ORIGIN}`);
    expect(breaker?.stats().counts).toMatchObject({ success: 1, failure: 0, neutral: 0 });
  });

  test('is answered by a fallback', async () => {
    const { api } = setup({ limit: concurrencyLimit(1), maxQueue: 0 }, { fallback: 'cached' });
    const results = await settled([api.get('/a'), api.get('/b')]);
    expect(results).toMatchObject([{ data: '/a' }, { data: 'cached' }]);
    expect(reportOf(results[1])).toMatchObject({ fallback: true, stopped: 'limited' });
  });

  test('is told to a fallback with the code of its error', async () => {
    const fallback = ({ code, stopped, error }: FallbackContext) => [code, stopped, error?.message];
    const { api } = setup({ limit: concurrencyLimit(1), maxQueue: 0 }, { fallback });
    const results = await settled([api.get('/a'), api.get('/b')]);
    const message = `The limiter "${ORIGIN}" let no attempt pass: the queue is full`;
    expect(results).toMatchObject([{ data: '/a' }, { data: ['ERR_LIMITED', 'limited', message] }]);
  });

  test('waits as long as it may by the deadline, by `maxWaitMs` of the request, or by default 10 s', async () => {
    const { api, service } = setup(concurrencyLimit(1), { retry: { retries: 0 } });
    service.answer = () => ({ afterMs: 60_000 });
    const from = performance.now();
    const ends: number[] = [];
    const timed = (call: Promise<unknown>) => call.catch(() => ends.push(performance.now() - from));
    await settled([
      api.get('/a'),
      timed(api.get('/b', { resilience: { deadlineMs: 700 } })),
      timed(api.get('/c', { timeout: 900, resilience: { limiter: { maxWaitMs: 200 } } })),
      timed(api.get('/d')),
    ]);
    expect(ends).toEqual([200, 700, 10_000]);
  });
});

test('a retry that finds no slot ends the call with its last real error, and gives its token of the budget back', async () => {
  const { api, service } = setup(
    { limit: concurrencyLimit(1), maxQueue: 0 },
    {
      retry: { backoff: 10, budget: { ratio: 0.1, minPerSecond: 0.1 } },
    },
  );
  service.answer = (path) => (path === '/fails' ? { status: 500, afterMs: 10 } : { afterMs: 1_000 });
  const failing = api.get('/fails').catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(15);
  const slow = api.get('/slow');
  await vi.advanceTimersByTimeAsync(10);
  expect(reportOf(await failing)).toMatchObject({ attempts: 1, stopped: 'limited' });
  expect(await failing).toMatchObject({ response: { status: 500 } });
  await vi.advanceTimersByTimeAsync(1_000);
  await slow;
  service.answer = (_path, count) => ({ status: count === 2 ? 500 : 200 });
  const [again] = await settled([api.get('/again')]);
  expect(reportOf(again)).toMatchObject({ attempts: 2, stopped: 'success' });
});

test('the retry of a timeout that finds no slot gives back all ten tokens that it took', async () => {
  const { api, service } = setup({ limit: concurrencyLimit(1), maxQueue: 0 }, { retry: { backoff: 10 } });
  const lost = { afterMs: 10, isLost: true };
  service.answer = (path) => (path === '/lost' ? lost : { afterMs: 1_000 });
  const failing = api.get('/lost').catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(15);
  const slow = api.get('/slow');
  await vi.advanceTimersByTimeAsync(10);
  expect(reportOf(await failing)).toMatchObject({ attempts: 1, stopped: 'limited' });
  await vi.advanceTimersByTimeAsync(1_000);
  await slow;
  service.answer = (_path, count) => (count === 2 ? lost : {});
  const [again] = await settled([api.get('/again')]);
  expect(reportOf(again)).toMatchObject({ attempts: 2, stopped: 'success' });
});

test('an abort ends the wait at once, and nothing is left', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1));
  const controller = new AbortController();
  const first = api.get('/a');
  const second = api.get('/b', { signal: controller.signal }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10);
  controller.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(axios.isCancel(await second)).toBe(true);
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 1, queued: 0 });
  await vi.advanceTimersByTimeAsync(100);
  await first;
  expect(service.paths).toEqual(['/a']);
  expect(vi.getTimerCount()).toBe(0);
});

test('an abort in flight says nothing of the service, and gives the slot to the next', async () => {
  const { limit, ended } = keeping();
  const { api, service } = setup(limit);
  const controller = new AbortController();
  const calls = [api.get('/a', { signal: controller.signal }), api.get('/b')];
  setTimeout(() => controller.abort(), 30);
  await settled(calls);
  expect(service.times).toEqual([0, 30]);
  expect(ended).toMatchObject([
    { outcome: 'neutral', durationMs: 30 },
    { outcome: 'success', durationMs: 100 },
  ]);
});

test('the rule is told durations from dispatch, timeouts and overload', async () => {
  const { limit, ended } = keeping();
  const { api, service } = setup(limit, { retry: false, breaker: false });
  service.answer = (path) => (path === '/busy' ? { status: 503, headers: { 'X-Load': '9' } } : {});
  const timeout: AxiosAdapter = async (config) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new AxiosError('timeout of 50ms exceeded', 'ECONNABORTED', config);
  };
  await settled([api.get('/a'), api.get('/busy'), api.get('/slow', { adapter: timeout })]);
  expect(ended).toMatchObject([
    { outcome: 'success', durationMs: 100, status: 200 },
    { outcome: 'failure', reason: 'overload', durationMs: 100, status: 503 },
    { outcome: 'failure', reason: 'timeout', durationMs: 50 },
  ]);
  expect(ended[1]?.header?.('x-load')).toBe('9');
});

test('the rule is told of a timeout by a signal, and by the deadline, as by `timeout`', async () => {
  const { limit, ended } = keeping();
  const { api, service } = setup(limit, { retry: false });
  service.answer = () => ({ afterMs: 60_000 });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException('late', 'TimeoutError')), 300);
  await settled([api.get('/a', { signal: controller.signal })], 300);
  await settled([api.get('/a', { resilience: { deadlineMs: 400 } })], 400);
  const cancelled = new AbortController();
  setTimeout(() => cancelled.abort(), 500);
  await settled([api.get('/a', { signal: cancelled.signal })], 500);
  expect(ended).toMatchObject([
    { outcome: 'failure', reason: 'timeout', durationMs: 300 },
    { outcome: 'failure', reason: 'timeout', durationMs: 400 },
    { outcome: 'neutral', reason: undefined, durationMs: 500 },
  ]);
});

test('the rule is told the timeout of each attempt, if it has one', async () => {
  const { limit, ended } = keeping();
  const { api } = setup(limit);
  await settled([api.get('/a', { timeout: 300 }), api.get('/b', { timeout: '500' as never }), api.get('/c')]);
  expect(ended.map(({ timeoutMs }) => timeoutMs)).toEqual([300, 500, undefined]);
});

test('`limiter: false` for a request goes past it', async () => {
  const { api, service } = setup(concurrencyLimit(1));
  await settled([api.get('/a'), api.get('/b', { resilience: { limiter: false } })]);
  expect(service.times).toEqual([0, 0]);
});

test('an open circuit rejects at once, without a wait', async () => {
  const { api, resilience } = setup(concurrencyLimit(1), { retry: false });
  const slow = api.get('/slow');
  resilience.breakers.get(`GET ${ORIGIN}`)?.trip();
  const error: unknown = await api.get('/b').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  await settled([slow]);
});

test('no seat of a probe is held by one that queues', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1), { retry: false, breaker: { cooldownMs: 1_000 } });
  await settled([api.post('/other')], 200);
  await settled([api.get('/x')], 200);
  resilience.breakers.get(`GET ${ORIGIN}`)?.trip();
  await vi.advanceTimersByTimeAsync(1_000);
  service.answer = () => ({ afterMs: 500 });
  const post = api.post('/slow');
  const probe = api.get('/probe');
  await vi.advanceTimersByTimeAsync(100);
  expect(resilience.breakers.get(`GET ${ORIGIN}`)?.stats().inFlight).toBe(0);
  await settled([post, probe]);
  expect(resilience.breakers.get(`GET ${ORIGIN}`)?.state).toBe('closed');
});

/** A circuit that opens at the first failure, for a second. */
const opening = (maxWaitMs: number): ResilienceOptions => ({
  retry: false,
  breaker: { detector: consecutiveFailures(1), cooldownMs: 1_000, maxWaitMs },
});

test('after a wait for its circuit an attempt goes through the limiter like any other', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1), opening(5_000));
  service.answer = (_path, count) => ({ status: count === 0 ? 500 : 200 });
  await settled([api.get('/fails')], 100);
  await settled(Array.from({ length: 6 }, (_, index) => api.get(`/${index}`)));
  expect(service.paths).toEqual(['/fails', '/0', '/1', '/2', '/3', '/4', '/5']);
  expect(service.times.slice(1)).toEqual([1_100, 1_200, 1_300, 1_400, 1_500, 1_600]);
  expect(service.most).toBe(1);
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 0, counts: { started: 7, success: 6, failure: 1 } });
  expect(resilience.breakers.get(`GET ${ORIGIN}`)?.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
});

test('an attempt that waits for its circuit holds no slot, though that opened while it stood in the queue', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1), opening(5_000));
  service.answer = (path) => ({ status: path === '/fails' ? 500 : 200 });
  const calls = [api.get('/fails').catch(String), api.get('/waits')];
  await vi.advanceTimersByTimeAsync(150);
  expect(resilience.breakers.get(`GET ${ORIGIN}`)?.stats()).toMatchObject({ state: 'open', queued: 1 });
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 0, queued: 0 });
  calls.push(api.post('/other'));
  await settled(calls);
  expect(service.asked).toEqual([
    { path: '/fails', at: 0 },
    { path: '/other', at: 150 },
    { path: '/waits', at: 1_100 },
  ]);
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 0, queued: 0 });
});

test('a seat of a probe goes back while its attempt queues, and it does not pass for the service being back', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1), opening(5_000));
  service.answer = (path) => ({ status: path === '/fails' ? 500 : 200, afterMs: path === '/slow' ? 2_000 : 100 });
  await settled([api.get('/fails')], 150);
  const calls = [api.post('/slow'), api.get('/probe')];
  await vi.advanceTimersByTimeAsync(1_500);
  const stats = () => resilience.breakers.get(`GET ${ORIGIN}`)?.stats();
  expect(stats()).toMatchObject({ state: 'half-open', inFlight: 0, queued: 0 });
  await settled(calls);
  expect(service.asked).toEqual([
    { path: '/fails', at: 0 },
    { path: '/slow', at: 150 },
    { path: '/probe', at: 2_150 },
  ]);
  expect(stats()).toMatchObject({ state: 'closed', inFlight: 0 });
});

/** One seat, until it was asked so often that this can only be for ever. */
function seatFor(most: number): { limit: Limit; asked: () => number } {
  let asked = 0;
  const limit = customLimit(() => ({
    waitMs: (_now, inFlight) => (++asked < most && inFlight < 1 ? 0 : Number.POSITIVE_INFINITY),
  }));
  return { limit, asked: () => asked };
}

test('those who have a slot and those who have a permit do not wait for each other', async () => {
  const { limit, asked } = seatFor(1_000);
  const { api, service, resilience } = setup(limit, opening(5_000));
  service.answer = (path) => ({ status: path === '/fails' ? 500 : path === '/neutral' ? 425 : 200 });
  await settled([api.get('/fails')], 100);
  const calls = ['/neutral', '/a', '/b', '/c'].map((path) => api.get(path).catch(String));
  await vi.advanceTimersByTimeAsync(1_050);
  calls.push(...['/d', '/e', '/f'].map((path) => api.get(path).catch(String)));
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 1, queued: 3 });
  expect(resilience.breakers.get(`GET ${ORIGIN}`)?.stats()).toMatchObject({ state: 'half-open', queued: 3 });
  await vi.advanceTimersByTimeAsync(100);
  expect(asked()).toBeLessThan(100);
  await settled(calls);
  expect(service.paths.slice(2).sort()).toEqual(['/a', '/b', '/c', '/d', '/e', '/f']);
  expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 0, queued: 0 });
});

test('when a circuit of the service has closed, its limit is told', async () => {
  const recovered = vi.fn();
  const { api, resilience } = setup(
    customLimit(() => ({ waitMs: () => 0, recovered })),
    { retry: false, breaker: { cooldownMs: 1_000 } },
  );
  await settled([api.get('/a')]);
  resilience.breakers.get(`GET ${ORIGIN}`)?.trip();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(recovered).not.toHaveBeenCalled();
  await settled([api.get('/probe')]);
  expect(recovered).toHaveBeenCalledTimes(1);
});

describe('rateLimit', () => {
  test('counts attempts, not calls', async () => {
    const { api, service } = setup(rateLimit({ perSecond: 1 }), { retry: { backoff: 0 } });
    service.answer = (_path, count) => ({ status: count < 2 ? 500 : 200, afterMs: 0 });
    await settled([api.get('/a')]);
    expect(service.times).toEqual([0, 1_000, 2_000]);
  });

  test('a 429 with Retry-After holds all back, and says nothing to the circuit', async () => {
    const { api, service, resilience } = setup(rateLimit({ perSecond: 100 }), { retry: { backoff: 0 } });
    service.answer = (_path, count) =>
      count === 0 ? { status: 429, headers: { 'retry-after': '2' }, afterMs: 10 } : { afterMs: 10 };
    const first = api.get('/a');
    await vi.advanceTimersByTimeAsync(500);
    await settled([first, api.get('/b')]);
    expect(service.asked).toEqual([
      { path: '/a', at: 0 },
      { path: '/b', at: 2_010 },
      { path: '/a', at: 2_010 },
    ]);
    expect(resilience.breakers.get(`GET ${ORIGIN}`)?.stats().counts).toMatchObject({
      success: 2,
      failure: 0,
      neutral: 1,
    });
  });

  test('whoever cannot wait for so long is told when to come again', async () => {
    const { api, service } = setup(rateLimit({ perSecond: 100 }), { retry: false });
    service.answer = () => ({ status: 429, headers: { 'retry-after': '30' }, afterMs: 10 });
    await settled([api.get('/a')], 10);
    const [error] = await settled([api.get('/b', { timeout: 1_000 })], 0);
    expect(error).toMatchObject({
      code: 'ERR_LIMITED',
      why: 'held',
      retryAfterMs: 30_000,
      headers: { 'Retry-After': '30' },
    });
  });
});

test('the rejection by a limiter of another instance that the adapter calls is neutral, and is not retried', async () => {
  const inner = setup({ limit: concurrencyLimit(1), maxQueue: 0 });
  const adapter = vi.fn<AxiosAdapter>((config) => inner.api.get(String(config.url)));
  const api = axios.create({ baseURL: ORIGIN, adapter });
  const resilience = attach(api);
  const [passed, rejected] = await settled([api.get('/a'), api.get('/b')]);
  expect(passed).toMatchObject({ data: '/a' });
  expect(rejected).toBeInstanceOf(LimitError);
  expect(adapter).toHaveBeenCalledTimes(2);
  const { counts } = resilience.breakers.ensure(`GET ${ORIGIN}`).stats();
  expect(counts).toMatchObject({ success: 1, neutral: 1, failure: 0 });
});

test('a limiter can be shared by instances', async () => {
  const limiter = new Limiter('shared', concurrencyLimit(1));
  const one = setup(limiter);
  const two = setup(limiter);
  await settled([one.api.get('/a'), two.api.get('/b'), limiter.execute(() => 'c')]);
  expect([one.service.times, two.service.times]).toEqual([[0], [100]]);
  expect(limiter.stats().counts.started).toBe(3);
});

test('a shared limiter measures attempts by its own clock', async () => {
  const ends: { readonly at: number; readonly durationMs: number }[] = [];
  const limit = customLimit(() => ({ waitMs: () => 0, ended: ({ durationMs }, at) => ends.push({ at, durationMs }) }));
  const clock = { now: () => 7_000 };
  const { api } = setup(new Limiter('shared', { limit, clock }));
  await settled([api.get('/a')]);
  expect(ends).toEqual([{ at: 7_000, durationMs: 0 }]);
});

test('a shared limiter goes by its own key, and tells of itself through each instance', async () => {
  const limiter = new Limiter('shared', { limit: concurrencyLimit(1) });
  const { api, sink, resilience } = setup(limiter, { retry: false });
  const late = { timeout: 50 };
  const [, error] = await settled([api.get('/a'), api.get('https://other.example/b', late)]);
  expect(error).toMatchObject({ code: 'ERR_LIMITED', key: 'shared' });
  expect(resilience.limiters).toMatchObject({ shared: { limit: 1, counts: { started: 1, rejected: 1 } } });
  expect(Object.keys(resilience.limiters)).toEqual(['shared']);
  const told = sink.events.filter(({ type }) => ['limiter', 'queued', 'rejected'].includes(type));
  expect(told).toMatchObject([
    { type: 'limiter', key: 'shared', limit: 1, inFlight: 1, queued: 0 },
    { type: 'queued', by: 'limiter', key: 'shared' },
    { type: 'rejected', by: 'limiter', key: 'shared' },
    { type: 'limiter', key: 'shared', limit: 1, inFlight: 0, queued: 0 },
  ]);
});

test('after detach those who wait are served as before, and later calls pass by', async () => {
  const { api, service, resilience } = setup(concurrencyLimit(1));
  const calls = [api.get('/a'), api.get('/b'), api.get('/c')];
  await vi.advanceTimersByTimeAsync(10);
  resilience.detach();
  calls.push(api.get('/untouched'));
  await settled(calls);
  expect(service.asked.map(({ path, at }) => `${path} ${at}`)).toEqual(['/a 0', '/untouched 10', '/b 100', '/c 200']);
  expect(vi.getTimerCount()).toBe(0);
});

describe('close', () => {
  test('rejects at once those who wait for a slot; those in flight go on', async () => {
    const { api, service, resilience } = setup(concurrencyLimit(1));
    const calls = [api.get('/a'), api.get('/b'), api.get('/c')];
    await vi.advanceTimersByTimeAsync(10);
    resilience.close();
    const [first, ...waiting] = await settled(calls, 90);
    expect(first).toMatchObject({ data: '/a' });
    for (const error of waiting) {
      expect(error).toMatchObject({ code: 'ERR_LIMITED', why: 'wait' });
      expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'limited', elapsedMs: 10 });
    }
    expect(service.paths).toEqual(['/a']);
    expect(resilience.limiters[ORIGIN]).toMatchObject({ inFlight: 0, queued: 0, counts: { started: 1, rejected: 2 } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('lets later calls wait for no slot, and pass where there is one', async () => {
    const { api, resilience } = setup(concurrencyLimit(1));
    resilience.close();
    const [passed, rejected] = await settled([api.get('/a'), api.get('/b')], 100);
    expect(passed).toMatchObject({ data: '/a' });
    expect(rejected).toMatchObject({ code: 'ERR_LIMITED', why: 'wait' });
    expect(reportOf(rejected)).toMatchObject({ attempts: 0, elapsedMs: 0 });
  });

  test('ends the call of a retry that waits for a slot with its last failure', async () => {
    const { api, service, resilience } = setup(concurrencyLimit(1), { retry: { backoff: 10 } });
    service.answer = (path) => (path === '/fails' ? { status: 500, afterMs: 10 } : { afterMs: 1_000 });
    const failing = api.get('/fails');
    const slow = api.get('/slow');
    await vi.waitFor(() => expect(service.paths).toEqual(['/fails', '/slow']));
    await vi.advanceTimersByTimeAsync(50);
    expect(resilience.limiters[ORIGIN]?.queued).toBe(1);
    resilience.close();
    const [error] = await settled([failing, slow], 1_000);
    expect(error).toMatchObject({ response: { status: 500 } });
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'limited' });
  });

  test('of one instance leaves those of another in the queue of a shared limiter', async () => {
    const limiter = new Limiter('shared', concurrencyLimit(1));
    const one = setup(limiter);
    const two = setup(limiter);
    const calls = [one.api.get('/a'), one.api.get('/b'), two.api.get('/c')];
    await vi.advanceTimersByTimeAsync(10);
    one.resilience.close();
    expect(await settled(calls)).toMatchObject([{ data: '/a' }, { code: 'ERR_LIMITED' }, { data: '/c' }]);
    expect(two.service.times).toEqual([100]);
  });
});

test('what a rule throws lets the attempt pass, and is told', async () => {
  const broken = customLimit(() => ({
    waitMs: () => {
      throw new Error('bug');
    },
  }));
  const { api, sink } = setup(broken);
  const [result] = await settled([api.get('/a')]);
  expect(result).toMatchObject({ data: '/a' });
  expect(sink.events).toContainEqual(
    expect.objectContaining({ type: 'callbackError', key: ORIGIN, source: 'limiter', error: new Error('bug') }),
  );
});

test.each<[string, () => LimitRule, string]>([
  ['whose `limit` throws', () => ({ waitMs: () => 0, limit: 1 }), 'bug'],
  [
    'that cannot be made',
    () => {
      throw new Error('bug');
    },
    'bug',
  ],
  ['that is none', () => ({}) as never, 'Expected `makeRule()` to be a rule with a method waitMs(), got an object'],
])('a rule %s lets the attempt pass, and is told', async (_what, makeRule, message) => {
  const made = () => {
    const rule = makeRule();
    if (rule.limit !== undefined) {
      Object.defineProperty(rule, 'limit', {
        get: () => {
          throw new Error('bug');
        },
      });
    }
    return rule;
  };
  const { api, sink, resilience } = setup(customLimit(made));
  const results = await settled([api.get('/a'), api.get('/a')]);
  expect(results).toMatchObject([{ data: '/a' }, { data: '/a' }]);
  expect(Object.values(resilience.limiters)[0]?.limit).toBeUndefined();
  const told = sink.events.filter(({ type }) => type === 'callbackError');
  expect(told).toContainEqual(expect.objectContaining({ key: ORIGIN, source: 'limiter' }));
  expect(told).toContainEqual(expect.objectContaining({ error: expect.objectContaining({ message }) as Error }));
});

test('a limiter tells of itself at most once a second, and when it has come to rest', async () => {
  const { api, sink } = setup(concurrencyLimit(2));
  for (let round = 0; round < 3; round++) {
    await settled([api.get('/a'), api.get('/b'), api.get('/c')], 400);
  }
  const told = sink.events.filter(({ type }) => type === 'limiter');
  expect(told).toMatchObject([
    { key: ORIGIN, limit: 2, inFlight: 1, queued: 0 },
    { key: ORIGIN, limit: 2, inFlight: 0, queued: 0 },
  ]);
});

test('a limiter tells that nobody waits any more, also where nobody was in flight', async () => {
  const { api, sink } = setup(rateLimit({ perSecond: 0.1, burst: 1 }));
  await settled([api.get('/a')], 2_000);
  const controller = new AbortController();
  const calls = [api.get('/b', { signal: controller.signal }), api.get('/c', { signal: controller.signal })];
  await vi.advanceTimersByTimeAsync(10);
  controller.abort();
  await settled(calls, 100);
  const told = sink.events.filter(({ type }) => type === 'limiter');
  expect(told.slice(2)).toMatchObject([
    { inFlight: 0, queued: 1 },
    { inFlight: 0, queued: 0 },
  ]);
});

test('limiters at rest are forgotten past 256', async () => {
  const { api, resilience } = setup(concurrencyLimit(1), { breaker: false });
  for (let host = 0; host < 300; host++) await settled([api.get(`https://host-${host}.example/`)], 100);
  expect(Object.keys(resilience.limiters)).toHaveLength(256);
  expect(Object.keys(resilience.limiters).at(-1)).toBe('https://host-299.example');
});

test('more limiters than that are kept while they are busy, and no longer', async () => {
  const { api, resilience } = setup(concurrencyLimit(1), { breaker: false });
  const kept = () => Object.keys(resilience.limiters).length;
  await settled(
    Array.from({ length: 400 }, (_, host) => api.get(`https://host-${host}.example/`)),
    100,
  );
  expect(kept()).toBe(400);
  for (let host = 0; host < 30; host++) await settled([api.get(`https://other-${host}.example/`)], 100);
  expect(kept()).toBe(256);
});

test('a rate limit is not forgotten before a new one would say the same', async () => {
  const { api, service, resilience } = setup(rateLimit({ perSecond: 1, burst: 1 }), { breaker: false });
  service.answer = () => ({ afterMs: 0 });
  const round = () => Array.from({ length: 300 }, (_, host) => api.get(`https://host-${host}.example/${host}`));
  await settled(round(), 1);
  void Promise.all(round());
  await vi.advanceTimersByTimeAsync(900);
  expect(service.asked).toHaveLength(300);
  await vi.advanceTimersByTimeAsync(100);
  expect(service.asked).toHaveLength(600);
  await vi.advanceTimersByTimeAsync(1_000);
  for (let host = 0; host < 10; host++) await settled([api.get(`https://other-${host}.example/`)], 1);
  expect(Object.keys(resilience.limiters)).toHaveLength(256);
});

test('the default limit finds its way in an attached instance', async () => {
  const { api, service, resilience } = setup(adaptiveLimit());
  await settled(
    Array.from({ length: 300 }, (_, call) => api.get(`/${call}`)),
    300,
  );
  expect(service.asked).toHaveLength(300);
  expect(resilience.limiters[ORIGIN]?.limit).toBeGreaterThan(100);
});

describe('the default limit, with a timeout of 1 s', () => {
  test.each<[string, number, number]>([
    ['grows by little while a service that took 100 ms takes 840 ms', 840, 2.3],
    ['does not grow while it takes 860 ms: with more in flight it would be too late', 860, 2],
  ])('%s', async (_, afterMs, limit) => {
    const { api, service, resilience } = setup(adaptiveLimit());
    const calls = (count: number) => Array.from({ length: count }, () => api.get('/a', { timeout: 1_000 }));
    await settled(calls(1), 100);
    service.answer = () => ({ afterMs });
    void Promise.allSettled(calls(10));
    await vi.advanceTimersByTimeAsync(2 * afterMs);
    expect(resilience.limiters[ORIGIN]?.limit).toBeCloseTo(limit, 5);
  });

  test('grows by one for each answer where 900 ms are usual', async () => {
    const { api, service, resilience } = setup(adaptiveLimit());
    service.answer = () => ({ afterMs: 900 });
    const calls = (count: number) => Array.from({ length: count }, () => api.get('/a', { timeout: 1_000 }));
    await settled(calls(1), 900);
    expect(resilience.limiters[ORIGIN]?.limit).toBe(2);
    void Promise.allSettled(calls(10));
    await vi.advanceTimersByTimeAsync(900);
    expect(resilience.limiters[ORIGIN]?.limit).toBe(3);
  });
});

test.each<[unknown, string]>([
  [
    5,
    'Expected `limiter` to be false, a limit such as concurrencyLimit(10), a Limiter or an object such as { limit: adaptiveLimit() }, got 5',
  ],
  [{}, 'Expected `limiter.limit` to be a limit, such as adaptiveLimit(), got undefined'],
  [{ limit: 5 }, 'Expected `limiter.limit` to be a limit, such as adaptiveLimit(), got 5'],
  [{ limit: concurrencyLimit(1), maxQueue: 0.5 }, 'Expected `limiter.maxQueue` to be an integer >= 0, got 0.5'],
  [
    { limit: concurrencyLimit(1), priority: 'top' },
    'Expected `limiter.priority` to be "high" or "normal" or "low", got "top"',
  ],
  [{ limit: concurrencyLimit(1), maxwait: 5 }, 'Unknown option `limiter.maxwait`: did you mean `limiter.maxWaitMs`?'],
])('refuses options that it cannot go by: %j', (limiter, message) => {
  expect(() => attach(axios.create(), { limiter: limiter as never })).toThrow(
    message.replace('`limiter.maxWaitMs`', '`maxWaitMs`'),
  );
});

test('refuses a limit for one request', async () => {
  const { api } = setup(concurrencyLimit(1));
  const limiter = { limit: concurrencyLimit(2) } as never;
  await expect(api.get('/a', { resilience: { limiter } })).rejects.toThrow(
    'Expected `resilience.limiter.limit` to be given to attach alone',
  );
});
