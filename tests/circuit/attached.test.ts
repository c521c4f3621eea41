import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import axios, {
  type AxiosAdapter,
  AxiosError,
  type AxiosInstance,
  type AxiosRequestConfig,
  type CreateAxiosDefaults,
  type InternalAxiosRequestConfig,
} from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  type BreakerOptions,
  BreakerRegistry,
  type CallContext,
  type CircuitBreaker,
  CircuitOpenError,
  consecutiveFailures,
  isRejectedError,
  type MemorySink,
  memorySink,
  type Outcome,
  type RejectionContext,
  type Resilience,
  type ResilienceEvents,
  type ResilienceOptions,
  reportOf,
} from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { tryAcquire } from '../support/permits.js';
import { cutOff, hang, json, reset, startServer, type TestServer } from '../support/server.js';
import { acquire, type ManualClock, manualClock, ofType, transitions } from './support.js';

let server: TestServer;
let clock: ManualClock;
let sink: MemorySink;

beforeEach(async () => {
  server = await startServer(200);
  clock = manualClock();
  sink = memorySink();
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await server.close();
});

interface Guarded extends Resilience {
  readonly api: AxiosInstance;
  /** The circuit of GET on the server. */
  readonly circuit: CircuitBreaker;
}

const optionsOver = (given: ResilienceOptions['breaker']): ResilienceOptions['breaker'] =>
  given === false || given instanceof BreakerRegistry
    ? given
    : { ...CLASSIC, ...(given as BreakerOptions | undefined) };

/** An instance that is attached without retries, on a clock that stands still. */
function guard(options: ResilienceOptions = {}, defaults: CreateAxiosDefaults = {}): Guarded {
  const api = axios.create({ baseURL: server.url, ...defaults });
  const breaker = optionsOver(options.breaker);
  const resilience = attach(api, { retry: false, clock, ...options, breaker, sinks: [sink, ...(options.sinks ?? [])] });
  return { api, ...resilience, circuit: resilience.breakers.ensure(`GET ${server.url}`) };
}

/** The error of a call that must fail. */
async function failing(call: Promise<unknown>): Promise<AxiosError> {
  const [result] = await Promise.allSettled([call]);
  if (result.status === 'fulfilled') throw new Error('the call was answered');
  return result.reason as AxiosError;
}

/** Makes a circuit half-open. */
function halfOpen(circuit: CircuitBreaker): CircuitBreaker {
  circuit.trip({ cooldownMs: 0 });
  expect(circuit.state).toBe('half-open');
  return circuit;
}

const attempts = (): ResilienceEvents['attempt'][] => ofType(sink.events, 'attempt');
const outcomes = (): Outcome[] => attempts().map(({ outcome }) => outcome);
const arrived = (count: number) => vi.waitFor(() => expect(server.requests).toHaveLength(count));

describe('the outcome of a status', () => {
  test.each([429, 500, 501, 502, 503, 504, 505, 511, 599])('%i is a failure', async (status) => {
    server.script(status);
    const { api, circuit } = guard();
    await failing(api.get('/'));
    expect(attempts()).toMatchObject([{ outcome: 'failure', status }]);
    expect(circuit.stats()).toMatchObject({ failures: 1, inFlight: 0 });
  });

  test('425 is neutral: the service wants the same request without early data', async () => {
    server.script(425);
    const { api, circuit } = guard({}, { validateStatus: null });
    await api.get('/');
    expect(outcomes()).toEqual(['neutral']);
    expect(circuit.stats()).toMatchObject({ failures: 0, inFlight: 0 });
  });

  test.each([200, 201, 204, 304, 400, 401, 403, 404, 409, 410, 418, 422, 431, 451])(
    '%i is a success: the service answered',
    async (status) => {
      server.script(503, status);
      const { api, circuit } = guard({}, { validateStatus: null });
      await api.get('/');
      expect(circuit.stats().failures).toBe(1);
      await api.get('/');
      expect(outcomes()).toEqual(['failure', 'success']);
      expect(circuit.stats()).toMatchObject({ failures: 0, inFlight: 0 });
    },
  );

  test('a 404 that rejects the call is a success', async () => {
    server.script(404);
    const { api } = guard();
    await failing(api.get('/'));
    expect(attempts()).toMatchObject([{ outcome: 'success', status: 404 }]);
  });

  test.each([503, 429])('a %i that validateStatus accepts still counts as a failure', async (status) => {
    server.script(status);
    const { api, circuit } = guard({}, { validateStatus: () => true });
    for (let i = 0; i < 5; i++) expect((await api.get('/')).status).toBe(status);
    expect(circuit.state).toBe('open');
    expect(isRejectedError(await failing(api.get('/')))).toBe(true);
    expect(server.requests).toHaveLength(5);
  });

  test('retry.statusCodes does not change it', async () => {
    server.script(404, 503);
    const { api } = guard({ retry: { retries: 0, statusCodes: [404] } });
    await failing(api.get('/'));
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['success', 'failure']);
  });
});

