import { getEventListeners } from 'node:events';
import axios, { CanceledError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  CircuitBreaker,
  CircuitOpenError,
  concurrencyLimit,
  consecutiveFailures,
  type Delay,
  decorrelatedJitter,
  exponential,
  Limiter,
  RetryBudget,
  type RetryOptions,
  reportOf,
  retry,
} from '../../src/index.js';
import type { RetryFailure, RetryFunctionOptions } from '../../src/retry/function-options.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';

const linear: Delay = ({ attempt }) => 100 * attempt;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

interface Attempt {
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** Since the function was made, ms. */
  readonly atMs: number;
}

/** A function that fails so many times with `attempt n failed`, then returns `done`. */
function failing(times = Number.POSITIVE_INFINITY) {
  const startedAt = performance.now();
  const attempts: Attempt[] = [];
  const fn = async ({ attempt, signal }: { attempt: number; signal: AbortSignal }) => {
    attempts.push({ attempt, signal, atMs: performance.now() - startedAt });
    if (attempts.length <= times) throw new Error(`attempt ${attempt} failed`);
    return 'done';
  };
  return { fn, attempts, times: () => attempts.map(({ atMs }) => atMs) };
}

/** A function that hangs until its signal aborts, and rejects with an error of its own then. */
function hanging() {
  const signals: AbortSignal[] = [];
  const fn = ({ signal }: { signal: AbortSignal }) =>
    new Promise<never>((_resolve, reject) => {
      signals.push(signal);
      signal.addEventListener('abort', () => reject(new Error('noticed the abort')), { once: true });
    });
  return { fn, signals };
}

interface Ending {
  readonly value?: unknown;
  readonly error?: unknown;
  /** How long it took, ms. */
  readonly afterMs: number;
}

/** Lets time pass until the promise settles. */
async function ending(promise: Promise<unknown>): Promise<Ending> {
  const startedAt = performance.now();
  const ended = promise.then(
    (value) => ({ value, afterMs: performance.now() - startedAt }),
    (error: unknown) => ({ error, afterMs: performance.now() - startedAt }),
  );
  await vi.runAllTimersAsync();
  return ended;
}

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
const message = ({ error }: Ending): unknown => (error as Error | undefined)?.message;
const openAfter = (failures: number) => new CircuitBreaker('queue', { detector: consecutiveFailures(failures) });

describe('the function', () => {
  test('is called once when it succeeds, and its value is returned at once', async () => {
    const { fn, attempts } = failing(0);
    expect(await ending(retry(fn))).toEqual({ value: 'done', afterMs: 0 });
    expect(attempts).toHaveLength(1);
  });

  test('may return a plain value', async () => {
    expect(await retry(() => 42)).toBe(42);
  });

  test('is given the number of the attempt, from 1, and the same signal each time', async () => {
    const { fn, attempts } = failing(2);
    await ending(retry(fn));
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(attempts.map(({ signal }) => signal)).size).toBe(1);
    expect(attempts[0]?.signal).toBeInstanceOf(AbortSignal);
    expect(attempts[0]?.signal.aborted).toBe(false);
  });

  test('is retried when it throws synchronously', async () => {
    const fn = vi
      .fn((): string => 'done')
      .mockImplementationOnce(() => {
        throw new Error('at once');
      });
    expect(await ending(retry(fn, { backoff: 10 }))).toEqual({ value: 'done', afterMs: 10 });
  });

  test('is retried when it throws undefined', async () => {
    const fn = vi.fn(async () => 'done').mockRejectedValueOnce(undefined);
    expect(await ending(retry(fn, { backoff: 10 }))).toEqual({ value: 'done', afterMs: 10 });
  });
});

describe('retries', () => {
  test('are 3 by default, and the error of the last attempt is thrown as it is', async () => {
    const errors = [new Error('first'), new Error('second'), new Error('third'), new Error('fourth')];
    const fn = vi.fn(({ attempt }: { attempt: number }) => Promise.reject(errors[attempt - 1] as Error));
    const { error } = await ending(retry(fn));
    expect(fn).toHaveBeenCalledTimes(4);
    expect(error).toBe(errors[3]);
  });

  test.each([0, 1, 5])('retries: %i makes one attempt more than that', async (retries) => {
    const { fn, attempts } = failing();
    const { error } = await ending(retry(fn, { retries, backoff: 0 }));
    expect(attempts).toHaveLength(retries + 1);
    expect(error).toEqual(new Error(`attempt ${retries + 1} failed`));
  });

  test('retries: 0 waits for nothing', async () => {
    const { fn } = failing();
    expect(await ending(retry(fn, { retries: 0, backoff: 1_000 }))).toMatchObject({ afterMs: 0 });
  });
});

