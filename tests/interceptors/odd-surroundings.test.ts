import { Agent } from 'node:http';
import axios, { type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { attach, memorySink, type Resilience, type ResilienceOptions, reportOf } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const KEY = 'GET https://api.example.com';
const AT_ONCE = { backoff: 0 };

type Adapter = (config: InternalAxiosRequestConfig) => unknown;

const answer = (config: InternalAxiosRequestConfig, status: number, data: unknown = '{}') =>
  ({ data, status, statusText: '', headers: {}, config }) as never;

function start(adapter: Adapter, options: ResilienceOptions = {}): { api: AxiosInstance; resilience: Resilience } {
  const api = axios.create({ baseURL: 'https://api.example.com', adapter: adapter as never });
  return { api, resilience: attach(api, { retry: AT_ONCE, ...options }) };
}

const unreadable = (target: object, name: string): object =>
  Object.defineProperty(target, name, {
    get() {
      throw new Error(`no ${name} for you`);
    },
  });

const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a permit comes back', () => {
  test.each<[string, unknown]>([
    ['whose message is an object', { message: { code: 'E' } }],
    ['whose cause has a message that is no string', Object.assign(new Error('bad'), { cause: { message: 42 } })],
    [
      'whose code cannot be read',
      Object.defineProperty(new Error('bad'), 'code', {
        get() {
          throw new Error('no code for you');
        },
      }),
    ],
  ])('after an error %s, which reaches the caller as it is', async (_what, thrown) => {
    const { api, resilience } = start(() => Promise.reject(thrown));
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(resilience.breakers.get(KEY)?.inFlight).toBe(0);
  });

  test.each<[string, () => unknown]>([
    ['an error whose response cannot be read', () => Promise.reject(unreadable(new Error('bad'), 'response'))],
    ['a failure whose headers cannot be read', () => Promise.resolve(unreadable({ status: 503 }, 'headers'))],
    ['a response whose status cannot be read', () => Promise.resolve(unreadable({ data: '' }, 'status'))],
    [
      'an error that refuses every question',
      () =>
        Promise.reject(
          new Proxy(new Error('bad'), {
            get() {
              throw new Error('no answer');
            },
          }),
        ),
    ],
  ])('of a probe that ends with %s', async (_what, adapter) => {
    const { api, resilience } = start(adapter, { breaker: { cooldownMs: 0 } });
    const breaker = resilience.breakers.ensure(KEY);
    breaker.trip();
    await api.get('/').catch(() => undefined);
    expect(breaker.inFlight).toBe(0);
  });

  test('after an adapter that returns no promise, whose answer is taken', async () => {
    const { api, resilience } = start((config) => answer(config, 200, '{"ok":true}'));
    expect((await api.get('/')).data).toEqual({ ok: true });
    expect(resilience.breakers.get(KEY)?.inFlight).toBe(0);
  });

  test('in time when the timeout is a string: one probe at a time, and its failure re-opens', async () => {
    const clock = { time: 0, now: () => clock.time };
    const { api, resilience } = start((config) => Promise.reject(new axios.AxiosError('x', 'ECONNRESET', config)), {
      clock,
      retry: false,
    });
    api.defaults.timeout = '5000' as never;
    resilience.breakers.ensure(KEY).trip();
    clock.time = 10_000;
    await failureOf(api.get('/'));
    expect(resilience.breakers.get(KEY)?.stats()).toMatchObject({ state: 'open', counts: { failure: 1, late: 0 } });
  });
});