describe('the outcome of a failure on the network', () => {
  test('a refused connection is a failure', async () => {
    const closed = await startServer();
    await closed.close();
    const { api } = guard({}, { baseURL: closed.url });
    await failing(api.get('/'));
    expect(attempts()).toMatchObject([{ outcome: 'failure', status: undefined, code: 'ECONNREFUSED' }]);
  });

  test('a refused connection is a failure with the fetch adapter, by the code of its cause', async () => {
    const closed = await startServer();
    await closed.close();
    const { api } = guard({}, { baseURL: closed.url, adapter: 'fetch' });
    await failing(api.get('/'));
    expect(attempts()).toMatchObject([{ outcome: 'failure', code: 'ECONNREFUSED' }]);
  });

  test.each(['http', 'fetch'])('a connection that is reset is a failure (%s)', async (adapter) => {
    server.script(reset);
    const { api } = guard({}, { adapter });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['failure']);
  });

  test.each([
    ['http', false],
    ['http', true],
    ['fetch', false],
  ])('a timeout is a failure (%s, clarifyTimeoutError: %s)', async (adapter, clarifyTimeoutError) => {
    server.script(hang);
    const { api } = guard({}, { adapter, timeout: 50, transitional: { clarifyTimeoutError } });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['failure']);
  });

  test.each(['http', 'fetch'])('a body that is cut off is a failure (%s)', async (adapter) => {
    server.script(cutOff);
    const { api } = guard({}, { adapter });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['failure']);
  });

  test.each(['http', 'fetch'])('a whole body that does not parse is a success (%s)', async (adapter) => {
    server.script((_request, response) => response.end('{"half":'));
    const { api } = guard({}, { adapter, responseType: 'json', transitional: { silentJSONParsing: false } });
    const error = await failing(api.get('/'));
    expect(error.message).toMatch(/JSON/);
    expect(outcomes()).toEqual(['success']);
  });

  const withCode = (code: string, message = 'failed') => new AxiosError(message, code);
  const withCause = (cause: unknown, code = 'ERR_NETWORK') =>
    Object.assign(new AxiosError('Network Error', code), { cause });
  const coded = (code: string, message = 'failed') => Object.assign(new Error(message), { code });

  test.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'ECONNABORTED',
    'ETIMEDOUT',
    'EPIPE',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ENETUNREACH',
    'ENETDOWN',
    'EHOSTUNREACH',
    'EHOSTDOWN',
    'UND_ERR_SOCKET',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_BODY_TIMEOUT',
    'ERR_HTTP2_GOAWAY_SESSION',
    'ERR_NETWORK',
  ])('%s is a failure', async (code) => {
    const { api } = guard({}, { adapter: () => Promise.reject(withCode(code)) });
    await failing(api.get('/'));
    expect(attempts()).toMatchObject([{ outcome: 'failure', code }]);
  });

  test.each<[string, unknown]>([
    ['down the chain of causes', withCause(Object.assign(new TypeError('fetch failed'), { cause: coded('EPIPE') }))],
    ['in an AggregateError', new AggregateError([coded('EINVAL'), coded('ECONNREFUSED')])],
    ['in an AggregateError that is a cause', withCause(new AggregateError([coded('ETIMEDOUT')]))],
    ['on an error that is not of axios', coded('ECONNRESET')],
    ['of a certificate', withCause(coded('CERT_HAS_EXPIRED'))],
    ['as an HTTP/2 stream that was refused', coded('ERR_HTTP2_STREAM_ERROR', 'closed with NGHTTP2_REFUSED_STREAM')],
  ])('a transient code is found %s', async (_where, error) => {
    const { api } = guard({}, { adapter: () => Promise.reject(error) });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['failure']);
  });

  test.each<[string, unknown]>([
    ['ERR_BAD_OPTION', withCode('ERR_BAD_OPTION')],
    ['ERR_BAD_OPTION_VALUE', withCode('ERR_BAD_OPTION_VALUE')],
    ['ERR_INVALID_URL', withCode('ERR_INVALID_URL')],
    ["XHR's Request aborted", withCode('ECONNABORTED', 'Request aborted')],
    ['a circuit of another instance that rejects', new CircuitOpenError({ key: 'other', retryAfterMs: 1 })],
  ])('%s is neutral', async (_what, error) => {
    server.script(503);
    const { api, circuit } = guard();
    await failing(api.get('/'));
    await Promise.allSettled([api.get('/', { adapter: () => Promise.reject(error) })]);
    expect(outcomes()).toEqual(['failure', 'neutral']);
    expect(circuit.stats()).toMatchObject({ failures: 1, inFlight: 0 });
  });

  test.each(['http', 'fetch'])('a local limit on the size of the response is neutral (%s)', async (adapter) => {
    server.script(json(200, { long: 'x'.repeat(100) }));
    const { api } = guard({}, { adapter, maxContentLength: 10 });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['neutral']);
  });

  test.each(['http', 'fetch'])('a local limit on the size of the request is neutral (%s)', async (adapter) => {
    const { api } = guard({}, { adapter, maxBodyLength: 10 });
    await failing(api.post('/', { long: 'x'.repeat(100) }));
    expect(outcomes()).toEqual(['neutral']);
    expect(server.requests).toEqual([]);
  });

  test('a browser that is offline is neutral', async () => {
    vi.stubGlobal('navigator', { onLine: false });
    const { api } = guard({}, { adapter: () => Promise.reject(withCode('ERR_NETWORK', 'Network Error')) });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['neutral']);
  });

  test('an attempt that times out only for deadlineMs is neutral', async () => {
    server.script(hang);
    const { api, circuit } = guard({ deadlineMs: 50 }, { timeout: 10_000 });
    await failing(api.get('/'));
    expect(outcomes()).toEqual(['neutral']);
    expect(circuit.stats()).toMatchObject({ failures: 0, inFlight: 0 });
  });
});

