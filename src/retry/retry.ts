import { type Clock, MAX_TIMER_MS, monotonicClock } from '../clock.js';
import { aDelay, type Delay, exponential, fullJitter } from '../delay.js';
import { CircuitOpenError, giveCause, isAbort, isCircuitOpenError } from '../errors.js';
import type { Outcome } from '../events.js';
import { aFunction, anInteger, milliseconds, options, withMethods } from '../validation.js';
import type { RetryBudget } from './budget.js';
import { decideRetry } from './decision.js';

/** What `shouldRetry` is told about the attempt that has just failed. */
export interface RetryFailure {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly retriesLeft: number;
  readonly error: unknown;
  /** Time since the beginning, ms. */
  readonly elapsedMs: number;
}

type GuardAnswer =
  | { readonly admitted: true; settle(outcome: Outcome): void }
  | { readonly admitted: false; readonly retryAfterMs: number };

/** What `retry` needs of a circuit breaker; `CircuitBreaker` has it. */
export interface RetryGuard {
  readonly key: string;
  readonly mode: 'enforce' | 'observe';
  readonly isOpen: boolean;
  acquire(): GuardAnswer | Promise<GuardAnswer>;
}

/** How `retry` repeats a function. */
export interface RetryFunctionOptions {
  /**
   * Retries after the first attempt; an integer >= 0.
   * @default 3
   */
  retries?: number | undefined;
  /**
   * The delay before the next attempt: a number of ms, or a function.
   * @default fullJitter(exponential({ baseMs: 100, factor: 2, maxMs: 30_000 }))
   */
  backoff?: number | Delay | undefined;
  /**
   * The most that all attempts and waits may take, ms from 1 to 2_147_483_647. When it is over, the signal that the
   * function was given aborts.
   * @default none
   */
  deadlineMs?: number | undefined;
  /** A budget shared with other calls. */
  budget?: RetryBudget | undefined;
  /**
   * Asked after each failed attempt while retries are left; `undefined`: retry, unless it was an abort.
   * @example ({ error }) => error instanceof SyntaxError ? false : undefined
   */
  shouldRetry?: ((failure: RetryFailure) => boolean | undefined | PromiseLike<boolean | undefined>) | undefined;
  /** Asked for a permit before every attempt. */
  breaker?: RetryGuard | undefined;
  /** Ends everything at once, with its reason. */
  signal?: AbortSignal | undefined;
  /** The time source, for exact tests. */
  clock?: Clock | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

const check = options({
  retries: anInteger(0),
  backoff: aDelay,
  deadlineMs: milliseconds(1, MAX_TIMER_MS),
  budget: withMethods('a RetryBudget', 'deposit', 'withdraw'),
  shouldRetry: aFunction,
  breaker: withMethods('a CircuitBreaker', 'acquire'),
  signal: withMethods('an AbortSignal', 'addEventListener'),
  clock: withMethods('a clock with a method now()', 'now'),
  random: aFunction,
});

const DEFAULT_BACKOFF = fullJitter(exponential());

/**
 * Calls a function until it succeeds: the retry policy of `attach` for anything that is not axios. It takes the same
 * decisions in the same order.
 *
 * @param fn Is given the number of the attempt, from 1, and a signal that aborts with the caller's and at the deadline.
 * @returns what the function returned.
 * @throws the error of the last attempt; the signal's reason when it aborts; at the deadline a `TimeoutError`, whose cause
 *   is the error of the attempt before; a `CircuitOpenError` where the breaker let no attempt through; a `TypeError` or
 *   `RangeError` that names a bad option.
 */
export async function retry<T>(
  fn: (context: { readonly attempt: number; readonly signal: AbortSignal }) => T | PromiseLike<T>,
  given: RetryFunctionOptions = {},
): Promise<T> {
  aFunction(fn, 'retry(fn)');
  check(given, 'retry(options)');
  const { clock = monotonicClock, random = Math.random, budget, deadlineMs, shouldRetry } = given;
  const limits = { retries: given.retries ?? 3, backoff: given.backoff ?? DEFAULT_BACKOFF };
  given.signal?.throwIfAborted();
  const startedAt = clock.now();
  const scope = openScope(given.signal, deadlineMs);
  let previousMs: number | undefined;
  let lastError: unknown;
  try {
    for (let attempt = 1; ; attempt++) {
      const answer = given.breaker?.acquire();
      const permit = answer instanceof Promise ? await answer : answer;
      if (permit?.admitted === false) {
        throw attempt > 1
          ? lastError
          : new CircuitOpenError({ key: given.breaker?.key ?? '', retryAfterMs: permit.retryAfterMs });
      }
      if (attempt === 1) budget?.deposit(clock.now());
      const { signal } = scope;
      const result = await scope
        .race(async () => fn({ attempt, signal }))
        .then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
      if ('value' in result) {
        permit?.settle('success');
        return result.value;
      }
      const errorBefore = lastError;
      lastError = result.error;
      const isAborted = scope.signal.aborted || isAbort(lastError);
      permit?.settle(isAborted || isCircuitOpenError(lastError) ? 'neutral' : 'failure');
      if (isAborted) {
        if (attempt > 1 && !given.signal?.aborted) giveCause(lastError, errorBefore);
        throw lastError;
      }
      const elapsedMs = clock.now() - startedAt;
      const failure = { attempt, retriesLeft: limits.retries - attempt + 1, error: lastError, elapsedMs };
      const verdict =
        attempt > limits.retries
          ? undefined
          : await scope.race(async () => shouldRetry?.(failure)).catch(withCause(lastError));
      let decision: ReturnType<typeof decideRetry>;
      try {
        decision = decideRetry(
          limits,
          {
            attempt,
            key: given.breaker?.key ?? '',
            previousMs,
            error: lastError,
            response: undefined,
            retryAfterMs: undefined,
            random,
            verdict,
            refusal: isCircuitOpenError(lastError) ? 'circuit-open' : undefined,
            obstacle: given.breaker?.mode === 'enforce' && given.breaker.isOpen ? 'circuit-open' : undefined,
            remainingMs: (deadlineMs ?? Number.POSITIVE_INFINITY) - (clock.now() - startedAt),
          },
          () => budget?.withdraw(clock.now()) ?? true,
        );
      } catch (error) {
        return withCause(lastError)(error);
      }
      if (typeof decision === 'string') throw lastError;
      previousMs = decision;
      await scope.wait(decision);
    }
  } finally {
    scope.close();
  }
}

interface Scope {
  readonly signal: AbortSignal;
  /** Settles as `run` does, or rejects when the scope is aborted. */
  race<T>(run: () => Promise<T>): Promise<T>;
  wait(delayMs: number): Promise<void>;
  close(): void;
}

/** A signal that aborts with the caller's and at the deadline; after `close` it leaves no timer and no listener. */
function openScope(outer: AbortSignal | undefined, deadlineMs: number | undefined): Scope {
  const controller = new AbortController();
  const { signal } = controller;
  const onAbort = () => controller.abort(outer?.reason);
  if (outer?.aborted) onAbort();
  outer?.addEventListener('abort', onAbort);
  const expire = () => controller.abort(new DOMException(`deadline of ${deadlineMs ?? 0} ms exceeded`, 'TimeoutError'));
  const deadline = deadlineMs === undefined ? undefined : setTimeout(expire, deadlineMs);
  const race = <T>(run: () => Promise<T>): Promise<T> => {
    let stop = () => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      const onStop = () => reject(signal.reason as Error);
      if (signal.aborted) onStop();
      signal.addEventListener('abort', onStop);
      stop = () => signal.removeEventListener('abort', onStop);
    });
    return Promise.race(signal.aborted ? [aborted] : [aborted, run()]).finally(stop);
  };
  return {
    signal,
    race,
    wait: (delayMs) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const elapsed = async () =>
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, Math.min(delayMs, MAX_TIMER_MS));
        });
      return race(elapsed).finally(() => clearTimeout(timer));
    },
    close: () => {
      clearTimeout(deadline);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}

/** Rethrows what a hook threw, with the failure that it was asked about as its cause. */
const withCause =
  (failure: unknown) =>
  (error: unknown): never => {
    giveCause(error, failure);
    throw error;
  };
