import axios, { type AxiosResponse } from 'axios';
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  ConsecutiveBreaker,
  ConstantBackoff,
  CountBreaker,
  circuitBreaker,
  fallback,
  handleAll,
  handleWhen,
  type IPolicy,
  IsolatedCircuitError,
  IterableBackoff,
  retry,
  SamplingBreaker,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  attach,
  type BreakerOptions,
  concurrencyLimit,
  consecutiveFailures,
  failureRate,
  failureRateInWindow,
  isRejectedError,
  type ResilienceOptions,
  reportOf,
} from '../../src/index.js';
import { rejectionOf } from '../support/orders.js';
import { type Answer, hang, json, startServer, type TestServer } from '../support/server.js';
import { endOf } from './support.js';

// docs/coming-from-cockatiel.md says what is seen here.

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

/** One call of the app, before and after. */
type Get = () => Promise<AxiosResponse>;

function before(policy: IPolicy): Get {
  const api = axios.create({ baseURL: server.url });
  return () => policy.execute(({ signal }) => api.get('/a', { signal }));
}

function after(options: ResilienceOptions): Get {
  const api = axios.create({ baseURL: server.url });
  attach(api, options);
  return () => api.get('/a');
}

async function told(get: Get, calls: number, ...answers: Answer[]) {
  server.script(...answers);
  server.requests.length = 0;
  const ends: unknown[] = [];
  for (let call = 1; call <= calls; call++) {
    ends.push(await endOf(get()));
  }
  return [server.requests.length, ...ends];
}

const isServerError = (error: Error) => axios.isAxiosError(error) && (error.response?.status ?? 500) >= 500;

describe('retry', () => {
  test('`maxAttempts` counts retries: 3 of them are four requests in both', async () => {
    const there = before(retry(handleWhen(isServerError), { maxAttempts: 3, backoff: new ConstantBackoff(0) }));
    const here = after({ retry: { retries: 3, backoff: 0 }, breaker: false });
    expect(await told(there, 1, 503)).toEqual([4, 503]);
    expect(await told(here, 1, 503)).toEqual([4, 503]);
  });

  test('`handleAll` retries a 404, and a POST; here that is `shouldRetry: () => true`', async () => {
    const there = before(retry(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(0) }));
    expect(await told(there, 1, 404, 200)).toEqual([2, 200]);
    expect(await told(after({ retry: { retries: 2, backoff: 0 }, breaker: false }), 1, 404, 200)).toEqual([1, 404]);
    const all = after({ retry: { retries: 2, backoff: 0, shouldRetry: () => true }, breaker: false });
    expect(await told(all, 1, 404, 200)).toEqual([2, 200]);
  });

  test('an `IterableBackoff` is a function of the attempt', async () => {
    const delays = [1, 2, 3];
    const there = before(retry(handleAll, { maxAttempts: 3, backoff: new IterableBackoff(delays) }));
    const here = after({ retry: { backoff: ({ attempt }) => delays[attempt - 1] ?? 0 }, breaker: false });
    expect(await told(there, 1, 503)).toEqual([4, 503]);
    server.script(503);
    expect(reportOf(await rejectionOf(here()))?.delaysMs).toEqual([1, 2, 3]);
  });

  test('interceptors of the instance run for each attempt there, and once per call here', async () => {
    const runs: number[] = [];
    for (const app of ['there', 'here']) {
      const api = axios.create({ baseURL: server.url });
      let count = 0;
      api.interceptors.request.use((config) => {
        count += 1;
        return config;
      });
      const policy = retry(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(0) });
      if (app === 'here') attach(api, { retry: { retries: 2, backoff: 0 } });
      server.script(503, 503, 200);
      await (app === 'here' ? api.get('/a') : policy.execute(() => api.get('/a')));
      runs.push(count);
    }
    expect(runs).toEqual([3, 1]);
  });
});

