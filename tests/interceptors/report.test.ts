import { Readable } from 'node:stream';
import axios, { type AxiosRequestConfig } from 'axios';
import { describe, expect, test } from 'vitest';
import {
  attach,
  consecutiveFailures,
  type ResilienceOptions,
  type ResilienceReport,
  type RetryContext,
  type RetryOptions,
  reportOf,
} from '../../src/index.js';
import { connectionError, type ManualClock, type Step, scripted, startClock } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

/** An attempt of 20 ms that ends so. */
const taking20 =
  (clock: ManualClock, step: Step): Step =>
  () => {
    clock.advance(20);
    return step;
  };

function start({ retry, ...options }: Omit<ResilienceOptions, 'retry'> & { retry?: RetryOptions | false } = {}) {
  const clock = startClock();
  const adapter = scripted(200);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const resilience = attach(api, {
    clock,
    ...options,
    retry: retry === false ? false : { backoff: ({ attempt }) => attempt, ...retry },
  });
  const script = (...steps: Step[]) => adapter.script(...steps.map((step) => taking20(clock, step)));
  return { api, adapter, clock, resilience, script };
}

describe('every reason to stop', () => {
  test('success', async () => {
    const { api, script } = start();
    script(503, connectionError('ECONNRESET'), 200);
    expect(reportOf(await api.get('/'))).toEqual({
      key: KEY,
      attempts: 3,
      delaysMs: [1, 2],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 60,
      stopped: 'success',
      fallback: false,
      history: [
        { status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 },
        { code: 'ECONNRESET', durationMs: 20 },
        { status: 200, durationMs: 20 },
      ],
    });
  });

  test('success at the first attempt', async () => {
    const { api, script } = start();
    script(200);
    expect(reportOf(await api.get('/'))).toEqual({
      key: KEY,
      attempts: 1,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 20,
      stopped: 'success',
      fallback: false,
      history: [{ status: 200, durationMs: 20 }],
    });
  });

  test('exhausted', async () => {
    const { api, script } = start({ retry: { retries: 2 } });
    script(503);
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 3,
      delaysMs: [1, 2],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 60,
      stopped: 'exhausted',
      fallback: false,
      history: Array(3).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }),
    });
  });

  test('not-retryable', async () => {
    const { api, script } = start();
    script(503, 404);
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'not-retryable',
      fallback: false,
      history: [
        { status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 },
        { status: 404, code: 'ERR_BAD_REQUEST', durationMs: 20 },
      ],
    });
  });

  test('method', async () => {
    const { api, script } = start();
    script(503);
    expect(reportOf(await failureOf(api.post('/')))).toEqual({
      key: `POST ${BASE_URL}`,
      attempts: 1,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 20,
      stopped: 'method',
      fallback: false,
      history: [{ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }],
    });
  });

  test('body', async () => {
    const { api, script } = start();
    script(503);
    expect(reportOf(await failureOf(api.put('/', Readable.from(['once']))))).toEqual({
      key: `PUT ${BASE_URL}`,
      attempts: 1,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 20,
      stopped: 'body',
      fallback: false,
      history: [{ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }],
    });
  });

  test('budget', async () => {
    const { api, script } = start({ retry: { budget: { ratio: 0.001, minPerSecond: 0.1 } } });
    script(503);
    const report = reportOf(await failureOf(api.get('/')));
    expect(report).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'budget',
      fallback: false,
      history: Array(2).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }),
    });
  });

  test('deadline', async () => {
    const { api, script } = start({ retry: { backoff: ({ attempt }) => attempt ** 2 * 5 }, deadlineMs: 50 });
    script(503);
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [5],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'deadline',
      fallback: false,
      history: Array(2).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }),
    });
  });

  test('retry-after', async () => {
    const { api, script } = start();
    script(503, { status: 429, headers: { 'retry-after': '3600' } });
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'retry-after',
      fallback: false,
      history: [
        { status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 },
        { status: 429, code: 'ERR_BAD_REQUEST', durationMs: 20 },
      ],
    });
  });

  test('circuit-open before the first attempt', async () => {
    const { api, resilience } = start();
    resilience.breakers.ensure(KEY).trip();
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 0,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 0,
      stopped: 'circuit-open',
      fallback: false,
      history: [],
    });
  });

  test('circuit-open under the loop: the original error, without another wait', async () => {
    const { api, script } = start({ breaker: { detector: consecutiveFailures(2), maxWaitMs: 0 } });
    script(503);
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(reportOf(error)).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'circuit-open',
      fallback: false,
      history: Array(2).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }),
    });
  });

  test('circuit-open during a wait: the original error', async () => {
    const { api, resilience, script } = start();
    resilience.on('retry', () => resilience.breakers.get(KEY)?.trip());
    script(503);
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [1], stopped: 'circuit-open' });
  });

  test('aborted', async () => {
    const controller = new AbortController();
    const { api, resilience, script } = start();
    resilience.on('retry', () => controller.abort());
    script(503);
    expect(reportOf(await failureOf(api.get('/', { signal: controller.signal })))).toEqual({
      key: KEY,
      attempts: 1,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 20,
      stopped: 'aborted',
      fallback: false,
      history: [{ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }],
    });
  });

  test('aborted before the start', async () => {
    const { api } = start();
    expect(reportOf(await failureOf(api.get('/', { signal: AbortSignal.abort() })))).toEqual({
      key: KEY,
      attempts: 0,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 0,
      stopped: 'aborted',
      fallback: false,
      history: [],
    });
  });

  test('vetoed', async () => {
    const { api, script } = start({ retry: { shouldRetry: ({ attempt }) => (attempt === 2 ? false : undefined) } });
    script(503);
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 2,
      delaysMs: [1],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 40,
      stopped: 'vetoed',
      fallback: false,
      history: Array(2).fill({ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }),
    });
  });

  test('adapter-replaced, with an answer and with an error', async () => {
    const { api, adapter } = start();
    const answers: Step[] = [200, 503];
    api.interceptors.request.use((config) => {
      config.adapter = scripted(answers.shift()!);
      return config;
    });
    const expected = {
      key: KEY,
      attempts: 0,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 0,
      stopped: 'adapter-replaced',
      fallback: false,
      history: [],
    };
    expect(reportOf(await api.get('/'))).toEqual(expected);
    expect(reportOf(await failureOf(api.get('/')))).toEqual(expected);
    expect(adapter.attempts).toHaveLength(0);
  });

  test('disabled', async () => {
    const { api, script } = start({ retry: false });
    script(503);
    expect(reportOf(await failureOf(api.get('/')))).toEqual({
      key: KEY,
      attempts: 1,
      delaysMs: [],
      waitedMs: { circuit: 0, limiter: 0 },
      elapsedMs: 20,
      stopped: 'disabled',
      fallback: false,
      history: [{ status: 503, code: 'ERR_BAD_RESPONSE', durationMs: 20 }],
    });
  });
});

