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
