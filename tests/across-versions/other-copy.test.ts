import { createRequire } from 'node:module';
import axios, { type AxiosInstance, type AxiosStatic } from 'axios';
import MockAdapter from 'axios-mock-adapter';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';
import { json, startServer, type TestServer } from '../support/server.js';
import { ADAPTERS } from '../support/versions.js';

/** The CommonJS build of the version under test: another copy of axios than the one that the plugin imports. */
const commonJs = createRequire(import.meta.url)('axios') as AxiosStatic;

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = commonJs.create({ baseURL: server.url });
});
afterEach(() => server.close());

const sent = () =>
  server.requests.map(({ headers, body }) => [headers.authorization, headers['content-type'], body.toString()]);

describe('an instance of another copy of axios (CommonJS beside ESM)', () => {
  test('is of the same version, and shares no class with ours', () => {
    expect(commonJs.VERSION).toBe(axios.VERSION);
    expect(commonJs.AxiosHeaders).not.toBe(axios.AxiosHeaders);
    expect(commonJs.Axios).not.toBe(axios.Axios);
  });

  test('sends Authorization and Content-Type on each attempt', async () => {
    attach(api, AT_ONCE);
    server.script(503, 503, json(200, { id: 1 }));
    const response = await api.put('/', { a: 1 }, { headers: { Authorization: 'Bearer 1' } });
    expect(response.data).toEqual({ id: 1 });
    expect(sent()).toEqual(Array(3).fill(['Bearer 1', 'application/json', '{"a":1}']));
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test.each(ADAPTERS.flatMap((name) => [name, [name]]))(
    'sends them with the adapter %j, of the request or an interceptor',
    async (adapter) => {
      attach(api, AT_ONCE);
      server.script(503, 200);
      await api.put('/', { a: 1 }, { adapter, headers: { Authorization: 'Bearer 1' } });
      api.interceptors.request.use((config) => {
        config.adapter = adapter;
        config.headers.set('Authorization', 'Bearer 2');
        return config;
      });
      server.script(503, 200);
      await api.put('/', { a: 2 });
      expect(sent()).toEqual([
        ['Bearer 1', 'application/json', '{"a":1}'],
        ['Bearer 1', 'application/json', '{"a":1}'],
        ['Bearer 2', 'application/json', '{"a":2}'],
        ['Bearer 2', 'application/json', '{"a":2}'],
      ]);
    },
  );

  test('lets interceptors and beforeRetry use the methods of the headers', async () => {
    api.interceptors.request.use((config) => {
      config.headers.set('Authorization', 'Bearer 1');
      config.headers.delete('Accept');
      return config;
    });
    attach(api, {
      retry: {
        ...AT_ONCE.retry,
        attemptHeader: 'X-Attempt',
        beforeRetry: ({ config }) => {
          config.headers.set('Authorization', `${String(config.headers.get('Authorization'))}, again`);
        },
      },
      idempotencyKey: true,
    });
    server.script(503, 503, 200);
    const { config } = await api.post('/', { a: 1 });
    expect(sent()).toEqual([
      ['Bearer 1', 'application/json', '{"a":1}'],
      ['Bearer 1, again', 'application/json', '{"a":1}'],
      ['Bearer 1, again', 'application/json', '{"a":1}'],
    ]);
    const [first, ...others] = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(first).toMatch(/^[\da-f-]{36}$/);
    expect(others).toEqual([first, first]);
    expect(server.requests.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '2', '3']);
    expect(config.headers.get('Authorization')).toBe('Bearer 1, again');
  });

  test('follows Retry-After, whatever class the headers of the response are of', async () => {
    attach(api, AT_ONCE);
    server.script(json(503, null, { 'retry-after-ms': '1' }), json(503, null, { 'retry-after': '3600' }));
    const error = await rejectionOf(api.get('/'));
    expect(reportOf(error)).toMatchObject({ attempts: 2, delaysMs: [1], stopped: 'retry-after' });
  });

  test.each(ADAPTERS)(
    'hands on the headers of a response and of an error as they came, from the %s adapter',
    async (adapter) => {
      attach(api, AT_ONCE);
      server.script(json(200, null, { 'x-request-id': '1' }), json(404, null, { 'x-request-id': '2' }));
      const response = await api.get('/', { adapter });
      const error = await rejectionOf(api.get('/', { adapter }));
      expect(response.headers).toMatchObject({ 'content-type': 'application/json', 'x-request-id': '1' });
      expect(error.response.headers).toMatchObject({ 'content-type': 'application/json', 'x-request-id': '2' });
    },
  );

  test('ends in errors that it takes for its own', async () => {
    const resilience = attach(api, AT_ONCE);
    server.script(404);
    const failed = await rejectionOf(api.get('/'));
    expect(commonJs.isAxiosError(failed)).toBe(true);
    expect(failed).toMatchObject({ code: 'ERR_BAD_REQUEST', response: { status: 404 } });

    resilience.breakers.get(`GET ${server.url}`)!.trip();
    const rejected = await rejectionOf(api.get('/'));
    expect(commonJs.isAxiosError(rejected)).toBe(true);
    expect(rejected).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', config: { url: '/' } });
  });

  test.each([
    [
      'an AbortSignal',
      () => {
        const controller = new AbortController();
        return { abort: () => controller.abort(), config: { signal: controller.signal } };
      },
    ],
    [
      'a CancelToken',
      () => {
        const source = commonJs.CancelToken.source();
        return { abort: () => source.cancel(), config: { cancelToken: source.token } };
      },
    ],
  ])(
    'is cancelled by %s while it waits',
    async (_what, cancellation) => {
      const { abort, config } = cancellation();
      const resilience = attach(api, { retry: { backoff: () => 60_000 } });
      const givenUp: unknown[] = [];
      resilience.on('retry', () => setImmediate(abort));
      resilience.on('call', ({ attempts, stopped }) => givenUp.push([attempts, stopped]));
      server.script(503);
      const error = await rejectionOf(api.get('/', config));
      expect(commonJs.isCancel(error)).toBe(true);
      expect(givenUp).toEqual([[1, 'aborted']]);
    },
    2_000,
  );

  test('can be mocked', async () => {
    attach(api, AT_ONCE);
    const mock = new MockAdapter(api);
    mock.onGet('/a').replyOnce(503).onGet('/a').reply(200, 'mocked');
    const response = await api.get('/a');
    expect(response.data).toBe('mocked');
    expect(mock.history.get).toHaveLength(2);
  });

  test('may be the global axios of that copy, a class of it, or its create() stubbed', async () => {
    class Client extends commonJs.Axios {}
    const stubbed = commonJs.create({ baseURL: server.url });
    stubbed.create = () => stubbed;
    const client = new Client({ ...(commonJs.defaults as object), baseURL: server.url });
    for (const instance of [commonJs, client, stubbed]) {
      const resilience = attach(instance, AT_ONCE);
      server.requests.length = 0;
      server.script(503, 200);
      await instance.put(server.url, { a: 1 }, { headers: { Authorization: 'Bearer 1' } });
      expect(sent()).toEqual(Array(2).fill(['Bearer 1', 'application/json', '{"a":1}']));
      resilience.detach();
    }
  });
});
