import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { Readable } from 'node:stream';
import axios, { type AxiosAdapter, AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type Outcome, type ResilienceOptions, type RetryContext, reportOf } from '../../src/index.js';
import { connectionError, type Step, scripted } from '../support/scripted-adapter.js';
import { cutOff, hang, json, reset, startServer, type TestServer } from '../support/server.js';

const FAST = { retries: 2, backoff: 1, budget: false } as const;
const ADAPTERS = ['http', 'fetch'] as const;

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

/** A URL on which nobody listens. */
async function refusingUrl(): Promise<string> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** An instance that retries twice at once; `outcomes` says what its attempts came to. */
function resilient(config: AxiosRequestConfig = {}, options: ResilienceOptions = {}) {
  const api = axios.create({ baseURL: server.url, ...config });
  const outcomes: Outcome[] = [];
  attach(api, { ...options, retry: options.retry ?? FAST }).on('attempt', ({ outcome }) => {
    outcomes.push(outcome);
  });
  return { api, outcomes };
}

/** What a call came to, as `[attempts, stopped]`. */
async function reported(call: Promise<unknown>): Promise<[number | undefined, string | undefined]> {
  const report = reportOf(await call.catch((error: unknown) => error));
  return [report?.attempts, report?.stopped];
}

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('methods', () => {
  test.each(['get', 'head', 'options', 'put', 'delete', 'trace', 'query'])('%s is retried on a 503', async (method) => {
    const adapter = scripted(503);
    const { api } = resilient({ adapter });
    expect(await reported(api.request({ method, url: '/' }))).toEqual([3, 'exhausted']);
  });

  test.each(['post', 'patch', 'PURGE'])('%s is not, and the report says that it is for the method', async (method) => {
    const { api } = resilient({ adapter: scripted(503) });
    expect(await reported(api.request({ method, url: '/' }))).toEqual([1, 'method']);
  });

  test('`methods` names those that are retried, in any case', async () => {
    const { api } = resilient({ adapter: scripted(503) }, { retry: { ...FAST, methods: ['post', 'Get'] } });
    expect(await reported(api.post('/'))).toEqual([3, 'exhausted']);
    expect(await reported(api.request({ url: '/', method: 'GET' }))).toEqual([3, 'exhausted']);
    expect(await reported(api.put('/'))).toEqual([1, 'method']);
  });
});

describe('statusCodes', () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530])('%i is retried', async (status) => {
    const { api } = resilient({ adapter: scripted(status) });
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
  });

  test.each([400, 401, 403, 404, 409, 410, 422, 501, 505, 525, 599, 600, 999])('%i is not', async (status) => {
    const { api } = resilient({ adapter: scripted(status) });
    expect(await reported(api.get('/'))).toEqual([1, 'not-retryable']);
  });

  test('`statusCodes` replaces the list', async () => {
    const { api } = resilient({ adapter: scripted(404) }, { retry: { ...FAST, statusCodes: [404] } });
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
    expect(await reported(api.get('/', { adapter: scripted(503) }))).toEqual([1, 'not-retryable']);
  });

  test('`statusCodes` takes ranges, first and last included', async () => {
    const statuses = [404, [500, 502]] as const;
    const attempts = async (status: number) => {
      const { api } = resilient({ adapter: scripted(status) }, { retry: { ...FAST, statusCodes: statuses } });
      return (await reported(api.get('/')))[0];
    };
    expect(await Promise.all([404, 499, 500, 501, 502, 503].map(attempts))).toEqual([3, 1, 3, 3, 3, 1]);
  });

  test('`statusCodes` takes a function, which is also asked about accepted responses', async () => {
    const asked: number[] = [];
    const statuses = (status: number) => {
      asked.push(status);
      return status === 202;
    };
    const { api } = resilient({ adapter: scripted(202, 200) }, { retry: { ...FAST, statusCodes: statuses } });
    expect(await reported(api.get('/'))).toEqual([2, 'success']);
    expect(new Set(asked)).toEqual(new Set([202, 200]));
    expect(await reported(api.get('/', { adapter: scripted(503) }))).toEqual([1, 'not-retryable']);
  });

  test('`errorCodes` replaces the list', async () => {
    const { api } = resilient({}, { retry: { ...FAST, errorCodes: ['EWEIRD'] } });
    expect(await reported(api.get('/', { adapter: scripted(connectionError('EWEIRD')) }))).toEqual([3, 'exhausted']);
    expect(await reported(api.get('/', { adapter: scripted(connectionError('ECONNRESET')) }))).toEqual([
      1,
      'not-retryable',
    ]);
  });

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
    'ERR_NETWORK',
  ])('a GET that fails with %s is retried, and each attempt is a failure', async (code) => {
    const { api, outcomes } = resilient({ adapter: scripted(connectionError(code)) });
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
    expect(outcomes).toEqual(['failure', 'failure', 'failure']);
  });

  test('the original error of the last attempt is what the call rejects with', async () => {
    const last = connectionError('ECONNRESET');
    const { api } = resilient({ adapter: scripted(503, 502, last) });
    expect(await failureOf(api.get('/'))).toBe(last);
  });
});

