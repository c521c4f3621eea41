import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;
beforeEach(async () => {
  server = await startServer(503, 200);
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const readOnly = (config: InternalAxiosRequestConfig, name: keyof InternalAxiosRequestConfig) =>
  Object.defineProperty(config, name, { value: config[name], writable: false, enumerable: true, configurable: false });

const withGetter = (config: InternalAxiosRequestConfig, name: keyof InternalAxiosRequestConfig) => {
  const value: unknown = config[name];
  return Object.defineProperty(config, name, { get: () => value, enumerable: true, configurable: true });
};

const CLOSED: readonly [string, (config: InternalAxiosRequestConfig) => InternalAxiosRequestConfig][] = [
  ['frozen', Object.freeze],
  ['sealed', Object.seal],
  ['not extensible', Object.preventExtensions],
  ['one with a read-only adapter', (config) => readOnly(config, 'adapter')],
  ['one with a read-only url', (config) => readOnly(config, 'url')],
  ['one with a getter for its url', (config) => withGetter(config, 'url')],
];

describe.each(CLOSED)('a config that a request interceptor returns %s', (_how, close) => {
  test('is sent once by a POST, and the caller gets the answer', async () => {
    server.script(200);
    attach(api);
    api.interceptors.request.use(close);
    const response = await api.post('/orders', { item: 7 });
    expect(response.data).toEqual({ status: 200, attempt: 1 });
    expect(server.requests.map(({ body }) => String(body))).toEqual(['{"item":7}']);
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'success' });
  });

  test('is retried', async () => {
    attach(api, { retry: { backoff: () => 0 } });
    api.interceptors.request.use(close);
    const response = await api.get('/users');
    expect(response.data).toEqual({ status: 200, attempt: 2 });
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('is sent under a deadline', async () => {
    server.script(200);
    attach(api, { deadlineMs: 5_000 });
    api.interceptors.request.use(close);
    expect((await api.post('/orders', {})).status).toBe(200);
    expect(server.requests).toHaveLength(1);
  });
});

describe.each<[string, <T>(headers: T) => T]>([
  ['sealed', Object.seal],
  ['not extensible', Object.preventExtensions],
])('headers that a request interceptor leaves %s', (_how, close) => {
  test('are sent with ours, and no permit is lost', async () => {
    const { breakers } = attach(api, {
      retry: { backoff: () => 0, attemptHeader: 'X-Attempt' },
      idempotencyKey: { generate: () => 'key' },
    });
    api.interceptors.request.use((config) => {
      config.headers.set({ 'User-Agent': 'tests', 'Accept-Encoding': 'gzip' });
      close(config.headers);
      return config;
    });
    const response = await api.post('/orders', { item: 7 });
    expect(response.data).toEqual({ status: 200, attempt: 2 });
    expect(server.requests.map(({ headers }) => [headers['x-attempt'], headers['idempotency-key']])).toEqual([
      ['1', 'key'],
      ['2', 'key'],
    ]);
    expect([...breakers].map(({ inFlight }) => inFlight)).toEqual([0]);
  });
});

test.each<[string, (config: InternalAxiosRequestConfig) => unknown]>(CLOSED.slice(0, 3))(
  'a POST whose adapter leaves its config %s ends as with bare axios',
  async (_how, close) => {
    server.script(200);
    const send = axios.getAdapter('http');
    const adapter: AxiosAdapter = (config) => send(close(config) as InternalAxiosRequestConfig);
    const post = async () =>
      api.post('/orders', {}, { adapter }).then(
        ({ status }) => status,
        (error: unknown) => (error as Error).message,
      );
    const bare = await post();
    attach(api);
    expect(await post()).toBe(bare);
    expect(server.requests).toHaveLength(2);
  },
);
