import axios, {
  type AxiosError,
  type AxiosInstance,
  type AxiosRequestConfig,
  type InternalAxiosRequestConfig,
} from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { AT_ONCE, attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const WITHOUT_BREAKER = { ...AT_ONCE, breaker: false } as const;
const bodies = () => server.requests.map(({ body }) => body.toString());

describe.each(ORDERS)("a user's own api.request(error.config) in an interceptor registered %s attach", (order) => {
  function refreshTokens(send: (config: AxiosRequestConfig) => AxiosRequestConfig = (config) => config): void {
    const refreshed = new WeakSet<object>();
    api.interceptors.response.use(undefined, (error: AxiosError) => {
      const { config } = error;
      if (error.response?.status !== 401 || !config || config.headers.get('Authorization') === 'Bearer new')
        throw error;
      expect(refreshed.has(config)).toBe(false);
      refreshed.add(config);
      config.headers.set('Authorization', 'Bearer new');
      return api.request(send(config));
    });
  }

  test('starts afresh with four attempts of its own', async () => {
    attachWith(order, api, refreshTokens, WITHOUT_BREAKER);
    server.script(401, 503);
    const error = await rejectionOf(api.get('/users', { headers: { Authorization: 'Bearer old' } }));
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer old',
      ...Array<string>(4).fill('Bearer new'),
    ]);
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted', delaysMs: [0, 0, 0] });
  });

  test('answers the call of which it is', async () => {
    attachWith(order, api, refreshTokens, WITHOUT_BREAKER);
    server.script(401, 503, 503, 200);
    const response = await api.get('/users', { headers: { Authorization: 'Bearer old' } });
    expect(response.status).toBe(200);
    expect(server.requests.map(({ url }) => url)).toEqual(Array(4).fill('/users'));
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test.each([
    ['the config itself', (config: AxiosRequestConfig) => config],
    ['a copy of it', (config: AxiosRequestConfig) => ({ ...config })],
  ])('sends the same body and content type with %s', async (_what, send) => {
    attachWith(order, api, () => refreshTokens(send), WITHOUT_BREAKER);
    server.script(503, 401, 503, 200);
    await api.put('/users/1', { name: 'Zoë' }, { headers: { Authorization: 'Bearer old' } });
    expect(bodies()).toEqual(Array(4).fill('{"name":"Zoë"}'));
    for (const { headers } of server.requests) {
      expect(headers['content-type']).toBe('application/json');
      expect(headers['content-length']).toBe('15');
    }
  });
});

describe('a config that is used again', () => {
  test('starts afresh after all retries failed', async () => {
    attach(api, WITHOUT_BREAKER);
    server.script(503);
    const first = await rejectionOf(api.put('/a', { a: 1 }));
    const second = await rejectionOf(api.request(first.config));
    expect(bodies()).toEqual(Array(8).fill('{"a":1}'));
    expect(reportOf(second)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('leaves the report of the first call as it was', async () => {
    attach(api, WITHOUT_BREAKER);
    server.script(503, 200);
    const first = await api.get('/a');
    server.script(503, 503, 200);
    const second = await api.request(first.config);
    expect(reportOf(first)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(reportOf(second)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('works on an instance that is not attached, which does not retry it', async () => {
    attach(api, WITHOUT_BREAKER);
    server.script(503);
    const { config } = await rejectionOf(api.get('/a'));
    await rejectionOf(axios.create().request(config));
    expect(server.requests).toHaveLength(5);
  });

  test('starts afresh also where an interceptor noted it before another one made a copy', async () => {
    const noted: InternalAxiosRequestConfig[] = [];
    api.interceptors.request.use((config) => ({ ...config }));
    api.interceptors.request.use((config) => {
      noted.push(config);
      return config;
    });
    const resilience = attach(api, WITHOUT_BREAKER);
    const attempts: number[] = [];
    resilience.on('attempt', ({ attempt }) => attempts.push(attempt));
    server.script(503, 200);
    const first = await api.get('/a');
    server.script(503, 503, 200);
    const second = await api.request(noted[0]!);
    expect(attempts).toEqual([1, 2, 1, 2, 3]);
    expect(reportOf(first)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(reportOf(second)).toMatchObject({ attempts: 3, stopped: 'success' });

    server.script(503);
    await rejectionOf(axios.create().request(noted[0]!));
    expect(attempts).toHaveLength(5);
    expect(server.requests).toHaveLength(6);
  });

  test('names the adapter that was chosen, not the one that attach put there', async () => {
    const plain = await api.get('/a');
    attach(api, AT_ONCE);
    server.script(503, 200, 404);
    const response = await api.get('/a');
    expect(response.config.adapter).toEqual(plain.config.adapter);
    const error = await rejectionOf(api.get('/a'));
    expect(error.config.adapter).toEqual(plain.config.adapter);
  });

  test('is sent twice at the same time, each with its own attempts', async () => {
    attach(api, WITHOUT_BREAKER);
    const { config } = await api.get('/a');
    server.script(503);
    const errors = await Promise.all([rejectionOf(api.request(config)), rejectionOf(api.request(config))]);
    expect(errors.map((error) => reportOf(error)?.attempts)).toEqual([4, 4]);
    expect(server.requests).toHaveLength(9);
  });
});

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

describe("the user's own config object", () => {
  const given = (): AxiosRequestConfig => ({
    url: '/users',
    method: 'put',
    headers: { 'X-Own': 'yes' },
    params: { page: 1, filter: { name: 'a' } },
    data: { deep: { list: [1, 2] } },
    resilience: { retry: { retries: 2, backoff: AT_ONCE.retry.backoff, statusCodes: [503] }, fallback: { items: [] } },
  });

  test('is never changed, and can be frozen', async () => {
    attach(api, { ...AT_ONCE, retry: { ...AT_ONCE.retry, attemptHeader: 'X-Attempt' }, idempotencyKey: true });
    const config = freeze(given());
    server.script(503, 503, 200);
    const response = await api.request(config);
    expect(config).toEqual(given());
    expect(reportOf(response)).toMatchObject({ attempts: 3 });
    expect(response.config).not.toBe(config);
    expect(bodies()).toEqual(Array(3).fill('{"deep":{"list":[1,2]}}'));
  });

  test('can be used for many calls', async () => {
    attach(api, WITHOUT_BREAKER);
    const config = given();
    server.script(503);
    for (let call = 1; call <= 3; call++) {
      const error = await rejectionOf(api.put('/users', config.data, config));
      expect(reportOf(error)).toMatchObject({ attempts: 3 });
      expect(config).toEqual(given());
    }
  });

  test('is not reached by what beforeRetry does to the headers and params of an attempt', async () => {
    attach(api, {
      retry: {
        ...AT_ONCE.retry,
        beforeRetry: ({ config }) => {
          config.headers.set('X-Own', 'changed');
          config.url = '/changed';
        },
      },
    });
    const config = given();
    server.script(503, 200);
    await api.request(config);
    expect(server.requests.map(({ url, headers }) => [url.split('?')[0], headers['x-own']])).toEqual([
      ['/users', 'yes'],
      ['/changed', 'changed'],
    ]);
    expect(config).toEqual(given());
  });

  test('is not changed through the defaults of the instance either', async () => {
    api.defaults.headers.common['X-Default'] = 'yes';
    api.defaults.params = { token: 'abc' };
    const before = JSON.stringify(api.defaults);
    attach(api, WITHOUT_BREAKER);
    server.script(503);
    await rejectionOf(api.put('/users', { a: 1 }));
    expect(JSON.stringify(api.defaults)).toBe(before);
    expect(api.defaults.adapter).toEqual(axios.defaults.adapter);
  });
});

describe('the error after retries', () => {
  const SECRETS = ['token-secret', 'body-secret'] as const;
  const send = (instance: AxiosInstance) =>
    rejectionOf(instance.put('/', { password: SECRETS[1] }, { headers: { Authorization: SECRETS[0] } }));
  const occurrences = (text: string) => SECRETS.map((secret) => text.split(secret).length - 1);

  test('is turned into JSON that shows no more headers and body than bare axios does', async () => {
    server.script(503);
    const bare = JSON.stringify(await send(api));
    attach(api, WITHOUT_BREAKER);
    const error = await send(api);
    const text = JSON.stringify(error);
    expect(occurrences(text)).toEqual(occurrences(bare));
    expect(occurrences(JSON.stringify(reportOf(error)))).toEqual([0, 0]);
    expect(error.toJSON()).toMatchObject({ name: 'AxiosError', code: 'ERR_BAD_RESPONSE', status: 503 });
  });

  test('is turned into JSON that shows nothing of ours; the config has the report', async () => {
    server.script(503);
    const bare = JSON.parse(JSON.stringify(await send(api)));
    attach(api, WITHOUT_BREAKER);
    const error = await send(api);
    const { config } = JSON.parse(JSON.stringify(error));
    expect(Object.keys(config).filter((name) => !(name in bare.config))).toEqual([]);
    expect(JSON.parse(JSON.stringify(error.config.resilienceState))).toEqual({
      key: `PUT ${server.url}`,
      attempts: 4,
      delaysMs: [0, 0, 0],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: expect.any(Number),
      stopped: 'exhausted',
      fallback: false,
      history: Array(4).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: expect.any(Number) }),
    });
    expect(error.config.resilienceState.toJSON()).toEqual(reportOf(error));
  });

  test('is turned into JSON when no attempt was made', async () => {
    attach(api, AT_ONCE).breakers.ensure(`PUT ${server.url}`).trip();
    const error = await send(api);
    const text = JSON.stringify(error);
    expect(JSON.parse(text)).toMatchObject({ name: 'CircuitOpenError', code: 'ERR_CIRCUIT_OPEN' });
    expect(text).not.toContain('resilienceState');
    expect(error.config.resilienceState).toMatchObject({ attempts: 0, stopped: 'circuit-open', history: [] });
    expect(occurrences(text)).toEqual([1, 1]);
  });

  test('has a stack that does not grow with the retries', async () => {
    attach(api, { ...WITHOUT_BREAKER, retry: { ...AT_ONCE.retry, budget: false } });
    server.script(503);
    const stackOf = async (retries: number) => {
      const error = await rejectionOf(api.get('/', { resilience: { retry: retries } }));
      expect(reportOf(error)?.attempts).toBe(retries + 1);
      return (error.stack as string).split('\n').length;
    };
    const [one, twelve] = [await stackOf(1), await stackOf(12)];
    expect(twelve).toBe(one);
  });

  test('has no chain of the errors before it', async () => {
    attach(api, WITHOUT_BREAKER);
    server.script(500, 502, 503, 504);
    const error = await rejectionOf(api.get('/'));
    expect(error.response.status).toBe(504);
    expect(error.cause).toBeUndefined();
  });
});

describe.each([
  ['the config', (config: any) => config],
  ['a copy of the config', (config: any) => ({ ...config })],
  ['a promise of a copy of the config', async (config: any) => ({ ...config })],
])('with a request interceptor that returns %s', (_what, pass) => {
  let seen: unknown;
  const order: unknown[] = [];

  beforeEach(() => {
    order.length = 0;
    // The last to run is the one registered first.
    api.interceptors.request.use((config) => {
      seen = config;
      return config;
    });
    api.interceptors.request.use(pass);
  });

  test.each([
    [1, [200]],
    [3, [503, 503, 200]],
  ])('response.config after %i attempts is the object that it handed on', async (_attempts, answers) => {
    attach(api, AT_ONCE);
    server.script(...answers);
    const response = await api.put('/', { a: 1 });
    expect(server.requests).toHaveLength(answers.length);
    expect(response.config === seen).toBe(true);
  });

  test.each([
    [1, 404],
    [4, 503],
  ])(
    'error.config and error.response.config after %i attempts are the object that it handed on',
    async (attempts, answer) => {
      attach(api, AT_ONCE);
      server.script(answer);
      const error = await rejectionOf(api.put('/', { a: 1 }));
      expect(server.requests).toHaveLength(attempts);
      expect(error.config === seen).toBe(true);
      expect(error.response.config === seen).toBe(true);
    },
  );

  test('error.config without a response, of an open circuit and of a fallback are the object that it handed on', async () => {
    const resilience = attach(api, AT_ONCE);
    const failed = await rejectionOf(api.get('http://127.0.0.1:1/'));
    expect(failed.code).toBe('ECONNREFUSED');
    expect(failed.config === seen).toBe(true);

    resilience.breakers.ensure(`GET ${server.url}`).trip();
    const rejected = await rejectionOf(api.get('/'));
    expect(rejected.code).toBe('ERR_CIRCUIT_OPEN');
    expect(rejected.config === seen).toBe(true);

    const answered = await api.get('/', { resilience: { fallback: null } });
    expect(reportOf(answered)?.fallback).toBe(true);
    expect(answered.config === seen).toBe(true);
  });

  test('what was noted about the config in a WeakMap is found again', async () => {
    const startedAt = new WeakMap<object, string>();
    const found: unknown[] = [];
    api.interceptors.request.clear();
    api.interceptors.request.use((config) => {
      startedAt.set(config, `start of ${config.url}`);
      return config;
    });
    api.interceptors.request.use(pass);
    api.interceptors.response.use(
      (response) => {
        found.push(startedAt.get(response.config));
        return response;
      },
      (error: AxiosError) => {
        found.push(startedAt.get(error.config!));
        throw error;
      },
    );
    attach(api, AT_ONCE);
    server.script(503, 200);
    await api.get('/a');
    server.script(503, 404);
    await rejectionOf(api.get('/b'));
    expect(found).toEqual(['start of /a', 'start of /b']);
  });

  test('the config shows what was sent last', async () => {
    attach(api, {
      retry: {
        ...AT_ONCE.retry,
        attemptHeader: 'X-Attempt',
        beforeRetry: ({ config, attempt }) => {
          config.url = `/after-${attempt}`;
        },
      },
    });
    server.script(503, 503, 200);
    const { config } = await api.put('/first', { a: 1 });
    expect(server.requests.map(({ url }) => url)).toEqual(['/first', '/after-1', '/after-2']);
    expect(config.url).toBe('/after-2');
    expect(config.headers.get('X-Attempt')).toBe('3');
    expect(config.data).toBe('{"a":1}');
  });
});
