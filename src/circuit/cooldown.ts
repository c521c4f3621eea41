import { aFunction, aPositiveNumber, aRatio, merged, milliseconds, options, orFalse } from '../validation.js';
import type { CooldownContext } from './options.js';

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
