import axios, { type AxiosAdapter, AxiosError, type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import MockAdapter from 'axios-mock-adapter';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type ResilienceOptions, reportOf } from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { AT_ONCE, attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { json, reset, startServer, type TestServer } from '../support/server.js';
import { ADAPTERS } from '../support/versions.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

type Config = InternalAxiosRequestConfig;

const answer = (config: Config, status: number, data: unknown) => ({
  data,
  status,
  statusText: '',
  headers: {},
  config,
});

describe.each(ORDERS)('axios-mock-adapter, set up %s attach', (order) => {
  let mock: MockAdapter;
  const attachWithMock = (options: ResilienceOptions = {}) =>
    attachWith(
      order,
      api,
      () => {
        mock = new MockAdapter(api);
      },
      { ...AT_ONCE, ...options },
    );

  test('shows each attempt in its history', async () => {
    attachWithMock();
    mock
      .onGet('/users')
      .replyOnce(503)
      .onGet('/users')
      .replyOnce(429)
      .onGet('/users')
      .reply(200, [{ id: 1 }]);
    const response = await api.get('/users');
    expect(response.data).toEqual([{ id: 1 }]);
    expect(mock.history.get).toHaveLength(3);
    expect(mock.history.get.map(({ url }) => url)).toEqual(['/users', '/users', '/users']);
    expect(reportOf(response)).toMatchObject({
      key: `GET ${server.url}`,
      attempts: 3,
      stopped: 'success',
      history: [{ status: 503 }, { status: 429 }, { status: 200 }],
    });
    expect(server.requests).toHaveLength(0);
  });

  test('shows the same body and headers on each attempt', async () => {
    attachWithMock();
    mock.onPut('/users/1').replyOnce(503).onPut('/users/1').reply(200);
    await api.put('/users/1', { name: 'Ada' }, { headers: { Authorization: 'Bearer 1' } });
    expect(mock.history.put.map(({ data }) => data)).toEqual(['{"name":"Ada"}', '{"name":"Ada"}']);
    for (const { headers } of mock.history.put) {
      expect(headers).toMatchObject({ Authorization: 'Bearer 1', 'Content-Type': 'application/json' });
    }
  });

  test('fails with the error of the last attempt', async () => {
    attachWithMock();
    mock.onGet('/users').reply(503, { reason: 'down' });
    const error = await rejectionOf(api.get('/users'));
    expect(error.response).toMatchObject({ status: 503, data: { reason: 'down' } });
    expect(mock.history.get).toHaveLength(4);
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('has its network errors and timeouts retried', async () => {
    attachWithMock({ retry: { backoff: 0, budget: false } });
    mock.onGet('/users').networkErrorOnce().onGet('/users').timeoutOnce().onGet('/users').reply(200);
    const response = await api.get('/users');
    expect(reportOf(response)).toMatchObject({
      attempts: 3,
      history: [{ code: 'ERR_NETWORK' }, { code: 'ECONNABORTED' }, { status: 200 }],
    });
  });

  test('opens the circuit, and an open circuit asks it nothing', async () => {
    const resilience = attachWithMock({ breaker: CLASSIC });
    mock.onGet('/users').reply(503);
    await rejectionOf(api.get('/users'));
    await rejectionOf(api.get('/users'));
    expect(mock.history.get).toHaveLength(5);
    expect(resilience.breakers.get(`GET ${server.url}`)?.state).toBe('open');
    expect(await rejectionOf(api.get('/users'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
    expect(mock.history.get).toHaveLength(5);
  });

  test('passes each attempt through to the network', async () => {
    attachWithMock();
    mock.onPut('/users').passThrough();
    server.script(503, 503, json(200, { id: 7 }));
    const response = await api.put('/users', { a: 1 });
    expect(response.data).toEqual({ id: 7 });
    expect(mock.history.put).toHaveLength(3);
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['{"a":1}', '{"a":1}', '{"a":1}']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('that is taken off again leaves calls to the network retried', async () => {
    attachWithMock();
    mock.onGet('/users').reply(200);
    await api.get('/users');
    mock.restore();
    server.script(503, 200);
    const response = await api.get('/users');
    expect(server.requests).toHaveLength(2);
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('keeps its answers for calls with resilience: false, which are not retried', async () => {
    attachWithMock();
    mock.onGet('/health').reply(503);
    await rejectionOf(api.get('/health', { resilience: false }));
    expect(mock.history.get).toHaveLength(1);
  });
});

describe.each(ORDERS)('an interceptor, registered %s attach, that sets config.adapter', (order) => {
  const useAdapter = (choose: (config: Config) => Config['adapter'], options = AT_ONCE) =>
    attachWith(
      order,
      api,
      () => {
        api.interceptors.request.use((config) => {
          const adapter = choose(config);
          if (adapter !== undefined) config.adapter = adapter;
          return config;
        });
      },
      options,
    );

  test.each(ADAPTERS.flatMap((name) => [name, [name]]))(
    'to %j has each attempt go through it, guarded',
    async (name) => {
      const resilience = useAdapter(() => name);
      server.script(503, 503, 200);
      const response = await api.put('/a', { a: 1 });
      expect(server.requests.map(({ body }) => body.toString())).toEqual(['{"a":1}', '{"a":1}', '{"a":1}']);
      expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
      expect(response.config.adapter).toEqual(name);

      resilience.breakers.get(`PUT ${server.url}`)!.trip();
      expect(await rejectionOf(api.put('/a', { a: 1 }))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
      expect(server.requests).toHaveLength(3);
    },
  );

  test('to a function that answers gives its answer without an attempt', async () => {
    const resilience = useAdapter(() => async (config) => answer(config, 200, { cached: true }));
    const attempts: unknown[] = [];
    resilience.on('attempt', (event) => attempts.push(event));
    const response = await api.get('/a');
    expect(response.data).toEqual({ cached: true });
    expect(server.requests).toHaveLength(0);
    expect(attempts).toEqual([]);
    expect(reportOf(response)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced', history: [] });
  });

  test('to a function that answers is heard while the circuit is open', async () => {
    const resilience = useAdapter(({ url }) =>
      url === '/a' ? async (config) => answer(config, 200, 'kept') : undefined,
    );
    resilience.breakers.ensure(`GET ${server.url}`).trip();
    expect((await api.get('/a', { resilience: { fallback: 'fallback' } })).data).toBe('kept');
    expect(await rejectionOf(api.get('/b'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  });

  test('to a function that answers with a failure is not retried, and counts for no circuit', async () => {
    let asked = 0;
    const resilience = useAdapter(() => async (config) => {
      asked++;
      throw new AxiosError('no', 'ERR_BAD_RESPONSE', config, null, answer(config, 503, null));
    });
    const error = await rejectionOf(api.get('/a'));
    expect(error.message).toBe('no');
    expect(asked).toBe(1);
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced' });
    expect(resilience.breakers.get(`GET ${server.url}`)).toBeUndefined();
  });

  test('to a function that wraps the one before has it see each attempt', async () => {
    const seen: unknown[] = [];
    useAdapter(({ adapter }) => async (config) => {
      const { data } = config;
      try {
        const response = await (adapter as AxiosAdapter)(config);
        seen.push([data, response.status]);
        return response;
      } catch (error) {
        seen.push([data, (error as AxiosError).response?.status]);
        throw error;
      }
    });
    server.script(503, 503, 200);
    const response = await api.put('/a', { a: 1 });
    expect(seen).toEqual([
      ['{"a":1}', 503],
      ['{"a":1}', 503],
      ['{"a":1}', 200],
    ]);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('to a function that wraps the one before and answers by itself at times makes no attempt then', async () => {
    const kept = new Map<string | undefined, unknown>();
    const resilience = useAdapter(({ adapter }) => async (config) => {
      if (kept.has(config.url)) return answer(config, 200, kept.get(config.url));
      const response = await (adapter as AxiosAdapter)(config);
      kept.set(config.url, response.data);
      return response;
    });
    server.script(503, json(200, 'fresh'));
    expect(reportOf(await api.get('/a'))).toMatchObject({ attempts: 2, stopped: 'success' });
    resilience.breakers.get(`GET ${server.url}`)!.trip();
    const again = await api.get('/a');
    expect(again.data).toBe('fresh');
    expect(reportOf(again)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced' });
    expect(await rejectionOf(api.get('/b'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  });
});

describe('an adapter of the instance or the request', () => {
  const failing =
    (failures: number, seen: Config[]): AxiosAdapter =>
    async (config) => {
      seen.push(config);
      if (seen.length > failures) return answer(config, 200, 'at last');
      throw new AxiosError('no', 'ECONNRESET', config);
    };

  test.each(['instance', 'request'])('that is a function of the %s is called for each attempt', async (owner) => {
    const seen: Config[] = [];
    const adapter = failing(2, seen);
    if (owner === 'instance') api.defaults.adapter = adapter;
    attach(api, AT_ONCE);
    const response = await api.get('/a', owner === 'request' ? { adapter } : {});
    expect(response.data).toBe('at last');
    expect(seen).toHaveLength(3);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(response.config.adapter).toBe(adapter);
  });

  test('that throws before it returns a promise is retried, and gives its permit back', async () => {
    let calls = 0;
    const resilience = attach(api, AT_ONCE);
    const response = await api.get('/a', {
      adapter: ((config: Config) => {
        if (++calls === 1) throw new AxiosError('no', 'ECONNRESET', config);
        return Promise.resolve(answer(config, 200, 'at last'));
      }) as AxiosAdapter,
    });
    expect(response.data).toBe('at last');
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(resilience.breakers.get(`GET ${server.url}`)!.stats().inFlight).toBe(0);
  });

  test('that does not exist fails the call as bare axios does, without a retry and without a permit', async () => {
    const bare = await rejectionOf(api.get('/a', { adapter: 'pigeon' as never }));
    const resilience = attach(api, AT_ONCE);
    const error = await rejectionOf(api.get('/a', { adapter: 'pigeon' as never }));
    expect(error.message).toBe(bare.message);
    expect(error.code).toBe(bare.code);
    expect(resilience.breakers.get(`GET ${server.url}`)?.stats().inFlight ?? 0).toBe(0);
  });
});

describe.each(ADAPTERS)('the %s adapter of axios', (adapter) => {
  beforeEach(() => {
    api.defaults.adapter = adapter;
  });

  test('is retried after statuses and broken connections', async () => {
    attach(api, AT_ONCE);
    server.script(503, reset, json(200, { id: 1 }));
    const response = await api.put('/a', { a: 1 });
    expect(response.data).toEqual({ id: 1 });
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['{"a":1}', '{"a":1}', '{"a":1}']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(reportOf(response)!.history.map(({ status }) => status)).toEqual([503, undefined, 200]);
  });

  test('fails with the last error when its retries end', async () => {
    attach(api, AT_ONCE);
    server.script(503, 503, 503, json(502, { reason: 'gateway' }));
    const error = await rejectionOf(api.get('/a'));
    expect(error).toMatchObject({ isAxiosError: true, response: { status: 502, data: { reason: 'gateway' } } });
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('carries params, headers and the method on each attempt', async () => {
    attach(api, AT_ONCE);
    server.script(503, 200);
    await api.delete('/a', { params: { page: 2, of: ['x', 'y'] }, headers: { 'X-Token': 't' } });
    expect(server.requests.map(({ method, url, headers }) => [method, url, headers['x-token']])).toEqual(
      Array(2).fill(['DELETE', server.requests[0]!.url, 't']),
    );
    expect(server.requests[0]!.url).toContain('page=2');
  });

  test('is not asked while the circuit is open', async () => {
    const resilience = attach(api, AT_ONCE);
    resilience.breakers.ensure(`GET ${server.url}`).trip();
    expect(await rejectionOf(api.get('/a'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
    expect(server.requests).toHaveLength(0);
  });
});