describe('the backoff', () => {
  test('waits 100, 200 and 400 ms when jitter is off', async () => {
    const { fn, times } = failing();
    await ending(retry(fn, { backoff: exponential() }));
    expect(times()).toEqual([0, 100, 300, 700]);
  });

  test('is by default full jitter over exponential: half of 100, 200 and 400 ms where random is 0.5', async () => {
    const { fn, times } = failing();
    await ending(retry(fn, { random: () => 0.5 }));
    expect(times()).toEqual([0, 50, 150, 350]);
  });

  test('is told the attempt that failed, its error, the delay before it and the random of the options', async () => {
    const { fn } = failing();
    const rest = { key: '', response: undefined, retryAfterMs: undefined };
    const random = () => 0.25;
    const backoff = vi.fn<Delay>(({ attempt }) => 10 * attempt);
    await ending(retry(fn, { retries: 2, backoff, random }));
    expect(backoff.mock.calls).toEqual([
      [{ ...rest, attempt: 1, previousMs: undefined, error: new Error('attempt 1 failed'), random }],
      [{ ...rest, attempt: 2, previousMs: 10, error: new Error('attempt 2 failed'), random }],
    ]);
  });

  test.each<[string, () => number]>([
    ['NaN', () => Number.NaN],
    ['-1', () => -1],
    ['Infinity', () => Number.POSITIVE_INFINITY],
    [
      'an error',
      () => {
        throw new Error('no delay');
      },
    ],
  ])(
    '%s is replaced by the default, not taken for at once, and the caller gets the last failure',
    async (_what, backoff) => {
      const { fn, attempts } = failing();
      const { error } = await ending(retry(fn, { backoff, random: () => 0.5 }));
      expect(error).toMatchObject({ message: 'attempt 4 failed' });
      expect(error).not.toHaveProperty('cause');
      expect(attempts).toHaveLength(4);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('or a shouldRetry, that throws the failure itself gives it no cause: no chain of causes is a circle', async () => {
    const failure = new Error('the service failed');
    const rethrow = () => {
      throw failure;
    };
    for (const options of [{ backoff: rethrow }, { shouldRetry: rethrow }]) {
      const { error } = await ending(retry(() => Promise.reject(failure), options));
      expect(error).toBe(failure);
      expect((error as Error).cause).toBeUndefined();
    }
  });
});

describe('a Retry-After', () => {
  /** A function that fails once with an error whose response has these headers. */
  const told = (headers: unknown) => {
    const error = Object.assign(new Error('busy'), { response: { status: 503, headers } });
    return vi.fn(async () => 'done').mockRejectedValueOnce(error);
  };
  const delaysOf = async (headers: unknown, options: RetryFunctionOptions = {}) => {
    const delays: number[] = [];
    const onRetry = ({ delayMs }: { delayMs: number }) => void delays.push(delayMs);
    const { value, error } = await ending(retry(told(headers), { backoff: 100, onRetry, ...options }));
    return [...delays, value ?? (error as Error).message];
  };

  test('on the response of what was thrown is waited for, plus the backoff', async () => {
    expect(await delaysOf({ 'retry-after': '2' })).toEqual([2_100, 'done']);
    expect(await delaysOf(new Headers({ 'Retry-After': '2' }))).toEqual([2_100, 'done']);
    expect(await delaysOf(new Headers())).toEqual([100, 'done']);
    expect(await delaysOf(undefined)).toEqual([100, 'done']);
  });

  test.each([
    ['add', 350],
    ['larger', 250],
    ['alone', 250],
  ] as const)('mode %s makes %i ms of 250 and a backoff of 100', async (mode, delayMs) => {
    expect(await delaysOf({ 'retry-after-ms': '250' }, { retryAfter: { mode } })).toEqual([delayMs, 'done']);
  });

  test('over maxMs, 60 s by default, ends it with the error at once', async () => {
    expect(await delaysOf({ 'retry-after': '60' })).toEqual([60_100, 'done']);
    expect(await delaysOf({ 'retry-after': '61' })).toEqual(['busy']);
    expect(await delaysOf({ 'retry-after-ms': '51' }, { retryAfter: { maxMs: 50 } })).toEqual(['busy']);
    const retryAfter = { maxMs: Number.POSITIVE_INFINITY };
    expect(await delaysOf({ 'retry-after': '61' }, { retryAfter })).toEqual([61_100, 'done']);
  });

  test('is not looked at with retryAfter: false, and is with true', async () => {
    expect(await delaysOf({ 'retry-after': '61' }, { retryAfter: false })).toEqual([100, 'done']);
    expect(await delaysOf({ 'retry-after': '2' }, { retryAfter: true })).toEqual([2_100, 'done']);
  });

  test('is in the context of the backoff', async () => {
    const backoff: Delay = ({ retryAfterMs = 0 }) => retryAfterMs / 2;
    expect(await delaysOf({ 'retry-after': '2' }, { backoff, retryAfter: { mode: 'larger' } })).toEqual([
      2_000,
      'done',
    ]);
    expect(await delaysOf({ 'retry-after': '2' }, { backoff })).toEqual([3_000, 'done']);
  });

  test('that cannot be read is none', async () => {
    const error = {
      get response(): never {
        throw new Error('not to be read');
      },
    };
    const fn = vi.fn(async () => 'done').mockRejectedValueOnce(error);
    expect(await ending(retry(fn))).toMatchObject({ value: 'done' });
  });
});

describe('deadlineMs', () => {
  test('ends an attempt that hangs with a TimeoutError, which its signal carries too', async () => {
    const { fn, signals } = hanging();
    const { error, afterMs } = await ending(retry(fn, { deadlineMs: 250 }));
    expect(afterMs).toBe(250);
    expect(error).toMatchObject({ name: 'TimeoutError', message: 'deadline of 250 ms exceeded' });
    expect(signals).toHaveLength(1);
    expect(signals[0]?.reason).toBe(error);
  });

  test('ends an attempt that does not listen to its signal', async () => {
    const { error, afterMs } = await ending(retry(() => new Promise(() => {}), { deadlineMs: 250 }));
    expect([(error as Error).name, afterMs]).toEqual(['TimeoutError', 250]);
  });

  test('bounds all attempts together, not each', async () => {
    const fn = ({ attempt }: { attempt: number }) =>
      new Promise((_resolve, reject) => {
        setTimeout(() => reject(new Error(`attempt ${attempt} failed`)), 100);
      });
    const called = vi.fn(fn);
    const { error, afterMs } = await ending(retry(called, { deadlineMs: 250, backoff: 10 }));
    expect(called).toHaveBeenCalledTimes(3);
    expect([(error as Error).name, afterMs]).toEqual(['TimeoutError', 250]);
  });

  test('gives up at once, with the last error, when the wait would not fit', async () => {
    const { fn, times } = failing();
    const end = await ending(retry(fn, { deadlineMs: 250, backoff: linear }));
    expect(times()).toEqual([0, 100]);
    expect([message(end), end.afterMs]).toEqual(['attempt 2 failed', 100]);
  });

  test('that cuts a later attempt short tells with its error what the attempt before came to', async () => {
    const refused = new Error('refused');
    const fn = ({ attempt }: { attempt: number }) =>
      attempt === 1 ? Promise.reject(refused) : new Promise(() => undefined);
    const { error } = await ending(retry(fn, { deadlineMs: 250, backoff: 10 }));
    expect(error).toMatchObject({ name: 'TimeoutError', cause: refused });
  });

  test("that is not what ends it puts no cause on the caller's reason", async () => {
    const controller = new AbortController();
    const reason = new Error('gone');
    const fn = async ({ attempt }: { attempt: number }) => {
      if (attempt === 2) controller.abort(reason);
      throw new Error('refused');
    };
    const { error } = await ending(retry(fn, { signal: controller.signal, backoff: 10 }));
    expect(error).toBe(reason);
    expect(reason.cause).toBeUndefined();
  });

  test('a wait that ends exactly at the deadline does not fit; one that is 1 ms shorter does', async () => {
    const tight = failing();
    await ending(retry(tight.fn, { retries: 1, deadlineMs: 100, backoff: 100 }));
    expect(tight.attempts).toHaveLength(1);
    const loose = failing();
    await ending(retry(loose.fn, { retries: 1, deadlineMs: 101, backoff: 100 }));
    expect(loose.attempts).toHaveLength(2);
  });

  test('bounds a shouldRetry that hangs', async () => {
    const { fn } = failing();
    const { afterMs } = await ending(retry(fn, { deadlineMs: 250, shouldRetry: () => new Promise(() => {}) }));
    expect(afterMs).toBe(250);
  });

  test('is measured by the clock of the options', async () => {
    let now = 0;
    const fn = vi.fn(async () => {
      now += 200;
      throw new Error('slow');
    });
    const options = { clock: { now: () => now }, deadlineMs: 1_000, backoff: 300, retries: 10 };
    expect(message(await ending(retry(fn, options)))).toBe('slow');
    expect(fn).toHaveBeenCalledTimes(4);
  });
});

describe('an abort', () => {
  const reason = new Error('no longer needed');

  test('before the start rejects with the reason; the function is not called, and nothing is asked or paid', async () => {
    const fn = vi.fn();
    const signal = AbortSignal.abort(reason);
    const breaker = openAfter(1);
    const asked = vi.spyOn(breaker, 'acquireWithin');
    const budget = new RetryBudget();
    const paid = vi.spyOn(budget, 'deposit');
    const { error } = await ending(retry(fn, { signal, breaker, budget, deadlineMs: 100 }));
    expect(error).toBe(reason);
    expect(fn).not.toHaveBeenCalled();
    expect(listenersOf(signal)).toBe(0);
    expect(asked).not.toHaveBeenCalled();
    expect(paid).not.toHaveBeenCalled();
  });

  test('before the start rejects with the reason also where the circuit is open', async () => {
    const breaker = openAfter(1);
    breaker.trip();
    const { error } = await ending(retry(vi.fn(), { signal: AbortSignal.abort(reason), breaker }));
    expect(error).toBe(reason);
    expect(breaker.stats().counts.rejected).toBe(0);
  });

  test('in flight rejects at once with the reason, and aborts the signal of the function with it', async () => {
    const controller = new AbortController();
    const { fn, signals } = hanging();
    setTimeout(() => controller.abort(reason), 40);
    const { error, afterMs } = await ending(retry(fn, { signal: controller.signal, deadlineMs: 1_000 }));
    expect([error, afterMs]).toEqual([reason, 40]);
    expect(error).toBe(reason);
    expect(signals).toHaveLength(1);
    expect(signals[0]?.reason).toBe(reason);
    expect(listenersOf(controller.signal)).toBe(0);
  });

  test('in a wait rejects at once with the reason, without another attempt', async () => {
    const controller = new AbortController();
    const { fn, attempts } = failing();
    setTimeout(() => controller.abort(reason), 40);
    const { error, afterMs } = await ending(retry(fn, { signal: controller.signal, backoff: 1_000 }));
    expect(error).toBe(reason);
    expect(afterMs).toBe(40);
    expect(attempts).toHaveLength(1);
    expect(listenersOf(controller.signal)).toBe(0);
    expect(listenersOf(attempts[0]?.signal as AbortSignal)).toBe(0);
  });

  test('inside shouldRetry rejects at once with the reason', async () => {
    const controller = new AbortController();
    const { fn, attempts } = failing();
    setTimeout(() => controller.abort(reason), 40);
    const shouldRetry = () => new Promise<boolean>(() => {});
    const { error, afterMs } = await ending(retry(fn, { signal: controller.signal, shouldRetry }));
    expect(error).toBe(reason);
    expect(afterMs).toBe(40);
    expect(attempts).toHaveLength(1);
  });

  test.each(['shouldRetry', 'onRetry'])("inside %s puts no cause on the caller's reason", async (hook) => {
    const controller = new AbortController();
    const shared = new Error('shutdown');
    setTimeout(() => controller.abort(shared), 40);
    const hanging = () => new Promise<never>(() => {});
    const { error } = await ending(retry(failing().fn, { signal: controller.signal, [hook]: hanging }));
    expect(error).toBe(shared);
    expect(shared.cause).toBeUndefined();
  });

  test('in a wait leaves no timer', async () => {
    const controller = new AbortController();
    const call = retry(failing().fn, { backoff: 5_000, signal: controller.signal }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(100);
    controller.abort(new Error('gone'));
    expect(await call).toMatchObject({ message: 'gone' });
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('without a reason rejects with an AbortError', async () => {
    const controller = new AbortController();
    const { fn } = hanging();
    setTimeout(() => controller.abort(), 40);
    expect((await ending(retry(fn, { signal: controller.signal }))).error).toMatchObject({ name: 'AbortError' });
  });

  test('after the end changes nothing: the signal of the function stays as it was', async () => {
    const controller = new AbortController();
    const { fn, attempts } = failing(1);
    await ending(retry(fn, { signal: controller.signal, deadlineMs: 1_000 }));
    controller.abort(reason);
    expect(attempts[0]?.signal.aborted).toBe(false);
  });

  test.each([
    ['a success', 0, {}],
    ['a success after retries', 2, {}],
    ['the last failure', 9, {}],
    ['a veto', 9, { shouldRetry: () => false }],
  ])('leaves no timer and no listener after %s', async (_name, failures, options: RetryFunctionOptions) => {
    const { signal } = new AbortController();
    const { fn, attempts } = failing(failures);
    await ending(retry(fn, { signal, deadlineMs: 100_000, ...options }));
    expect(vi.getTimerCount()).toBe(0);
    expect(listenersOf(signal)).toBe(0);
    expect(listenersOf(attempts[0]?.signal as AbortSignal)).toBe(0);
  });
});

describe('the function that aborts by itself', () => {
  const cancellations = [
    ['an AbortError', new DOMException('stopped', 'AbortError')],
    ["axios's CanceledError", new CanceledError('stopped')],
  ] as const;

  test.each(cancellations)('is not retried after %s, and shouldRetry is not asked', async (_name, cancellation) => {
    const fn = vi.fn(() => Promise.reject(cancellation));
    const shouldRetry = vi.fn(() => true);
    expect((await ending(retry(fn, { shouldRetry }))).error).toBe(cancellation);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(shouldRetry).not.toHaveBeenCalled();
  });

  test.each(cancellations)('counts neither for nor against the circuit after %s', async (_name, cancellation) => {
    const breaker = openAfter(1);
    await ending(retry(() => Promise.reject(cancellation), { breaker }));
    expect(breaker.stats()).toMatchObject({ state: 'closed', inFlight: 0, counts: { failure: 0, neutral: 1 } });
  });

  test('is retried after a TimeoutError of its own, which counts as a failure', async () => {
    const breaker = openAfter(5);
    const timeout = new DOMException('too slow', 'TimeoutError');
    const fn = vi.fn(async () => 'done').mockRejectedValueOnce(timeout);
    expect(await ending(retry(fn, { breaker }))).toMatchObject({ value: 'done' });
    expect(breaker.stats().counts).toMatchObject({ failure: 1, success: 1 });
  });
});

describe('shouldRetry', () => {
  const ask = async (answer: RetryFunctionOptions['shouldRetry']) => {
    const { fn, attempts } = failing();
    const end = await ending(retry(fn, { retries: 2, backoff: 1, shouldRetry: answer }));
    return [attempts.length, message(end)];
  };

  test.each([
    ['true', true],
    ['undefined', undefined],
  ])('%s goes on until the retries are used', async (_name, answer) => {
    expect(await ask(() => answer)).toEqual([3, 'attempt 3 failed']);
    expect(await ask(async () => answer)).toEqual([3, 'attempt 3 failed']);
  });

  test('false ends it with the last error', async () => {
    expect(await ask(() => false)).toEqual([1, 'attempt 1 failed']);
    expect(await ask(async () => false)).toEqual([1, 'attempt 1 failed']);
    expect(await ask(({ attempt }) => attempt < 2)).toEqual([2, 'attempt 2 failed']);
  });

  test('is asked after each failed attempt while retries are left, and told about it', async () => {
    const failures: RetryFailure[] = [];
    const { fn } = failing();
    const shouldRetry = (failure: RetryFailure) => void failures.push(failure);
    await ending(retry(fn, { retries: 2, backoff: linear, shouldRetry: shouldRetry }));
    expect(failures).toEqual([
      { attempt: 1, retriesLeft: 2, error: new Error('attempt 1 failed'), elapsedMs: 0 },
      { attempt: 2, retriesLeft: 1, error: new Error('attempt 2 failed'), elapsedMs: 100 },
    ]);
  });

  test('is not asked after a success', async () => {
    const shouldRetry = vi.fn(() => true);
    await ending(retry(failing(0).fn, { shouldRetry }));
    expect(shouldRetry).not.toHaveBeenCalled();
  });

  test.each([
    ['throws', () => Promise.reject(new Error('of the hook'))],
    [
      'throws synchronously',
      () => {
        throw new Error('of the hook');
      },
    ],
  ])('ends it with its own error, whose cause is the last failure, when it %s', async (_name, shouldRetry) => {
    const { fn, attempts } = failing();
    const { error } = await ending(retry(fn, { shouldRetry }));
    expect(attempts).toHaveLength(1);
    expect(error).toMatchObject({ message: 'of the hook', cause: new Error('attempt 1 failed') });
  });
});

describe('a RetryBudget', () => {
  const LITTLE = { ratio: 0.1, minPerSecond: 1 };

  test('is shared between calls: 2 tokens are 2 retries, whoever takes them', async () => {
    const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0.2 });
    const attemptsOf = async (retries: number) => {
      const { fn, attempts } = failing();
      const end = await ending(retry(fn, { retries, budget, backoff: 0 }));
      return [attempts.length, message(end)];
    };
    expect(await attemptsOf(1)).toEqual([2, 'attempt 2 failed']);
    expect(await attemptsOf(5)).toEqual([2, 'attempt 2 failed']);
    expect(await attemptsOf(5)).toEqual([1, 'attempt 1 failed']);
  });

  test('each call adds ratio, with its first attempt and once', async () => {
    const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 0.1 });
    const attemptsOf = async () => {
      const { fn, attempts } = failing();
      await ending(retry(fn, { retries: 5, budget, backoff: 0, clock: { now: () => 0 } }));
      return attempts.length;
    };
    expect([await attemptsOf(), await attemptsOf(), await attemptsOf(), await attemptsOf()]).toEqual([2, 2, 1, 2]);
  });

  test('fills with time, minPerSecond a second', async () => {
    const budget = new RetryBudget({ ratio: 0.01, minPerSecond: 1 });
    const attemptsOf = async () => {
      const { fn, attempts } = failing();
      await ending(retry(fn, { retries: 20, budget, backoff: 0 }));
      return attempts.length;
    };
    expect(await attemptsOf()).toBe(11);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await attemptsOf()).toBe(4);
  });

  test.each([
    ['by its code', Object.assign(new Error('too late'), { code: 'ETIMEDOUT' })],
    ['by its name', new DOMException('too late', 'TimeoutError')],
  ])('the retry of a timeout, known %s, takes ten tokens, and needs nine tenths of them', async (_how, late) => {
    const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 11 });
    const fn = vi.fn().mockRejectedValue(late);
    await ending(retry(fn, { retries: 5, budget, backoff: 0 }));
    expect(fn).toHaveBeenCalledTimes(3);
  });

  test('a call that the circuit rejects adds nothing', async () => {
    const budget = new RetryBudget();
    const paid = vi.spyOn(budget, 'deposit');
    const breaker = openAfter(1);
    breaker.trip();
    await ending(retry(failing().fn, { budget, breaker }));
    expect(paid).not.toHaveBeenCalled();
  });

  test.each([
    ['a veto', { shouldRetry: () => false }],
    ['a wait that does not fit the deadline', { deadlineMs: 50, backoff: 100 }],
    ['retries: 0', { retries: 0 }],
  ])('is not spent on %s', async (_name, options) => {
    const budget = new RetryBudget();
    const spent = vi.spyOn(budget, 'withdraw');
    await ending(retry(failing().fn, { budget, ...options }));
    expect(spent).not.toHaveBeenCalled();
  });

  test.each<[string, () => RetryFunctionOptions['budget'], number[]]>([
    ['true share one', () => true, [11, 2]],
    ['the same options share one', () => LITTLE, [11, 1]],
    ['equal options have one each', () => ({ ...LITTLE }), [11, 11]],
    ['options that say nothing have one each', () => ({}), [11, 11]],
    ['false have none', () => false, [100, 100]],
    ['undefined have none', () => undefined, [100, 100]],
  ])('two calls that are given %s', async (_what, budget, attemptsOfEach) => {
    const attemptsOf = async () => {
      const { fn, attempts } = failing();
      await ending(retry(fn, { retries: 99, budget: budget(), backoff: 0, clock: { now: () => 0 } }));
      return attempts.length;
    };
    expect([await attemptsOf(), await attemptsOf()]).toEqual(attemptsOfEach);
  });

  test('names its options', () => {
    expect(() => new RetryBudget({ ratio: 2 })).toThrow(
      new RangeError('Expected `RetryBudget(options).ratio` to be a number in (0, 1], got 2'),
    );
    expect(() => new RetryBudget({ minPerSecond: 0 })).toThrow(
      new RangeError('Expected `RetryBudget(options).minPerSecond` to be a finite number > 0, got 0'),
    );
  });
});

