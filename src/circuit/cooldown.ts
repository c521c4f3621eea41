import { type DelayContext, delayOf } from '../delay.js';
import type { Openings } from './openings.js';
import { CIRCUIT_DEFAULTS, type CircuitPolicy, type FailureDetails } from './options.js';
import type { CircuitOwner } from './transition.js';

/**
 * The cooldown of the nth opening in succession, which a `Retry-After` lengthens. What a function of the user's throws is
 * reported, and the default goes.
 */
export function cooldownOf(
  { cooldownMs, retryAfter, clock, random }: CircuitPolicy,
  openings: number,
  past: Openings | undefined,
  { error, response, retryAfterMs }: FailureDetails,
  owner: Pick<CircuitOwner, 'key' | 'complain'>,
): number {
  const previousMs = openings > 1 ? past?.setMs : undefined;
  const isPartial = past?.partial.isSeen(clock.now()) === true;
  const told = { key: owner.key, error: error as DelayContext['error'], response, retryAfterMs };
  const context = { ...told, attempt: openings, previousMs, isPartial, random };
  try {
    const computed = delayOf(cooldownMs, context, 'cooldownMs(context)');
    return Math.max(computed, Math.min(retryAfterMs || 0, retryAfter.maxMs) || 0);
  } catch (error) {
    owner.complain('breaker.cooldownMs', error);
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
