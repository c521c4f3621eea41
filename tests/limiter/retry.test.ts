import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CircuitBreaker, concurrencyLimit, Limiter, RetryBudget, retry } from '../../src/index.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const wait = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });

const LIMITED = { code: 'ERR_LIMITED' };

test('every attempt goes through the limiter, and none holds a slot while it waits for its retry', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const log: string[] = [];
  const run = (name: string, failures: number) => {
    const fn = async ({ attempt }: { attempt: number }) => {
      log.push(`${name}${attempt} at ${performance.now() - from}`);
      await wait(10);
      if (attempt <= failures) throw new Error('broken');
      return name;
    };
    return retry(fn, { limiter, backoff: 100 });
  };
  const from = performance.now();
  const all = Promise.all([run('a', 1), run('b', 0)]);
  await vi.advanceTimersByTimeAsync(500);
  expect(await all).toEqual(['a', 'b']);
  expect(log).toEqual(['a1 at 0', 'b1 at 10', 'a2 at 110']);
  expect(limiter.stats()).toMatchObject({ inFlight: 0, counts: { started: 3, success: 2, failure: 1 } });
});

test('a first attempt that gets no slot ends with a LimitError, a retry with its last error and its token given back', async () => {
  const limiter = new Limiter('db', { limit: concurrencyLimit(1), maxQueue: 0 });
  const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0.1 });
  const slot = await limiter.acquire();
  await expect(retry(() => 1, { limiter })).rejects.toMatchObject(LIMITED);
  slot.end({ outcome: 'success' });
  const broken = new Error('broken');
  const fn = async () => {
    setTimeout(() => void limiter.execute(() => wait(1_000)), 5);
    throw broken;
  };
  const failing = retry(fn, { limiter, budget, backoff: 10 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(20);
  expect(await failing).toBe(broken);
  expect(budget.withdraw(performance.now())).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(limiter.stats().inFlight).toBe(0);
});

test('an open breaker rejects without a wait, and a rejected permit gives the slot back', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const breaker = new CircuitBreaker('db');
  breaker.trip();
  const slot = await limiter.acquire();
  await expect(retry(() => 1, { limiter, breaker, retries: 0 })).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  const waiting = (() => {
    breaker.reset();
    return retry(() => 1, { limiter, breaker, retries: 0 }).catch((error: unknown) => error);
  })();
  await vi.advanceTimersByTimeAsync(1);
  breaker.trip();
  slot.end({ outcome: 'success' });
  expect(await waiting).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  expect(limiter.stats()).toMatchObject({ inFlight: 0, queued: 0 });
});

test('a deadline ends the wait', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  await limiter.acquire();
  const late = retry(() => 1, { limiter, deadlineMs: 50 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(50);
  expect(await late).toMatchObject({ name: 'TimeoutError' });
  expect(limiter.stats().queued).toBe(0);
});
