import { type Delay, type DelayContext, delayOf } from '../delay.js';
import { CIRCUIT_DEFAULTS } from './options.js';
import type { CircuitOwner } from './transition.js';

/** The part of a circuit's policy that says how long it stays open. */
interface Cooldown {
  readonly cooldownMs: number | Delay;
  readonly retryAfter: { readonly maxMs: number };
}

/** How many successes in the closed circuit end the growth of its cooldown. */
export const SERVED_AGAIN = 10;

/**
 * The cooldown of an opening, which a `Retry-After` lengthens. What a function of the user's throws is reported, and the
 * default goes.
 */
export function cooldownOf(
  { cooldownMs, retryAfter }: Cooldown,
  context: DelayContext,
  events: Pick<CircuitOwner, 'emit'>,
): number {
  try {
    const computed = delayOf(cooldownMs, context, 'cooldownMs(context)');
    return Math.max(computed, Math.min(context.retryAfterMs || 0, retryAfter.maxMs) || 0);
  } catch (error) {
    events.emit({ type: 'callbackError', key: context.key, source: 'breaker.cooldownMs', error });
    return CIRCUIT_DEFAULTS.cooldownMs(context);
  }
}

interface Told {
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** A 429 or 503 with a `Retry-After`, or what is not HTTP. One of 0 asks for no wait. */
export const isToldToWait = ({ retryAfterMs = 0, status = 503 }: Told): boolean =>
  retryAfterMs > 0 && (status === 429 || status === 503);
