import { getEventListeners, once } from 'node:events';
import type { Readable } from 'node:stream';
import axios, { type AxiosAdapter, getAdapter } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, type Delay, type ResilienceOptions, type RetryOptions, reportOf } from '../../src/index.js';
import { after, connectionError, type Step, scripted, untilCancelled } from '../support/scripted-adapter.js';
import { hang, startServer } from '../support/server.js';

vi.setConfig({ testTimeout: 5_000 });

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;
const forever = () => new Promise<never>(() => undefined);
const MAX_TIMER_MS = 2_147_483_647;
const hanging: Step = forever;

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('case 31: deadlineMs', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function start({ deadlineMs, ...retry }: RetryOptions & Pick<ResilienceOptions, 'deadlineMs'>, ...steps: Step[]) {
    const adapter = scripted(...steps);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    const resilience = attach(api, { deadlineMs, retry: { backoff: 100, ...retry } });
    const outcomes: string[] = [];
    resilience.on('attempt', ({ outcome }) => outcomes.push(outcome));
    return { adapter, api, outcomes, resilience };
  }

  /** Waits for a call to reject, and says after how many milliseconds it did. */
  async function rejection(call: Promise<unknown>): Promise<{ error: any; afterMs: number }> {
    const startedAt = performance.now();
    const settled = failureOf(call).then((error) => ({ error, afterMs: performance.now() - startedAt }));
    await vi.runAllTimersAsync();
    return settled;
  }

  test('a server that never answers: rejected in time with ETIMEDOUT, and a failure for the breaker', async () => {
    const { adapter, api, outcomes, resilience } = start({ deadlineMs: 500 }, untilCancelled);
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(500);
    expect(axios.isAxiosError(error)).toBe(true);
    expect(axios.isCancel(error)).toBe(false);
    expect(error.code).toBe('ETIMEDOUT');
    expect(adapter.attempts).toHaveLength(1);
    expect(outcomes).toEqual(['failure']);
    expect(resilience.breakers.get(KEY)?.stats()).toMatchObject({ failures: 1, inFlight: 0 });
    expect(reportOf(error)).toMatchObject({ attempts: 1, elapsedMs: 500, stopped: 'deadline' });
  });

  test('bounds an adapter that knows neither signal nor timeout', async () => {
    const { api } = start({ deadlineMs: 500 }, hanging);
    const { error, afterMs } = await rejection(api.get('/'));
    expect([afterMs, error.code]).toEqual([500, 'ETIMEDOUT']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('an attempt gets no more than what is left', async () => {
    const { api, adapter, outcomes } = start({ deadlineMs: 500 }, after(200, 503), hanging);
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(500);
    expect(adapter.attempts).toHaveLength(2);
    expect(outcomes).toEqual(['failure', 'neutral']);
    expect(reportOf(error)).toMatchObject({ attempts: 2, delaysMs: [100], stopped: 'deadline' });
  });

  test('with a wait that does not fit gives up at once with the last real error', async () => {
    const { api, adapter } = start({ deadlineMs: 500, backoff: 1_000 }, after(20, 503));
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(20);
    expect(error.response.status).toBe(503);
    expect(adapter.attempts).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], elapsedMs: 20, stopped: 'deadline' });
  });

  test('with a wait that fits the first time and not the second gives up with the second error', async () => {
    const { api } = start(
      { deadlineMs: 500, backoff: ({ attempt }) => attempt * 300 },
      503,
      connectionError('ECONNRESET'),
    );
    const { error, afterMs } = await rejection(api.get('/'));
    expect([afterMs, error.code]).toEqual([300, 'ECONNRESET']);
    expect(reportOf(error)).toMatchObject({ attempts: 2, delaysMs: [300], stopped: 'deadline' });
  });

  test.each<[string, number | Delay, number]>([
    ['that would end with the deadline does not fit', 500, 1],
    ['that ends 1 ms before it does', 499, 2],
  ])('a wait %s', async (_name, backoff, attempts) => {
    const { api } = start({ deadlineMs: 500, backoff, retries: 1 }, 503);
    expect(reportOf((await rejection(api.get('/'))).error)?.attempts).toBe(attempts);
  });

  test('counts the time that a server asks for', async () => {
    const { api } = start({ deadlineMs: 500 }, { status: 503, headers: { 'retry-after': '2' } });
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(0);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'deadline' });
  });

  test.each(['shouldRetry', 'beforeRetry'] as const)('bounds a %s that never ends', async (hook) => {
    const { api, adapter } = start({ deadlineMs: 500, [hook]: forever }, 503);
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(500);
    expect(error.response.status).toBe(503);
    expect(adapter.attempts).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'deadline' });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('bounds a shouldRetryResponse that never ends: the response is the result', async () => {
    const { api } = start({ deadlineMs: 500, shouldRetryResponse: forever }, { status: 200, data: 'pending' });
    const response = api.get('/');
    await vi.advanceTimersByTimeAsync(500);
    expect((await response).data).toBe('pending');
  });

  test('counts the time of a slow hook', async () => {
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 300));
    const { api, adapter } = start({ deadlineMs: 500, beforeRetry: slow }, 503);
    const { error, afterMs } = await rejection(api.get('/'));
    expect(afterMs).toBe(400);
    expect(adapter.attempts).toHaveLength(2);
    expect(reportOf(error)).toMatchObject({ attempts: 2, elapsedMs: 400, stopped: 'deadline' });
  });

  test('counts the time of slow request interceptors: an attempt gets what they left', async () => {
    const { api } = start({ deadlineMs: 500 }, hanging);
    api.interceptors.request.use(async (config) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return config;
    });
    const { error, afterMs } = await rejection(api.get('/'));
    expect([afterMs, error.code]).toEqual([500, 'ETIMEDOUT']);
    expect(reportOf(error)).toMatchObject({ attempts: 1, elapsedMs: 500, stopped: 'deadline' });
  });

  test('that passed in a request interceptor leaves no time for an attempt', async () => {
    const { api, adapter, resilience } = start({ deadlineMs: 500 }, 200);
    api.interceptors.request.use(async (config) => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return config;
    });
    const { error } = await rejection(api.get('/'));
    expect(error.code).toBe('ETIMEDOUT');
    expect(adapter.attempts).toHaveLength(0);
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'deadline', history: [] });
    expect(resilience.breakers.get(KEY)?.inFlight ?? 0).toBe(0);
  });

  test("axios's own timeout within it stays a failure and is retried", async () => {
    const timeout = connectionError('ECONNABORTED');
    const { api, outcomes } = start({ deadlineMs: 5_000 }, after(50, timeout), 200);
    const response = api.get('/', { timeout: 50 });
    await vi.runAllTimersAsync();
    expect((await response).status).toBe(200);
    expect(outcomes).toEqual(['failure', 'success']);
  });

  test('bounds a call without retries too', async () => {
    const { api } = start({ deadlineMs: 500, retries: 0 }, hanging);
    expect((await rejection(api.get('/'))).afterMs).toBe(500);
  });

  test('of one request beats that of the instance', async () => {
    const { api } = start({ deadlineMs: 5_000 }, hanging);
    expect((await rejection(api.get('/', { resilience: { deadlineMs: 70 } }))).afterMs).toBe(70);
  });

  test('that is not reached changes nothing', async () => {
    const { api } = start({ deadlineMs: 500 }, after(20, 503), after(20, 200));
    const response = api.get('/');
    await vi.advanceTimersByTimeAsync(140);
    expect(reportOf(await response)).toMatchObject({ attempts: 2, elapsedMs: 140, stopped: 'success' });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('as long as a timer takes does not end an attempt at once', async () => {
    const { api } = start({ deadlineMs: MAX_TIMER_MS }, after(1_000, 200));
    const response = api.get('/').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await response).toMatchObject({ status: 200 });
  });

  test('an adapter that throws at once leaves no timer', async () => {
    const { api } = start({ deadlineMs: 500 });
    const thrown = new Error('broken adapter');
    const adapter = () => {
      throw thrown;
    };
    expect(await failureOf(api.get('/', { adapter, resilience: { retry: { retries: 0 } } }))).toBe(thrown);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('takes a signal of a polyfill as axios does, which ends the attempt', async () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      addEventListener: (_type: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: (_type: string, listener: () => void) => void listeners.delete(listener),
    };
    const { api, adapter } = start({ deadlineMs: 500 }, untilCancelled);
    const result = failureOf(api.get('/', { signal }));
    await vi.advanceTimersByTimeAsync(100);
    expect(adapter.attempts).toHaveLength(1);
    signal.aborted = true;
    for (const listener of [...listeners]) listener();
    expect(axios.isCancel(await result)).toBe(true);
    expect(listeners.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('shows the timeout and the signal of the user on the config afterwards', async () => {
    const { signal } = new AbortController();
    const { api } = start({ deadlineMs: 500 }, 200);
    const response = await api.get('/', { timeout: 9_000, signal });
    expect(response.config.timeout).toBe(9_000);
    expect(response.config.signal).toBe(signal);
  });

  test.each([200, 404])('hands on the config of the call itself with an answer of %s', async (status) => {
    const { api } = start({ deadlineMs: 500 }, status);
    const configs: unknown[] = [];
    api.interceptors.request.use((config) => {
      configs.push(config);
      return config;
    });
    const { signal } = new AbortController();
    const answer = await api.get('/', { signal }).catch((error: unknown) => error as any);
    const carriers = [answer, answer.response ?? answer];
    expect(carriers.map(({ config }) => config === configs[0])).toEqual([true, true]);
    expect(answer.config.signal).toBe(signal);
  });

  test('keeps what the adapter writes on the config', async () => {
    const { api, adapter } = start({ deadlineMs: 500 }, 200);
    const marking: AxiosAdapter = (config) => adapter(Object.assign(config, { mark: 'of the adapter' }));
    const { config } = await api.get('/', { adapter: marking });
    expect(config).toHaveProperty('mark', 'of the adapter');
    expect(config).not.toHaveProperty('signal');
  });
});

describe.each(['http', 'fetch'])('deadlineMs over real HTTP with the %s adapter', (adapter) => {
  test('a server that never answers: rejected in time, the connection closed', async () => {
    const server = await startServer(hang);
    const api = axios.create({ baseURL: server.url, adapter });
    const resilience = attach(api, { deadlineMs: 100 });
    const startedAt = performance.now();
    const error = await failureOf(api.get('/'));
    const elapsedMs = performance.now() - startedAt;
    expect(error.code).toBe('ETIMEDOUT');
    expect(elapsedMs).toBeGreaterThanOrEqual(99);
    expect(elapsedMs).toBeLessThan(2_000);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'deadline' });
    expect(resilience.breakers.get(`GET ${server.url}`)?.stats()).toMatchObject({ failures: 1, inFlight: 0 });
    await server.close();
  });

  test('frees the connection of the attempt that it cut short', async () => {
    let closed = false;
    const server = await startServer((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
    });
    const api = axios.create({ baseURL: server.url, adapter });
    attach(api, { deadlineMs: 60 });
    await failureOf(api.get('/'));
    await vi.waitFor(() => expect(closed).toBe(true));
    await server.close();
  });

  test('as long as a timer takes leaves a slow answer its time', async () => {
    const server = await startServer((_request, response) => setTimeout(() => response.end('late'), 60));
    const api = axios.create({ baseURL: server.url, adapter });
    attach(api, { retry: { retries: 0 }, deadlineMs: MAX_TIMER_MS });
    const answer = await api.get('/').catch((error: unknown) => error);
    expect(answer).toMatchObject({ data: 'late' });
    await server.close();
  });

  test("axios's own timeout is a failure for the breaker", async () => {
    const server = await startServer(hang);
    const api = axios.create({ baseURL: server.url, adapter, timeout: 40 });
    const resilience = attach(api, { retry: { retries: 0 }, deadlineMs: 5_000 });
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 1, stopped: 'exhausted' });
    expect(resilience.breakers.get(`GET ${server.url}`)?.stats().failures).toBe(1);
    await server.close();
  });
});