describe.each(ADAPTERS)('case 21, the %s adapter: POST and PATCH', (adapter) => {
  // Where redirects may be followed, fetch does not tell whether one was.
  const config: AxiosRequestConfig =
    adapter === 'fetch' ? { adapter, fetchOptions: { redirect: 'error' } } : { adapter };

  test.each(['post', 'patch'])('%s is retried after ECONNREFUSED: nothing was sent', async (method) => {
    const { api } = resilient({ ...config, baseURL: await refusingUrl() });
    const error = await failureOf(api.request({ method, url: '/', data: { a: 1 } }));
    expect(reportOf(error)).toMatchObject({
      attempts: 3,
      stopped: 'exhausted',
      history: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }],
    });
  });

  test.each(['post', 'patch'])('%s is retried after ENOTFOUND: nothing was sent', async (method) => {
    const { api } = resilient({ ...config, baseURL: 'http://name.invalid' });
    const error = await failureOf(api.request({ method, url: '/', data: { a: 1 } }));
    expect(reportOf(error)).toMatchObject({ attempts: 3, stopped: 'exhausted' });
    expect(reportOf(error)?.history.map(({ code }) => code)).toEqual(
      Array(3).fill(expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/)),
    );
  });

  test.each(['post', 'patch'])('%s is not retried after a reset connection: it may have arrived', async (method) => {
    server.script(reset);
    const { api } = resilient(config);
    expect(await reported(api.request({ method, url: '/', data: { a: 1 } }))).toEqual([1, 'method']);
    expect(server.requests).toHaveLength(1);
  });

  test.each(['post', 'patch'])('%s is not retried after a timeout: it may have arrived', async (method) => {
    server.script(hang);
    const { api } = resilient({ ...config, timeout: 500 });
    expect(await reported(api.request({ method, url: '/', data: { a: 1 } }))).toEqual([1, 'method']);
    expect(server.requests).toHaveLength(1);
  });

  test.each(['post', 'patch'])('%s is not retried after ECONNREFUSED behind a followed redirect', async (method) => {
    const elsewhere = await refusingUrl();
    server.script((_request, response) => response.writeHead(307, { location: elsewhere }).end());
    const { api } = resilient({ adapter });
    const error = await failureOf(api.request({ method, url: '/orders', data: { a: 1 } }));
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'method', history: [{ code: 'ECONNREFUSED' }] });
    expect(server.requests).toHaveLength(1);
  });

  test('a GET is retried after ECONNREFUSED behind a followed redirect', async () => {
    const elsewhere = await refusingUrl();
    server.script((_request, response) => response.writeHead(307, { location: elsewhere }).end());
    const { api } = resilient({ adapter });
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
    expect(server.requests).toHaveLength(3);
  });

  test('with an idempotency key they are retried, and it is the same on each attempt', async () => {
    server.script(reset, 503, 200);
    const { api } = resilient(config, { retry: { ...FAST }, idempotencyKey: true });
    expect(await reported(api.post('/', { a: 1 }))).toEqual([3, 'success']);
    const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(keys).toEqual(Array(3).fill(keys[0]));
  });
});

