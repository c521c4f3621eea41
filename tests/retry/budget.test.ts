import axios, { AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { describe, expect, test } from 'vitest';
import { attach, consecutiveFailures, type ResilienceOptions, RetryBudget, reportOf } from '../../src/index.js';
import { RetryBudgets } from '../../src/retry/budget.js';
import { scripted, startClock } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';

function start(options: Omit<ResilienceOptions, 'retry'> & { retry?: object } = {}) {
  const clock = startClock();
  const adapter = scripted(503);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const resilience = attach(api, {
    clock,
    breaker: { detector: consecutiveFailures(100_000) },
    ...options,
    retry: { retries: 10, backoff: 0, budget: { ratio: 0.5, minPerSecond: 0.2 }, ...options.retry },
  });
  return { api, adapter, clock, resilience };
}

/** Makes a call that fails, and tells its attempts and why there were no more. */
async function fail(
  api: AxiosInstance,
  config: AxiosRequestConfig = {},
): Promise<[number | undefined, string | undefined]> {
  const error: unknown = await api.request({ url: '/', ...config }).catch((reason: unknown) => reason);
  const report = reportOf(error);
  return [report?.attempts, report?.stopped];
}

test('starts with ten seconds of minPerSecond, and a retry takes 1', async () => {
  const { api } = start();
  expect(await fail(api)).toEqual([3, 'budget']);
});

test('a call that the budget stops rejects with the error of its last attempt', async () => {
  const { api } = start();
  await expect(api.get('/')).rejects.toMatchObject({ name: 'AxiosError', response: { status: 503 } });
});

test('each call that makes an attempt adds ratio: at 0.5 every second call has a retry', async () => {
  const { api } = start();
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api)).toEqual([2, 'budget']);
  expect(await fail(api)).toEqual([1, 'budget']);
  expect(await fail(api)).toEqual([2, 'budget']);
  expect(await fail(api)).toEqual([1, 'budget']);
});

test('a call adds ratio once, however many attempts it makes', async () => {
  const { api, adapter } = start();
  await fail(api);
  await fail(api);
  expect(await fail(api)).toEqual([1, 'budget']);
  adapter.script(503, 200);
  expect(reportOf(await api.get('/'))?.attempts).toBe(2);
  adapter.script(503);
  expect(await fail(api)).toEqual([1, 'budget']);
});

test('calls that succeed add ratio too', async () => {
  const { api, adapter } = start();
  await fail(api);
  adapter.script(200);
  await api.get('/');
  await api.get('/');
  adapter.script(503);
  expect(await fail(api)).toEqual([3, 'budget']);
});

test('time adds minPerSecond', async () => {
  const { api, clock } = start({ retry: { budget: { ratio: 0.001, minPerSecond: 0.2 } } });
  await fail(api);
  expect(await fail(api)).toEqual([1, 'budget']);
  clock.advance(4_000);
  expect(await fail(api)).toEqual([1, 'budget']);
  clock.advance(1_000);
  expect(await fail(api)).toEqual([2, 'budget']);
});

test('holds what time and calls added in the last ten seconds', async () => {
  const { api, adapter, clock } = start();
  clock.advance(3_600_000);
  adapter.script(200);
  for (let calls = 0; calls < 5; calls++) await api.get('/');
  adapter.script(503);
  expect(await fail(api)).toEqual([6, 'budget']);
  clock.advance(10_000);
  expect(await fail(api)).toEqual([3, 'budget']);
});

test('what calls added fades over ten seconds', async () => {
  const { api, adapter, clock } = start({ retry: { budget: { ratio: 1, minPerSecond: 0.2 } } });
  adapter.script(200);
  for (let calls = 0; calls < 8; calls++) await api.get('/');
  clock.advance(5_000);
  adapter.script(503);
  expect(await fail(api)).toEqual([8, 'budget']);
});

test('by default allows 10 retries at one moment', async () => {
  const { api } = start({ retry: { retries: 1_000, budget: {} } });
  expect(await fail(api)).toEqual([11, 'budget']);
});

test('by default adds 0.5 for a call: two calls for one retry', async () => {
  const { api } = start({ retry: { retries: 1_000, budget: undefined } });
  await fail(api);
  const attempts: unknown[] = [];
  for (let calls = 0; calls < 10; calls++) attempts.push((await fail(api))[0]);
  expect(attempts.reduce((sum: number, made) => sum + Number(made), 0)).toBe(15);
});

