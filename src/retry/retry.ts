import { throwIfAborted } from '../abort.js';
import { monotonicClock } from '../clock.js';
import type { DelayContext } from '../delay.js';
import { CircuitOpenError, giveCause, isAbort, isLimitError, isRejection } from '../errors.js';
import type { Outcome } from '../events.js';
import { isTimeoutError, type OutOfTime, outcomeOutOfTime, sleepOf } from '../out-of-time.js';
import { serverDelay } from '../retry-after.js';
import { aFunction, merged, own } from '../validation.js';
import { budgetOf } from './budget.js';
import { backoffsLeftMs, DEFAULT_BACKOFF, decideRetry, RETRY_AFTER_DEFAULTS } from './decision.js';
import { type Ended, enter, type RetrySlot } from './entry.js';
import { Fare } from './fare.js';
import { checkRetryOptions, type RetryFunctionOptions } from './function-options.js';
import { Patience } from './patience.js';
import { openScope, type Scope } from './scope.js';

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
  checkRetryOptions(options, 'retry(options)');
  const given = own(options);
  const { clock = monotonicClock, random = Math.random, breaker, deadlineMs } = given;
  const isLimited = given.signal !== undefined || deadlineMs !== undefined;
  const budget = budgetOf(given.budget);
  const retryAfter = merged(RETRY_AFTER_DEFAULTS, Object(given.retryAfter) as object);
  const limits = { retries: given.retries ?? 3, backoff: given.backoff ?? DEFAULT_BACKOFF, retryAfter };
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
    retryAfterMs: given.retryAfter === false ? undefined : serverDelay(Object(lastError) as object),
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
      const isAborted = scope.signal.aborted || (ended.hasThrown && isAbort(ended.error));
      const outOfTime = () =>
        outcomeOfTime({
          startedAt,
          attemptAt,
          now: clock.now(),
          deadlineMs,
          slowestMs: (breaker ?? given.limiter)?.slowestMs,
          isProbe: permit?.isProbe,
        });
      slot?.end(given.limiter?.judge(ended, scope.signal, outOfTime) as never);
      if (!ended.hasThrown && isLimited) {
        const tookMs = clock.now() - attemptAt;
        breaker?.took(tookMs);
        given.limiter?.took(tookMs);
      }
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
      const isOpen = breaker?.isRejecting === true;
      const isHopeless = () => !breaker?.isWorthWaiting(Math.min(patience.begin(attempt), remainingMs()));
      fare = budget && new Fare(budget, isTimeoutError(lastError));
      const context = contextOf(attempt);
      const isLong = Number(context.retryAfterMs) > retryAfter.maxMs;
      const decision = decideRetry(
        limits,
        context,
        {
          verdict,
          objection: isRejection(lastError) ? 'not-retryable' : undefined,
          obstacle: isLong ? 'retry-after' : isOpen && isHopeless() ? 'circuit-open' : undefined,
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