describe('idempotency keys', () => {
  test('each call gets a key of its own', async () => {
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey: true });
    await api.post('/');
    await api.patch('/');
    const [first, second] = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(first).toBeTypeOf('string');
    expect(second).toBeTypeOf('string');
    expect(first).not.toBe(second);
  });

  test('methods other than POST and PATCH get none', async () => {
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey: true });
    await api.get('/');
    await api.put('/');
    await api.delete('/');
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([undefined, undefined, undefined]);
  });

  test('one that is there is kept, whoever gave it, and makes a POST retryable without the option', async () => {
    server.script(503, 200);
    const { api } = resilient();
    api.interceptors.request.use((config) => {
      config.headers.set('idempotency-key', 'mine');
      return config;
    });
    expect(await reported(api.post('/'))).toEqual([2, 'success']);
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine']);
  });

  test.each([[false], [''], [' '], ['""'], [[]]])('%j is none: a POST is not sent again', async (key) => {
    server.script(503, 200);
    const { api } = resilient();
    const headers = { 'Idempotency-Key': key as string };
    expect(await reported(api.post('/', {}, { headers }))).toEqual([1, 'method']);
    expect(server.requests).toHaveLength(1);
  });

  test.each([[''], [' '], ['""'], [[]]])('with the option %j is replaced', async (key) => {
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey: { generate: () => 'made' } });
    await api.post('/', {}, { headers: { 'idempotency-key': key as string } });
    expect(server.requests[0]?.headers['idempotency-key']).toBe('made');
  });

  test('with the option false leaves the request without one', async () => {
    server.script(503, 200);
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey: true });
    expect(await reported(api.post('/', {}, { headers: { 'Idempotency-Key': false as never } }))).toEqual([
      1,
      'method',
    ]);
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([undefined]);
  });

  test('with the option one that is there is kept too', async () => {
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey: true });
    await api.post('/', {}, { headers: { 'IDEMPOTENCY-KEY': 'mine' } });
    expect(server.requests[0]?.headers['idempotency-key']).toBe('mine');
  });

  test('header, generate and quoted shape it', async () => {
    server.script(503, 200);
    let made = 0;
    const idempotencyKey = { header: 'X-Request-Token', generate: () => `key-${++made}`, quoted: true };
    const { api } = resilient({}, { retry: { ...FAST }, idempotencyKey });
    expect(await reported(api.post('/'))).toEqual([2, 'success']);
    expect(server.requests.map(({ headers }) => headers['x-request-token'])).toEqual(['"key-1"', '"key-1"']);
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([undefined, undefined]);
  });

  test('can be asked for by one request', async () => {
    server.script(503, 200);
    const { api } = resilient();
    expect(await reported(api.post('/', {}, { resilience: { idempotencyKey: true } }))).toEqual([2, 'success']);
  });
});

describe('attemptHeader', () => {
  test('carries the number of the attempt, from 1', async () => {
    server.script(503, 503, 200);
    const { api } = resilient({}, { retry: { ...FAST, attemptHeader: 'X-Attempt' } });
    await api.get('/');
    expect(server.requests.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '2', '3']);
  });

  test('there is none by default', async () => {
    const { api } = resilient();
    await api.get('/');
    expect(Object.keys(server.requests[0]!.headers).filter((name) => name.includes('attempt'))).toEqual([]);
  });
});

describe.each(ADAPTERS)('case 22, the %s adapter: what is never retried', (adapter) => {
  test('an invalid URL', async () => {
    const { api, outcomes } = resilient({ adapter, baseURL: '' });
    await expect(api.get('http://[broken')).rejects.toBeInstanceOf(Error);
    expect(outcomes).toEqual(['neutral']);
  });

  test('the certificate of a server that nobody has signed', async () => {
    let connections = 0;
    const secure = createSecureServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => response.end());
    secure.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const { api } = resilient({ adapter, baseURL: `https://127.0.0.1:${(secure.address() as AddressInfo).port}` });
    const error = await failureOf(api.get('/'));
    await new Promise((resolve) => secure.close(resolve));
    expect(reportOf(error)).toMatchObject({
      attempts: 1,
      stopped: 'not-retryable',
      history: [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }],
    });
    expect(connections).toBe(1);
  });

  test('a response longer than maxContentLength', async () => {
    server.script(json(200, { long: 'x'.repeat(1_000) }));
    const { api, outcomes } = resilient({ adapter, maxContentLength: 100 });
    expect(await reported(api.get('/'))).toEqual([1, 'not-retryable']);
    expect(outcomes).toEqual(['neutral']);
    expect(server.requests).toHaveLength(1);
  });

  test('a body longer than maxBodyLength', async () => {
    const { api, outcomes } = resilient({ adapter, maxBodyLength: 100 });
    expect(await reported(api.put('/', 'x'.repeat(1_000)))).toEqual([1, 'not-retryable']);
    expect(outcomes).toEqual(['neutral']);
  });
});

