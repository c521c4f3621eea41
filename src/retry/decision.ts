import { type Delay, type DelayContext, delayOf, exponential, fullJitter } from '../delay.js';
import type { Stopped } from '../events.js';
import { milliseconds, oneOf } from '../validation.js';

/** How far a server's `Retry-After` is followed. */
export interface RetryAfterOptions {
  /**
   * The longest time that is waited for, ms, >= 0 or `Infinity`. If the server asks for more, the call gives up at once.
   * @default 60_000
   */
  maxMs?: number | undefined;
  /**
   * How the server's delay and the backoff make one: `add`, their sum, which spreads clients that were told the same; `larger`, the
   * longer of both; `alone`, the server's delay without the backoff, also where that is 0. Without a `Retry-After` the backoff is waited.
   * @default 'add'
   */
  mode?: 'add' | 'larger' | 'alone' | undefined;
}

/** A complete `RetryAfterOptions`. */
export type RetryAfter = { readonly [Name in keyof RetryAfterOptions]-?: NonNullable<RetryAfterOptions[Name]> };

export const RETRY_AFTER_DEFAULTS: RetryAfter = Object.freeze({ maxMs: 60_000, mode: 'add' });

export const RETRY_AFTER_RULES = {
  maxMs: milliseconds(0, Number.POSITIVE_INFINITY),
  mode: oneOf('add', 'larger', 'alone'),
};

export const RETRY_AFTER_SWITCH = 'true, false or an object such as { maxMs: 60_000 }';

export const DEFAULT_BACKOFF: Delay = fullJitter(exponential());

/** A mistake in a backoff must not take the place of the failure that the call met. */
function delayAfter(backoff: number | Delay, context: DelayContext, onFault?: (error: unknown) => void): number {
  try {
    return delayOf(backoff, context, 'retry.backoff(context)');
  } catch (fault) {
    onFault?.(fault);
    return DEFAULT_BACKOFF(context);
  }
}

/** The part of a retry policy that has nothing to do with HTTP. */
export interface RetryLimits {
  readonly retries: number;
  readonly backoff: number | Delay;
  readonly retryAfter: Pick<RetryAfter, 'mode'>;
}

/** What the decision on a failed attempt goes by. */
interface Considered {
  /** What the user's hook said; `undefined`: decide as usual. */
  readonly verdict: boolean | undefined;
  /** Why the failure itself forbids a retry, if it does; a verdict of `true` overrules it. */
  readonly objection: Stopped | undefined;
  /** Why the next attempt cannot be made, if it cannot; nothing overrules it. */
  readonly obstacle: Stopped | undefined;
  /** What is left of the call's deadline, ms. */
  readonly remainingMs: number;
}

/**
 * The delay before another attempt in ms, or why there is none. The order of the questions is the order of their weight:
 * the first "no" is the one that is reported.
 *
 * @param withdraw Takes the retry's share of the budget; asked last, since it spends.
 * @param onFault Told of a backoff that fails, for which the default goes.
 */
export function decideRetry(
  { retries, backoff, retryAfter: { mode } }: RetryLimits,
  context: DelayContext,
  { verdict, objection, obstacle, remainingMs }: Considered,
  withdraw: () => boolean,
  onFault?: (error: unknown) => void,
): number | Stopped {
  const { attempt, retryAfterMs } = context;
  if (verdict === false) return 'vetoed';
  if (objection === 'success' && !verdict) return objection;
  if (retries > 0 && attempt > retries) return 'exhausted';
  if (objection && !verdict) return objection;
  if (attempt > retries) return 'exhausted';
  if (obstacle) return obstacle;
  const serverMs = retryAfterMs ?? 0;
  const backoffMs = retryAfterMs !== undefined && mode === 'alone' ? 0 : delayAfter(backoff, context, onFault);
  const totalMs = mode === 'larger' ? Math.max(serverMs, backoffMs) : serverMs + backoffMs;
  if (totalMs >= remainingMs) return 'deadline';
  return withdraw() ? totalMs : 'budget';
}

/** What the backoffs before this attempt's successors come to, ms, as they would be drawn now. */
export function backoffsLeftMs({ retries, backoff }: RetryLimits, context: DelayContext): number {
  let totalMs = 0;
  let { previousMs } = context;
  for (let { attempt } = context; attempt <= retries; attempt++) {
    previousMs = delayAfter(backoff, { ...context, attempt, previousMs });
    totalMs += previousMs;
  }
  return totalMs;
}
