import { Readable } from 'node:stream';
import axios, { type AxiosError, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  consecutiveFailures,
  type ResilienceOptions,
  type RetryContext,
  type RetryOptions,
  reportOf,
} from '../../src/index.js';
import { connectionError, scripted, startClock } from '../support/scripted-adapter.js';
import { startServer, type TestServer } from '../support/server.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

function start(retry: RetryOptions, options: Omit<ResilienceOptions, 'retry'> = {}) {
  const adapter = scripted(503);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const resilience = attach(api, { ...options, retry: { retries: 3, backoff: 1, ...retry } });
  return { api, adapter, resilience };
}

describe('shouldRetry', () => {
  test('is told what the attempt came to, and nothing else', async () => {
    const clock = startClock();
    const contexts: RetryContext[] = [];
    const { api, adapter } = start({ shouldRetry: (context) => void contexts.push({ ...context }) }, { clock });
    const reset = connectionError('ECONNRESET');
    adapter.script(
      () => {
        clock.advance(20);
        return { status: 503, data: 'busy' };
      },
      () => {
        clock.advance(30);
        return reset;
      },
      200,
    );
    const response = await api.get('/users');
    const error = contexts[0]!.error as AxiosError;
    expect(error.response?.data).toBe('busy');
    expect(contexts).toEqual([
      {
        attempt: 1,
        retriesLeft: 3,
        key: KEY,
        outcome: 'failure',
        durationMs: 20,
        status: 503,
        code: 'ERR_BAD_RESPONSE',
        error,
        response: error.response,
        retryAfterMs: undefined,
        config: response.config,
        elapsedMs: 20,
      },
      {
        attempt: 2,
        retriesLeft: 2,
        key: KEY,
        outcome: 'failure',
        durationMs: 30,
        status: undefined,
        code: 'ECONNRESET',
        error: reset,
        response: undefined,
        retryAfterMs: undefined,
        config: response.config,
        elapsedMs: 50,
      },
    ]);
    expect(contexts[0]?.config).toBe(response.config);
  });

  test('has no error where axios accepted the response', async () => {
    const contexts: RetryContext[] = [];
    const { api, adapter } = start({ shouldRetry: (context) => void contexts.push(context) });
    adapter.script(503, 200);
    await api.get('/', { validateStatus: () => true });
    expect(contexts.map(({ error, response }) => [error, response?.status])).toEqual([[undefined, 503]]);
  });

  test.each([
    ['undefined', () => undefined],
    ['a promise of undefined', () => Promise.resolve(undefined)],
  ])('%s decides as usual', async (_name, shouldRetry) => {
    const { api, adapter } = start({ shouldRetry });
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    adapter.script(404);
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
    adapter.script(503);
    expect(reportOf(await failureOf(api.post('/')))).toMatchObject({ attempts: 1, stopped: 'method' });
  });

  test.each([
    ['true', () => true],
    ['a promise of true', () => Promise.resolve(true)],
  ])('%s overrules method, status and code', async (_name, shouldRetry) => {
    const { api, adapter } = start({ shouldRetry });
    expect(reportOf(await failureOf(api.post('/')))).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    adapter.script(404);
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    adapter.script(connectionError('EWEIRD'));
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test.each([
    ['false', () => false],
    ['a promise of false', () => Promise.resolve(false)],
  ])('%s vetoes: the call rejects with the failure itself', async (_name, shouldRetry) => {
    const { api, adapter } = start({ shouldRetry });
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(adapter.attempts).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'vetoed' });
  });

  test('is asked after each failed attempt while retries are left: 3 times for 4 attempts', async () => {
    const asked: number[] = [];
    const { api } = start({ shouldRetry: ({ attempt }) => void asked.push(attempt) });
    await failureOf(api.get('/'));
    expect(asked).toEqual([1, 2, 3]);
  });

  test('is not asked when there is nothing to decide', async () => {
    const shouldRetry = vi.fn();
    const { api, adapter } = start({ shouldRetry });
    adapter.script(200);
    await api.get('/');
    adapter.script(503);
    await failureOf(api.get('/', { resilience: { retry: 0 } }));
    await failureOf(api.get('/', { resilience: { retry: false } }));
    expect(shouldRetry).not.toHaveBeenCalled();
  });

  test('for one request beats that of the instance', async () => {
    const { api } = start({ shouldRetry: () => false });
    const error = await failureOf(api.get('/', { resilience: { retry: { shouldRetry: () => true } } }));
    expect(reportOf(error)?.attempts).toBe(4);
  });
});