test('by default adds 1 a second', async () => {
  const { api, clock } = start({ retry: { retries: 1_000, budget: { ratio: 0.001 } } });
  await fail(api);
  clock.advance(2_000);
  expect(await fail(api)).toEqual([3, 'budget']);
});

test('a retry of a status that was listed is charged, though the service is well', async () => {
  const { api, adapter } = start({ retry: { statusCodes: [404] } });
  adapter.script(404);
  expect(await fail(api)).toEqual([3, 'budget']);
});

const TIMEOUT = new AxiosError('timeout of 5 ms exceeded', 'ECONNABORTED');

test('the retry of a timeout takes ten, and is made only where nine tenths of the budget are there', async () => {
  const { api, adapter } = start({ retry: { budget: { ratio: 1e-6, minPerSecond: 11 } } });
  adapter.script(TIMEOUT);
  expect(await fail(api)).toEqual([3, 'budget']);
});

test('a timeout takes ten also where it is not retried, down to three tenths of the budget', async () => {
  const { api, adapter } = start({ retry: { retries: 50, budget: { ratio: 1e-6, minPerSecond: 5 } } });
  adapter.script(TIMEOUT);
  expect(await fail(api)).toEqual([2, 'budget']);
  adapter.script(503);
  expect(await fail(api)).toEqual([31, 'budget']);
});

test('many timeouts leave three tenths of the budget for other retries, and take nothing of what is below', async () => {
  const { api, adapter } = start({ retry: { retries: 50, budget: { ratio: 1e-6, minPerSecond: 5 } } });
  adapter.script(TIMEOUT);
  for (let calls = 0; calls < 10; calls++) await fail(api);
  adapter.script(503, 503, 503, 503, 503, 200);
  expect(reportOf(await api.get('/'))?.attempts).toBe(6);
  adapter.script(TIMEOUT);
  for (let calls = 0; calls < 10; calls++) await fail(api);
  adapter.script(503);
  expect(await fail(api)).toEqual([11, 'budget']);
});

test('by default a call alone has one retry of a timeout, and the next after seven seconds', async () => {
  const { api, adapter, clock } = start({ retry: { budget: {} } });
  adapter.script(TIMEOUT);
  expect(await fail(api)).toEqual([2, 'budget']);
  clock.advance(6_000);
  expect(await fail(api)).toEqual([1, 'budget']);
  clock.advance(7_000);
  expect(await fail(api)).toEqual([2, 'budget']);
});

test('each key has a budget of its own', async () => {
  const { api } = start();
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api, { method: 'put' })).toEqual([3, 'budget']);
  expect(await fail(api, { baseURL: 'https://other.example.com' })).toEqual([3, 'budget']);
  expect(await fail(api, { url: '/elsewhere' })).toEqual([2, 'budget']);
});

test('key names the budget too', async () => {
  const { api } = start({ breaker: { detector: consecutiveFailures(100_000) }, key: () => 'all' });
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api, { method: 'put' })).toEqual([2, 'budget']);
});

test('without a breaker it goes by the default key', async () => {
  const { api } = start({ breaker: false });
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api, { url: '/elsewhere' })).toEqual([2, 'budget']);
  expect(await fail(api, { method: 'put' })).toEqual([3, 'budget']);
});

test('where breaker.key says null it goes by the default key', async () => {
  const { api } = start({ key: () => null });
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api, { url: '/elsewhere' })).toEqual([2, 'budget']);
  expect(await fail(api, { method: 'put' })).toEqual([3, 'budget']);
});

test('calls that an open circuit rejects add nothing', async () => {
  const { api, resilience } = start();
  await fail(api);
  const breaker = resilience.breakers.get(`GET ${BASE_URL}`);
  breaker?.trip({ cooldownMs: 60_000 });
  for (let calls = 0; calls < 10; calls++) expect(await fail(api)).toEqual([0, 'circuit-open']);
  breaker?.reset();
  expect(await fail(api)).toEqual([2, 'budget']);
});

test('budget: false for one request neither asks the budget nor spends it', async () => {
  const { api } = start();
  const unbounded = { resilience: { retry: { budget: false } } } as const;
  expect(await fail(api, unbounded)).toEqual([11, 'exhausted']);
  expect(await fail(api)).toEqual([3, 'budget']);
  expect(await fail(api, unbounded)).toEqual([11, 'exhausted']);
});