describe('case 22: what is never retried', () => {
  test('too many redirects', async () => {
    server.script((_request, response) => response.writeHead(302, { location: '/again' }).end());
    const { api } = resilient({ maxRedirects: 2 });
    const error = await failureOf(api.get('/'));
    expect(error.code).toBe('ERR_FR_TOO_MANY_REDIRECTS');
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
    expect(server.requests).toHaveLength(3);
  });

  test.each(['ERR_BAD_OPTION', 'ERR_BAD_OPTION_VALUE', 'ERR_INVALID_URL', 'ERR_NOT_SUPPORT'])(
    '%s, which says nothing about the service',
    async (code) => {
      const { api, outcomes } = resilient({ adapter: scripted(connectionError(code)) });
      expect(await reported(api.get('/'))).toEqual([1, 'not-retryable']);
      expect(outcomes).toEqual(['neutral']);
    },
  );

  test('a protocol that the http adapter does not speak', async () => {
    const { api } = resilient({ baseURL: 'gopher://127.0.0.1' });
    expect(await reported(api.get('/'))).toEqual([1, 'not-retryable']);
  });

  test('an adapter that does not exist: no attempt is made', async () => {
    const { api, outcomes } = resilient({ adapter: 'carrier-pigeon' as never });
    await expect(api.get('/')).rejects.toThrow(/carrier-pigeon/);
    expect(outcomes).toEqual([]);
  });

  test('an option that axios refuses', async () => {
    const { api } = resilient();
    const error = await failureOf(api.get('/', { transitional: { silentJSONParsing: 'yes' as never } }));
    expect(error.code).toMatch(/^ERR_BAD_OPTION/);
    expect(server.requests).toHaveLength(0);
  });

  test('a transformRequest that throws: no attempt is made', async () => {
    const { api, outcomes } = resilient({
      transformRequest: () => {
        throw new Error('cannot encode');
      },
    });
    await expect(api.put('/', {})).rejects.toThrow('cannot encode');
    expect(outcomes).toEqual([]);
    expect(server.requests).toHaveLength(0);
  });

  test('a whole body that does not parse: the service answered', async () => {
    server.script((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'));
    const { api, outcomes } = resilient({ responseType: 'json', transitional: { silentJSONParsing: false } });
    await expect(api.get('/')).rejects.toMatchObject({ name: 'SyntaxError' });
    expect(outcomes).toEqual(['success']);
    expect(server.requests).toHaveLength(1);
  });
});

describe('case 23: the adapters are classified alike', () => {
  test.each(ADAPTERS)('ECONNREFUSED through %s', async (adapter) => {
    const { api, outcomes } = resilient({ adapter, baseURL: await refusingUrl() });
    const error = await failureOf(api.get('/'));
    expect(reportOf(error)?.history.map(({ code }) => code)).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
    expect(outcomes).toEqual(['failure', 'failure', 'failure']);
  });

  test.each(ADAPTERS)('a reset connection through %s', async (adapter) => {
    server.script(reset);
    const { api, outcomes } = resilient({ adapter });
    const error = await failureOf(api.get('/'));
    expect(reportOf(error)?.history.map(({ code }) => code)).toEqual(
      Array(3).fill(expect.stringMatching(/^(ECONNRESET|UND_ERR_SOCKET)$/)),
    );
    expect(outcomes).toEqual(['failure', 'failure', 'failure']);
  });

  test.each(ADAPTERS)('a timeout through %s is retried and is a failure', async (adapter) => {
    server.script(hang, hang, 200);
    const { api, outcomes } = resilient({ adapter, timeout: 500 });
    const response = await api.get('/');
    expect(reportOf(response)?.history.map(({ code }) => code)).toEqual([
      expect.stringMatching(/^(ECONNABORTED|ETIMEDOUT)$/),
      expect.stringMatching(/^(ECONNABORTED|ETIMEDOUT)$/),
      undefined,
    ]);
    expect(outcomes).toEqual(['failure', 'failure', 'success']);
  });

  test('a timeout with transitional.clarifyTimeoutError, which is ETIMEDOUT', async () => {
    server.script(hang, 200);
    const { api, outcomes } = resilient({ timeout: 500, transitional: { clarifyTimeoutError: true } });
    expect(reportOf(await api.get('/'))?.history[0]?.code).toBe('ETIMEDOUT');
    expect(outcomes).toEqual(['failure', 'success']);
  });

  test('the true code is found down the chain of causes', async () => {
    const socket = Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' });
    const failure = Object.assign(new AxiosError('Network Error', 'ERR_NETWORK'), {
      cause: new TypeError('fetch failed', { cause: socket }),
    });
    const { api } = resilient({ adapter: scripted(failure, 200) });
    expect(reportOf(await api.get('/'))?.history[0]).toMatchObject({ code: 'UND_ERR_SOCKET' });
  });

  test('an ERR_NETWORK whose cause is a certificate is a failure that is not retried', async () => {
    const expired = Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' });
    const failure = Object.assign(new AxiosError('Network Error', 'ERR_NETWORK'), { cause: expired });
    const { api, outcomes } = resilient({ adapter: scripted(failure) });
    expect(await reported(api.get('/'))).toEqual([1, 'not-retryable']);
    expect(outcomes).toEqual(['failure']);
  });

  test('an AggregateError is looked into', async () => {
    const refusal = (code: string) => Object.assign(new Error(`connect ${code}`), { code });
    const both = (...codes: string[]): Step => {
      const cause = new AggregateError(codes.map(refusal));
      return Object.assign(new AxiosError('', undefined), { cause });
    };
    const retried = resilient({ adapter: scripted(both('ECONNREFUSED', 'ENETUNREACH')) });
    expect(await reported(retried.api.post('/'))).toEqual([3, 'exhausted']);
    const mixed = resilient({ adapter: scripted(both('ECONNREFUSED', 'ETIMEDOUT')) });
    expect(await reported(mixed.api.get('/'))).toEqual([3, 'exhausted']);
    expect(await reported(mixed.api.post('/'))).toEqual([1, 'method']);
  });

  test('an AggregateError of a custom adapter is looked into without axios around it', async () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const { api, outcomes } = resilient({ adapter: scripted(new AggregateError([refused])) });
    await expect(api.get('/')).rejects.toBeInstanceOf(AggregateError);
    expect(outcomes).toEqual(['failure', 'failure', 'failure']);
  });

  test('causes that go in a circle come to an end', async () => {
    const failure = connectionError('ECONNRESET');
    failure.cause = failure;
    const { api } = resilient({ adapter: scripted(failure) });
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
  });

  test('an error that is no object is a failure, and is retried', async () => {
    let attempts = 0;
    const adapter: AxiosAdapter = () => {
      attempts += 1;
      return Promise.reject('no');
    };
    const { api, outcomes } = resilient({ adapter });
    expect(await failureOf(api.get('/'))).toBe('no');
    expect(attempts).toBe(3);
    expect(outcomes).toEqual(['failure', 'failure', 'failure']);
  });
});

describe.each(ADAPTERS)('case 24, the %s adapter: a 200 whose body is cut off', (adapter) => {
  test.each(['get', 'put', 'delete'])('is retried for %s, and is a failure', async (method) => {
    server.script(cutOff, json(200, { whole: true }));
    const { api, outcomes } = resilient({ adapter });
    const response = await api.request({ method, url: '/' });
    expect(response.data).toEqual({ whole: true });
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(outcomes).toEqual(['failure', 'success']);
  });

  test.each(['post', 'patch'])('is not retried for %s: it was done', async (method) => {
    server.script(cutOff);
    const { api, outcomes } = resilient({ adapter });
    expect(await reported(api.request({ method, url: '/', data: { a: 1 } }))).toEqual([1, 'method']);
    expect(outcomes).toEqual(['failure']);
    expect(server.requests).toHaveLength(1);
  });

  test.each(['post', 'patch'])('is retried for %s with an idempotency key', async (method) => {
    server.script(cutOff, 200);
    const { api } = resilient({ adapter }, { retry: { ...FAST }, idempotencyKey: true });
    expect(await reported(api.request({ method, url: '/', data: { a: 1 } }))).toEqual([2, 'success']);
  });
});

describe('case 25: perKey', () => {
  const failing = (options: ResilienceOptions = {}): AxiosInstance =>
    resilient({ adapter: scripted(503) }, options).api;

  test('retries: 0 makes one attempt', async () => {
    expect(await reported(failing().get('/', { resilience: { retry: { retries: 0 } } }))).toEqual([1, 'exhausted']);
    expect(await reported(failing().get('/', { resilience: { retry: 0 } }))).toEqual([1, 'exhausted']);
    expect(await reported(failing({ retry: 0 }).get('/'))).toEqual([1, 'exhausted']);
  });

  test('retry: false makes one attempt and says so', async () => {
    expect(await reported(failing().get('/', { resilience: { retry: false } }))).toEqual([1, 'disabled']);
    expect(await reported(failing({ retry: false }).get('/'))).toEqual([1, 'disabled']);
  });

  test('retry: 1 is short for { retries: 1 }', async () => {
    expect(await reported(failing().get('/', { resilience: { retry: 1 } }))).toEqual([2, 'exhausted']);
  });

  test('a request beats the instance, up and down', async () => {
    expect(await reported(failing().get('/', { resilience: { retry: 3 } }))).toEqual([4, 'exhausted']);
    expect(await reported(failing().get('/', { resilience: { retry: { statusCodes: [500] } } }))).toEqual([
      1,
      'not-retryable',
    ]);
    expect(await reported(failing().post('/', {}, { resilience: { retry: { methods: ['POST'] } } }))).toEqual([
      3,
      'exhausted',
    ]);
  });

  test('a request turns on what the instance has off', async () => {
    const api = failing({ retry: false });
    expect(await reported(api.get('/', { resilience: { retry: { retries: 2, backoff: 1 } } }))).toEqual([
      3,
      'exhausted',
    ]);
  });

  test('an override changes only its own call', async () => {
    const api = failing();
    await reported(api.get('/', { resilience: { retry: false } }));
    expect(await reported(api.get('/'))).toEqual([3, 'exhausted']);
  });

  test('by default there are 3 retries', async () => {
    const api = failing({ retry: { backoff: 1 } });
    expect(await reported(api.get('/'))).toEqual([4, 'exhausted']);
  });
});

describe('case 26: responses that axios accepts', () => {
  test('a 503 that validateStatus accepts is retried, and counts as a failure', async () => {
    server.script(503, 503, 200);
    const { api, outcomes } = resilient({ validateStatus: () => true });
    const response = await api.get('/');
    expect(response.status).toBe(200);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(outcomes).toEqual(['failure', 'failure', 'success']);
  });

  test('when retries run out, that response is the result', async () => {
    server.script(503, 500, 502);
    const { api } = resilient({ validateStatus: () => true });
    const response = await api.get('/');
    expect(response.status).toBe(502);
    expect(response.data).toEqual({ status: 502, attempt: 3 });
    expect(reportOf(response)).toMatchObject({
      attempts: 3,
      stopped: 'exhausted',
      history: [{ status: 503 }, { status: 500 }, { status: 502 }],
    });
  });

  test('validateStatus: null, which accepts everything, is no different', async () => {
    server.script(503, 200);
    const { api } = resilient({ validateStatus: null });
    expect(await reported(api.get('/'))).toEqual([2, 'success']);
  });

  test('an accepted 503 to a POST is the result at once', async () => {
    server.script(503);
    const { api } = resilient({ validateStatus: () => true });
    const response = await api.post('/');
    expect(response.status).toBe(503);
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'method' });
  });

  test('shouldRetryResponse retries a 2xx by its body', async () => {
    server.script(json(200, { state: 'pending' }), json(200, { state: 'pending' }), json(200, { state: 'done' }));
    const contexts: RetryContext[] = [];
    const { api } = resilient(
      {},
      {
        retry: {
          ...FAST,
          shouldRetryResponse: (context) => {
            contexts.push(context);
            return context.response.data.state === 'pending';
          },
        },
      },
    );
    const response = await api.get('/jobs/1');
    expect(response.data).toEqual({ state: 'done' });
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(contexts.map(({ attempt, retriesLeft, error }) => [attempt, retriesLeft, error])).toEqual([
      [1, 2, undefined],
      [2, 1, undefined],
      [3, 0, undefined],
    ]);
  });

  test('shouldRetryResponse may be asynchronous', async () => {
    server.script(json(200, { state: 'pending' }), json(200, { state: 'done' }));
    const { api } = resilient(
      {},
      { retry: { ...FAST, shouldRetryResponse: async ({ response }) => response.data.state === 'pending' } },
    );
    expect((await api.get('/')).data).toEqual({ state: 'done' });
  });

  test('when retries run out, the last response is the result', async () => {
    server.script(json(200, { n: 1 }), json(200, { n: 2 }), json(200, { n: 3 }));
    const { api } = resilient({}, { retry: { ...FAST, shouldRetryResponse: () => true } });
    const response = await api.get('/');
    expect(response.data).toEqual({ n: 3 });
    expect(reportOf(response)?.attempts).toBe(3);
  });

  test('shouldRetryResponse that says false or nothing leaves a success as it is', async () => {
    for (const verdict of [false, undefined]) {
      const { api } = resilient({}, { retry: { ...FAST, shouldRetryResponse: () => verdict } });
      expect(await reported(api.get('/'))).toEqual([1, 'success']);
    }
  });

  test('shouldRetryResponse is not asked about a rejected response', async () => {
    server.script(503, 200);
    const asked: unknown[] = [];
    const { api } = resilient(
      {},
      { retry: { ...FAST, shouldRetryResponse: ({ response }) => void asked.push(response.status) } },
    );
    await api.get('/');
    expect(asked).toEqual([200]);
  });

  test('shouldRetryResponse sees what transformResponse made of the body', async () => {
    server.script(json(200, { state: 'pending' }), json(200, { state: 'done' }));
    const { api } = resilient(
      { transformResponse: (text: string) => ({ wrapped: JSON.parse(text) }) },
      { retry: { ...FAST, shouldRetryResponse: ({ response }) => response.data.wrapped.state === 'pending' } },
    );
    expect((await api.get('/')).data).toEqual({ wrapped: { state: 'done' } });
  });
});