describe('beforeRetry', () => {
  test('is told what the attempt came to, the delay, and the config of the next attempt', async () => {
    const clock = startClock();
    const contexts: RetryContext[] = [];
    const { api, adapter } = start({ beforeRetry: (context) => void contexts.push({ ...context }) }, { clock });
    adapter.script(
      () => {
        clock.advance(20);
        return 503;
      },
      () => {
        clock.advance(20);
        return 502;
      },
      200,
    );
    const response = await api.get('/users', { headers: { 'x-trace': 'abc' } });
    const failed = { key: KEY, delayMs: 1, durationMs: 20, outcome: 'failure' };
    expect(contexts).toMatchObject([
      { ...failed, attempt: 1, retriesLeft: 3, elapsedMs: 20, status: 503, code: 'ERR_BAD_RESPONSE' },
      { ...failed, attempt: 2, retriesLeft: 2, elapsedMs: 40, status: 502, code: 'ERR_BAD_RESPONSE' },
    ]);
    expect(contexts.map(({ error }) => (error as AxiosError).response?.status)).toEqual([503, 502]);
    expect(contexts.map(({ response: answer }) => answer?.status)).toEqual([503, 502]);
    for (const { config } of contexts) {
      expect(config).not.toBe(response.config);
      expect(config.url).toBe('/users');
      expect(config.headers.get('x-trace')).toBe('abc');
    }
  });

  test('runs once before each retry, never before the first attempt nor after the last', async () => {
    const before: number[] = [];
    const { api, adapter } = start({ beforeRetry: () => void before.push(adapter.attempts.length) });
    await failureOf(api.get('/'));
    expect(before).toEqual([1, 2, 3]);
  });

  test('is waited for', async () => {
    const { api, adapter } = start({
      beforeRetry: async ({ config }) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        config.headers.set('x-token', 'late');
      },
    });
    adapter.script(503, 200);
    await api.get('/');
    expect(adapter.attempts[1]?.headers.get('x-token')).toBe('late');
  });

  describe('over real HTTP', () => {
    let server: TestServer;
    let other: TestServer;
    beforeEach(async () => {
      [server, other] = await Promise.all([startServer(503), startServer(200)]);
    });
    afterEach(() => Promise.all([server.close(), other.close()]));

    test('changes headers of the next attempt alone', async () => {
      server.script(503, 503, 200);
      const api = axios.create({ baseURL: server.url });
      attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ attempt, config }) => {
            config.headers.set(`X-After-${attempt}`, 'yes');
            config.headers.delete('X-First');
          },
        },
      });
      await api.get('/', { headers: { 'X-First': 'yes' } });
      expect(
        server.requests.map(({ headers }) => [headers['x-first'], headers['x-after-1'], headers['x-after-2']]),
      ).toEqual([
        ['yes', undefined, undefined],
        [undefined, 'yes', undefined],
        [undefined, undefined, 'yes'],
      ]);
    });

    test('replaces the headers by a plain object', async () => {
      server.script(503, 200);
      const api = axios.create({ baseURL: server.url });
      attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ config }) => {
            config.headers = { 'X-Signed': 'again' } as never;
          },
        },
      });
      await api.get('/', { headers: { 'X-First': 'yes' } });
      expect(server.requests[1]?.headers).toMatchObject({ 'x-signed': 'again' });
      expect(server.requests[1]?.headers).not.toHaveProperty('x-first');
    });

    test('changes the url', async () => {
      server.script(503, 200);
      const api = axios.create({ baseURL: server.url });
      attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ config }) => {
            config.url = '/replica';
          },
        },
      });
      await api.get('/primary');
      expect(server.requests.map(({ url }) => url)).toEqual(['/primary', '/replica']);
    });

    test('changes the baseURL; circuit and report follow the new key', async () => {
      const api = axios.create({ baseURL: server.url });
      const resilience = attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ config }) => {
            config.baseURL = other.url;
          },
        },
      });
      const keys: string[] = [];
      resilience.on('attempt', ({ key, outcome }) => keys.push(`${key} ${outcome}`));
      const response = await api.get('/');
      expect(keys).toEqual([`GET ${server.url} failure`, `GET ${other.url} success`]);
      expect(resilience.breakers.get(`GET ${server.url}`)?.stats().failures).toBe(1);
      expect(resilience.breakers.get(`GET ${other.url}`)?.stats().failures).toBe(0);
      expect(reportOf(response)).toMatchObject({ key: `GET ${other.url}`, attempts: 2, stopped: 'success' });
      expect(response.config.baseURL).toBe(other.url);
    });

    test.each([
      ['longer', { a: 'x'.repeat(100) }],
      ['shorter', {}],
    ])('case 18: replaces the data by something %s, and Content-Length fits', async (_name, data) => {
      server.script(503, 200);
      const api = axios.create({ baseURL: server.url });
      attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ config }) => {
            config.data = data;
          },
        },
      });
      await api.put('/', { a: 'first' });
      expect(server.requests.map(({ body }) => JSON.parse(body.toString()))).toEqual([{ a: 'first' }, data]);
      expect(server.requests.map(({ headers }) => headers['content-length'])).toEqual(
        server.requests.map(({ body }) => String(body.length)),
      );
      expect(server.requests.map(({ headers }) => headers['content-type'])).toEqual([
        'application/json',
        'application/json',
      ]);
    });

    test('gives a fresh stream to a body that can be sent only once', async () => {
      server.script(503, 503, 200);
      const api = axios.create({ baseURL: server.url });
      attach(api, {
        retry: {
          backoff: 1,
          beforeRetry: ({ config }) => {
            config.data = Readable.from(['body']);
          },
        },
      });
      const response = await api.put('/', Readable.from(['body']));
      expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
      expect(server.requests.map(({ body }) => body.toString())).toEqual(['body', 'body', 'body']);
    });

    test('that leaves a used-up stream as it is does not send it again', async () => {
      const api = axios.create({ baseURL: server.url });
      attach(api, { retry: { backoff: 1, beforeRetry: () => undefined } });
      const error = await failureOf(api.put('/', Readable.from(['body'])));
      expect(error.response.status).toBe(503);
      expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'body' });
      expect(server.requests).toHaveLength(1);
    });
  });

  test("changes of one attempt are not the next attempt's: each starts from what was captured", async () => {
    const seen: unknown[] = [];
    const { api, adapter } = start({
      beforeRetry: ({ attempt, config }) => {
        seen.push(config.url);
        config.url = `/after-${attempt}`;
      },
    });
    await failureOf(api.get('/original'));
    expect(seen).toEqual(['/original', '/original', '/original']);
    expect(adapter.attempts.map(({ url }) => url)).toEqual(['/original', '/after-1', '/after-2', '/after-3']);
  });

  test('that moves to an open circuit ends the call with the failure it had', async () => {
    const { api, adapter, resilience } = start({
      beforeRetry: ({ config }) => {
        config.baseURL = 'https://other.example.com';
      },
    });
    resilience.breakers.ensure('GET https://other.example.com').trip({ cooldownMs: 60_000 });
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(adapter.attempts).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
  });

  test('that moves to another key goes by the budget of that key from then on', async () => {
    const clock = startClock();
    const adapter = scripted(503);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, {
      clock,
      breaker: { detector: consecutiveFailures(1_000) },
      retry: {
        retries: 10,
        backoff: 0,
        budget: { ratio: 0.001, minPerSecond: 0.5 },
        beforeRetry: ({ config }) => {
          config.baseURL = 'https://other.example.com';
        },
      },
    });
    const spend = { baseURL: 'https://other.example.com' };
    expect(reportOf(await failureOf(api.get('/', spend)))).toMatchObject({ attempts: 6, stopped: 'budget' });
    const error = await failureOf(api.get('/'));
    expect(reportOf(error)?.stopped).toBe('budget');
    expect(reportOf(error)?.attempts).toBeLessThanOrEqual(2);
  });

  test('may change method-free fields without a trace on the config of the user', async () => {
    const config = { headers: { 'x-mine': '1' }, params: { a: 1 } };
    const { api, adapter } = start({
      beforeRetry: ({ config: next }) => {
        next.headers.set('x-mine', '2');
      },
    });
    adapter.script(503, 200);
    await api.get('/', config);
    expect(config).toEqual({ headers: { 'x-mine': '1' }, params: { a: 1 } });
  });
});

