import { Readable } from 'node:stream';
import axios, { AxiosError, type AxiosInstance, type AxiosResponse } from 'axios';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  CircuitOpenError,
  consecutiveFailures,
  type FallbackContext,
  type ResilienceOptions,
  reportOf,
} from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';
import { connectionError, type Step, scripted, untilCancelled } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

function start(options: ResilienceOptions, ...steps: Step[]) {
  const adapter = scripted(...(steps.length > 0 ? steps : [503]));
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const resilience = attach(api, { retry: { retries: 1, backoff: 0 }, ...options });
  const open = () => resilience.breakers.ensure(KEY).trip();
  return { api, adapter, open, resilience };
}

describe('what answers', () => {
  test('data', async () => {
    const { api, open, adapter } = start({ fallback: { items: [] } });
    open();
    expect((await api.get('/feed')).data).toEqual({ items: [] });
    expect(adapter.attempts).toHaveLength(0);
  });

  test('is a complete AxiosResponse that no cache keeps', async () => {
    const { api, open } = start({ fallback: 'data' });
    open();
    const response = await api.get('/feed', { params: { page: 1 } });
    expect(Object.keys(response)).toEqual(
      expect.arrayContaining(['data', 'status', 'statusText', 'headers', 'config']),
    );
    expect(response.status).toBe(200);
    expect(response.statusText).toMatch(/fallback/i);
    expect(response.headers['cache-control']).toBe('no-store');
    expect((response.headers as { get(name: string): unknown }).get('Cache-Control')).toBe('no-store');
    expect(response.config).toMatchObject({ url: '/feed', params: { page: 1 }, method: 'get' });
    expect(reportOf(response)).toMatchObject({ attempts: 0, stopped: 'circuit-open', fallback: true });
  });

  test('its config is the one that the request interceptors saw', async () => {
    const { api, open } = start({ fallback: 'data' });
    open();
    let seen: unknown;
    api.interceptors.request.use((config) => {
      seen = config;
      return config;
    });
    expect((await api.get('/')).config).toBe(seen);
  });

  test('its config carries the adapter of the user, not ours', async () => {
    const { api, open, adapter } = start({ fallback: 'data' });
    open();
    expect((await api.get('/')).config.adapter).toBe(adapter);
  });

  test('plain data given at attach is copied for each answer: what one caller does to it no other sees', async () => {
    const created = new Date(0);
    const items = { list: [{ name: 'a' }], created };
    const { api, open } = start({ fallback: items });
    open();
    const { data } = await api.get('/');
    data.list[0].name = 'b';
    data.list.push('c');
    const second = (await api.get('/')).data;
    expect(second).toEqual({ list: [{ name: 'a' }], created });
    expect(second.created).toBe(created);
    expect(items.list).toHaveLength(1);
  });

  test('data that holds itself is copied, too', async () => {
    const tree: { self?: unknown } = {};
    tree.self = tree;
    const { api, open } = start({ fallback: tree });
    open();
    const { data } = await api.get('/');
    expect(data).not.toBe(tree);
    expect(data.self).toBe(data);
  });

  test('a fallbackOn that throws ends the call with its error, whose cause is the failure, and frees a streamed response', async () => {
    const bodies: Readable[] = [];
    const { api } = start({
      fallback: 'data',
      fallbackOn: () => {
        throw new Error('oops');
      },
    });
    api.defaults.adapter = async (config) => {
      const data = Readable.from(['part']);
      bodies.push(data);
      const response = { data, status: 503, statusText: '', headers: {}, config };
      throw new AxiosError('503', AxiosError.ERR_BAD_RESPONSE, config, undefined, response);
    };
    const error = await failureOf(api.get('/', { responseType: 'stream' }));
    expect(error.message).toBe('oops');
    expect(error.cause.response.status).toBe(503);
    expect(bodies.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  test.each([null, false, 0, '', []])('%j is an answer', async (fallback) => {
    const { api, open } = start({ fallback });
    open();
    expect((await api.get('/')).data).toEqual(fallback);
  });

  test('undefined is none', async () => {
    const { api, open } = start({ fallback: undefined });
    open();
    expect(await failureOf(api.get('/'))).toBeInstanceOf(CircuitOpenError);
  });

  test('one request gives its own', async () => {
    const { api, open } = start({ fallback: 'instance' });
    open();
    expect((await api.get('/', { resilience: { fallback: 'request' } })).data).toBe('request');
    expect((await api.get('/')).data).toBe('instance');
  });

  test('one request gives null', async () => {
    const { api, open } = start({ fallback: 'instance' });
    open();
    const response = await api.get('/', { resilience: { fallback: null } });
    expect(response.data).toBeNull();
    expect(reportOf(response)?.fallback).toBe(true);
  });

  test('undefined for one request leaves that of the instance', async () => {
    const { api, open } = start({ fallback: 'instance' });
    open();
    expect((await api.get('/', { resilience: { fallback: undefined } })).data).toBe('instance');
  });

  test('resilience: false gets none', async () => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure' });
    expect((await failureOf(api.get('/', { resilience: false }))).response.status).toBe(503);
  });

  test('a function, told why', async () => {
    const contexts: FallbackContext[] = [];
    const { api, open } = start({
      fallback: (context: FallbackContext) => {
        contexts.push({ ...context });
        return `instead of ${context.config.url}`;
      },
    });
    open();
    const response = await api.get('/feed');
    expect(response.data).toBe('instead of /feed');
    expect(contexts).toEqual([
      {
        key: KEY,
        stopped: 'circuit-open',
        attempt: 0,
        outcome: undefined,
        durationMs: undefined,
        status: undefined,
        code: 'ERR_CIRCUIT_OPEN',
        error: expect.any(CircuitOpenError),
        response: undefined,
        retryAfterMs: undefined,
        elapsedMs: expect.any(Number),
        config: response.config,
      },
    ]);
  });

  test('a function after failures is told the last of them', async () => {
    const contexts: FallbackContext[] = [];
    const { api } = start({ fallback: (context: FallbackContext) => contexts.push(context), fallbackOn: 'failure' });
    await api.get('/');
    expect(contexts).toHaveLength(1);
    expect(contexts[0]).toMatchObject({
      key: KEY,
      stopped: 'exhausted',
      outcome: 'failure',
      response: { status: 503 },
    });
    expect(contexts[0]?.error).toMatchObject({ name: 'AxiosError', response: { status: 503 } });
  });

  test('an asynchronous function', async () => {
    const { api, open } = start({
      fallback: async () => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return 'from the cache';
      },
    });
    open();
    expect((await api.get('/')).data).toBe('from the cache');
  });

  test('a function for one request', async () => {
    const { api, open } = start({});
    open();
    expect((await api.get('/', { resilience: { fallback: () => 'fresh' } })).data).toBe('fresh');
  });

  test.each([
    [
      'throws',
      (error: Error) => () => {
        throw error;
      },
    ],
    ['rejects', (error: Error) => () => Promise.reject(error)],
  ])('a function that %s rejects the call with its error and is asked once', async (_how, failing) => {
    const thrown = new Error('no cache');
    const fallback = vi.fn(failing(thrown));
    const { api, open, resilience } = start({ fallback });
    const ends: unknown[] = [];
    resilience.on('call', ({ fallback: hasAnswered, error }) => ends.push([hasAnswered, error]));
    open();
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(fallback).toHaveBeenCalledTimes(1);
    expect(ends).toEqual([[false, thrown]]);
  });

  test('an error of it tells of the call: its cause is what fallback was to answer, and it has the report', async () => {
    const thrown = new Error('no cache');
    const { api } = start({ fallback: () => Promise.reject(thrown), fallbackOn: 'failure' });
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(thrown.cause).toMatchObject({ response: { status: 503 } });
    expect(reportOf(thrown)).toMatchObject({ attempts: 2, stopped: 'exhausted', fallback: false });
  });

  test.each<[string, unknown]>([
    ['has a cause', new Error('no cache', { cause: new Error('no disk') })],
    ['is frozen', Object.freeze(new Error('no cache'))],
    ['is no Error', { message: 'no cache' }],
  ])('an error of it that %s has the report, too', async (_what, thrown) => {
    const { api } = start({ fallback: () => Promise.reject(thrown), fallbackOn: 'failure' });
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(reportOf(thrown)).toMatchObject({ attempts: 2, stopped: 'exhausted', fallback: false });
  });

  test('an error of it that is of another call keeps the report of that', async () => {
    const other = start({ retry: false });
    const thrown = await failureOf(other.api.get('/other'));
    const { api } = start({ fallback: () => Promise.reject(thrown), fallbackOn: 'failure' });
    expect(await failureOf(api.get('/'))).toBe(thrown);
    expect(reportOf(thrown)).toMatchObject({ attempts: 1, stopped: 'disabled' });
  });

  test('a token that cancels it leaves its reason as it is', async () => {
    const source = axios.CancelToken.source();
    const fallback = () => {
      source.cancel('enough');
      return new Promise(() => undefined);
    };
    const { api } = start({ fallback, fallbackOn: 'failure' });
    const error = await failureOf(api.get('/', { cancelToken: source.token }));
    expect(error).toBe(source.token.reason);
    expect(error.cause).toBeUndefined();
  });

  test('a function that fails after failures is asked once, and nothing is tried again', async () => {
    const fallback = vi.fn(() => Promise.reject(connectionError('ECONNRESET')));
    const { api, adapter } = start({ fallback, fallbackOn: 'failure' });
    expect((await failureOf(api.get('/'))).code).toBe('ECONNRESET');
    expect(fallback).toHaveBeenCalledTimes(1);
    expect(adapter.attempts).toHaveLength(2);
  });
});

describe("fallbackOn 'open', the default", () => {
  test('does not answer a failure', async () => {
    const { api } = start({ fallback: 'data' });
    expect((await failureOf(api.get('/'))).response.status).toBe(503);
  });

  test('answers when the circuit opens under the loop', async () => {
    const { api, adapter } = start({
      fallback: 'data',
      breaker: { detector: consecutiveFailures(2) },
      retry: { retries: 5, backoff: 0 },
    });
    const response = await api.get('/');
    expect(response.data).toBe('data');
    expect(adapter.attempts).toHaveLength(2);
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'circuit-open', fallback: true });
  });

  test("answers when the probe's seat is taken", async () => {
    const { api, resilience } = start({ fallback: 'data', breaker: { cooldownMs: 0 } });
    const breaker = resilience.breakers.ensure(KEY);
    breaker.trip();
    tryAcquire(breaker);
    expect(breaker.state).toBe('half-open');
    expect((await api.get('/')).data).toBe('data');
  });

  test('does not answer where an interceptor did', async () => {
    const { api, open } = start({ fallback: 'fallback' });
    open();
    api.interceptors.request.use((config) => {
      config.adapter = scripted({ status: 200, data: 'cached' });
      return config;
    });
    const response = await api.get('/');
    expect(response.data).toBe('cached');
    expect(reportOf(response)?.fallback).toBe(false);
  });

  test('in mode observe nothing is answered by fallback', async () => {
    const { api, open, resilience } = start({ fallback: 'data' }, { status: 200, data: 'real' });
    open();
    resilience.update({ breaker: { mode: 'observe' } });
    expect((await api.get('/')).data).toBe('real');
  });

  test('answers in place of an error that createError made', async () => {
    const { api, open } = start({ fallback: 'data', breaker: { createError: () => new Error('mine') } });
    open();
    expect((await api.get('/')).data).toBe('data');
  });
});