test('budget: false at attach sets no bound', async () => {
  const { api } = start({ retry: { retries: 150, budget: false } });
  expect(await fail(api)).toEqual([151, 'exhausted']);
});

test('a retry that is not allowed for another reason spends nothing', async () => {
  const { api, adapter } = start();
  adapter.script(404);
  expect(await fail(api)).toEqual([1, 'not-retryable']);
  adapter.script(503);
  expect(await fail(api, { resilience: { retry: 0 } })).toEqual([1, 'exhausted']);
  expect(await fail(api, { resilience: { retry: { shouldRetry: () => false } } })).toEqual([1, 'vetoed']);
  expect(await fail(api)).toEqual([5, 'budget']);
});

test('two attached instances have budgets of their own', async () => {
  const [one, other] = [start(), start()];
  expect(await fail(one.api)).toEqual([3, 'budget']);
  expect(await fail(other.api)).toEqual([3, 'budget']);
});

describe('of 1,025 keys', () => {
  const empty = (budgets: RetryBudgets, key: string) => {
    while (budgets.withdraw(key, { ratio: 0.5, minPerSecond: 1 }, 0)) {}
  };
  const isFull = (budgets: RetryBudgets, key: string) => budgets.withdraw(key, { ratio: 0.5, minPerSecond: 1 }, 0, 10);
  const fill = (count: number) => {
    const budgets = new RetryBudgets();
    empty(budgets, 'first');
    empty(budgets, 'second');
    for (let number = 3; number <= count; number++)
      budgets.deposit(`key ${number}`, { ratio: 0.5, minPerSecond: 1 }, 0);
    return budgets;
  };

  test('the budget that was used longest ago begins anew, and no other', () => {
    const budgets = fill(1_025);
    expect(['second', 'first'].map((key) => isFull(budgets, key))).toEqual([false, true]);
  });

  test('1,024 are kept', () => {
    expect(isFull(fill(1_024), 'first')).toBe(false);
  });

  test('use is what counts, not age', () => {
    const budgets = fill(1_024);
    budgets.withdraw('first', { ratio: 0.5, minPerSecond: 1 }, 0);
    budgets.deposit('another', { ratio: 0.5, minPerSecond: 1 }, 0);
    expect(['first', 'second'].map((key) => isFull(budgets, key))).toEqual([false, true]);
  });
});

test('a token that comes back for a key that is not known makes no budget of it', () => {
  const budgets = new RetryBudgets();
  const budget = { ratio: 0.5, minPerSecond: 1 };
  budgets.giveBack('a');
  expect(budgets.withdraw('a', budget, 0, 10)).toBe(true);
  budgets.giveBack('a', 10);
  expect(budgets.withdraw('a', budget, 0, 10)).toBe(true);
});

test.each([408, 425])('a retry of a %i is charged, though the service may be well', async (status) => {
  const { api, adapter } = start();
  adapter.script(status);
  expect(await fail(api)).toEqual([3, 'budget']);
});

describe('a clock that is set back by an hour', () => {
  const HOUR_MS = 3_600_000;
  const budget = { ratio: 0.5, minPerSecond: 1 };

  test('costs the budget nothing of what it has, and it fills on from there', () => {
    const budgets = new RetryBudgets();
    const withdrawn = (now: number) => {
      let count = 0;
      while (budgets.withdraw('a', budget, now)) count++;
      return count;
    };
    expect(budgets.withdraw('a', budget, HOUR_MS)).toBe(true);
    expect(withdrawn(0)).toBe(9);
    expect(withdrawn(3_000)).toBe(3);
    budgets.deposit('a', budget, 3_000);
    budgets.deposit('a', budget, 3_000);
    expect(withdrawn(3_000 - HOUR_MS)).toBe(1);
    expect(withdrawn(HOUR_MS)).toBe(10);
  });

  test('is that of another instance, where a budget is shared between clocks', async () => {
    const shared = new RetryBudget({ ratio: 0.5, minPerSecond: 0.2 });
    const late = startClock();
    late.advance(HOUR_MS);
    const retries = { backoff: 0, retries: 1, budget: shared };
    for (const clock of [late, startClock(), late, startClock()]) {
      const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503, 200) });
      attach(api, { clock, retry: retries });
      expect((await api.get('/')).status).toBe(200);
    }
  });
});
