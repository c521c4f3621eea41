import { type Delay, type DelayContext, delayOf } from '../delay.js';

/** The part of a circuit's policy that says how long it stays open. */
interface Cooldown {
  readonly cooldownMs: number | Delay;
  readonly maxRetryAfterMs: number;
}

/** The cooldown of an opening, which a `Retry-After` lengthens. Throws what a function of the user's throws. */
export function cooldownOf({ cooldownMs, maxRetryAfterMs }: Cooldown, context: DelayContext): number {
  const computed = delayOf(cooldownMs, context, 'cooldownMs(context)');
  return Math.max(computed, Math.min(context.retryAfterMs || 0, maxRetryAfterMs) || 0);
}

interface Told {
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** A 429 or 503 with a `Retry-After`, or what is not HTTP. One of 0 asks for no wait. */
export const isToldToWait = ({ retryAfterMs = 0, status = 503 }: Told): boolean =>
  retryAfterMs > 0 && (status === 429 || status === 503);
