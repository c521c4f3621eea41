import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CircuitBreaker, concurrencyLimit, consecutiveFailures, Limiter, RetryBudget, retry } from '../../src/index.js';
import { enter, type RetrySlot } from '../../src/retry/entry.js';

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

test.each([
  ['a failure', 1, new Error('broken')],
  ['a timeout', 10, Object.assign(new Error('broken'), { code: 'ETIMEDOUT' })],
])(
  'a first attempt that gets no slot ends with a LimitError, the retry of %s with its last error and %i given back',
  async (_what, tokens, broken) => {
    const limiter = new Limiter('db', { limit: concurrencyLimit(1), maxQueue: 0 });
    const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0.1 * tokens });
    const slot = await limiter.enter();
    await expect(retry(() => 1, { limiter })).rejects.toMatchObject(LIMITED);
    slot.end({ outcome: 'success' });
    const fn = async () => {
      setTimeout(() => void limiter.execute(() => wait(1_000)), 5);
      throw broken;
    };
    const failing = retry(fn, { limiter, budget, backoff: 10 }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(20);
    expect(await failing).toBe(broken);
    expect(budget.withdraw(performance.now(), tokens)).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(limiter.stats().inFlight).toBe(0);
  },
);

test('a retry stands behind first attempts that came later', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const log: string[] = [];
  const run = (name: string) => {
    const fn = async ({ attempt }: { attempt: number }) => {
      log.push(`${name}${attempt}`);
      await wait(10);
      if (name === 'a' && attempt === 1) throw new Error('broken');
    };
    return retry(fn, { limiter, backoff: 10 });
  };
  const all = [run('a')];
  await vi.advanceTimersByTimeAsync(15);
  const slot = await limiter.enter();
  await vi.advanceTimersByTimeAsync(10);
  all.push(run('b'));
  await vi.advanceTimersByTimeAsync(10);
  expect(limiter.stats().queued).toBe(2);
  slot.end({ outcome: 'success' });
  await vi.advanceTimersByTimeAsync(100);
  await Promise.all(all);
  expect(log).toEqual(['a1', 'b1', 'a2']);
});

test('a call that gets no slot gives nothing back that it did not take, and needs no budget', async () => {
  const limiter = new Limiter('db', { limit: concurrencyLimit(1), maxQueue: 0 });
  const budget = new RetryBudget();
  const given = vi.spyOn(budget, 'giveBack');
  const slot = await limiter.enter();
  await expect(retry(() => 1, { limiter, budget })).rejects.toMatchObject(LIMITED);
  slot.end({ outcome: 'success' });
  const broken = new Error('broken');
  const occupying = () => {
    setTimeout(() => void limiter.execute(() => wait(1_000)), 5);
    throw broken;
  };
  const unbounded = retry(occupying, { limiter, backoff: 10 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(20);
  expect(await unbounded).toBe(broken);
  await vi.advanceTimersByTimeAsync(1_000);
  const breaker = opening();
  const owing = retry(occupying, { limiter, breaker, budget, maxWaitMs: 1_100 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await owing).toBe(broken);
  expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, counts: { failure: 1, neutral: 1 } });
  expect(given).not.toHaveBeenCalled();
});

test("an abort while a retry waits for its slot puts no cause on the caller's reason, a deadline has the failure", async () => {
  const reason = new Error('shutdown');
  for (const isAborted of [true, false]) {
    const limiter = new Limiter('db', concurrencyLimit(1));
    const controller = new AbortController();
    const broken = new Error('broken');
    const fn = () => {
      void limiter.execute(() => wait(1_000));
      return Promise.reject(broken);
    };
    const options = { limiter, backoff: 10, deadlineMs: 100, signal: controller.signal };
    const call = retry(fn, options).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(50);
    expect(limiter.stats().queued).toBe(1);
    if (isAborted) controller.abort(reason);
    await vi.advanceTimersByTimeAsync(50);
    const error = await call;
    expect(error).toMatchObject(isAborted ? { message: 'shutdown' } : { name: 'TimeoutError', cause: broken });
    expect(reason.cause).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2_000);
  }
});

test('an open breaker rejects without a wait, and a rejected permit gives the slot back', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const breaker = new CircuitBreaker('db');
  breaker.trip();
  const slot = await limiter.enter();
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
  await limiter.enter();
  const late = retry(() => 1, { limiter, deadlineMs: 50 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(50);
  expect(await late).toMatchObject({ name: 'TimeoutError' });
  expect(limiter.stats().queued).toBe(0);
});

test.each([
  ['a failure of the limit where an attempt had nearly all of it', 0, { failure: 1, neutral: 0 }],
  ['no failure where the most of it was a wait', 500, { failure: 0, neutral: 1 }],
])('a deadline is %s', async (_what, busyMs, counts) => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const busy = busyMs > 0 && limiter.execute(() => wait(busyMs));
  const late = retry(() => new Promise(() => undefined), { limiter, deadlineMs: 1_000 }).catch(
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(1_000);
  await busy;
  expect(await late).toMatchObject({ name: 'TimeoutError' });
  expect(limiter.stats()).toMatchObject({ inFlight: 0, counts });
});

test('a deadline is a failure of the limit where what a wait had left was as long as successes take', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const quick = retry(() => wait(50), { limiter, deadlineMs: 1_000 });
  await vi.advanceTimersByTimeAsync(50);
  await quick;
  void limiter.execute(() => wait(500));
  const late = retry(() => new Promise(() => undefined), { limiter, deadlineMs: 1_000 }).catch(
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await late).toMatchObject({ name: 'TimeoutError' });
  expect(limiter.stats().counts).toMatchObject({ success: 2, failure: 1 });
});

