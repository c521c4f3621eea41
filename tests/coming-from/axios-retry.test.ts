import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import axiosRetry, { exponentialDelay, isNetworkError, isSafeRequestError, linearDelay } from 'axios-retry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, exponential, type ResilienceOptions, reportOf } from '../../src/index.js';
import { rejectionOf } from '../support/orders.js';
import { type Answer, hang, json, reset, startServer, type TestServer } from '../support/server.js';
import { endOf, told as toldBy } from './support.js';

// docs/coming-from-axios-retry.md says what is seen here.

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

/** The same app twice: before and after. */
type App = 'axios-retry' | 'axios-resilience';
const APPS: readonly App[] = ['axios-retry', 'axios-resilience'];

function start(app: App, before: Parameters<typeof axiosRetry>[1] = {}, after: ResilienceOptions = {}) {
  const api = axios.create({ baseURL: server.url });
  if (app === 'axios-retry') axiosRetry(api, before);
  else attach(api, { breaker: false, ...after, retry: { backoff: 0, ...(after.retry as object) } });
  return api;
}

const told = (api: AxiosInstance, config: AxiosRequestConfig, ...answers: Answer[]) =>
  toldBy(server, api, config, answers);

/** In the order of APPS. */
const bothTell = async (config: AxiosRequestConfig, ...answers: Answer[]) => {
  const ends = [];
  for (const app of APPS) ends.push(await told(start(app), config, ...answers));
  return ends;
};