describe('a response stream obtained under a deadline', () => {
  test('can still be read after the deadline', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200);
      response.write('first ');
      setTimeout(() => response.end('second'), 200);
    });
    const api = axios.create({ baseURL: server.url });
    attach(api, { deadlineMs: 100 });
    const { data } = await api.get<Readable>('/', { responseType: 'stream' });
    const chunks: string[] = [];
    for await (const chunk of data) chunks.push(String(chunk));
    await server.close();
    expect(chunks.join('')).toBe('first second');
  });

  test("can still be aborted by the user's signal", async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200);
      response.write('first ');
    });
    const controller = new AbortController();
    const api = axios.create({ baseURL: server.url });
    attach(api, { deadlineMs: 1_000 });
    const { data } = await api.get<Readable>('/', { responseType: 'stream', signal: controller.signal });
    const failed = new Promise<unknown>((resolve) => data.once('error', resolve));
    controller.abort();
    expect(await failed).toMatchObject({ code: 'ERR_CANCELED' });
    await server.close();
  });

  test('leaves no listener on the signal of its attempt once it was read', async () => {
    const server = await startServer((_request, response) => response.end('all'));
    const signals: any[] = [];
    const adapter: AxiosAdapter = (config) => {
      signals.push(config.signal);
      return getAdapter('http')(config);
    };
    const api = axios.create({ baseURL: server.url, adapter });
    attach(api, { deadlineMs: 5_000 });
    const { signal } = new AbortController();
    const { data } = await api.get<Readable>('/', { responseType: 'stream', signal });
    expect(getEventListeners(signals[0], 'abort')).toHaveLength(1);
    await once(data.resume(), 'end');
    await vi.waitFor(() => expect(getEventListeners(signals[0], 'abort')).toEqual([]));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await server.close();
  });
});