describe("fallbackOn 'failure'", () => {
  test.each<[string, Step]>([
    ['a 503', 503],
    ['a 501, which is not retried', 501],
    ['a lost connection', connectionError('ECONNRESET')],
    ['a timeout', connectionError('ECONNABORTED')],
  ])('answers %s', async (_name, step) => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure' }, step);
    const response = await api.get('/');
    expect(response.data).toBe('data');
    expect(reportOf(response)?.fallback).toBe(true);
  });

  test('answers an open circuit too', async () => {
    const { api, open } = start({ fallback: 'data', fallbackOn: 'failure' });
    open();
    expect((await api.get('/')).data).toBe('data');
  });

  test.each([400, 401, 403, 404, 409, 422])('never answers a %i', async (status) => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure' }, status);
    expect((await failureOf(api.get('/'))).response.status).toBe(status);
  });

  test('does not answer a 409 that was retried in vain', async () => {
    const { api } = start(
      { fallback: 'data', fallbackOn: 'failure', retry: { retries: 1, backoff: 0, statusCodes: [409] } },
      409,
    );
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(409);
    expect(reportOf(error)).toMatchObject({ attempts: 2, fallback: false });
  });

  test('does not answer a mistake of our own', async () => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure' }, connectionError('ERR_BAD_OPTION'));
    expect((await failureOf(api.get('/'))).code).toBe('ERR_BAD_OPTION');
  });

  test('answers a 503 that validateStatus accepts, when retries ran out', async () => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure' });
    expect((await api.get('/', { validateStatus: () => true })).data).toBe('data');
  });

  test('answers a 503 that validateStatus accepts, also without retries', async () => {
    const { api } = start({ fallback: 'data', fallbackOn: 'failure', retry: false });
    expect((await api.get('/', { validateStatus: () => true })).data).toBe('data');
  });

  test('answers a POST that is not retried', async () => {
    const { api } = start({ fallback: 'queued', fallbackOn: 'failure' });
    expect((await api.post('/')).data).toBe('queued');
  });

  test('goes by what classify says', async () => {
    const { api } = start({
      fallback: 'data',
      fallbackOn: 'failure',
      classify: ({ status }) => (status === 503 ? 'success' : undefined),
    });
    expect((await failureOf(api.get('/'))).response.status).toBe(503);
  });

  test('can be given for one request', async () => {
    const { api } = start({ fallback: 'data' });
    expect((await api.get('/', { resilience: { fallbackOn: 'failure' } })).data).toBe('data');
  });
});

