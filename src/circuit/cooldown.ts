import { aFunction, aPositiveNumber, aRatio, merged, milliseconds, options, orFalse } from '../validation.js';

/** What a cooldown is computed from. */
export interface CooldownContext {
  readonly key: string;
  /**
   * How many times in succession the circuit has opened, from 1. It begins anew once the circuit was closed and had 10
   * successes: quiet time alone says nothing of the service.
   */
  readonly openings: number;
  /** What the server asked to wait, ms (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  /** The error of the attempt that opens the circuit, or its response. */
  readonly failure?: unknown;
}

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

/** The part of a circuit's policy that says how long it stays open. */
interface Cooldown {
  readonly cooldownMs: number | ((context: CooldownContext) => number);
  readonly maxRetryAfterMs: number;
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
  const defaults = {
    baseMs: 5_000,
    factor: 2,
    maxMs: 60_000,
    jitter: false as number | false,
    random: () => Math.random(),
  };
  const { baseMs, factor, maxMs, jitter, random } = merged(defaults, given);
  return ({ openings }) => (Math.min(maxMs, baseMs * factor ** (openings - 1)) || 0) * (1 - (jitter || 0) * random());
}

/** The cooldown of an opening, which a `Retry-After` lengthens. Throws what a function of the user's throws. */
export function cooldownOf({ cooldownMs, maxRetryAfterMs }: Cooldown, context: CooldownContext): number {
  const computed = typeof cooldownMs === 'number' ? cooldownMs : cooldownMs(context);
  milliseconds()(computed, 'cooldownMs(context)');
  return Math.max(computed, Math.min(context.retryAfterMs || 0, maxRetryAfterMs) || 0);
}

interface Told {
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** A 429 or 503 with a `Retry-After`, or what is not HTTP. One of 0 asks for no wait. */
export const isToldToWait = ({ retryAfterMs = 0, status = 503 }: Told): boolean =>
  retryAfterMs > 0 && (status === 429 || status === 503);
