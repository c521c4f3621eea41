import axios, { type AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DelayContext } from '../../src/delay.js';
import { attach, exponential, reportOf } from '../../src/index.js';
import { scripted } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('the waits of a call', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('waits 100, 200 and 400 ms when jitter is off', async () => {
    const times: number[] = [];
    const startedAt = performance.now();
    const adapter = scripted(() => {
      times.push(performance.now() - startedAt);
      return 503;
    });
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, { retry: { backoff: exponential() } });
    const failure = failureOf(api.get('/'));
    await vi.advanceTimersByTimeAsync(700);
    expect(times).toEqual([0, 100, 300, 700]);
    expect(reportOf(await failure)).toMatchObject({ delaysMs: [100, 200, 400], stopped: 'exhausted' });
  });

  test('takes jitter from `random`', async () => {
    const random = vi.fn().mockReturnValueOnce(0.5).mockReturnValueOnce(0.25).mockReturnValueOnce(0);
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
    attach(api, { random });
    const failure = failureOf(api.get('/'));
    await vi.runAllTimersAsync();
    expect(reportOf(await failure)?.delaysMs).toEqual([50, 50, 0]);
  });

  test('tells a backoff the key, the attempt that failed, its failure, the delay before it, what the server asked for and `random`, and nothing else', async () => {
    const random = () => 0.5;
    const contexts: DelayContext[] = [];
    const api = axios.create({
      baseURL: BASE_URL,
      adapter: scripted(503, { status: 503, headers: { 'retry-after': '2' } }),
    });
    attach(api, {
      random,
      retry: {
        backoff: (context) => {
          contexts.push({ ...context });
          return context.attempt * 10;
        },
      },
    });
    const failure = failureOf(api.get('/'));
    await vi.runAllTimersAsync();
    await failure;
    const key = 'GET https://api.example.com';
    const error = expect.objectContaining({ name: 'AxiosError' }) as unknown;
    const response = expect.objectContaining({ status: 503 }) as unknown;
    expect(contexts).toEqual([
      { key, attempt: 1, previousMs: undefined, error, response, retryAfterMs: undefined, random },
      { key, attempt: 2, previousMs: 10, error, response, retryAfterMs: 2_000, random },
      { key, attempt: 3, previousMs: 2_020, error, response, retryAfterMs: 2_000, random },
    ]);
  });

  test('a backoff for one request beats that of the instance', async () => {
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503, 200) });
    attach(api, { retry: { backoff: 1_000 } });
    const response = api.get('/', { resilience: { retry: { backoff: 3 } } });
    await vi.advanceTimersByTimeAsync(3);
    expect(reportOf(await response)?.delaysMs).toEqual([3]);
  });

  describe('case 29', () => {
    test.each([
      [Number.NaN, 'NaN'],
      [-1, '-1'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      [Number.NEGATIVE_INFINITY, '-Infinity'],
    ])('a backoff that yields %s is refused, never taken as "immediately"', async (delay, shown) => {
      const adapter = scripted(503);
      const api = axios.create({ baseURL: BASE_URL, adapter });
      attach(api, { retry: { backoff: () => delay } });
      const error = await failureOf(api.get('/'));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toBe(
        `Expected \`retry.backoff(context)\` to be a number of milliseconds >= 0, got ${shown}`,
      );
      expect((error.cause as AxiosError).response?.status).toBe(503);
      expect(adapter.attempts).toHaveLength(1);
      expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'hook-failed' });
    });

    test('a backoff that throws rejects with its error, the last failure as the cause', async () => {
      const thrown = new Error('no idea');
      const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
      attach(api, {
        retry: {
          backoff: () => {
            throw thrown;
          },
        },
      });
      const error = await failureOf(api.get('/'));
      expect(error).toBe(thrown);
      expect(error.cause.response.status).toBe(503);
    });
  });
});