describe('what the user chose', () => {
  test('a 503 whose body transformResponse cannot read is retried all the same', async () => {
    const statuses = [503, 200];
    const { api } = start((config) => {
      const status = statuses.shift() ?? 200;
      const response = answer(config, status, status === 503 ? '<html>' : '{"ok":true}') as { status: number };
      return status === 503
        ? Promise.reject(new axios.AxiosError('503', 'ERR_BAD_RESPONSE', config, undefined, response as never))
        : Promise.resolve(response);
    });
    api.defaults.transformResponse = [(data: string) => JSON.parse(data) as unknown];
    const response = await api.get('/');
    expect(response.data).toEqual({ ok: true });
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('a URL object as url is retried like its text', async () => {
    const statuses = [503, 200];
    const { api } = start((config) => Promise.resolve(answer(config, statuses.shift() ?? 200)));
    const response = await api.get(new URL('https://other.example.com/x?q=1') as never);
    expect(reportOf(response)).toMatchObject({ attempts: 2, key: 'GET https://other.example.com' });
  });

  test('arrays given to attach are copied: changing them later changes nothing', async () => {
    const methods = ['GET'];
    const { api } = start((config) => Promise.resolve(answer(config, 503)), { retry: { ...AT_ONCE, methods } });
    methods.length = 0;
    expect(reportOf(await failureOf(api.get('/', { validateStatus: null })))).toBeUndefined();
    expect(reportOf(await api.get('/', { validateStatus: null }))?.attempts).toBeGreaterThan(0);
  });

  test('an idempotency key that is no string is refused before any attempt', async () => {
    const adapter = vi.fn((config: InternalAxiosRequestConfig) => Promise.resolve(answer(config, 200)));
    const { api } = start(adapter, { idempotencyKey: { generate: (async () => 'key') as never } });
    const error = await failureOf(api.post('/', {}));
    expect(String(error)).toContain('Expected `idempotencyKey.generate()` to be a non-empty string, got');
    expect(adapter).not.toHaveBeenCalled();
  });

  test('a key function that returns undefined leaves the default key; one that returns a promise is refused', async () => {
    const { api, resilience } = start((config) => Promise.resolve(answer(config, 200)), {
      key: (() => undefined) as never,
    });
    await api.get('/');
    expect([...resilience.breakers].map(({ key }) => key)).toEqual([KEY]);
    const other = start((config) => Promise.resolve(answer(config, 200)), {
      key: (async () => 'x') as never,
    });
    expect(String(await failureOf(other.api.get('/')))).toContain('Expected `key(config)` to be a string or null');
  });

  test('update of the mode turns on a breaker that was off, as any option of it does', async () => {
    const { api, resilience } = start((config) => Promise.resolve(answer(config, 200)), { breaker: false });
    resilience.update({ breaker: { mode: 'observe' } });
    await api.get('/');
    expect([...resilience.breakers].map(({ mode }) => mode)).toEqual(['observe']);
  });
});

describe('hooks and fallbacks', () => {
  test('a deadline of another call, thrown by a hook, is the error of the hook', async () => {
    const other = start(() => new Promise(() => undefined), { deadlineMs: 20 });
    const { api } = start((config) => Promise.resolve(answer(config, 503)), {
      retry: {
        ...AT_ONCE,
        beforeRetry: async () => {
          await other.api.get('/token');
        },
      },
    });
    const error = await failureOf(api.get('/'));
    expect(error).toMatchObject({ code: 'ETIMEDOUT', config: { url: '/token' } });
  });

  test('a hook that veto-throws is not answered by a fallback on failure', async () => {
    const { api } = start((config) => Promise.resolve(answer(config, 503)), {
      fallback: 'data',
      fallbackOn: 'failure',
      retry: {
        ...AT_ONCE,
        beforeRetry: () => {
          throw new Error('no more');
        },
      },
    });
    expect(await failureOf(api.get('/', { validateStatus: null }))).toMatchObject({ message: 'no more' });
  });

  test('an abort ends a fallback that never comes', async () => {
    const controller = new AbortController();
    const { api } = start((config) => Promise.resolve(answer(config, 503)), {
      retry: false,
      fallbackOn: 'failure',
      fallback: () => {
        setTimeout(() => controller.abort(), 5);
        return new Promise(() => undefined);
      },
    });
    const call = api.get('/', { signal: controller.signal, validateStatus: null });
    expect(await failureOf(call)).toMatchObject({ code: 'ERR_CANCELED' });
  });

  test('the stream of a failure that fallback answers is destroyed: the one socket is free for the next call', async () => {
    server = await startServer((_request, response) => {
      response.writeHead(503);
      response.write('a body without an end');
    });
    const api = axios.create({ baseURL: server.url, httpAgent: new Agent({ keepAlive: true, maxSockets: 1 }) });
    attach(api, { retry: false, breaker: false, fallback: 'data', fallbackOn: 'failure' });
    const config = { responseType: 'stream' } as const;
    expect([(await api.get('/', config)).data, (await api.get('/', config)).data]).toEqual(['data', 'data']);
  });

  test('the stream of a failure is destroyed, too, when fallback throws', async () => {
    server = await startServer((_request, response) => {
      response.writeHead(503);
      response.write('a body without an end');
    });
    const api = axios.create({ baseURL: server.url, httpAgent: new Agent({ keepAlive: true, maxSockets: 1 }) });
    const fallback = () => Promise.reject(new Error('no cache'));
    attach(api, { retry: false, breaker: false, fallback, fallbackOn: 'failure' });
    const call = async () => failureOf(api.get('/', { responseType: 'stream' }));
    expect([await call(), await call()]).toEqual([new Error('no cache'), new Error('no cache')]);
  });

  test('a response that is polled until no retry is left ends as exhausted', async () => {
    const { api } = start((config) => Promise.resolve(answer(config, 202, '{"state":"pending"}')), {
      retry: { ...AT_ONCE, retries: 2, shouldRetryResponse: ({ response }) => response.status === 202 },
    });
    expect(reportOf(await api.get('/'))).toMatchObject({ attempts: 3, stopped: 'exhausted' });
  });
});

describe('reports and events', () => {
  test('an error without a config has a report', async () => {
    const plain = new Error('plain');
    const { api } = start(() => Promise.reject(plain));
    await failureOf(api.get('/'));
    expect(reportOf(plain)).toMatchObject({ stopped: 'exhausted' });
  });

  test('a used config that is sent again untouched has no report of its former call', async () => {
    const { api } = start((config) => Promise.resolve(answer(config, 200)));
    const first = await api.get('/');
    const second = await api.request({ ...first.config, resilience: false });
    expect(reportOf(second)).toBeUndefined();
  });

  test('a request with a bad option gives up once', async () => {
    const sink = memorySink();
    const { api } = start((config) => Promise.resolve(answer(config, 200)), { sinks: [sink] });
    await failureOf(api.get('/', { resilience: { retry: -1 } }));
    expect(sink.events.map(({ type }) => type)).toEqual(['call']);
  });

  test('handlers that somebody copied with forEach do not mix up calls', async () => {
    const { api } = start((config) => Promise.resolve(answer(config, 200, `"${config.url ?? ''}"`)));
    const copy = axios.create(api.defaults as never);
    for (const side of ['request', 'response'] as const) {
      const from = api.interceptors[side] as unknown as { forEach(visit: (handler: any) => void): void };
      from.forEach((handler) => {
        (copy.interceptors[side] as any).use(handler.fulfilled, handler.rejected, handler);
      });
    }
    const urls = ['/a', '/b', '/c'];
    const data = await Promise.all(urls.map(async (url) => (await copy.get<string>(url)).data));
    expect(data).toEqual(urls);
  });
});

test('managers that can take no mark are refused, whatever else can be written to them', () => {
  const api = axios.create();
  const manager = api.interceptors.request as unknown as { forEach: () => void };
  manager.forEach = manager.forEach.bind(manager);
  Object.preventExtensions(manager);
  expect(() => attach(api)).toThrow('not to be frozen');
});
