import type { Stopped } from '../events.js';
import { unexpected } from '../validation.js';
import type { Backoff, BackoffContext } from './backoff.js';

/** The part of a retry policy that has nothing to do with HTTP. */
export interface RetryLimits {
  readonly retries: number;
  readonly backoff: Backoff;
}

/** A failed attempt, as the decision sees it. */
export interface FailedAttempt extends BackoffContext {
  /** What the user's hook said; `undefined`: decide as usual. */
  readonly verdict: boolean | undefined;
  /** Why the failure itself forbids a retry, if it does; a verdict of `true` overrules it. */
  readonly refusal: Stopped | undefined;
  /** Why the next attempt cannot be made, if it cannot; nothing overrules it. */
  readonly obstacle: Stopped | undefined;
  /** What the server asks for on top of the backoff, ms. */
  readonly serverDelayMs: number;
  /** What is left of the call's deadline, ms. */
  readonly remainingMs: number;
}

/**
 * The delay before another attempt in ms, or why there is none. The order of the questions is the order of their weight:
 * the first "no" is the one that is reported.
 *
 * @param withdraw Takes the retry's share of the budget; asked last, since it spends.
 */
export function decideRetry(
  { retries, backoff }: RetryLimits,
  failed: FailedAttempt,
  withdraw: () => boolean,
): number | Stopped {
  if (failed.verdict === false) return 'vetoed';
  if (failed.refusal === 'success' && !failed.verdict) return 'success';
  if (retries > 0 && failed.attempt > retries) return 'exhausted';
  if (failed.refusal && !failed.verdict) return failed.refusal;
  if (failed.attempt > retries) return 'exhausted';
  if (failed.obstacle) return failed.obstacle;
  const { attempt, previousDelayMs, random } = failed;
  const delayMs: unknown = backoff({ attempt, previousDelayMs, random });
  if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs <= Number.MAX_VALUE)) {
    throw unexpected('retry.backoff(context)', 'a finite number of milliseconds >= 0', delayMs, RangeError);
  }
  const totalMs = failed.serverDelayMs + delayMs;
  if (totalMs >= failed.remainingMs) return 'deadline';
  return withdraw() ? totalMs : 'budget';
}