describe('fallbackOn as a predicate', () => {
  test('decides, told the same as the fallback', async () => {
    const contexts: FallbackContext[] = [];
    const fallbackOn = (context: FallbackContext) => {
      contexts.push(context);
      return context.response?.status === 404;
    };
    const { api, adapter } = start({ fallback: 'nobody', fallbackOn }, 404);
    expect((await api.get('/')).data).toBe('nobody');
    adapter.script(410);
    expect((await failureOf(api.get('/'))).response.status).toBe(410);
    expect(contexts.map(({ stopped, outcome, response }) => [stopped, outcome, response?.status])).toEqual([
      ['not-retryable', 'success', 404],
      ['not-retryable', 'success', 410],
    ]);
  });

  test('is told the code of the rejection, or that of the error that createError made', async () => {
    const codes: unknown[] = [];
    const fallbackOn = ({ code }: FallbackContext) => codes.push(code) > 0;
    const { api, open, resilience } = start({ fallback: 'data', fallbackOn });
    open();
    await api.get('/');
    expect(new Set(codes.splice(0))).toEqual(new Set(['ERR_CIRCUIT_OPEN']));
    resilience.update({ breaker: { createError: () => Object.assign(new Error('away'), { code: 'E_AWAY' }) } });
    await api.get('/');
    expect(codes.splice(0).at(-1)).toBe('E_AWAY');
    resilience.update({ breaker: { createError: () => new Error('away') } });
    await api.get('/');
    expect(codes.splice(0).at(-1)).toBeUndefined();
  });

  test('that says false keeps the rejection of an open circuit', async () => {
    const { api, open } = start({ fallback: 'data', fallbackOn: () => false });
    open();
    expect(await failureOf(api.get('/'))).toBeInstanceOf(CircuitOpenError);
  });

  test('that throws rejects the call with its error', async () => {
    const thrown = new Error('undecided');
    const { api } = start({
      fallback: 'data',
      fallbackOn: () => {
        throw thrown;
      },
    });
    expect(await failureOf(api.get('/'))).toBe(thrown);
  });

  test('that returns a promise rejects the call instead of answering whatever it was', async () => {
    const { api } = start({ fallback: 'data', fallbackOn: (async () => false) as never }, 404);
    const error = await failureOf(api.get('/'));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe('Expected `fallbackOn(context)` to be a boolean, got a promise');
  });

  test('is not asked about a success', async () => {
    const fallbackOn = vi.fn(() => true);
    const { api } = start({ fallback: 'data', fallbackOn }, { status: 200, data: 'real' });
    expect((await api.get('/')).data).toBe('real');
    expect(fallbackOn).not.toHaveBeenCalled();
  });
});