describe('a breaker', () => {
  test('is asked before every attempt, and every attempt counts', async () => {
    const breaker = openAfter(10);
    const asked = vi.spyOn(breaker, 'acquireWithin');
    const { fn } = failing(2);
    expect(await ending(retry(fn, { breaker }))).toMatchObject({ value: 'done' });
    expect(asked).toHaveBeenCalledTimes(3);
    expect(breaker.stats()).toMatchObject({ inFlight: 0, counts: { failure: 2, success: 1, neutral: 0 } });
  });

  test('that is open rejects with a CircuitOpenError; the function is not called', async () => {
    const breaker = new CircuitBreaker('queue', { cooldownMs: 5_000 });
    breaker.trip();
    await vi.advanceTimersByTimeAsync(1_000);
    const fn = vi.fn();
    const { error, afterMs } = await ending(retry(fn, { breaker }));
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({ key: 'queue', retryAfterMs: 4_000 });
    expect(afterMs).toBe(0);
    expect(fn).not.toHaveBeenCalled();
  });

  test('that opens under the loop and is not to be waited for ends it with the error of the last attempt, without a wait or a token', async () => {
    const breaker = openAfter(2);
    const budget = new RetryBudget();
    const spent = vi.spyOn(budget, 'withdraw');
    const { fn, times } = failing();
    const end = await ending(retry(fn, { retries: 5, breaker, budget, backoff: 100, maxWaitMs: 0 }));
    expect(times()).toEqual([0, 100]);
    expect([message(end), end.afterMs]).toEqual(['attempt 2 failed', 100]);
    expect(spent).toHaveBeenCalledTimes(1);
  });

  test('that opens during the wait ends it with the error of the last attempt', async () => {
    const breaker = openAfter(5);
    setTimeout(() => breaker.trip(), 50);
    const { fn, attempts } = failing();
    const end = await ending(retry(fn, { breaker, backoff: 100 }));
    expect(attempts).toHaveLength(1);
    expect([message(end), end.afterMs]).toEqual(['attempt 1 failed', 100]);
    expect(breaker.inFlight).toBe(0);
  });

  test('whose cooldown is over by the end of the wait admits a probe, whose success closes it', async () => {
    const breaker = openAfter(5);
    setTimeout(() => breaker.trip({ cooldownMs: 30 }), 50);
    const { fn } = failing(1);
    expect(await ending(retry(fn, { breaker, backoff: 100 }))).toEqual({ value: 'done', afterMs: 100 });
    expect(breaker.state).toBe('closed');
  });

  test('in mode observe ends nothing', async () => {
    const breaker = new CircuitBreaker('queue', { detector: consecutiveFailures(1), mode: 'observe' });
    const { fn, attempts } = failing(2);
    expect(await ending(retry(fn, { breaker }))).toMatchObject({ value: 'done' });
    expect(attempts).toHaveLength(3);
  });

  test('the seat of a probe is given back on an abort, and the circuit stays half-open', async () => {
    const breaker = new CircuitBreaker('queue', { cooldownMs: 0 });
    breaker.trip();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 40);
    await ending(retry(hanging().fn, { breaker, signal: controller.signal }));
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, counts: { neutral: 1 } });
    expect(tryAcquire(breaker).admitted).toBe(true);
  });

  test('an attempt that had the whole deadline and was cut off is a failure', async () => {
    const breaker = openAfter(1);
    await ending(retry(hanging().fn, { breaker, deadlineMs: 100 }));
    expect(breaker.stats()).toMatchObject({ state: 'open', inFlight: 0, counts: { failure: 1, neutral: 0 } });
  });

  test.each<[string, RetryFunctionOptions]>([
    ['a veto', { shouldRetry: () => false }],
    ['a hook that throws', { shouldRetry: () => Promise.reject(new Error('of the hook')) }],
    ['a backoff that yields no number', { backoff: () => Number.NaN }],
    ['the last retry', { retries: 1 }],
    ['the deadline', { deadlineMs: 1 }],
  ])('has no permit out after %s', async (_name, options) => {
    const breaker = openAfter(100);
    await ending(retry(failing().fn, { breaker, ...options }));
    expect(breaker.inFlight).toBe(0);
    expect(breaker.stats().counts.failure).toBeGreaterThan(0);
  });

  test('the rejection of another circuit inside the function is neutral, and is not retried', async () => {
    const inner = openAfter(1);
    inner.trip();
    const breaker = openAfter(1);
    const fn = vi.fn(() => inner.execute(async () => 'done'));
    const { error, afterMs } = await ending(retry(fn, { breaker }));
    expect(error).toMatchObject({ name: 'CircuitOpenError' });
    expect(afterMs).toBe(0);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(breaker.stats()).toMatchObject({ state: 'closed', counts: { failure: 0, neutral: 1 } });
  });

  test('the rejection of a limiter inside the function is neutral, and is not retried', async () => {
    const limiter = new Limiter('inner', { limit: concurrencyLimit(1), maxQueue: 0 });
    await limiter.enter();
    const breaker = openAfter(1);
    const fn = vi.fn(() => limiter.execute(async () => 'done'));
    const { error, afterMs } = await ending(retry(fn, { breaker }));
    expect(error).toMatchObject({ name: 'LimitError' });
    expect(afterMs).toBe(0);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(breaker.stats()).toMatchObject({ state: 'closed', counts: { failure: 0, neutral: 1 } });
  });

  test('the rejection of another circuit is retried when shouldRetry says so', async () => {
    const inner = new CircuitBreaker('inner', { cooldownMs: 100 });
    inner.trip();
    const fn = () => inner.execute(async () => 'done');
    const end = await ending(retry(fn, { shouldRetry: () => true, backoff: 100 }));
    expect(end).toEqual({ value: 'done', afterMs: 100 });
  });
});

