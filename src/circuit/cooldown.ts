import { aFunction, aPositiveNumber, aRatio, merged, milliseconds, options, orFalse } from '../validation.js';
import type { CircuitPolicy, CooldownContext } from './options.js';

/** Options of `exponentialCooldown`. */
export interface ExponentialCooldownOptions {
  /**
   * The first cooldown, ms >= 0.
   * @default 5_000
   */
  baseMs?: number | undefined;
  /**
   * What each further cooldown is multiplied by, > 0.
   * @default 2
   */
  factor?: number | undefined;
  /**
   * The longest cooldown, ms >= 0.
   * @default 60_000
   */
  maxMs?: number | undefined;
  /**
   * The share of each cooldown that is random, in (0, 1], so that many circuits are not probed at once; or `false`.
   * @default false
   */
  jitter?: number | false | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

const check = options({
  baseMs: milliseconds(),
  factor: aPositiveNumber,
  maxMs: milliseconds(),
  jitter: orFalse(aRatio),
  random: aFunction,
});

/** A cooldown of `baseMs` × `factor` ^ (openings − 1), at most `maxMs`: a circuit that keeps opening is probed less often. */
export function exponentialCooldown(given: ExponentialCooldownOptions = {}): (context: CooldownContext) => number {
  check(given, 'exponentialCooldown(options)');
  const defaults = { baseMs: 5_000, factor: 2, maxMs: 60_000, jitter: false as number | false, random: Math.random };
  const { baseMs, factor, maxMs, jitter, random } = merged(defaults, given);
  return ({ openings }) => (Math.min(maxMs, baseMs * factor ** (openings - 1)) || 0) * (1 - (jitter || 0) * random());
}

/** How many openings in succession there are after a time without one: each cooldown's length takes one back. */
export const openingsAfter = (quietMs: number, openings: number, lastCooldownMs: number): number =>
  Math.max(0, openings - Math.floor(quietMs / Math.max(1, lastCooldownMs)));

/** The cooldown of an opening, which a `Retry-After` lengthens. Throws what a function of the user's throws. */
export function cooldownOf({ cooldownMs, maxRetryAfterMs }: CircuitPolicy, context: CooldownContext): number {
  const computed = typeof cooldownMs === 'number' ? cooldownMs : cooldownMs(context);
  milliseconds()(computed, 'cooldownMs(context)');
  return Math.max(computed, Math.min(context.retryAfterMs || 0, maxRetryAfterMs) || 0);
}