/** Opens at the first failure, for a second. */
const opening = () => new CircuitBreaker('db', { detector: consecutiveFailures(1), cooldownMs: 1_000 });

test('after a wait for its breaker an attempt goes through the limiter like any other', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const breaker = opening();
  const log: string[] = [];
  const run = (name: string) =>
    retry(
      async () => {
        log.push(`${name} at ${performance.now() - from}, ${limiter.stats().inFlight} in flight`);
        await wait(100);
      },
      { limiter, breaker, retries: 0, maxWaitMs: 5_000 },
    );
  const from = performance.now();
  await breaker.execute(() => Promise.reject(new Error('broken'))).catch(() => undefined);
  const all = Promise.all(['a', 'b', 'c'].map(run));
  await vi.advanceTimersByTimeAsync(2_000);
  await all;
  expect(log).toEqual(['a at 1000, 1 in flight', 'b at 1100, 1 in flight', 'c at 1200, 1 in flight']);
  expect(limiter.stats()).toMatchObject({ inFlight: 0, counts: { started: 3, success: 3 } });
  expect(breaker.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
});

test('neither is a slot held while the breaker is waited for, nor a permit while the limiter is', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const breaker = opening();
  const slot = await limiter.enter();
  const waiting = retry(() => performance.now() - from, { limiter, breaker, retries: 0, maxWaitMs: 5_000 });
  const from = performance.now();
  await breaker.execute(() => Promise.reject(new Error('broken'))).catch(() => undefined);
  slot.end({ outcome: 'success' });
  await vi.advanceTimersByTimeAsync(10);
  expect([limiter.stats().inFlight, breaker.stats().queued]).toEqual([0, 1]);
  const other = await limiter.enter();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(limiter.stats()).toMatchObject({ inFlight: 1, queued: 1 });
  expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, queued: 0 });
  other.end({ outcome: 'success' });
  expect(await waiting).toBe(2_010);
  expect([limiter.stats().inFlight, breaker.stats().inFlight]).toEqual([0, 0]);
});

describe('a permit of an attempt that has no slot yet', () => {
  const permit = { admitted: true as const, settle: vi.fn() };
  const slots = (next: Promise<RetrySlot>) => {
    const given = [{ end: vi.fn(), cancel: vi.fn() }, next];
    return () => given.shift();
  };

  beforeEach(() => {
    permit.settle.mockClear();
  });

  test('is kept where the slot comes in the same moment: else both could be handed round for ever', async () => {
    const takePermit = vi.fn(() => Promise.resolve(permit));
    const slot = { end: vi.fn(), cancel: vi.fn() };
    const entered = enter(undefined, slots(Promise.resolve(slot)), takePermit);
    expect(await entered).toEqual({ slot, permit });
    expect(takePermit).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(10);
    expect(permit.settle).not.toHaveBeenCalled();
  });

  test('goes back once where that comes later, or not at all', async () => {
    const takePermit = vi.fn<() => Promise<typeof permit> | typeof permit>(() => permit);
    takePermit.mockImplementationOnce(() => Promise.resolve(permit));
    const slot = { end: vi.fn(), cancel: vi.fn() };
    const later = enter(undefined, slots(wait(50).then(() => slot)), takePermit);
    await vi.advanceTimersByTimeAsync(10);
    expect(permit.settle.mock.calls).toEqual([['neutral']]);
    await vi.advanceTimersByTimeAsync(50);
    expect(await later).toEqual({ slot, permit });
    expect(takePermit).toHaveBeenCalledTimes(2);
    takePermit.mockImplementationOnce(() => Promise.resolve(permit));
    const none = enter(undefined, slots(Promise.reject(new Error('none'))), takePermit);
    await expect(none).rejects.toThrow('none');
    await vi.advanceTimersByTimeAsync(10);
    expect(permit.settle).toHaveBeenCalledTimes(2);
  });
});

test('whoever is cancelled while it waits for a slot with a permit given back leaves both as they were', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const breaker = opening();
  const controller = new AbortController();
  await breaker.execute(() => Promise.reject(new Error('broken'))).catch(() => undefined);
  const slot = await limiter.enter();
  const gone = retry(() => 1, { limiter, breaker, maxWaitMs: 5_000, signal: controller.signal }).catch(
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(1_500);
  controller.abort(new Error('gone'));
  expect(await gone).toMatchObject({ message: 'gone' });
  slot.end({ outcome: 'success' });
  expect(limiter.stats()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, queued: 0 });
});