describe('bad options', () => {
  test.each<[object, ErrorConstructor, string]>([
    [{ retries: -1 }, RangeError, 'Expected `retry(options).retries` to be an integer >= 0, got -1'],
    [{ retries: 1.5 }, RangeError, 'Expected `retry(options).retries` to be an integer >= 0, got 1.5'],
    [{ retries: '3' }, TypeError, 'Expected `retry(options).retries` to be an integer >= 0, got "3"'],
    [
      { backoff: -100 },
      RangeError,
      'Expected `retry(options).backoff` to be a number of milliseconds >= 0, or a function such as exponential(), got -100',
    ],
    [
      { deadlineMs: 0 },
      RangeError,
      'Expected `retry(options).deadlineMs` to be a number of milliseconds from 1 to 2147483647, got 0',
    ],
    [
      { deadlineMs: 2 ** 31 },
      RangeError,
      'Expected `retry(options).deadlineMs` to be a number of milliseconds from 1 to 2147483647, got 2147483648',
    ],
    [
      { retryAfter: 60_000 },
      TypeError,
      'Expected `retry(options).retryAfter` to be true, false or an object such as { maxMs: 60_000 }, got 60000',
    ],
    [
      { retryAfter: { mode: 'sum' } },
      TypeError,
      'Expected `retry(options).retryAfter.mode` to be "add" or "larger" or "alone", got "sum"',
    ],
    [{ shouldRetry: true }, TypeError, 'Expected `retry(options).shouldRetry` to be a function, got true'],
    [{ random: 0.5 }, TypeError, 'Expected `retry(options).random` to be a function, got 0.5'],
    [{ budget: { ratio: 2 } }, RangeError, 'Expected `retry(options).budget.ratio` to be a number in (0, 1], got 2'],
    [{ breaker: {} }, TypeError, 'Expected `retry(options).breaker` to be a CircuitBreaker, got an object'],
    [{ signal: 1 }, TypeError, 'Expected `retry(options).signal` to be an AbortSignal, got 1'],
    [{ clock: 1 }, TypeError, 'Expected `retry(options).clock` to be a clock with a method now(), got 1'],
    [{ retrys: 1 }, TypeError, 'Unknown option `retry(options).retrys`: did you mean `retries`?'],
  ])('%o are refused before the first attempt', async (options, Kind, text) => {
    const fn = vi.fn();
    const { error } = await ending(retry(fn, options));
    expect(error).toBeInstanceOf(Kind);
    expect((error as Error).message).toBe(text);
    expect(fn).not.toHaveBeenCalled();
  });

  test('null is refused', async () => {
    const { error } = await ending(retry(vi.fn(), null as never));
    expect(error).toEqual(new TypeError('Expected `retry(options)` to be an object, got null'));
  });

  test('undefined means not given', async () => {
    const { fn, attempts } = failing();
    const none = { retries: undefined, backoff: undefined, deadlineMs: undefined, budget: undefined };
    await ending(retry(fn, { ...none, shouldRetry: undefined, breaker: undefined, signal: undefined }));
    expect(attempts).toHaveLength(4);
  });
});

