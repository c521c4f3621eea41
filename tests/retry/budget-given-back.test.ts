import { Readable } from 'node:stream';
import axios, { AxiosError, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  type ResilienceOptions,
  RetryBudget,
  reportOf,
  retry,
} from '../../src/index.js';
import type { RetryFunctionOptions } from '../../src/retry/function-options.js';
import { after, scripted } from '../support/scripted-adapter.js';

/** Lets failures count, but never opens. */
const TOLERANT: CircuitBreakerOptions = { detector: consecutiveFailures(100) };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Begins with ten tokens, and gains one each second: no test takes that long. */
const tenTokens = () => new RetryBudget({ ratio: 1e-6, minPerSecond: 1 });

/** How many tokens are left, in whole ones. */
function left(budget: RetryBudget): number {
  let tokens = 0;
  while (budget.withdraw(performance.now(), 1)) tokens++;
  return tokens;
}

const never = () => new Promise<never>(() => undefined);

interface Setting {
  readonly options?: ResilienceOptions;
  readonly config?: AxiosRequestConfig;
  /** Comes in between while the retry is waited for. */
  readonly meanwhile?: (given: { resilience: ReturnType<typeof attach>; abort: () => void }) => void;
}

describe('attach gives back what a retry took that is not sent, because', () => {
  test.each<[string, string, Setting]>([
    ['the call is aborted while it waits', 'aborted', { meanwhile: ({ abort }) => abort() }],
    ['`close` ends the wait', 'closed', { meanwhile: ({ resilience }) => resilience.close() }],
    [
      'the circuit is opened by hand meanwhile',
      'circuit-open',
      { meanwhile: ({ resilience }) => resilience.breakers.ensure('GET https://api.example.com').trip() },
    ],
    [
      '`beforeRetry` throws',
      'hook-failed',
      { options: { retry: { beforeRetry: () => Promise.reject(new Error('of the hook')) } } },
    ],
    ['`beforeRetry` takes all the time', 'deadline', { options: { deadlineMs: 200, retry: { beforeRetry: never } } }],
    [
      'the body is used up',
      'body',
      { options: { retry: { beforeRetry: () => undefined } }, config: { data: Readable.from(['once']) } },
    ],
    [
      'a transform throws',
      'not-retryable',
      {
        config: {
          transformRequest: vi
            .fn()
            .mockImplementation(() => {
              throw new Error('of the transform');
            })
            .mockImplementationOnce((data: unknown) => data),
        },
      },
    ],
  ])('%s', async (_why, stopped, { options, config, meanwhile }) => {
    const budget = tenTokens();
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(503) });
    const retryOptions = { backoff: 100, budget, ...(options?.retry as object | undefined) };
    const resilience = attach(api, { breaker: TOLERANT, ...options, retry: retryOptions });
    const controller = new AbortController();
    const call = api.get('/', { ...config, signal: controller.signal }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(50);
    meanwhile?.({ resilience, abort: () => controller.abort() });
    await vi.advanceTimersByTimeAsync(400);
    expect(reportOf(await call)).toMatchObject({ attempts: 1, delaysMs: [100], stopped });
    expect(left(budget)).toBe(10);
  });

  test('it was to be the last: those that were sent before are paid for, ten for a timeout', async () => {
    const budget = new RetryBudget({ ratio: 1e-6, minPerSecond: 3 });
    const timeout = new AxiosError('timeout of 5 ms exceeded', 'ECONNABORTED');
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(503, timeout, 503) });
    const resilience = attach(api, { breaker: TOLERANT, retry: { retries: 5, backoff: 100, budget } });
    const call = api.get('/').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(250);
    resilience.close();
    expect(reportOf(await call)).toMatchObject({ attempts: 3, stopped: 'closed' });
    expect(left(budget)).toBe(19);
  });

  test('but nothing of what was never taken: the budget is used up when its circuit lets it through', async () => {
    const budget = tenTokens();
    const breaker = { detector: consecutiveFailures(1), cooldownMs: 400, maxWaitMs: 1_000 };
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(after(10, 503)) });
    attach(api, { breaker, retry: { backoff: 100, budget } });
    const call = api.get('/').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(100);
    expect(left(budget)).toBe(10);
    await vi.advanceTimersByTimeAsync(400);
    expect(reportOf(await call)).toMatchObject({ attempts: 1, stopped: 'budget' });
    expect(left(budget)).toBe(0);
  });

  test('nor of one that the budget itself refused', async () => {
    const budget = tenTokens();
    expect(left(budget)).toBe(10);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(503) });
    attach(api, { breaker: TOLERANT, retry: { backoff: 100, budget } });
    const call = await api.get('/').catch((error: unknown) => error);
    expect(reportOf(call)?.stopped).toBe('budget');
    expect(left(budget)).toBe(0);
  });
});

describe('`retry` gives back what a retry took that is not made, because', () => {
  const broken = new Error('broken');

  test.each<[string, RetryFunctionOptions, ((given: { abort: () => void; breaker: CircuitBreaker }) => void)?]>([
    ['the signal aborts while it waits', {}, ({ abort }) => abort()],
    ['the breaker is opened by hand meanwhile', {}, ({ breaker }) => breaker.trip()],
    ['`onRetry` throws', { onRetry: () => Promise.reject(new Error('of the hook')) }],
    ['`onRetry` takes all the time', { deadlineMs: 200, onRetry: never }],
  ])('%s', async (_why, options, meanwhile) => {
    const budget = tenTokens();
    const breaker = new CircuitBreaker('db', TOLERANT);
    const controller = new AbortController();
    const fn = vi.fn(() => Promise.reject(broken));
    const given = { backoff: 100, budget, breaker, signal: controller.signal, ...options };
    const ended = retry(fn, given).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(50);
    meanwhile?.({ abort: () => controller.abort(), breaker });
    await vi.advanceTimersByTimeAsync(400);
    await ended;
    expect(fn).toHaveBeenCalledTimes(1);
    expect(left(budget)).toBe(10);
  });

  test('it was to be the last: those that were made are paid for', async () => {
    const budget = tenTokens();
    const controller = new AbortController();
    const options = { backoff: 100, retries: 5, budget, signal: controller.signal };
    const ended = retry(() => Promise.reject(broken), options).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(250);
    controller.abort();
    await ended;
    expect(left(budget)).toBe(8);
  });
});
