import { type Clock, MAX_TIMER_MS } from '../clock.js';
import { aDelay, type Delay } from '../delay.js';
import {
  aBoolean,
  aFunction,
  anInteger,
  eitherOf,
  milliseconds,
  options,
  type Rule,
  withMethods,
} from '../validation.js';
import { aBudget, type BudgetOptions, type RetryBudget } from './budget.js';
import { RETRY_AFTER_RULES, RETRY_AFTER_SWITCH, type RetryAfterOptions } from './decision.js';
import type { Classify, RetryGuard, RetryLimiter } from './entry.js';

/** What `shouldRetry` is told about the attempt that has just failed. */
export interface RetryFailure {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly retriesLeft: number;
  readonly error: unknown;
  /** Time since the beginning, ms. */
  readonly elapsedMs: number;
}

/** What `onRetry` is told. */
interface RetryNotice {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly error: unknown;
  /** How long is waited before the next attempt, ms. */
  readonly delayMs: number;
}

/** How `retry` repeats a function. */
export interface RetryFunctionOptions<T = unknown> {
  /**
   * Retries after the first attempt; an integer >= 0.
   * @default 3
   */
  retries?: number | undefined;
  /**
   * The delay before the next attempt: a number of ms, or a function. Where that throws or yields no number of ms, the default
   * takes its place.
   * @default fullJitter(exponential({ baseMs: 100, factor: 2, maxMs: 30_000 }))
   */
  backoff?: number | Delay | undefined;
  /**
   * How far a `Retry-After` is followed, where what was thrown has a `response` with `headers`, as the errors of axios and ky have.
   * `false`: it is not looked at.
   * @default { maxMs: 60_000, mode: 'add' }
   */
  retryAfter?: RetryAfterOptions | boolean | undefined;
  /**
   * The most that all attempts and waits may take, ms from 1 to 2_147_483_647. When it is over, the signal that the
   * function was given aborts.
   * @default none
   */
  deadlineMs?: number | undefined;
  /**
   * The cap on retries as a share of calls: a `RetryBudget`, or options. Calls that are given the same object share one budget, and
   * so do those with `true`.
   * @default none
   */
  budget?: RetryBudget | BudgetOptions | boolean | undefined;
  /**
   * Asked after each failed attempt while retries are left; `undefined`: retry, unless it was an abort.
   * @example ({ error }) => error instanceof SyntaxError ? false : undefined
   */
  shouldRetry?: ((failure: RetryFailure) => boolean | undefined | PromiseLike<boolean | undefined>) | undefined;
  /**
   * Runs when a retry has been decided, before the wait for it; a promise is waited for. What it throws ends the call.
   * @example ({ attempt, error, delayMs }) => log.warn(`attempt ${attempt} failed, next in ${delayMs} ms`, error)
   */
  onRetry?: ((notice: RetryNotice) => void | PromiseLike<void>) | undefined;
  /** Asked for a permit before every attempt. A probe has its `halfOpen.probeTimeoutMs`, and then fails with a `TimeoutError`. */
  breaker?: RetryGuard | undefined;
  /** Asked for a slot before every attempt, and before the breaker's permit; retries stand behind first attempts. */
  limiter?: RetryLimiter | undefined;
  /**
   * How long the attempts of a call may wait in sum for a breaker that would reject them, ms >= 0; where it is not given, as
   * long as the backoffs of the retries that are left would take.
   * @default none
   */
  maxWaitMs?: number | undefined;
  /**
   * Says what the result of an attempt, or what it threw, means for the breaker; `undefined`: decide as usual. It does not
   * change what is retried. What it throws becomes a `callbackError` of the breaker.
   */
  classify?: Classify<T> | undefined;
  /** Ends everything at once, with its reason. */
  signal?: AbortSignal | undefined;
  /** The time source, for exact tests. */
  clock?: Clock | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

let rules: Rule | undefined;

export function checkRetryOptions(given: object, path: string): void {
  // Made with the first call: bundlers keep what is made beside it, also where nobody calls `retry`.
  rules ??= options({
    retries: anInteger(0),
    backoff: aDelay,
    retryAfter: eitherOf({ boolean: aBoolean }, options(RETRY_AFTER_RULES, RETRY_AFTER_SWITCH)),
    deadlineMs: milliseconds(1, MAX_TIMER_MS),
    budget: aBudget,
    shouldRetry: aFunction,
    onRetry: aFunction,
    breaker: withMethods('a CircuitBreaker', 'acquireWithin', 'judge'),
    limiter: withMethods('a Limiter', 'enter', 'judge'),
    maxWaitMs: milliseconds(),
    classify: aFunction,
    signal: withMethods('an AbortSignal', 'addEventListener'),
    clock: withMethods('a clock with a method now()', 'now'),
    random: aFunction,
  });
  rules(given, path);
}