describe('opening', () => {
  test('every attempt counts, not every call: retries of two calls open the circuit', async () => {
    server.script(503);
    const { api, circuit } = guard({ retry: { retries: 3, backoff: () => 0 } });
    await failing(api.get('/'));
    expect(circuit.stats()).toMatchObject({ state: 'closed', failures: 4 });
    await failing(api.get('/'));
    expect(circuit.state).toBe('open');
    expect(server.requests).toHaveLength(5);
  });

  test('an open circuit rejects without a request, with the config of the call and a report', async () => {
    server.script(503);
    const { api, circuit } = guard();
    for (let i = 0; i < 5; i++) await failing(api.get('/'));
    clock.advance(2_000);
    const error = await failing(api.get('/users'));
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({ key: circuit.key, retryAfterMs: 8_000, config: { url: '/users' } });
    expect(reportOf(error)).toMatchObject({ key: circuit.key, attempts: 0, stopped: 'circuit-open', history: [] });
    expect(server.requests).toHaveLength(5);
    expect(sink.events.slice(-2)).toMatchObject([
      { type: 'rejected', by: 'circuit', key: circuit.key, retryAfterMs: 8_000 },
      { type: 'call', key: circuit.key, attempts: 0, stopped: 'circuit-open', error },
    ]);
  });

  test('methods have circuits of their own', async () => {
    server.script(503);
    const { api, breakers } = guard();
    for (let i = 0; i < 5; i++) await failing(api.get('/'));
    expect((await failing(api.post('/'))).response?.status).toBe(503);
    expect([...breakers].map(({ key, state }) => `${key} ${state}`).sort()).toEqual([
      `GET ${server.url} open`,
      `POST ${server.url} closed`,
    ]);
  });

  test('an attempt that began before the opening and ends after it changes nothing and is late', async () => {
    let answerSlowly = (): void => undefined;
    server.script((_request, response) => {
      answerSlowly = () => response.writeHead(503).end();
    }, 503);
    const { api, circuit } = guard();
    const slow = failing(api.get('/slow'));
    await arrived(1);
    for (let i = 0; i < 5; i++) await failing(api.get('/'));
    clock.advance(10_000);
    expect(circuit.state).toBe('half-open');
    answerSlowly();
    await slow;
    expect(circuit.state).toBe('half-open');
    expect(ofType(sink.events, 'late')).toMatchObject([{ key: circuit.key, outcome: 'failure' }]);
  });

  test('recovers: a probe that succeeds closes the circuit', async () => {
    server.script(503, 503, 503, 503, 503, 200);
    const { api } = guard();
    for (let i = 0; i < 6; i++) await failing(api.get('/'));
    clock.advance(10_000);
    expect((await api.get('/')).status).toBe(200);
    expect(transitions(sink.events)).toEqual([
      'closed -> open (threshold)',
      'open -> half-open (cooldown-elapsed)',
      'half-open -> closed (probe-succeeded)',
    ]);
  });

  test('a call with resilience.breaker: { cooldownMs } is refused before any attempt', async () => {
    const { api } = guard();
    const error = await failing(api.get('/', { resilience: { breaker: { cooldownMs: 1 } as never } }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain('`resilience.breaker.cooldownMs`');
    expect(server.requests).toEqual([]);
  });
});

describe('half-open', () => {
  test.each([1, 5])('of 1,000 calls at the end of the cooldown exactly %i reach the service', async (permits) => {
    const answers: (() => void)[] = [];
    server.script((_request, response) => {
      answers.push(() => response.end('{}'));
    });
    const { api, circuit } = guard({ breaker: { halfOpen: { probes: permits } } });
    circuit.trip();
    clock.advance(10_000);
    let rejections = 0;
    const calls = Array.from({ length: 1000 }, () =>
      api.get('/').catch((error: unknown) => {
        if (isRejectedError(error)) rejections++;
      }),
    );
    await vi.waitFor(() => expect(rejections).toBe(1000 - permits));
    await arrived(permits);
    for (const answer of answers) answer();
    const results = await Promise.all(calls);
    expect(results.filter((response) => response?.status === 200)).toHaveLength(permits);
    expect(circuit.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
    expect(server.requests).toHaveLength(permits);
  });

  const endings: [string, (api: AxiosInstance) => Promise<unknown>][] = [
    [
      'its CancelToken is cancelled in flight',
      async (api) => {
        const { token, cancel } = axios.CancelToken.source();
        const call = failing(api.get('/', { cancelToken: token }));
        await arrived(1);
        cancel();
        expect(axios.isCancel(await call)).toBe(true);
      },
    ],
    [
      'its AbortSignal is aborted in flight',
      async (api) => {
        const controller = new AbortController();
        const call = failing(api.get('/', { signal: controller.signal }));
        await arrived(1);
        controller.abort();
        expect(axios.isCancel(await call)).toBe(true);
      },
    ],
    [
      'its AbortSignal is aborted in flight, with the fetch adapter',
      async (api) => {
        const controller = new AbortController();
        const call = failing(api.get('/', { signal: controller.signal, adapter: 'fetch' }));
        await arrived(1);
        controller.abort();
        expect(axios.isCancel(await call)).toBe(true);
      },
    ],
    [
      'it was cancelled before it began',
      async (api) => expect(axios.isCancel(await failing(api.get('/', { signal: AbortSignal.abort() })))).toBe(true),
    ],
    [
      'transformRequest throws',
      async (api) => {
        const error = new Error('cannot encode');
        const transformRequest = () => {
          throw error;
        };
        expect(await failing(api.get('/', { transformRequest }))).toBe(error);
      },
    ],
    [
      'a request interceptor throws',
      async (api) => {
        const error = new Error('no token');
        const id = api.interceptors.request.use(() => Promise.reject(error));
        expect(await failing(api.get('/'))).toBe(error);
        api.interceptors.request.eject(id);
      },
    ],
    [
      'the URL is invalid',
      async (api) => expect((await failing(api.get('http://[not-a-host/'))).code).toBe('ERR_INVALID_URL'),
    ],
    [
      'the adapter does not exist',
      async (api) => expect(await failing(api.get('/', { adapter: 'telepathy' as never }))).toBeInstanceOf(Error),
    ],
  ];

  test.each(endings)('a probe gives its permit back when %s', async (_what, end) => {
    server.script(hang, 200);
    const { api, breakers } = guard({ key: () => 'service' });
    const circuit = halfOpen(breakers.ensure('service'));
    await end(api);
    expect(circuit.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    server.script(200);
    expect((await api.get('/')).status).toBe(200);
    expect(circuit.state).toBe('closed');
  });

  test.each<[string, AxiosAdapter]>([
    ['rejects with a plain error', () => Promise.reject(new Error('no luck'))],
    [
      'throws',
      () => {
        throw new Error('no luck');
      },
    ],
  ])('a probe has failed when a custom adapter %s', async (_what, adapter) => {
    const { api, breakers } = guard({ key: () => 'service' });
    const circuit = halfOpen(breakers.ensure('service'));
    await failing(api.get('/', { adapter }));
    expect(circuit.stats()).toMatchObject({ state: 'open', inFlight: 0 });
  });

  test.each([
    [200, 'closed'],
    [404, 'closed'],
    [503, 'open'],
  ])('a probe answered %i leaves the circuit %s though transformResponse throws', async (status, state) => {
    server.script(status);
    const { api, circuit } = guard();
    halfOpen(circuit);
    const error = new Error('cannot decode');
    const transformResponse = () => {
      throw error;
    };
    expect((await failing(api.get('/', { transformResponse }))).message).toBe('cannot decode');
    expect(circuit.stats()).toMatchObject({ state, inFlight: 0 });
  });

  test('a probe settles once though the user asks for its result and its failure', async () => {
    server.script(404);
    const { api, circuit } = guard({ breaker: { halfOpen: { successThreshold: 2 } } });
    halfOpen(circuit);
    await failing(api.get('/'));
    expect(circuit.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    await failing(api.get('/'));
    expect(circuit.state).toBe('closed');
  });

  test('a probe under way when the plugin is detached still settles', async () => {
    let answer = (): void => undefined;
    server.script((_request, response) => {
      answer = () => response.end('{}');
    });
    const { api, circuit, detach } = guard();
    halfOpen(circuit);
    const call = api.get('/');
    await arrived(1);
    detach();
    answer();
    await call;
    expect(circuit.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  test('a probe of a request without timeout holds its seat for 30 s, then the circuit re-opens for its cooldown', async () => {
    server.script(hang, 200);
    const { api, circuit } = guard();
    halfOpen(circuit);
    const controller = new AbortController();
    const lost = failing(api.get('/', { signal: controller.signal }));
    await arrived(1);
    clock.advance(29_999);
    expect(await failing(api.get('/'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 1 });
    clock.advance(10_001);
    expect((await api.get('/')).status).toBe(200);
    expect(circuit.state).toBe('closed');
    controller.abort();
    await lost;
    expect(circuit.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  test('a probe of a request with a timeout of 60 s holds its seat that long', async () => {
    server.script(hang, 200);
    const { api, circuit } = guard({}, { timeout: 60_000 });
    halfOpen(circuit);
    const controller = new AbortController();
    const lost = failing(api.get('/', { signal: controller.signal }));
    await arrived(1);
    clock.advance(59_999);
    expect(isRejectedError(await failing(api.get('/')))).toBe(true);
    clock.advance(1_001);
    expect(circuit.state).toBe('open');
    clock.advance(10_000);
    expect((await api.get('/')).status).toBe(200);
    controller.abort();
    await lost;
  });

  test('halfOpen.leaseMs goes before the timeout of the request', async () => {
    server.script(hang, 200);
    const { api, circuit } = guard({ breaker: { halfOpen: { leaseMs: 500 } } }, { timeout: 60_000 });
    halfOpen(circuit);
    const controller = new AbortController();
    const lost = failing(api.get('/', { signal: controller.signal }));
    await arrived(1);
    expect(await failing(api.get('/'))).toMatchObject({ retryAfterMs: 500 });
    clock.advance(10_500);
    expect((await api.get('/')).status).toBe(200);
    controller.abort();
    await lost;
  });

  test('a success later than its lease closes, a failure of a lost probe is late', async () => {
    const answers: ((status: number) => void)[] = [];
    server.script((_request, response) => {
      answers.push((status) => response.writeHead(status).end());
    });
    const { api, circuit } = guard({ breaker: { halfOpen: { leaseMs: 1_000 } } });
    halfOpen(circuit);
    const bad = failing(api.get('/'));
    await arrived(1);
    clock.advance(11_000);
    const good = api.get('/');
    await arrived(2);
    clock.advance(1_000);
    answers[0]?.(503);
    await bad;
    expect(circuit.state).toBe('open');
    answers[1]?.(200);
    await good;
    expect(circuit.state).toBe('closed');
    expect(ofType(sink.events, 'late')).toMatchObject([{ outcome: 'failure' }]);
  });
});

describe('the end of a retry loop', () => {
  const HOUR_MS = 3_600_000;

  test('comes without a sleep when its own failure opens the circuit, with the original error', async () => {
    server.script(503);
    const { api, circuit } = guard({
      retry: { retries: 3, backoff: ({ attempt }) => (attempt === 1 ? 0 : HOUR_MS) },
      breaker: { detector: consecutiveFailures(2) },
    });
    const error = await failing(api.get('/'));
    expect(error).toMatchObject({ isAxiosError: true, code: 'ERR_BAD_RESPONSE', response: { status: 503 } });
    expect(error.cause).toBeUndefined();
    expect(reportOf(error)).toMatchObject({ attempts: 2, delaysMs: [0], stopped: 'circuit-open' });
    expect(circuit.state).toBe('open');
  });

  test('comes without a sleep when other calls opened the circuit during the attempt', async () => {
    let answer = (): void => undefined;
    server.script((_request, response) => {
      answer = () => response.writeHead(503).end();
    });
    const { api, circuit } = guard({ retry: { backoff: () => HOUR_MS } });
    const call = failing(api.get('/'));
    await arrived(1);
    circuit.trip();
    answer();
    const error = await call;
    expect(error.response?.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'circuit-open' });
  });

  test('comes with the original error when the circuit opened during the wait', async () => {
    server.script(503);
    const { api, circuit, on } = guard({ retry: { backoff: () => 20 } });
    on('retry', () => circuit.trip());
    const error = await failing(api.get('/'));
    expect(isRejectedError(error)).toBe(false);
    expect(error.response?.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [20], stopped: 'circuit-open' });
    expect(server.requests).toHaveLength(1);
  });

  test("comes with the original error when the probe's seat is taken", async () => {
    server.script(503);
    const { api, circuit, on } = guard({ retry: { backoff: () => 20 }, breaker: { maxWaitMs: 0 } });
    on('retry', () => {
      halfOpen(circuit);
      acquire(circuit);
    });
    const error = await failing(api.get('/'));
    expect(error.response?.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
  });

  test('comes after one attempt when a probe fails', async () => {
    server.script(503);
    const { api, circuit } = guard({ retry: { backoff: () => HOUR_MS } });
    halfOpen(circuit);
    const error = await failing(api.get('/'));
    expect(error.response?.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
    expect(circuit.state).toBe('open');
  });

  test('comes with the response when validateStatus accepts the failure that opened the circuit', async () => {
    server.script(503);
    const { api } = guard(
      { retry: { backoff: () => HOUR_MS }, breaker: { detector: consecutiveFailures(1) } },
      { validateStatus: () => true },
    );
    const response = await api.get('/');
    expect(response.status).toBe(503);
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
  });

  test('leaves no permit out', async () => {
    server.script(503);
    const { api, circuit } = guard({ retry: { backoff: () => 0 } });
    await failing(Promise.all(Array.from({ length: 20 }, () => api.get('/'))));
    await vi.waitFor(() => expect(circuit.stats()).toMatchObject({ state: 'open', inFlight: 0 }));
  });
});

describe('classify', () => {
  test('turns a status into a failure for the circuit', async () => {
    server.script(404);
    const { api, circuit } = guard({
      breaker: { detector: consecutiveFailures(2) },
      classify: ({ status }) => (status === 404 ? 'failure' : undefined),
    });
    await failing(api.get('/'));
    await failing(api.get('/'));
    expect(circuit.state).toBe('open');
  });

  test('turns a failure into nothing, so that a probe gives its permit back', async () => {
    server.script(503);
    const { api, circuit } = guard({ classify: () => 'neutral' });
    halfOpen(circuit);
    await failing(api.get('/'));
    expect(circuit.stats()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(outcomes()).toEqual(['neutral']);
  });

  test('is told status, code, duration, key, config, and the response with its body as it was received', async () => {
    server.script(json(503, { error: 'busy' }, { 'x-reason': 'busy' }), json(200, { ok: false }));
    const contexts: CallContext[] = [];
    const bodies: unknown[] = [];
    const { api, circuit } = guard({
      classify: (context) => {
        contexts.push(context);
        bodies.push(context.response?.data);
        return undefined;
      },
    });
    const error = await failing(api.get('/a'));
    expect((await api.get('/b')).data).toEqual({ ok: false });
    expect(contexts).toMatchObject([
      { key: circuit.key, attempt: 1, outcome: 'failure', status: 503, durationMs: 0, config: { url: '/a' } },
      { key: circuit.key, attempt: 1, outcome: 'success', status: 200, error: undefined, config: { url: '/b' } },
    ]);
    expect(bodies).toEqual(['{"error":"busy"}', '{"ok":false}']);
    expect(contexts[0]?.response?.headers['x-reason']).toBe('busy');
    expect(contexts[0]?.error).toBe(error);
    expect(outcomes()).toEqual(['failure', 'success']);
  });

  test('is told the most telling code where there is no response', async () => {
    const classify = vi.fn(() => undefined);
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const error = Object.assign(new AxiosError('Network Error', 'ERR_NETWORK'), { cause });
    const { api } = guard({ classify }, { adapter: () => Promise.reject(error) });
    await failing(api.get('/'));
    expect(classify.mock.calls).toMatchObject([
      [{ code: 'ECONNREFUSED', status: undefined, response: undefined, error }],
    ]);
  });

  test('runs before transformResponse', async () => {
    const order: string[] = [];
    const { api } = guard({ classify: () => void order.push('classify') });
    await api.get('/', { transformResponse: () => order.push('transformResponse') });
    expect(order).toEqual(['classify', 'transformResponse']);
  });

  test('is asked for every attempt', async () => {
    server.script(503, 503, 200);
    const classify = vi.fn(() => undefined);
    const { api } = guard({ retry: { backoff: () => 0 }, classify });
    await api.get('/');
    expect(classify).toHaveBeenCalledTimes(3);
  });

  test('of one request goes before that of the instance', async () => {
    const { api } = guard({ classify: () => 'failure' });
    await api.get('/', { resilience: { classify: () => 'neutral' } });
    await api.get('/');
    expect(outcomes()).toEqual(['neutral', 'failure']);
  });

  test('that throws fails no call: the attempt counts as usual, and there is one listenerError', async () => {
    server.script(503, 200);
    const thrown = new Error('cannot tell');
    const { api, circuit } = guard({
      classify: () => {
        throw thrown;
      },
    });
    expect((await failing(api.get('/'))).response?.status).toBe(503);
    expect((await api.get('/')).status).toBe(200);
    expect(outcomes()).toEqual(['failure', 'success']);
    expect(circuit.stats()).toMatchObject({ inFlight: 0 });
    const listenerError = { key: circuit.key, source: 'classify', error: thrown };
    expect(ofType(sink.events, 'callbackError')).toMatchObject([listenerError, listenerError]);
  });

  test.each([
    ['a word that is no outcome', () => 'broken' as never],
    ['a promise', () => Promise.resolve('neutral') as never],
  ])(
    'that answers %s is not believed: the attempt counts as usual, with one listenerError',
    async (_what, classify) => {
      server.script(503);
      const { api, circuit } = guard({ classify });
      await failing(api.get('/'));
      expect(outcomes()).toEqual(['failure']);
      expect(circuit.stats()).toMatchObject({ failures: 1, inFlight: 0 });
      expect(ofType(sink.events, 'callbackError')).toMatchObject([{ source: 'classify' }]);
    },
  );
});

describe('key', () => {
  test('names the circuit of each request', async () => {
    server.script(503);
    const { api, breakers } = guard({ key: ({ url }) => `service ${url}` });
    for (let i = 0; i < 5; i++) await failing(api.get('/a'));
    await failing(api.get('/b'));
    expect(breakers.get('service /a')?.state).toBe('open');
    expect(breakers.get('service /b')?.stats()).toMatchObject({ state: 'closed', failures: 1 });
    expect(reportOf(await failing(api.get('/a')))?.key).toBe('service /a');
  });

  test('null means no circuit: nothing is counted, made or rejected', async () => {
    server.script(503);
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: false, key: () => null });
    for (let i = 0; i < 20; i++) expect((await failing(api.get('/'))).response?.status).toBe(503);
    expect(breakers.size).toBe(0);
  });

  test('of one request goes before that of the instance, null too', async () => {
    server.script(503);
    const { api, breakers } = guard({ key: () => 'shared' });
    await failing(api.get('/', { resilience: { key: () => 'own' } }));
    await failing(api.get('/', { resilience: { key: () => null } }));
    expect(breakers.get('shared')).toBeUndefined();
    expect(breakers.get('own')?.stats().failures).toBe(1);
  });

  test('that throws rejects the call with its error before any attempt', async () => {
    const thrown = new Error('no tenant');
    const { api } = guard({
      key: () => {
        throw thrown;
      },
    });
    expect(await failing(api.get('/'))).toBe(thrown);
    expect(server.requests).toEqual([]);
  });
});

describe('breaker: false', () => {
  test('at attach there is no circuit, however many calls fail', async () => {
    server.script(503);
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: false, breaker: false });
    for (let i = 0; i < 20; i++) expect((await failing(api.get('/'))).response?.status).toBe(503);
    expect([breakers.size, server.requests.length]).toEqual([0, 20]);
  });

  test('for one request passes an open circuit and counts nothing in it', async () => {
    const { api, circuit } = guard();
    circuit.trip();
    expect((await api.get('/', { resilience: { breaker: false } })).status).toBe(200);
    server.script(503);
    circuit.reset();
    for (let i = 0; i < 10; i++) await failing(api.get('/', { resilience: { breaker: false } }));
    expect(circuit.stats()).toMatchObject({ state: 'closed', failures: 0 });
  });

  test('resilience: false passes an open circuit too', async () => {
    const { api, circuit } = guard();
    circuit.trip();
    expect((await api.get('/', { resilience: false })).status).toBe(200);
  });
});

describe('createError', () => {
  test('makes the error of a rejected call from key, retryAfterMs and config', async () => {
    class Unavailable extends Error {}
    const createError = vi.fn(({ key }: RejectionContext) => new Unavailable(key));
    const { api, circuit } = guard({ breaker: { createError } });
    circuit.trip({ cooldownMs: 4_000 });
    const error = await failing(api.get('/users'));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe(circuit.key);
    expect(createError.mock.calls).toMatchObject([
      [{ key: circuit.key, retryAfterMs: 4_000, config: { url: '/users' } }],
    ]);
    expect(ofType(sink.events, 'call')).toMatchObject([{ attempts: 0, stopped: 'circuit-open' }]);
  });

  test('of one request goes before that of the instance', async () => {
    const { api, circuit } = guard({ breaker: { createError: () => new Error('instance') } });
    circuit.trip();
    const error = await failing(api.get('/', { resilience: { breaker: { createError: () => new Error('request') } } }));
    expect(error.message).toBe('request');
  });

  test('is not asked when a loop ends: the original error is the result', async () => {
    server.script(503);
    const createError = vi.fn(() => new Error('mine'));
    const { api } = guard({
      retry: { backoff: () => 0 },
      breaker: { detector: consecutiveFailures(1), createError },
    });
    expect((await failing(api.get('/'))).response?.status).toBe(503);
    expect(createError).not.toHaveBeenCalled();
  });

  test('that throws rejects the call with what it threw, and still the circuit is why it stopped', async () => {
    const thrown = new Error('broken');
    const { api, circuit } = guard({
      breaker: {
        createError: () => {
          throw thrown;
        },
      },
    });
    circuit.trip();
    expect(await failing(api.get('/'))).toBe(thrown);
    expect(ofType(sink.events, 'call')).toMatchObject([{ attempts: 0, stopped: 'circuit-open' }]);
    expect(circuit.inFlight).toBe(0);
  });

  test('that never answers is cut off by the deadline of the call, and by its signal', async () => {
    const { api, circuit } = guard({ breaker: { createError: () => new Promise(() => undefined) } });
    circuit.trip();
    expect((await failing(api.get('/', { resilience: { deadlineMs: 20 } }))).message).toBe('deadline exceeded');
    expect((await failing(api.get('/', { signal: AbortSignal.timeout(20) }))).name).toBe('CanceledError');
    expect(ofType(sink.events, 'call')).toMatchObject([{ stopped: 'deadline' }, { stopped: 'aborted' }]);
    expect(circuit.inFlight).toBe(0);
  });
});

describe('the rejection by a circuit of another instance that the adapter calls', () => {
  test.each([
    ['as it is', undefined],
    ['made by createError', () => new Error('mine')],
    ['made by an async createError', async () => new AxiosError('mine', 'ERR_MINE')],
  ])('is neutral, and is not retried: %s', async (_name, createError) => {
    const inner = guard({ retry: false, breaker: { createError } });
    inner.circuit.trip();
    const adapter = vi.fn<AxiosAdapter>(() => inner.api.get('/'));
    const api = axios.create({ baseURL: 'https://gateway.example', adapter });
    const resilience = attach(api, { retry: { backoff: 0 } });
    await failing(api.get('/'));
    expect(adapter).toHaveBeenCalledOnce();
    const { counts } = resilience.breakers.ensure('GET https://gateway.example').stats();
    expect(counts).toMatchObject({ neutral: 1, failure: 0 });
  });
});

describe('a shared registry', () => {
  /** Two instances on the server that share circuits, each with a sink of its own. */
  function share(registry: BreakerRegistry) {
    return ['one', 'other'].map((name) => {
      const api = axios.create({ baseURL: server.url });
      const events = memorySink();
      return { api, events, ...attach(api, { retry: false, breaker: registry, clock, sinks: [events] }), name };
    });
  }

  test('opens for both instances, and its events reach both', async () => {
    server.script(503);
    const registry = new BreakerRegistry({ ...CLASSIC, clock });
    const [one, other] = share(registry);
    if (!one || !other) throw new Error('no instances');
    for (let i = 0; i < 5; i++) await failing((i % 2 ? one : other).api.get('/'));
    expect(isRejectedError(await failing(one.api.get('/')))).toBe(true);
    expect(isRejectedError(await failing(other.api.get('/')))).toBe(true);
    expect([one.breakers, other.breakers]).toEqual([registry, registry]);
    for (const { events } of [one, other]) {
      expect(transitions(events.events)).toEqual(['closed -> open (threshold)']);
      expect(ofType(events.events, 'rejected')).toHaveLength(2);
    }
    expect(ofType(one.events.events, 'attempt')).toHaveLength(2);
    expect(ofType(other.events.events, 'attempt')).toHaveLength(3);
  });

  test('is left alone by detach: circuits stay, the other instance goes on, the detached one hears no more', async () => {
    const registry = new BreakerRegistry({ ...CLASSIC, clock });
    const [one, other] = share(registry);
    if (!one || !other) throw new Error('no instances');
    await one.api.get('/');
    const circuit = registry.ensure(`GET ${server.url}`);
    one.detach();
    circuit.trip();
    expect(registry.get(circuit.key)).toBe(circuit);
    expect((await one.api.get('/')).status).toBe(200);
    expect(isRejectedError(await failing(other.api.get('/')))).toBe(true);
    expect(transitions(one.events.events)).toEqual([]);
    expect(transitions(other.events.events)).toEqual(['closed -> open (manual)']);
  });

  test('brings its own options, its clock too', async () => {
    const own = manualClock();
    const registry = new BreakerRegistry({
      ...CLASSIC,
      clock: own,
      cooldownMs: 3_000,
      detector: consecutiveFailures(1),
    });
    server.script(503);
    clock.advance(1_000_000);
    const [one] = share(registry);
    if (!one) throw new Error('no instance');
    await failing(one.api.get('/'));
    expect(await failing(one.api.get('/'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 3_000 });
    own.advance(2_999);
    expect(await failing(one.api.get('/'))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 1 });
    own.advance(1);
    server.script(200);
    expect((await one.api.get('/')).status).toBe(200);
  });

  test('and circuit options together are refused; key, classify and createError are not', () => {
    const registry = new BreakerRegistry(CLASSIC);
    expect(() => attach(axios.create(), { breaker: { registry, cooldownMs: 1 } })).toThrow(TypeError);
    expect(() => attach(axios.create(), { breaker: { registry, cooldownMs: 1 } })).toThrow('`breaker.cooldownMs`');
    const call = { key: () => 'k', classify: () => undefined };
    const breaker = { registry, createError: () => new Error('x'), maxWaitMs: 0 };
    expect(() => attach(axios.create(), { ...call, breaker })).not.toThrow();
  });
});

describe('mode observe', () => {
  test('rejects nothing, ends no loop and asks no fallback, while states and events are as in enforce', async () => {
    server.script(503);
    const fallback = vi.fn(() => ({ items: [] }));
    const { api, circuit } = guard({
      retry: { retries: 3, backoff: () => 0 },
      breaker: { mode: 'observe', detector: consecutiveFailures(2) },
      fallback,
    });
    const error = await failing(api.get('/'));
    expect(error.response?.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    expect(circuit.state).toBe('open');
    await failing(api.get('/'));
    expect(server.requests).toHaveLength(8);
    expect(fallback).not.toHaveBeenCalled();
    expect(transitions(sink.events)).toEqual(['closed -> open (threshold)']);
    expect(ofType(sink.events, 'rejected')).toEqual([]);
    expect(ofType(sink.events, 'wouldReject')).toHaveLength(6);
    expect(circuit.stats()).toMatchObject({ openings: 1, inFlight: 0, remainingCooldownMs: 10_000 });
  });

  test('lets every caller through at the end of the cooldown', async () => {
    const { api, circuit } = guard({ breaker: { mode: 'observe' } });
    circuit.trip();
    clock.advance(10_000);
    await Promise.all(Array.from({ length: 50 }, () => api.get('/')));
    expect(server.requests).toHaveLength(50);
    expect(circuit.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  test('is switched on and off by update, for circuits that are there and those to come', async () => {
    const { api, circuit, update } = guard();
    circuit.trip();
    update({ breaker: { mode: 'observe' } });
    expect((await api.get('/')).status).toBe(200);
    update({ breaker: { mode: 'enforce' } });
    expect(isRejectedError(await failing(api.get('/')))).toBe(true);
  });
});

describe('options of circuits', () => {
  test('perKey give one key its own', async () => {
    server.script(503);
    const { api, breakers } = guard({
      breaker: {
        perKey: (key) => (key.startsWith('POST ') ? { detector: consecutiveFailures(1) } : undefined),
      },
    });
    await failing(api.post('/'));
    await failing(api.get('/'));
    expect([...breakers].map(({ key, state }) => `${key.split(' ')[0]} ${state}`).sort()).toEqual([
      'GET closed',
      'POST open',
    ]);
  });

  test('maxBreakers bounds the circuits, whatever keys there are', async () => {
    const api = axios.create({ baseURL: server.url, adapter: 'http' });
    const { breakers, on } = attach(api, { breaker: { maxBreakers: 3 }, key: ({ url }) => String(url) });
    const evicted: string[] = [];
    on('breakerRemoved', ({ key }) => evicted.push(key));
    for (let i = 0; i < 5; i++) await api.get(`/${i}`);
    expect([...breakers].map(({ key }) => key).sort()).toEqual(['/2', '/3', '/4']);
    expect(evicted).toEqual(['/0', '/1']);
  });
});

describe('listeners and sinks', () => {
  test('that throw or reject fail no call, count no failure and become listenerErrors', async () => {
    server.script(503, 200);
    const thrown = new Error('sink throws');
    const rejection = new Error('sink rejects');
    const reject = (): unknown => Promise.reject(rejection);
    const { api, circuit, on } = guard({
      retry: { backoff: () => 0 },
      sinks: [
        {
          record: () => {
            throw thrown;
          },
        },
        { record: reject },
      ],
    });
    on('attempt', () => {
      throw thrown;
    });
    expect((await api.get('/')).status).toBe(200);
    expect(outcomes()).toEqual(['failure', 'success']);
    expect(circuit.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
    await vi.waitFor(() => {
      const errors = ofType(sink.events, 'callbackError').map(({ error }) => error);
      expect(errors).toContain(thrown);
      expect(errors).toContain(rejection);
    });
  });

  test('are named by the listenerError: listener, or sink', async () => {
    const guarded = guard();
    guarded.on('attempt', () => {
      throw new Error('broken');
    });
    await guarded.api.get('/');
    guarded.detach();
    expect(ofType(sink.events, 'callbackError')).toMatchObject([{ source: 'listener', key: guarded.circuit.key }]);

    const { api } = guard({
      sinks: [
        {
          record: () => {
            throw new Error('broken');
          },
        },
      ],
    });
    await api.get('/');
    expect(ofType(sink.events, 'callbackError').at(-1)).toMatchObject({ source: 'sink' });
  });

  test('that throw on a change of state do not keep the circuit from opening', async () => {
    server.script(503);
    const { api, circuit, on } = guard();
    on('stateChange', () => {
      throw new Error('broken');
    });
    for (let i = 0; i < 5; i++) expect((await failing(api.get('/'))).response?.status).toBe(503);
    expect(circuit.stats()).toMatchObject({ state: 'open', inFlight: 0 });
  });
});

describe('time', () => {
  test.each([
    ['back', -3_600_000],
    ['forward', 3_600_000],
  ])('the wall clock set %s an hour changes nothing', async (_direction, jumpMs) => {
    server.script(503);
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: false, breaker: { ...CLASSIC, cooldownMs: 60_000 } });
    for (let i = 0; i < 5; i++) await failing(api.get('/'));
    const wallTime = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(wallTime + jumpMs);
    const error = await failing(api.get('/'));
    expect(isRejectedError(error) && error.retryAfterMs).toBeGreaterThan(50_000);
    expect(isRejectedError(error) && error.retryAfterMs).toBeLessThanOrEqual(60_000);

    const circuit = halfOpen(breakers.ensure(`GET ${server.url}`));
    acquire(circuit);
    vi.spyOn(Date, 'now').mockReturnValue(wallTime + 2 * jumpMs);
    expect(tryAcquire(circuit).admitted).toBe(false);
    expect(server.requests).toHaveLength(5);
  });
});

describe('at rest', () => {
  test('there is no timer: not while open, not after a retry, a rejection, a probe or a cancelled wait', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    server.script(503, 503, 200, 503);
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: { backoff: () => 1 }, breaker: { detector: consecutiveFailures(3) } });
    await api.get('/');
    const controller = new AbortController();
    const waiting = failing(
      api.get('/', { signal: controller.signal, resilience: { retry: { backoff: () => 3_600_000 } } }),
    );
    await arrived(4);
    controller.abort();
    await waiting;
    await failing(api.get('/'));
    expect([...breakers].map(({ state }) => state)).toEqual(['open']);
    await failing(api.get('/'));
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test('a process with an open circuit, a lease under way and cancelled waits exits by itself at once', async () => {
    server.script(503);
    const source = pathToFileURL(fileURLToPath(new URL('../../src/index.ts', import.meta.url))).href;
    const program = `
      import axios from 'axios';
      import { attach, consecutiveFailures } from ${JSON.stringify(source)};
      const api = axios.create({ baseURL: ${JSON.stringify(server.url)} });
      const breaker = { detector: consecutiveFailures(5), cooldownMs: 3_600_000 };
      const { breakers } = attach(api, { retry: { backoff: () => 1 }, breaker });
      for (let i = 0; i < 6; i++) await api.get('/').catch(() => undefined);
      const leased = breakers.ensure('leased');
      leased.trip({ cooldownMs: 0 });
      void leased.acquire();
      const states = [...breakers].map(({ state }) => state).sort().join();
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      console.log(JSON.stringify({ states, timers }));
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    const [output] = (await once(child.stdout, 'data')) as [Buffer];
    const saidAt = performance.now();
    expect(JSON.parse(output.toString())).toEqual({ states: 'half-open,open', timers: 0 });
    expect(await exit).toEqual([0, null]);
    expect(performance.now() - saidAt).toBeLessThan(5_000);
  });
});

test('interceptors that answer by themselves need no permit and are given while the circuit is open', async () => {
  const { api, circuit } = guard();
  circuit.trip();
  api.interceptors.request.use((config: InternalAxiosRequestConfig) => {
    const adapter: AxiosRequestConfig['adapter'] = async () => ({
      data: 'cached',
      status: 200,
      statusText: 'OK',
      headers: {},
      config,
    });
    return Object.assign(config, { adapter });
  });
  const response = await api.get('/');
  expect(response.data).toBe('cached');
  expect(reportOf(response)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced' });
  expect(attempts()).toEqual([]);
});
