import axios, { type AxiosInstance } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, CircuitOpenError, type Resilience, reportOf } from '../src/index.js';
import { type ScriptedAdapter, scripted } from './support/scripted-adapter.js';

vi.setConfig({ testTimeout: 4_000 });

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

/** Attached while the real timers are still installed: everything is looked up when it is called. */
let api: AxiosInstance;
let adapter: ScriptedAdapter;
let resilience: Resilience;

beforeEach(() => {
  adapter = scripted(503);
  api = axios.create({ baseURL: BASE_URL, adapter });
  resilience = attach(api, { retry: { backoff: 1_000 } });
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('case 33: fake timers installed after attach', () => {
  test('a backoff passes as they are advanced, and not before', async () => {
    adapter.script(503, 200);
    const response = api.get('/');
    await vi.advanceTimersByTimeAsync(999);
    expect(adapter.attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(adapter.attempts).toHaveLength(2);
    expect((await response).status).toBe(200);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('elapsed times are theirs', async () => {
    const failure = failureOf(api.get('/'));
    await vi.runAllTimersAsync();
    expect(reportOf(await failure)).toMatchObject({ attempts: 4, delaysMs: [1_000, 1_000, 1_000], elapsedMs: 3_000 });
  });

  test('a cooldown passes by their performance.now()', async () => {
    resilience.breakers.ensure(KEY).trip({ cooldownMs: 10_000 });
    expect(await failureOf(api.get('/'))).toBeInstanceOf(CircuitOpenError);
    vi.advanceTimersByTime(9_999);
    expect(resilience.breakers.get(KEY)?.state).toBe('open');
    vi.advanceTimersByTime(1);
    expect(resilience.breakers.get(KEY)?.state).toBe('half-open');
    adapter.script(200);
    expect((await api.get('/')).status).toBe(200);
    expect(resilience.breakers.get(KEY)?.state).toBe('closed');
  });

  test('a deadline passes by them', async () => {
    adapter.script(() => new Promise(() => undefined));
    const failure = failureOf(api.get('/', { resilience: { deadlineMs: 60_000 } }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await failure).toMatchObject({ code: 'ETIMEDOUT' });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a budget is refilled by them', async () => {
    const retry = { retries: 9, backoff: 0, budget: { ratio: 0.001, minPerSecond: 0.1 } };
    const limited = axios.create({ baseURL: BASE_URL, adapter });
    attach(limited, { retry, breaker: false });
    const attempts = async () => {
      const failure = failureOf(limited.get('/'));
      await vi.runAllTimersAsync();
      return reportOf(await failure)?.attempts;
    };
    expect(await attempts()).toBe(2);
    expect(await attempts()).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(await attempts()).toBe(2);
  });

  test('a call that began before they were installed ends under the real ones', async () => {
    vi.useRealTimers();
    adapter.script(503, 200);
    const response = api.get('/', { resilience: { retry: { backoff: 5 } } });
    expect((await response).status).toBe(200);
  });

  test('the wall clock set back and forward an hour changes no wait and no cooldown', async () => {
    adapter.script(503, 200);
    const response = api.get('/');
    await vi.advanceTimersByTimeAsync(500);
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(499);
    expect(adapter.attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(reportOf(await response)?.elapsedMs).toBe(1_000);
    resilience.breakers.ensure(KEY).trip();
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(resilience.breakers.get(KEY)?.state).toBe('open');
  });

  test('at rest there is no timer', async () => {
    adapter.script(200);
    await api.get('/');
    resilience.breakers.ensure(KEY).trip();
    await failureOf(api.get('/'));
    expect(vi.getTimerCount()).toBe(0);
  });
});