describe.each(['shouldRetry', 'beforeRetry'] as const)('%s that throws', (hook) => {
  const throwing = (thrown: unknown, how: 'throws' | 'rejects') => ({
    [hook]: () => {
      if (how === 'rejects') return Promise.reject(thrown);
      throw thrown;
    },
  });

  test.each(['throws', 'rejects'] as const)('(%s) rejects the call with its error', async (how) => {
    const thrown = new Error('no token');
    const { api, adapter } = start(throwing(thrown, how));
    const error = await failureOf(api.get('/'));
    expect(error).toBe(thrown);
    expect(error.cause.response.status).toBe(503);
    expect(adapter.attempts).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({
      key: KEY,
      attempts: 1,
      stopped: 'hook-failed',
      history: [{ status: 503 }],
    });
  });

  test('keeps the cause that its error has', async () => {
    const cause = new Error('deeper');
    const { api } = start(throwing(new Error('no token', { cause }), 'throws'));
    expect((await failureOf(api.get('/'))).cause).toBe(cause);
  });

  test('rejects with what is thrown, also when it is no error', async () => {
    const { api } = start(throwing('enough', 'throws'));
    expect(await failureOf(api.get('/'))).toBe('enough');
  });

  test('rejects with an error that cannot be added to, and the call is given up once', async () => {
    const thrown = Object.freeze(new Error('frozen'));
    const { api, resilience } = start(throwing(thrown, 'throws'));
    const stopped: string[] = [];
    resilience.on('call', (event) => stopped.push(event.stopped));
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(stopped).toEqual(['hook-failed']);
  });
});