describe('a cancelled call', () => {
  afterEach(() => void vi.useRealTimers());

  test.each<[string, 'failure' | (() => boolean)]>([
    ["'failure'", 'failure'],
    ['a predicate', () => true],
  ])('is never answered, with fallbackOn %s', async (_name, fallbackOn) => {
    const fallback = vi.fn(() => 'data');
    for (const steps of [[untilCancelled], [503, untilCancelled]]) {
      const controller = new AbortController();
      const { api, adapter } = start({ fallback, fallbackOn }, ...steps);
      const result = failureOf(api.get('/', { signal: controller.signal }));
      await vi.waitFor(() => expect(adapter.attempts).toHaveLength(steps.length));
      controller.abort();
      expect(axios.isCancel(await result)).toBe(true);
    }
    const { api } = start({ fallback, fallbackOn });
    expect(axios.isCancel(await failureOf(api.get('/', { signal: AbortSignal.abort() })))).toBe(true);
    expect(fallback).not.toHaveBeenCalled();
  });

  test('is not answered when it is cancelled while the circuit is open', async () => {
    const { api, open } = start({ fallback: 'data' });
    open();
    expect(axios.isCancel(await failureOf(api.get('/', { signal: AbortSignal.abort() })))).toBe(true);
  });
});

describe("the user's response interceptors", () => {
  const unwrap = (api: AxiosInstance) => api.interceptors.response.use((response: AxiosResponse) => response.data);

  test.each(['before', 'after'])('registered %s attach run on the answer, once', async (order) => {
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
    const seen: unknown[] = [];
    const register = () =>
      api.interceptors.response.use((response) => {
        seen.push(response.data);
        return response;
      });
    if (order === 'before') register();
    const resilience = attach(api, { fallback: 'data' });
    if (order === 'after') register();
    resilience.breakers.ensure(KEY).trip();
    await api.get('/');
    expect(seen).toEqual(['data']);
  });

  test.each(['before', 'after'])('that unwrap, registered %s attach, yield the data', async (order) => {
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
    if (order === 'before') unwrap(api);
    const resilience = attach(api, { fallback: { items: [] } });
    if (order === 'after') unwrap(api);
    resilience.breakers.ensure(KEY).trip();
    expect(await api.get('/')).toEqual({ items: [] });
  });

  test('that map errors do not see the error that was answered', async () => {
    const { api, open } = start({ fallback: 'data' });
    const mapper = vi.fn((error: Error) => Promise.reject(error));
    api.interceptors.response.use(undefined, mapper);
    open();
    await api.get('/');
    expect(mapper).not.toHaveBeenCalled();
  });

  test('that reject the answer reject the call', async () => {
    const { api, open } = start({ fallback: 'data' });
    api.interceptors.response.use(() => Promise.reject(new Error('not good enough')));
    open();
    await expect(api.get('/')).rejects.toThrow('not good enough');
  });
});