describe('the decisions are those of attach', () => {
  interface Policy {
    readonly retries?: number;
    readonly backoff?: number | Delay;
    readonly deadlineMs?: number;
    readonly shouldRetry?: (failure: { attempt: number; retriesLeft: number }) => boolean | undefined;
    readonly budget?: { ratio: number; minPerSecond: number };
    /** Failures that open the circuit. */
    readonly threshold?: number;
    /** How many attempts fail before one succeeds. */
    readonly failures?: number;
  }

  interface Course {
    readonly attemptsAtMs: readonly number[];
    readonly endedAtMs: number;
    readonly succeeded: boolean;
  }

  /** Two calls, one after the other: the second shows what the first has spent. */
  async function twice(call: (recordAttempt: () => void) => Promise<unknown>): Promise<Course[]> {
    const courses: Course[] = [];
    for (let count = 0; count < 2; count++) {
      const startedAt = performance.now();
      const attemptsAtMs: number[] = [];
      const end = await ending(call(() => void attemptsAtMs.push(performance.now() - startedAt)));
      courses.push({ attemptsAtMs, endedAtMs: end.afterMs, succeeded: !('error' in end) });
    }
    return courses;
  }

  const random = () => 0.5;

  function byRetry({ budget, threshold = 100, failures = 100, ...policy }: Policy): Promise<Course[]> {
    const shared = { budget: budget && new RetryBudget(budget), breaker: openAfter(threshold) };
    return twice((recordAttempt) => {
      const fn = async ({ attempt }: { attempt: number }) => {
        recordAttempt();
        if (attempt <= failures) throw new Error('503');
      };
      return retry(fn, { ...policy, ...shared, maxWaitMs: 0, random });
    });
  }

  function byAttach({ budget, deadlineMs, threshold = 100, failures = 100, ...policy }: Policy): Promise<Course[]> {
    const adapter = scripted(503);
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const options = { ...policy, budget: budget ?? false } as RetryOptions;
    const breaker = { detector: consecutiveFailures(threshold), maxWaitMs: 0 };
    attach(api, { deadlineMs, retry: options, breaker, random });
    return twice((recordAttempt) => {
      let attempts = 0;
      adapter.script(() => {
        recordAttempt();
        return ++attempts <= failures ? 503 : 200;
      });
      return api.get('/');
    });
  }

  test.each<[string, Policy, number[]]>([
    ['retries by default', {}, [0, 50, 150, 350]],
    ['retries: 0', { retries: 0 }, [0]],
    ['a success after two failures', { failures: 2 }, [0, 50, 150]],
    ['a linear backoff', { retries: 2, backoff: linear }, [0, 100, 300]],
    ['decorrelated jitter', { retries: 2, backoff: decorrelatedJitter() }, [0, 200, 550]],
    ['a veto', { shouldRetry: ({ attempt }) => attempt < 2 }, [0, 50]],
    [
      'a veto by the retries that are left',
      { retries: 5, shouldRetry: ({ retriesLeft }) => retriesLeft > 3 },
      [0, 50, 150],
    ],
    ['a deadline', { deadlineMs: 250, backoff: linear }, [0, 100]],
    ['a budget', { backoff: 0, budget: { ratio: 0.5, minPerSecond: 0.2 } }, [0, 0, 0]],
    [
      'a budget that a veto does not spend',
      { shouldRetry: ({ attempt }) => attempt < 2, budget: { ratio: 0.5, minPerSecond: 0.1 } },
      [0, 50],
    ],
    [
      'a budget that a deadline does not spend',
      { deadlineMs: 150, backoff: linear, budget: { ratio: 0.01, minPerSecond: 0.2 } },
      [0, 100],
    ],
    ['a circuit that opens', { retries: 5, threshold: 2 }, [0, 50]],
    ['a circuit that opens at the last retry', { retries: 1, threshold: 2 }, [0, 50]],
  ])('%s', async (_name, policy, attemptsAtMs) => {
    const [ours, theirs] = [await byRetry(policy), await byAttach(policy)];
    expect(theirs[0]?.attemptsAtMs).toEqual(attemptsAtMs);
    expect(ours).toEqual(theirs);
  });

  test('a backoff that yields nonsense is replaced by the default, and attach tells of it', async () => {
    let delayMs = 0;
    const backoff = () => delayMs;
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(503) });
    const faults: unknown[] = [];
    attach(api, { retry: { backoff, retries: 1 } }).on('callbackError', ({ error }) => faults.push(error));
    delayMs = -5; // attach has tried it by now
    const ours = await ending(retry(failing().fn, { backoff }));
    const theirs = await ending(api.get('/'));
    expect(message(ours)).toBe('attempt 4 failed');
    expect(ours.afterMs).toBeGreaterThan(0);
    expect(faults).toEqual([expect.objectContaining({ message: expect.stringMatching(/got -5$/) })]);
    expect(theirs.error).toMatchObject({ status: 503 });
    expect(reportOf(theirs.error)?.attempts).toBe(2);
  });
});