test.each([
  [0, [404], 1, 'not-retryable'],
  [0, [503], 1, 'exhausted'],
  [1, [503, 404], 2, 'exhausted'],
  [2, [503, 404], 2, 'not-retryable'],
])(
  'with %i retries, answers %j come to %i attempts, and to an end as %s',
  async (retries, answers, attempts, stopped) => {
    const { api, adapter } = start({ retries });
    adapter.script(...answers);
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts, stopped });
  },
);

test.each([
  [false, 'success'],
  [true, 'exhausted'],
])('of the last response that retries allow, shouldRetryResponse says %s: it ends as %s', async (verdict, stopped) => {
  const { api, adapter } = start({ retries: 1, shouldRetryResponse: ({ attempt }) => attempt === 1 || verdict });
  adapter.script({ status: 200, data: 'pending' });
  expect(reportOf(await api.get('/'))).toMatchObject({ attempts: 2, stopped });
});

test.each([200, 503])('a statusCodes function that throws for a %i ends the call with its error', async (status) => {
  const thrown = new Error('cannot say');
  const { api, adapter, resilience } = start({
    statusCodes: () => {
      throw thrown;
    },
  });
  const ends: unknown[] = [];
  resilience.on('call', ({ stopped }) => ends.push(stopped));
  adapter.script({ status });
  expect(await failureOf(api.get('/'))).toBe(thrown);
  expect(reportOf(thrown)).toMatchObject({ attempts: 1, stopped: 'hook-failed', history: [{ status }] });
  expect(ends).toEqual(['hook-failed']);
});

