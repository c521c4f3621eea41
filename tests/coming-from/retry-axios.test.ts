import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import * as rax from 'retry-axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, equalJitter, exponential, type ResilienceOptions, reportOf } from '../../src/index.js';
import { rejectionOf } from '../support/orders.js';
import { type Answer, hang, json, reset, startServer, type TestServer } from '../support/server.js';
import { told as toldBy } from './support.js';

// docs/coming-from-retry-axios.md says what is seen here.

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

type App = 'retry-axios' | 'axios-resilience';
const APPS: readonly App[] = ['retry-axios', 'axios-resilience'];

function start(app: App, before: rax.RetryConfig = {}, after: ResilienceOptions = {}) {
  const api = axios.create({ baseURL: server.url });
  if (app === 'axios-resilience') {
    attach(api, { breaker: false, ...after, retry: { backoff: 0, ...(after.retry as object) } });
    return api;
  }
  rax.attach(api);
  api.defaults.raxConfig = { retryDelay: 0, ...before };
  return api;
}

const told = (api: AxiosInstance, config: AxiosRequestConfig, ...answers: Answer[]) =>
  toldBy(server, api, config, answers);

const bothTell = async (config: AxiosRequestConfig, ...answers: Answer[]) => {
  const ends = [];
  for (const app of APPS) ends.push(await told(start(app), config, ...answers));
  return ends;
};

const context = (attempt: number, random = 0) =>
  ({ key: '', attempt, previousMs: undefined, random: () => random }) as never;

describe('with the defaults of both', () => {
  test('a GET has three retries after statuses, broken connections and timeouts', async () => {
    const four = [4, 200];
    expect(await bothTell({ url: '/a' }, 503, 503, 503, 200)).toEqual([four, four]);
    expect(await bothTell({ url: '/a' }, reset, 429, 500, 200)).toEqual([four, four]);
    expect(await bothTell({ url: '/a', timeout: 60 }, hang, 200)).toEqual([
      [2, 200],
      [2, 200],
    ]);
    expect(await bothTell({ url: '/a' }, 404, 200)).toEqual([
      [1, 404],
      [1, 404],
    ]);
    expect(await bothTell({ url: '/a', method: 'POST' }, 503, 200)).toEqual([
      [1, 503],
      [1, 503],
    ]);
  });

  test('statuses: 501 is retried there alone, 408 here alone', async () => {
    expect(await bothTell({ url: '/a' }, 501, 200)).toEqual([
      [2, 200],
      [1, 501],
    ]);
    expect(await bothTell({ url: '/a' }, 408, 200)).toEqual([
      [1, 408],
      [2, 200],
    ]);
  });

  test('interceptors run for each attempt there, and once per call here', async () => {
    const runs: number[] = [];
    for (const app of APPS) {
      const api = start(app);
      let count = 0;
      api.interceptors.request.use((config) => {
        count += 1;
        return config;
      });
      server.script(503, 503, 200);
      await api.get('/a');
      runs.push(count);
    }
    expect(runs).toEqual([3, 1]);
  });
});

describe('option by option', () => {
  test('`statusCodesToRetry` are `statusCodes`, with the same ranges', async () => {
    for (const app of APPS) {
      const api = start(
        app,
        {
          statusCodesToRetry: [
            [404, 404],
            [500, 599],
          ],
        },
        {
          retry: {
            statusCodes: [
              [404, 404],
              [500, 599],
            ],
          },
        },
      );
      expect(await told(api, { url: '/a' }, 404, 501, 200)).toEqual([3, 200]);
    }
  });

  test('`httpMethodsToRetry` are `methods`', async () => {
    for (const app of APPS) {
      const api = start(app, { httpMethodsToRetry: ['POST'] }, { retry: { methods: ['POST'] } });
      expect(await told(api, { url: '/a', method: 'POST' }, 503, 200)).toEqual([2, 200]);
      expect(await told(api, { url: '/a' }, 503, 200)).toEqual([1, 503]);
    }
  });

  test('their exponential delay grows as half of 2^n - 1; a factor of 2 from the same base comes near', () => {
    const theirs = [1, 2, 3].map((attempt) => ((2 ** attempt - 1) / 2) * 100);
    expect(theirs).toEqual([50, 150, 350]);
    expect([1, 2, 3].map((attempt) => exponential({ baseMs: 50, factor: 2.5 })(context(attempt)))).toEqual([
      50, 125, 312.5,
    ]);
    expect(equalJitter(exponential({ baseMs: 100 }))(context(1, 0))).toBe(50);
  });

  test('a Retry-After takes the place of the delay there; one of 0 s, or beyond the most, ends the call', async () => {
    const after = (seconds: number) => json(503, {}, { 'Retry-After': String(seconds) });
    expect(await bothTell({ url: '/a' }, after(0), 200)).toEqual([
      [1, 503],
      [2, 200],
    ]);
    expect(await told(start('retry-axios', { maxRetryAfter: 60_000 }), { url: '/a' }, after(61), 200)).toEqual([
      1, 503,
    ]);
    const here = start('axios-resilience', {}, { retry: { retryAfter: { maxMs: 60_000 } } });
    server.script(after(61), 200);
    expect(reportOf(await rejectionOf(here.get('/a')))).toMatchObject({ attempts: 1, stopped: 'retry-after' });
  });

  test('`shouldRetry` replaces the rule there; here `undefined` keeps it', async () => {
    const before: rax.RetryConfig = { shouldRetry: ({ response }) => response?.status === 404 };
    const after: ResilienceOptions = {
      retry: { shouldRetry: ({ response }) => (response?.status === 404 ? true : undefined) },
    };
    const ends = [];
    for (const app of APPS) {
      ends.push([
        await told(start(app, before, after), { url: '/a' }, 404, 200),
        await told(start(app, before, after), { url: '/a' }, 503, 200),
      ]);
    }
    expect(ends).toEqual([
      [
        [2, 200],
        [1, 503],
      ],
      [
        [2, 200],
        [2, 200],
      ],
    ]);
  });

  test('what `onRetryAttempt` or `beforeRetry` throws ends the call', async () => {
    const fail = () => Promise.reject(new Error('no token'));
    for (const app of APPS) {
      const api = start(app, { onRetryAttempt: fail }, { retry: { beforeRetry: fail } });
      server.script(503, 200);
      expect((await rejectionOf(api.get('/a'))).message).toBe('no token');
    }
  });

  test('`currentRetryAttempt` and `errors` are `attempts` and `history` of the report', async () => {
    server.script(503);
    const before = await rejectionOf(start('retry-axios').get('/a'));
    expect(rax.getConfig(before)?.currentRetryAttempt).toBe(3);
    expect(rax.getConfig(before)?.errors).toHaveLength(4);
    const after = await rejectionOf(start('axios-resilience').get('/a'));
    expect(reportOf(after)).toMatchObject({ attempts: 4, history: Array(4).fill({ status: 503 }) });
  });

  test('options of one request stand under another name', async () => {
    expect(await told(start('retry-axios'), { url: '/a', raxConfig: { retry: 1, retryDelay: 0 } }, 503)).toEqual([
      2, 503,
    ]);
    expect(await told(start('axios-resilience'), { url: '/a', resilience: { retry: 1 } }, 503)).toEqual([2, 503]);
  });
});