describe('reportOf', () => {
  test('follows error.cause', async () => {
    const { api } = start();
    api.interceptors.response.use(undefined, (error: Error) =>
      Promise.reject(new Error('outer', { cause: new Error('inner', { cause: error }) })),
    );
    const error = await failureOf(api.get('/', { adapter: scripted(404) }));
    expect(error.message).toBe('outer');
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
  });

  test('comes to an end where causes go in a circle', () => {
    const [one, other] = [new Error('one'), new Error('other')];
    one.cause = other;
    other.cause = one;
    expect(reportOf(one)).toBeUndefined();
  });

  test('says the same of a response and of its error', async () => {
    const { api } = start();
    const error = await failureOf(api.get('/', { adapter: scripted(404) }));
    expect(reportOf(error.response)).toEqual(reportOf(error));
  });

  test('is undefined for resilience: false', async () => {
    const { api, adapter } = start();
    expect(reportOf(await api.get('/', { resilience: false }))).toBeUndefined();
    adapter.script(503);
    expect(reportOf(await failureOf(api.get('/', { resilience: false })))).toBeUndefined();
  });

  test('is undefined for another instance and after detach', async () => {
    const { api, adapter, resilience } = start();
    expect(reportOf(await axios.get('/', { baseURL: BASE_URL, adapter }))).toBeUndefined();
    resilience.detach();
    expect(reportOf(await api.get('/'))).toBeUndefined();
  });

  test.each([undefined, null, 'text', 42, {}, new Error('any'), { config: null }])('is undefined for %j', (value) => {
    expect(reportOf(value)).toBeUndefined();
  });

  test('says nothing of stopped while the call is under way', async () => {
    const seen: (ResilienceReport | undefined)[] = [];
    const { api, script } = start({ retry: { shouldRetry: ({ error }) => void seen.push(reportOf(error)) } });
    script(503, 503, 200);
    await api.get('/');
    expect(seen.map((report) => [report?.attempts, report?.stopped])).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
  });

  test('is JSON-safe, history and all', async () => {
    const { api, script } = start({ retry: { retries: 1 } });
    script(503, connectionError('ECONNRESET'));
    const report = reportOf(await failureOf(api.get('/', { headers: { Authorization: 'Bearer secret' } })));
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(JSON.stringify(report)).not.toContain('secret');
  });

  test('error.toJSON() does not show it; it stands on the config all the same', async () => {
    const { api, script } = start({ retry: { retries: 1 } });
    script(503);
    const error = await failureOf(api.put('/', { password: 'hunter2' }));
    expect(JSON.stringify(error)).not.toContain('resilienceState');
    expect(Object.keys({ ...error.config })).not.toContain('resilienceState');
    const { resilienceState } = error.config as AxiosRequestConfig;
    expect(JSON.parse(JSON.stringify(resilienceState))).toEqual(reportOf(error));
    expect(JSON.stringify(resilienceState)).not.toContain('hunter2');
  });

  test('is found where an adapter hands on a copy of the config, by hooks, too', async () => {
    const inner = scripted(503, 503, 200);
    const seen: unknown[] = [];
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: async (config) => inner({ ...config }) });
    const shouldRetry = ({ error }: RetryContext) => void seen.push(reportOf(error)?.attempts);
    attach(api, { retry: { backoff: 0, shouldRetry } });
    expect(reportOf(await api.get('/'))).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(seen).toEqual([1, 2]);
  });

  test('elapsedMs is by the clock that was given, interceptors included', async () => {
    const { api, clock, script } = start();
    api.interceptors.request.use((config) => {
      clock.advance(500);
      return config;
    });
    script(200);
    expect(reportOf(await api.get('/'))?.elapsedMs).toBe(520);
  });

  test('the code in the history is the telling one', async () => {
    const { api, script } = start({ retry: { retries: 0 } });
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    script(Object.assign(connectionError('ERR_NETWORK'), { cause: refused }));
    expect(reportOf(await failureOf(api.get('/')))?.history).toEqual([{ code: 'ECONNREFUSED', durationMs: 20 }]);
  });

  test('without a breaker the key is the default one', async () => {
    const { api } = start({ breaker: false });
    expect(reportOf(await api.get('/'))?.key).toBe(KEY);
    expect(reportOf(await api.get('https://other.example.com/v1/users?id=7'))?.key).toBe(
      'GET https://other.example.com',
    );
  });

  test('of two calls at once each has its own', async () => {
    const { api, adapter } = start({ retry: { backoff: 1 } });
    adapter.script((config) => (config.url === '/bad' ? 404 : 200));
    const [good, bad] = await Promise.all([api.get('/good'), failureOf(api.get('/bad'))]);
    expect([reportOf(good)?.stopped, reportOf(bad)?.stopped]).toEqual(['success', 'not-retryable']);
  });
});