describe('circuit breaker', () => {
  const circuit = (breaker: any) =>
    before(circuitBreaker(handleWhen(isServerError), { halfOpenAfter: 30_000, breaker }));
  const ours = (detector: BreakerOptions['detector']) =>
    after({ retry: false, breaker: { detector, cooldownMs: 30_000 } });

  test('`ConsecutiveBreaker(3)` is `consecutiveFailures(3)`', async () => {
    const mixed = [503, 503, 200, 503, 503, 503];
    const ends = [503, 503, 200, 503, 503, 503];
    expect(await told(circuit(new ConsecutiveBreaker(3)), 7, ...mixed)).toEqual([6, ...ends, 'Error']);
    expect(await told(ours(consecutiveFailures(3)), 7, ...mixed)).toEqual([6, ...ends, 'ERR_CIRCUIT_OPEN']);
  });

  test('`CountBreaker` is `failureRate`; exactly the threshold opens here, and not there', async () => {
    const half = [200, 200, 503, 503, 200];
    const there = circuit(new CountBreaker({ threshold: 0.5, size: 4 }));
    const here = ours(failureRate({ rate: 0.5, size: 4, minAttempts: 4 }));
    expect((await told(there, 5, ...half)).at(-1)).toBe(200);
    expect((await told(here, 5, ...half)).at(-1)).toBe('ERR_CIRCUIT_OPEN');
  });

  test('`SamplingBreaker` is `failureRateInWindow`, whose `minAttempts` are of the window and not per second', async () => {
    const there = circuit(new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 0.5 }));
    const here = ours(failureRateInWindow({ rate: 0.5, windowMs: 10_000, minAttempts: 5 }));
    expect((await told(there, 6, 503))[0]).toBe(5);
    expect((await told(here, 6, 503))[0]).toBe(5);
  });

  test('`isolate().dispose()` is `isolate().release()`', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(5) });
    const handle = policy.isolate();
    expect(await rejectionOf(before(policy)())).toBeInstanceOf(IsolatedCircuitError);
    handle.dispose();
    const api = axios.create({ baseURL: server.url });
    const { breakers } = attach(api, { retry: false });
    const isolation = breakers.ensure(`GET ${server.url}`).isolate();
    expect(isRejectedError(await rejectionOf(api.get('/a')))).toBe(true);
    isolation.release();
    expect((await api.get('/a')).status).toBe(200);
  });

  test('a rejection is a BrokenCircuitError there', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 30_000, breaker: new ConsecutiveBreaker(1) });
    server.script(503);
    await rejectionOf(before(policy)());
    expect(await rejectionOf(before(policy)())).toBeInstanceOf(BrokenCircuitError);
  });
});

describe('the other policies', () => {
  test("a timeout around all attempts is `deadlineMs`, and one within is axios's `timeout`", async () => {
    const outside = wrap(
      timeout(120, TimeoutStrategy.Aggressive),
      retry(handleAll, { maxAttempts: 3, backoff: new ConstantBackoff(0) }),
    );
    server.script(hang);
    expect(await rejectionOf(before(outside)())).toBeInstanceOf(TaskCancelledError);
    const error = await rejectionOf(after({ deadlineMs: 120 })());
    expect(error.code).toBe('ETIMEDOUT');
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'deadline' });
  });

  test('a bulkhead is a concurrencyLimit, and its queue is `maxQueue`', async () => {
    const slow: Answer = (request, response, raw) => void setTimeout(() => json(200, {})(request, response, raw), 60);
    const ends = async (get: Get) => {
      server.script(slow);
      return Promise.all(
        [1, 2, 3].map(() =>
          get().then(
            () => 'well',
            (error: unknown) => error,
          ),
        ),
      );
    };
    const [, , third] = await ends(before(bulkhead(1, 1)));
    expect(third).toBeInstanceOf(BulkheadRejectedError);
    const here = await ends(after({ retry: false, limiter: { limit: concurrencyLimit(1), maxQueue: 1 } }));
    expect(here.map(isRejectedError)).toEqual([false, false, true]);
  });

  test('a fallback around all is `fallbackOn: failure`', async () => {
    const there = before(fallback(handleWhen(isServerError), { status: 0 } as AxiosResponse) as unknown as IPolicy);
    const here = after({ retry: false, fallback: 'kept', fallbackOn: 'failure' });
    expect(await told(there, 1, 503)).toEqual([1, 0]);
    server.script(503);
    expect((await here()).data).toBe('kept');
  });

  test('an attempt counts from 0 there and from 1 here', async () => {
    const theirs: number[] = [];
    const ours: number[] = [];
    const policy = retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(0) });
    const failing = policy.execute(({ attempt }) => {
      theirs.push(attempt);
      return Promise.reject(new Error('failed'));
    });
    await rejectionOf(failing);
    const api = axios.create({ baseURL: server.url });
    attach(api, { retry: { retries: 1, backoff: 0 } }).on('attempt', ({ attempt }) => ours.push(attempt));
    server.script(503);
    await rejectionOf(api.get('/a'));
    expect([theirs, ours]).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });
});
