import axios, { type AxiosResponse } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, type ResilienceOptions, type RetryOptions, reportOf } from '../../src/index.js';
import { scripted } from '../support/scripted-adapter.js';
import { json, startServer } from '../support/server.js';

const MAX_TIMER_MS = 2_147_483_647;
const LOCAL_TIME = new Date('2026-03-01T12:00:00Z');

const dateAfter = (milliseconds: number, from = LOCAL_TIME) => new Date(from.getTime() + milliseconds).toUTCString();

describe('case 28: Retry-After', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(LOCAL_TIME);
  });
  afterEach(() => void vi.useRealTimers());

  /** Makes a call whose first attempt is answered 503 with these headers. */
  function call(headers: Record<string, unknown>, retry: Exclude<ResilienceOptions['retry'], number | false> = {}) {
    const times: number[] = [];
    const startedAt = performance.now();
    const note = () => {
      times.push(performance.now() - startedAt);
    };
    const adapter = scripted(
      () => {
        note();
        return { status: 503, headers };
      },
      () => {
        note();
        return 200;
      },
    );
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    attach(api, { retry: { backoff: 7, ...(retry as RetryOptions) } });
    const settled = api.get('/').then(
      (response: AxiosResponse) => ({ response, error: undefined }),
      (error: unknown) => ({ error: error as any, response: undefined }),
    );
    return { times, settled };
  }

  /** The time between the first attempt and the second. */
  async function delayAfter(
    headers: Record<string, unknown>,
    retryAfter: RetryOptions['retryAfter'] = {},
  ): Promise<number> {
    const { times, settled } = call(headers, { retryAfter });
    await vi.runAllTimersAsync();
    const { response } = await settled;
    expect(response?.status).toBe(200);
    expect(times).toEqual([0, reportOf(response)?.delaysMs[0]]);
    return times[1]!;
  }

  test.each([
    ['0', 0],
    ['2', 2_000],
    [' 2 ', 2_000],
    [2, 2_000],
    ['1.5', 1_500],
    ['0.25', 250],
    ['60', 60_000],
  ])('%j is waited for as %i ms, and the backoff comes on top', async (value, serverMs) => {
    expect(await delayAfter({ 'retry-after': value })).toBe(serverMs + 7);
  });

  test.each([
    'soon',
    '-5',
    '',
    'NaN',
    'Infinity',
    '1e3',
    '0x10',
    '5s',
    '1,5',
    'Mon, 99 Foo 2026 12:00:00 GMT',
    '2026-03-01T12:00:05Z',
  ])('%j is garbage and ignored: the backoff alone is waited for', async (value) => {
    expect(await delayAfter({ 'retry-after': value })).toBe(7);
  });

  test('of a header that came twice the first value counts', async () => {
    expect(await delayAfter({ 'retry-after': ['3', '9'] })).toBe(3_007);
  });

  test('a list without a usable value is ignored', async () => {
    expect(await delayAfter({ 'retry-after': ['later', 'soon'] })).toBe(7);
  });

  test("an HTTP-date is taken against the response's own Date, whatever the local clock says", async () => {
    const servers = new Date('2031-07-04T08:00:00Z');
    const headers = { date: dateAfter(0, servers), 'retry-after': dateAfter(5_000, servers) };
    expect(await delayAfter(headers)).toBe(5_007);
    vi.setSystemTime(new Date('1999-01-01T00:00:00Z'));
    expect(await delayAfter(headers)).toBe(5_007);
  });

  test('an HTTP-date without a Date is taken against the local clock', async () => {
    expect(await delayAfter({ 'retry-after': dateAfter(4_000) })).toBe(4_007);
  });

  test('an HTTP-date beside a Date that is garbage is taken against the local clock', async () => {
    expect(await delayAfter({ 'retry-after': dateAfter(4_000), date: 'today' })).toBe(4_007);
  });

  test('a date in the past is no wait of its own', async () => {
    expect(await delayAfter({ date: dateAfter(0), 'retry-after': dateAfter(-60_000) })).toBe(7);
  });

  test.each([
    ['RFC 850', 'Sunday, 01-Mar-26 12:00:03 GMT'],
    ['asctime', 'Sun Mar  1 12:00:03 2026'],
  ])('an HTTP-date in the obsolete format of %s is read as GMT', async (_format, value) => {
    vi.stubEnv('TZ', 'America/New_York');
    try {
      expect(await delayAfter({ date: dateAfter(0), 'retry-after': value })).toBe(3_007);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('retry-after-ms is taken in milliseconds and comes before Retry-After', async () => {
    expect(await delayAfter({ 'retry-after-ms': '250', 'retry-after': '9' })).toBe(257);
    expect(await delayAfter({ 'retry-after-ms': '0', 'retry-after': '9' })).toBe(7);
  });

  test('retry-after-ms that is garbage leaves it to Retry-After', async () => {
    expect(await delayAfter({ 'retry-after-ms': 'soon', 'retry-after': '9' })).toBe(9_007);
  });

  test('retryAfter: false waits for the backoff alone', async () => {
    expect(await delayAfter({ 'retry-after': '9' }, false)).toBe(7);
    expect(await delayAfter({ 'retry-after': '3000000' }, false)).toBe(7);
  });

  test.each([
    { mode: undefined, serverMs: 250, delayMs: 350 },
    { mode: 'add' as const, serverMs: 250, delayMs: 350 },
    { mode: 'larger' as const, serverMs: 250, delayMs: 250 },
    { mode: 'larger' as const, serverMs: 99, delayMs: 100 },
    { mode: 'alone' as const, serverMs: 250, delayMs: 250 },
    { mode: 'alone' as const, serverMs: 99, delayMs: 99 },
    { mode: 'alone' as const, serverMs: 0, delayMs: 0 },
  ])('mode $mode: after $serverMs ms of the server and a backoff of 100 ms it waits $delayMs ms', async (row) => {
    const { settled } = call({ 'retry-after-ms': row.serverMs }, { backoff: 100, retryAfter: { mode: row.mode } });
    await vi.runAllTimersAsync();
    expect(reportOf((await settled).response)?.delaysMs).toEqual([row.delayMs]);
  });

  test.each(['add', 'larger', 'alone'] as const)(
    'mode %s: without a Retry-After the backoff is waited',
    async (mode) => {
      expect(await delayAfter({}, { mode })).toBe(7);
      expect(await delayAfter({ 'retry-after': 'soon' }, { mode })).toBe(7);
    },
  );

  test.each(['larger', 'alone'] as const)('mode %s: what is over maxMs ends the call', async (mode) => {
    const { settled } = call({ 'retry-after-ms': 51 }, { retryAfter: { mode, maxMs: 50 } });
    expect(reportOf((await settled).error)?.stopped).toBe('retry-after');
  });

  test('mode alone does not ask the backoff for a delay that it does not use', async () => {
    const backoff = vi.fn(() => 100);
    const { settled } = call({ 'retry-after-ms': 30 }, { backoff, retryAfter: { mode: 'alone' } });
    expect(backoff).toHaveBeenCalledTimes(1); // the trial of `attach`
    await vi.runAllTimersAsync();
    await settled;
    expect(backoff).toHaveBeenCalledTimes(1);
  });

  test('mode and maxMs are merged: of the instance, of update and of a request', async () => {
    const told = { status: 503, headers: { 'retry-after-ms': '250' } };
    const adapter = scripted(told, 200, told, 200, told, 200, told);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const resilience = attach(api, { retry: { backoff: 100, retryAfter: { mode: 'larger' } } });
    const delays = async (retryAfter: RetryOptions['retryAfter']) => {
      const settled = api.get('/', { resilience: { retry: { retryAfter } } }).catch((error: unknown) => error);
      await vi.runAllTimersAsync();
      const { delaysMs, stopped } = reportOf(await settled)!;
      return [...delaysMs, stopped];
    };
    expect(await delays(undefined)).toEqual([250, 'success']);
    expect(await delays({ mode: 'add' })).toEqual([350, 'success']);
    resilience.update({ retry: { retryAfter: { maxMs: 300 } } });
    expect(await delays(true)).toEqual([250, 'success']);
    expect(await delays({ maxMs: 249 })).toEqual(['retry-after']);
  });

  test('case 29: jitter comes on top of the time of the server and never shortens it', async () => {
    const { settled } = call({ 'retry-after': '2' }, { backoff: ({ random }) => 100 * random() });
    await vi.advanceTimersByTimeAsync(1_999);
    await vi.runAllTimersAsync();
    const [delayMs] = reportOf((await settled).response)!.delaysMs;
    expect(delayMs).toBeGreaterThanOrEqual(2_000);
    expect(delayMs).toBeLessThan(2_100);
  });

  test('3000000 seconds are over maxMs: the call gives up at once with the 503', async () => {
    const { times, settled } = call({ 'retry-after': '3000000' });
    const { error } = await settled;
    expect(error.response.status).toBe(503);
    expect(times).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'retry-after' });
  });

  test.each([
    { seconds: '60', stopped: 'success' },
    { seconds: '60.001', stopped: 'retry-after' },
  ])('$seconds s end in $stopped by default, which is to wait for at most 60 s', async ({ seconds, stopped }) => {
    const { settled } = call({ 'retry-after': seconds });
    await vi.runAllTimersAsync();
    const { response, error } = await settled;
    expect(reportOf(response ?? error)?.stopped).toBe(stopped);
  });

  test('maxMs bounds what is waited for, the backoff not counted', async () => {
    expect(await delayAfter({ 'retry-after': '2' }, { maxMs: 2_000 })).toBe(2_007);
    const { settled } = call({ 'retry-after': '2' }, { retryAfter: { maxMs: 1_999 } });
    expect(reportOf((await settled).error)?.stopped).toBe('retry-after');
  });

  test('an HTTP-date over maxMs gives up too', async () => {
    const { settled } = call({ date: dateAfter(0), 'retry-after': dateAfter(61_000) });
    expect(reportOf((await settled).error)?.stopped).toBe('retry-after');
  });

  test.each([
    ['retry-after', '3000000', 3_000_000_000],
    ['retry-after-ms', '2147483648', 2_147_483_648],
  ])(
    '%s: %s is more than a timer takes; with maxMs Infinity no attempt is made before its time',
    async (name, value, serverMs) => {
      const { times, settled } = call({ [name]: value }, { retryAfter: { maxMs: Number.POSITIVE_INFINITY } });
      await vi.advanceTimersByTimeAsync(1_000);
      expect(times).toEqual([0]);
      await vi.advanceTimersByTimeAsync(MAX_TIMER_MS - 1_001);
      expect(times).toEqual([0]);
      await vi.advanceTimersByTimeAsync(serverMs - MAX_TIMER_MS);
      expect(times).toEqual([0]);
      await vi.runAllTimersAsync();
      await settled;
      expect(times).toEqual([0, serverMs + 7]);
    },
  );

  test('no timer is ever set for longer than 2^31 - 1 ms', async () => {
    const setTimer = vi.spyOn(globalThis, 'setTimeout');
    const { settled } = call({ 'retry-after': '3000000' }, { retryAfter: { maxMs: Number.POSITIVE_INFINITY } });
    await vi.runAllTimersAsync();
    await settled;
    const delays = setTimer.mock.calls.map(([, delay]) => Number(delay));
    expect(delays.length).toBeGreaterThan(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(MAX_TIMER_MS);
    setTimer.mockRestore();
  });

  test('a 429 and a status that validateStatus accepts are waited for alike', async () => {
    const adapter = scripted({ status: 429, headers: { 'retry-after': '1' } }, 200);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter, validateStatus: () => true });
    attach(api, { retry: { backoff: 7 } });
    const response = api.get('/');
    await vi.runAllTimersAsync();
    expect(reportOf(await response)).toMatchObject({ attempts: 2, delaysMs: [1_007] });
  });

  test('a 2xx that shouldRetryResponse asks for again is waited for as its Retry-After says', async () => {
    const adapter = scripted({ status: 202, headers: { 'retry-after': '1' } }, 200);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    attach(api, { retry: { backoff: 7, shouldRetryResponse: ({ response }) => response.status === 202 } });
    const response = api.get('/');
    await vi.runAllTimersAsync();
    expect(reportOf(await response)).toMatchObject({ attempts: 2, delaysMs: [1_007] });
  });
});

describe('Retry-After over real HTTP', () => {
  test.each(['http', 'fetch'])('the %s adapter: seconds, dates and retry-after-ms', async (adapter) => {
    const date = new Date('2031-07-04T08:00:00Z').toUTCString();
    const server = await startServer(
      json(503, {}, { 'retry-after': '0.02' }),
      json(503, {}, { 'retry-after': date, date }),
      json(429, {}, { 'retry-after-ms': '30' }),
      200,
    );
    const api = axios.create({ baseURL: server.url, adapter });
    attach(api, { retry: { backoff: 1 } });
    const response = await api.get('/');
    await server.close();
    expect(reportOf(response)).toMatchObject({ attempts: 4, delaysMs: [21, 1, 31] });
  });

  test('3000000 seconds end the call at once', async () => {
    const server = await startServer(json(503, {}, { 'retry-after': '3000000' }));
    const api = axios.create({ baseURL: server.url });
    attach(api);
    const error = await api.get('/').catch((reason: unknown) => reason);
    await server.close();
    expect(server.requests).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'retry-after' });
  });
});
