import axios, { type AxiosInstance } from 'axios';
import MockAdapter from 'axios-mock-adapter';
import promClient, { Registry } from 'prom-client';
import { beforeEach, expect, test, vi } from 'vitest';
import { attach, byOrigin, logSink, reportOf, resilienceOf } from '../src/index.js';
import { prometheusSink } from '../src/prometheus/prometheus.js';
import { memoryEngine, sharedStore } from '../src/store/index.js';

/** The twelve things that people come for, as short as they can be. */

let api: AxiosInstance;
let mock: MockAdapter;

beforeEach(() => {
  api = axios.create({ baseURL: 'https://api.example.com' });
  mock = new MockAdapter(api);
});

const get = () => api.get('/').catch((error: unknown) => error);

test('retries only', async () => {
  attach(api, { breaker: false, retry: { backoff: 0 } });
  mock.onGet().replyOnce(503).onGet().reply(200);
  expect(reportOf(await get())?.attempts).toBe(2);
});

test('a circuit breaker only', async () => {
  attach(api, { retry: false });
  mock.onGet().reply(503);
  expect(reportOf(await get())).toMatchObject({ attempts: 1, stopped: 'disabled' });
});

test('fallback data', async () => {
  attach(api, { retry: 0, fallback: [], fallbackOn: 'failure' });
  mock.onGet().reply(503);
  expect(await get()).toMatchObject({ data: [] });
});

test('a POST that may be repeated', async () => {
  attach(api, { retry: { backoff: 0 } });
  mock.onPost().replyOnce(503).onPost().reply(200);
  const response = await api.post('/', {}, { resilience: { idempotencyKey: true } });
  expect(reportOf(response)?.attempts).toBe(2);
});

test('one circuit per host', async () => {
  const { breakers } = attach(api, { key: byOrigin });
  mock.onAny().reply(200);
  await Promise.all([api.get('/a'), api.post('/b')]);
  expect(Array.from(breakers, ({ key }) => key)).toEqual(['https://api.example.com']);
});

test('a log', async () => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  attach(api, { retry: false, sinks: [logSink(logger)] });
  mock.onGet().reply(503);
  await get();
  expect(logger.warn).toHaveBeenCalledOnce();
});

test('metrics', async () => {
  const register = new Registry();
  attach(api, { sinks: [prometheusSink(promClient, { register })] });
  mock.onGet().reply(200);
  await get();
  expect(await register.metrics()).toContain(
    'axios_resilience_call_attempts_count{key="GET https://api.example.com"} 1',
  );
});

test('off for a request', async () => {
  attach(api);
  mock.onGet().reply(503);
  expect(reportOf(await api.get('/', { resilience: false }).catch((error: unknown) => error))).toBeUndefined();
});

test('a retry on a body', async () => {
  attach(api, { retry: { backoff: 0, shouldRetryResponse: ({ response }) => response.data.state === 'pending' } });
  mock.onGet().replyOnce(200, { state: 'pending' }).onGet().reply(200, { state: 'done' });
  expect(await get()).toMatchObject({ data: { state: 'done' } });
});

test('the wait that a 429 asks for', async () => {
  const { on } = attach(api, { retry: { backoff: 0 } });
  const waits: number[] = [];
  on('retry', ({ delayMs }) => waits.push(delayMs));
  mock.onGet().replyOnce(429, '', { 'retry-after-ms': '20' }).onGet().reply(200);
  await get();
  expect(waits).toEqual([20]);
});

test('circuits that processes share', async () => {
  const store = sharedStore(memoryEngine()); // or redisStore(client)
  const { breakers } = attach(api, { breaker: { store } });
  mock.onGet().reply(200);
  await get();
  expect(breakers.get('GET https://api.example.com')?.stats().shared).toBeDefined();
  await store.close();
});

test('a test without delays, and with circuits of its own', async () => {
  attach(api, { retry: { backoff: 0 } });
  mock.onGet().reply(503);
  await get();
  const { breakers } = resilienceOf(api)!;
  breakers.clear();
  expect(breakers.size).toBe(0);
});
