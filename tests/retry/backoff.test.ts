import axios from 'axios';
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
    // The first is that of the trial at attach.
    expect(contexts.slice(1)).toEqual([
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
    ])(
      'a backoff that yields %s during a call is told of and the default waits in its place, never "immediately"',
      async (delay, shown) => {
        const { error, told, adapter } = await failing(() => delay);
        expect(error.response.status).toBe(503);
        expect(adapter.attempts).toHaveLength(2);
        expect(reportOf(error)).toMatchObject({ attempts: 2, delaysMs: [50], stopped: 'exhausted' });
        expect(told).toMatchObject([{ type: 'callbackError', key: `GET ${BASE_URL}`, source: 'retry.backoff' }]);
        expect(told[0].error).toBeInstanceOf(RangeError);
        expect(told[0].error.message).toBe(
          `Expected \`retry.backoff(context)\` to be a number of milliseconds >= 0, got ${shown}`,
        );
      },
    );

    test('a backoff that throws during a call does not take the place of the failure', async () => {
      const thrown = new Error('no idea');
      const { error, told } = await failing(() => {
        throw thrown;
      });
      expect(error.response.status).toBe(503);
      expect(reportOf(error)).toMatchObject({ delaysMs: [50], stopped: 'exhausted' });
      expect(told).toMatchObject([{ source: 'retry.backoff', error: thrown }]);
    });
  });
});

/** A call whose first wait is by a backoff that fails, though it did not when the instance was attached. */
async function failing(fault: () => number): Promise<any> {
  vi.useFakeTimers();
  const adapter = scripted(503);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  let isFaulty = false;
  const told: unknown[] = [];
  const backoff = () => (isFaulty ? fault() : 1);
  attach(api, { random: () => 0.5, retry: { retries: 1, backoff } }).on('callbackError', (event) => told.push(event));
  isFaulty = true;
  const failure = failureOf(api.get('/'));
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  return { error: await failure, told, adapter };
}