describe('case 27: 409 and 422', () => {
  test.each([
    { status: 409, key: true, listed: true, expected: [3, 'exhausted'] },
    { status: 409, key: false, listed: true, expected: [1, 'method'] },
    { status: 409, key: true, listed: false, expected: [1, 'not-retryable'] },
    { status: 409, key: false, listed: false, expected: [1, 'not-retryable'] },
    { status: 422, key: true, listed: false, expected: [1, 'not-retryable'] },
    { status: 422, key: false, listed: false, expected: [1, 'not-retryable'] },
  ])('a POST answered $status, key: $key, listed in statusCodes: $listed, ends as $expected', async (given) => {
    const statuses = given.listed ? [given.status] : undefined;
    const { api } = resilient(
      { adapter: scripted(given.status) },
      { retry: { ...FAST, statusCodes: statuses }, idempotencyKey: given.key },
    );
    expect(await reported(api.post('/'))).toEqual(given.expected);
  });
});

describe('bodies that can be sent only once', () => {
  test('a stream is not sent again', async () => {
    server.script(503);
    const { api } = resilient();
    expect(await reported(api.put('/', Readable.from(['once'])))).toEqual([1, 'body']);
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['once']);
  });

  test('shouldRetry: true does not send it again either', async () => {
    server.script(503);
    const { api } = resilient({}, { retry: { ...FAST, shouldRetry: () => true } });
    expect(await reported(api.put('/', Readable.from(['once'])))).toEqual([1, 'body']);
  });
});

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLqOjhTEO7nhQ7TGw
eIvyQ5SgqtgxE1xENK6sgDdP9X2hRANCAAQ4ZFb6HhuT7staoUyjHcG3BrS5mT5j
CZoKyRHdJEJowK2KeTvyF8wZgk50xKNmjqXeFRgW5gW1HhW/H71HkZDE
-----END PRIVATE KEY-----`;

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUPJjr3NpGXmud59nhBK6j4+B2YkEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA4MzIyOVoYDzIxMjYxMDI4
MDgzMjI5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ4ZFb6HhuT7staoUyjHcG3BrS5mT5jCZoKyRHdJEJowK2KeTvyF8wZ
gk50xKNmjqXeFRgW5gW1HhW/H71HkZDEo1MwUTAdBgNVHQ4EFgQURj9n+rHSMIJW
QQqrNaDeOCIdkvQwHwYDVR0jBBgwFoAURj9n+rHSMIJWQQqrNaDeOCIdkvQwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBUCKMsXwrIKaRJuZ70/L8s
6cqYpPtTvCKwtVrnWokb3QIhAO281bVuQEd2vSNQtkmvjB/JhOIjqx2Y547AqeRP
pirC
-----END CERTIFICATE-----`;
