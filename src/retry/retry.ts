import { throwIfAborted } from '../abort.js';
import { type Clock, MAX_TIMER_MS, monotonicClock } from '../clock.js';
import { aDelay, type Delay, type DelayContext } from '../delay.js';
import { CircuitOpenError, giveCause, isAbort, isLimitError, isRejection } from '../errors.js';
import type { Outcome } from '../events.js';
import { isTimeoutCode, type OutOfTime, outcomeOutOfTime, sleepOf } from '../out-of-time.js';
import { aFunction, anInteger, milliseconds, options as optionsOf, own, withMethods } from '../validation.js';
import { aBudget, type BudgetOptions, budgetOf, type RetryBudget, TIMEOUT_RETRY_COST } from './budget.js';
import { backoffsLeftMs, DEFAULT_BACKOFF, decideRetry } from './decision.js';
import {
  type Classify,
  type Ended,
  enter,
  isRejecting,
  type RetryGuard,
  type RetryLimiter,
  type RetrySlot,
} from './entry.js';
import { Fare } from './fare.js';
import { Patience } from './patience.js';
import { openScope, type Scope } from './scope.js';

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

const check = optionsOf({
  retries: anInteger(0),
  backoff: aDelay,
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

/**
 * Calls a function until it succeeds: the retry policy of `attach` for anything that is not axios. It takes the same
 * decisions in the same order.
 *
 * @param fn Is given the number of the attempt, from 1, and a signal that aborts with the caller's and at the deadline.
 * @returns what the function returned.
 * @throws the error of the last attempt; the signal's reason when it aborts; at the deadline a `TimeoutError`, whose cause
 *   is the error of the attempt before; a `CircuitOpenError` where the breaker let no attempt through, a `LimitError` where
 *   the limiter let none; a `TypeError` or
 *   `RangeError` that names a bad option.
 */
export async function retry<T>(
  fn: (context: { readonly attempt: number; readonly signal: AbortSignal }) => T | PromiseLike<T>,
  options: RetryFunctionOptions<T> = {},
): Promise<T> {
  aFunction(fn, 'retry(fn)');
  check(options, 'retry(options)');
  const given = own(options);
  const { clock = monotonicClock, random = Math.random, breaker, deadlineMs } = given;
  const isLimited = given.signal !== undefined || deadlineMs !== undefined;
  const budget = budgetOf(given.budget);
  const limits = { retries: given.retries ?? 3, backoff: given.backoff ?? DEFAULT_BACKOFF };
  throwIfAborted(given.signal);
  const startedAt = clock.now();
  const scope = openScope(given.signal, deadlineMs);
  let previousMs: number | undefined;
  let lastError: unknown;
  const contextOf = (attempt: number) => ({
    attempt,
    key: breaker?.key ?? '',
    previousMs,
    error: lastError as DelayContext['error'],
    response: undefined,
    retryAfterMs: undefined,
    random,
  });
  const patience = new Patience(given.maxWaitMs, clock, (attempt) => backoffsLeftMs(limits, contextOf(attempt)));
  const remainingMs = () => (deadlineMs ?? Number.POSITIVE_INFINITY) - (clock.now() - startedAt);
  let fare: Fare | undefined;
  let slot: RetrySlot | undefined;
  const takeSlot = (attempt: number) => {
    const taken = given.limiter?.enter({ signal: scope.signal, isRetry: attempt > 1 });
    if (!(taken instanceof Promise)) return taken;
    return taken.catch((error: unknown) => {
      if (attempt > 1 && isLimitError(error)) throw lastError;
      return withCause(lastError, given.signal)(error);
    });
  };
  try {
    for (let attempt = 1; ; attempt++) {
      const maxWaitMs = () => Math.min(patience.begin(attempt), remainingMs());
      const takePermit = () => breaker?.acquireWithin(maxWaitMs, scope.signal, scope, remainingMs());
      const { permit, ...entered } = await enter(breaker, () => takeSlot(attempt), takePermit);
      ({ slot } = entered);
      patience.end();
      if (permit?.admitted && fare?.pay(clock.now()) === false) {
        permit.settle('neutral');
        throw lastError;
      }
      if (permit?.admitted === false) {
        throw attempt > 1
          ? lastError
          : new CircuitOpenError({ key: breaker?.key ?? '', retryAfterMs: permit.retryAfterMs, cause: permit.cause });
      }
      fare = undefined;
      const attemptAt = clock.now();
      if (attempt === 1) budget?.deposit(attemptAt);
      const ended = await run(fn, attempt, scope, permit?.timeoutMs);
      slot?.end(given.limiter?.judge(ended, scope.signal) as never);
      const isAborted = scope.signal.aborted || (ended.hasThrown && isAbort(ended.error));
      const outOfTime = () =>
        outcomeOfTime({
          startedAt,
          attemptAt,
          now: clock.now(),
          deadlineMs,
          slowestMs: breaker?.slowestMs,
          isProbe: permit?.isProbe,
        });
      if (breaker && !ended.hasThrown && isLimited) breaker.took(clock.now() - attemptAt);
      const outcome = ended.isOverdue
        ? 'failure'
        : breaker?.judge(ended, { classify: given.classify, signal: scope.signal, outOfTime });
      if (outcome) permit?.settle(outcome, undefined, ended.hasThrown ? { error: ended.error } : undefined);
      if (!ended.hasThrown) return ended.result;
      const errorBefore = lastError;
      lastError = ended.error;
      if (isAborted) {
        if (attempt > 1 && !given.signal?.aborted) giveCause(lastError, errorBefore);
        throw lastError;
      }
      const elapsedMs = clock.now() - startedAt;
      const failure = { attempt, retriesLeft: limits.retries - attempt + 1, error: lastError, elapsedMs };
      const verdict =
        attempt > limits.retries
          ? undefined
          : await scope.race(async () => given.shouldRetry?.(failure)).catch(withCause(lastError, given.signal));
      const isOpen = isRejecting(breaker);
      const isHopeless = () => !breaker?.isWorthWaiting(Math.min(patience.begin(attempt), remainingMs()));
      fare = budget && new Fare(budget, costOf(lastError));
      const decision = decideRetry(
        limits,
        {
          ...contextOf(attempt),
          verdict,
          objection: isRejection(lastError) ? 'not-retryable' : undefined,
          obstacle: isOpen && isHopeless() ? 'circuit-open' : undefined,
          remainingMs: remainingMs(),
        },
        () => isOpen || (fare?.pay(clock.now()) ?? true),
      );
      if (typeof decision === 'string') throw lastError;
      previousMs = decision;
      const notice = { attempt, error: lastError, delayMs: decision };
      if (given.onRetry)
        await scope.race(async () => given.onRetry?.(notice)).catch(withCause(lastError, given.signal));
      await scope.wait(decision);
    }
  } finally {
    fare?.giveBack();
    slot?.cancel();
    scope.close();
  }
}

/** What the retry takes out of the budget. */
function costOf(failure: unknown): number | undefined {
  try {
    const { code, name } = failure as { code?: unknown; name?: unknown };
    return isTimeoutCode(code) || name === 'TimeoutError' ? TIMEOUT_RETRY_COST : undefined;
  } catch {
    return undefined;
  }
}

/** Makes one attempt; a probe has a time of its own. */
async function run<T>(
  fn: (context: { readonly attempt: number; readonly signal: AbortSignal }) => T | PromiseLike<T>,
  attempt: number,
  scope: Scope,
  timeoutMs: number | undefined,
): Promise<Ended<T> & { readonly isOverdue?: boolean }> {
  const limit = timeoutMs === undefined ? scope : openScope(scope.signal, timeoutMs, 'probe timeout', scope);
  try {
    const result = await limit.race(async () => fn({ attempt, signal: limit.signal }));
    return { hasThrown: false, result };
  } catch (error) {
    return { hasThrown: true, error, isOverdue: limit !== scope && limit.isOver };
  } finally {
    if (limit !== scope) limit.close();
  }
}

interface Timing extends Pick<OutOfTime, 'slowestMs' | 'isProbe'> {
  readonly startedAt: number;
  readonly attemptAt: number;
  readonly now: number;
  readonly deadlineMs: number | undefined;
}

/** What an attempt says that was cut off, at the deadline or by a signal whose time ran out. */
function outcomeOfTime({ startedAt, attemptAt, now, deadlineMs = 0, ...known }: Timing): Outcome {
  const callMs = now - startedAt;
  const hasSlept = deadlineMs > 0 && callMs - deadlineMs > sleepOf(deadlineMs);
  return hasSlept ? 'neutral' : outcomeOutOfTime({ attemptMs: now - attemptAt, callMs, ...known });
}

/** Rethrows what a hook threw, with the failure that it was asked about as its cause; the caller's reason stays as it is. */
const withCause =
  (failure: unknown, signal: AbortSignal | undefined) =>
  (error: unknown): never => {
    if (!signal?.aborted) giveCause(error, failure);
    throw error;
  };