describe('with the defaults of both', () => {
  test('a GET that fails three times is answered by its fourth attempt', async () => {
    expect(await bothTell({ url: '/a' }, 503, 503, 503, 200)).toEqual([
      [4, 200],
      [4, 200],
    ]);
    expect(await bothTell({ url: '/a' }, 429, 200)).toEqual([
      [2, 200],
      [2, 200],
    ]);
    expect(await bothTell({ url: '/a' }, reset, 200)).toEqual([
      [2, 200],
      [2, 200],
    ]);
    expect(await bothTell({ url: '/a' }, 404, 200)).toEqual([
      [1, 404],
      [1, 404],
    ]);
  });

  test('statuses: 501 and 505 are retried there alone, 408 and 425 here alone', async () => {
    for (const status of [501, 505])
      expect(await bothTell({ url: '/a' }, status, 200)).toEqual([
        [2, 200],
        [1, status],
      ]);
    for (const status of [408, 425])
      expect(await bothTell({ url: '/a' }, status, 200)).toEqual([
        [1, status],
        [2, 200],
      ]);
  });

  test('a timeout is retried here alone', async () => {
    expect(await bothTell({ url: '/a', timeout: 60 }, hang, 200)).toEqual([
      [1, 'ECONNABORTED'],
      [2, 200],
    ]);
  });

  test('a POST whose connection broke is sent again there, though it may have been done', async () => {
    const post = { url: '/a', method: 'POST', data: { item: 7 } };
    expect(await bothTell(post, reset, 200)).toEqual([
      [2, 200],
      [1, 'ECONNRESET'],
    ]);
    expect(await bothTell(post, 503, 200)).toEqual([
      [1, 503],
      [1, 503],
    ]);
    const withKey = start('axios-resilience', {}, { idempotencyKey: true });
    expect(await told(withKey, post, reset, 200)).toEqual([2, 200]);
  });

  test('interceptors run for each attempt there, and once per call here', async () => {
    const runs: unknown[] = [];
    for (const app of APPS) {
      const api = start(app);
      let requests = 0;
      let errors = 0;
      api.interceptors.request.use((config) => {
        requests += 1;
        config.headers.set('X-Nonce', `${requests}`);
        return config;
      });
      api.interceptors.response.use(undefined, (error: unknown) => {
        errors += 1;
        return Promise.reject(error);
      });
      server.script(503);
      await rejectionOf(api.get('/a'));
      runs.push([requests, errors]);
    }
    expect(runs).toEqual([
      [4, 4],
      [1, 1],
    ]);
  });

  test('an error mapper registered before hides the failure there, and not here', async () => {
    const ends: unknown[] = [];
    for (const app of APPS) {
      const api = axios.create({ baseURL: server.url });
      api.interceptors.response.use(undefined, () => Promise.reject({ name: 'Mapped' }));
      if (app === 'axios-retry') axiosRetry(api);
      else attach(api, { retry: { backoff: 0 } });
      server.script(503, 200);
      ends.push(await endOf(api.get('/a')));
    }
    expect(ends).toEqual(['Mapped', 200]);
  });

  test('how many retries there were stands in the config there, and in the report here', async () => {
    server.script(503);
    const before = await rejectionOf(start('axios-retry').get('/a'));
    expect(before.config['axios-retry'].retryCount).toBe(3);
    const after = await rejectionOf(start('axios-resilience').get('/a'));
    expect(reportOf(after)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });
});

describe('option by option', () => {
  test('`timeout` is for all attempts there, for each here; `deadlineMs` is for all', async () => {
    const slow: Answer = (request, response, raw) => void setTimeout(() => json(503, {})(request, response, raw), 250);
    const ends: unknown[] = [];
    for (const app of APPS) ends.push(await told(start(app), { url: '/a', timeout: 450 }, slow, slow, slow, 200));
    expect(ends).toEqual([
      [2, 'ECONNABORTED'],
      [4, 200],
    ]);
    const perAttempt = start('axios-retry', { shouldResetTimeout: true });
    expect(await told(perAttempt, { url: '/a', timeout: 450 }, slow, slow, slow, 200)).toEqual([4, 200]);
    const bounded = start('axios-resilience', {}, { deadlineMs: 450 });
    expect((await told(bounded, { url: '/a' }, slow, slow, slow, 200))[0]).toBe(2);
  });

  test('`retryCondition: isNetworkError` is `statusCodes: []`; `isSafeRequestError` is `methods`', async () => {
    const network = (app: App) => start(app, { retryCondition: isNetworkError }, { retry: { statusCodes: [] } });
    const safe = (app: App) =>
      start(app, { retryCondition: isSafeRequestError }, { retry: { methods: ['GET', 'HEAD', 'OPTIONS'] } });
    for (const app of APPS) {
      expect(await told(network(app), { url: '/a' }, 503, 200)).toEqual([1, 503]);
      expect(await told(network(app), { url: '/a' }, reset, 200)).toEqual([2, 200]);
      expect(await told(safe(app), { url: '/a', method: 'PUT' }, 503, 200)).toEqual([1, 503]);
      expect(await told(safe(app), { url: '/a' }, 503, 200)).toEqual([2, 200]);
    }
  });

  test('a `retryCondition` of your own decides alone there; `shouldRetry` leaves the rest as it is by `undefined`', async () => {
    const of = (app: App) =>
      start(
        app,
        { retryCondition: ({ response }) => response?.status === 404 },
        { retry: { shouldRetry: ({ response }) => (response?.status === 404 ? true : undefined) } },
      );
    expect(await told(of('axios-retry'), { url: '/a' }, 404, 200)).toEqual([2, 200]);
    expect(await told(of('axios-resilience'), { url: '/a' }, 404, 200)).toEqual([2, 200]);
    expect(await told(of('axios-retry'), { url: '/a' }, 503, 200)).toEqual([1, 503]);
    expect(await told(of('axios-resilience'), { url: '/a' }, 503, 200)).toEqual([2, 200]);
  });

  test('`exponentialDelay` begins with 200 ms and adds up to 20 %; `linearDelay()` is a function of the attempt', () => {
    const attempts = [1, 2, 3];
    const context = (attempt: number) => ({ key: '', attempt, previousMs: undefined, random: () => 0 }) as never;
    const theirs = attempts.map((attempt) => exponentialDelay(attempt));
    theirs.forEach((delay, index) => {
      expect(delay).toBeGreaterThanOrEqual(200 * 2 ** index);
      expect(delay).toBeLessThan(240 * 2 ** index);
    });
    expect(attempts.map((attempt) => exponential({ baseMs: 200 })(context(attempt)))).toEqual([200, 400, 800]);
    expect(attempts.map((attempt) => linearDelay()(attempt, undefined))).toEqual([100, 200, 300]);
  });

  test('`validateResponse` ends in an error there; `shouldRetryResponse` ends with the last response here', async () => {
    const pending = json(200, { state: 'pending' });
    const before = start('axios-retry', {
      retries: 1,
      retryCondition: () => true,
      validateResponse: ({ data }) => data.state !== 'pending',
    });
    const after = start(
      'axios-resilience',
      {},
      {
        retry: { retries: 1, shouldRetryResponse: ({ response }) => response.data.state === 'pending' },
      },
    );
    server.script(pending);
    expect((await rejectionOf(before.get('/a'))).response.data).toEqual({ state: 'pending' });
    expect((await after.get('/a')).data).toEqual({ state: 'pending' });
    expect(server.requests).toHaveLength(4);
  });

  test('`onRetry` may change the config there, `beforeRetry` that of the next attempt here', async () => {
    const of = (app: App) =>
      start(
        app,
        { onRetry: (_count, _error, config) => void Object.assign(config.headers!, { 'X-Retry': 'yes' }) },
        { retry: { beforeRetry: ({ config }) => void config.headers.set('X-Retry', 'yes') } },
      );
    for (const app of APPS) {
      server.requests.length = 0;
      await told(of(app), { url: '/a' }, 503, 200);
      expect(server.requests.map(({ headers }) => headers['x-retry'])).toEqual([undefined, 'yes']);
    }
  });

  test('a custom `transformRequest` is applied once there, and on each attempt on the original data here', async () => {
    const config = {
      url: '/a',
      method: 'PUT',
      data: { n: 1 },
      transformRequest: [(data: { n: number } | string) => `<${JSON.stringify(data)}>`],
    };
    for (const app of APPS) await told(start(app), config, 503, 200);
    expect(server.requests.map(({ body }) => body.toString())).toEqual(Array(4).fill('<{"n":1}>'));
  });

  test('a Retry-After of a minute is waited for there, and ends the call here when it exceeds `maxMs`', async () => {
    server.script(json(429, {}, { 'Retry-After': '61' }));
    const controller = new AbortController();
    const waiting = rejectionOf(start('axios-retry').get('/a', { signal: controller.signal }));
    const begin = performance.now();
    const error = await rejectionOf(start('axios-resilience').get('/a'));
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'retry-after' });
    expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 200, 'waits'))])).toBe('waits');
    controller.abort();
    await waiting;
  });

  test('options of one request stand under another name', async () => {
    const before = start('axios-retry');
    const after = start('axios-resilience');
    expect(await told(before, { url: '/a', 'axios-retry': { retries: 1 } }, 503)).toEqual([2, 503]);
    expect(await told(after, { url: '/a', resilience: { retry: 1 } }, 503)).toEqual([2, 503]);
  });
});

test('both attached at once multiply: 4 x 4 requests for one call', async () => {
  const api = axios.create({ baseURL: server.url });
  axiosRetry(api);
  attach(api, { breaker: false, retry: { backoff: 0, budget: false } });
  expect(await told(api, { url: '/a' }, 503)).toEqual([16, 503]);
});