test.each<[string, Partial<InternalAxiosRequestConfig> & { resilience?: { retry: RetryOptions } }, unknown]>([
  ['a POST is left as it is', { method: 'POST' }, { attempts: 1, stopped: 'method' }],
  ['a PUT is sent again', { method: 'PUT' }, { attempts: 2, stopped: 'success' }],
  [
    'a POST with an idempotency key is sent again',
    { method: 'POST', headers: { 'Idempotency-Key': '7' } as never },
    { attempts: 2, stopped: 'success' },
  ],
  [
    'a POST is sent again where methods has it',
    { method: 'POST', resilience: { retry: { methods: ['POST'] } } },
    { attempts: 2, stopped: 'success' },
  ],
])('shouldRetryResponse asks for a retry: %s', async (_what, config, report) => {
  const { api, adapter } = start({ shouldRetryResponse: ({ response }) => response.data === 'pending' });
  adapter.script({ status: 202, data: 'pending' }, { status: 200, data: 'done' });
  expect(reportOf(await api.request({ url: '/jobs', ...config }))).toMatchObject(report as object);
});

test('shouldRetryResponse does not overrule the method of a failure that axios accepts either', async () => {
  const { api, adapter } = start({ shouldRetryResponse: () => true });
  adapter.script({ status: 503 }, 200);
  const response = await api.post('/jobs', {}, { validateStatus: null });
  expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'method' });
});

test('shouldRetryResponse that throws rejects the call with its error, whose cause stands for the response', async () => {
  const thrown = new Error('cannot read');
  const { api, adapter } = start({
    shouldRetryResponse: () => {
      throw thrown;
    },
  });
  adapter.script({ status: 200, data: 'odd' });
  const error = await failureOf(api.get('/'));
  expect(error).toBe(thrown);
  expect(error.cause).toBeInstanceOf(Error);
  expect(error.cause.message).toBe('The attempt was answered with status 200');
  expect(error.cause.response.data).toBe('odd');
  expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'hook-failed', history: [{ status: 200 }] });
});

test.each<[string, (config: InternalAxiosRequestConfig) => void]>([
  ['replaces the headers', (config) => void Object.assign(config, { headers: { Accept: 'text/plain' } })],
  ['deletes the key', (config) => void config.headers.delete('idempotency-key')],
  ['leaves no headers', (config) => void Reflect.deleteProperty(config, 'headers')],
])('a beforeRetry that %s does not lose the idempotency key: the POST is sent with the same', async (_what, change) => {
  const adapter = scripted(503, 200);
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  attach(api, { idempotencyKey: true, retry: { backoff: 0, beforeRetry: ({ config }) => change(config) } });
  await api.post('/orders', {});
  const keys = adapter.attempts.map(({ headers }) => headers.get('Idempotency-Key'));
  expect(keys).toEqual([expect.any(String), keys[0]]);
});

test('a beforeRetry may give the next attempt another idempotency key', async () => {
  const adapter = scripted(503, 200);
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const beforeRetry = ({ config }: { config: InternalAxiosRequestConfig }) =>
    void config.headers.set('idempotency-key', 'mine');
  attach(api, { idempotencyKey: true, retry: { backoff: 0, beforeRetry } });
  await api.post('/orders', {});
  expect(adapter.attempts[1]?.headers.get('Idempotency-Key')).toBe('mine');
});
