import { aFunction, aPositiveNumber, merged, milliseconds, options } from '../validation.js';

/** What a delay is computed from. */
export interface BackoffContext {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** The delay before that attempt, ms; `undefined` before the first retry. */
  readonly previousDelayMs: number | undefined;
  /** A random number in [0, 1); the `random` option. */
  readonly random: () => number;
}

/** Yields the delay before the next attempt in ms, a finite number >= 0. Backoffs compose. */
export type Backoff = (context: BackoffContext) => number;

const aDelay = milliseconds();

/** The same delay each time: `delayMs`, ms >= 0. */
export function constant(delayMs: number): Backoff {
  aDelay(delayMs, 'constant(delayMs)');
  return () => delayMs;
}

/** `baseMs` × attempt: `linear(100)` waits 100, 200, 300 ms. */
export function linear(baseMs: number): Backoff {
  aDelay(baseMs, 'linear(baseMs)');
  return ({ attempt }) => baseMs * attempt;
}

/** The bounds of an exponential backoff. */
export interface ExponentialOptions {
  /**
   * The first delay, ms >= 0.
   * @default 100
   */
  baseMs?: number | undefined;
  /**
   * What each delay is multiplied by, > 0.
   * @default 2
   */
  factor?: number | undefined;
  /**
   * The longest delay, ms >= 0.
   * @default 30_000
   */
  maxMs?: number | undefined;
}

const checkExponential = options({ baseMs: aDelay, factor: aPositiveNumber, maxMs: aDelay });
const checkDecorrelated = options({ baseMs: aDelay, maxMs: aDelay });

/** `baseMs` × `factor` ^ (attempt − 1), at most `maxMs`: by default 100, 200, 400 ms … 30 s. */
export function exponential(given: ExponentialOptions = {}): Backoff {
  checkExponential(given, 'exponential(options)');
  const { baseMs, factor, maxMs } = merged({ baseMs: 100, factor: 2, maxMs: 30_000 }, given);
  return ({ attempt }) => Math.min(maxMs, baseMs * factor ** (attempt - 1)) || 0;
}

/** What the other backoff says, at most `maxMs`. */
export function capped(backoff: Backoff, maxMs: number): Backoff {
  aFunction(backoff, 'capped(backoff)');
  aDelay(maxMs, 'capped(maxMs)');
  return (context) => Math.min(maxMs, backoff(context));
}

/**
 * A random delay between 0 and what the other backoff says: clients that failed together do not return together.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(backoff: Backoff): Backoff {
  aFunction(backoff, 'fullJitter(backoff)');
  return (context) => context.random() * backoff(context);
}

/** A random delay between half of what the other backoff says and all of it. */
export function equalJitter(backoff: Backoff): Backoff {
  aFunction(backoff, 'equalJitter(backoff)');
  return (context) => ((1 + context.random()) / 2) * backoff(context);
}

/** A random delay between `baseMs` and three times the previous delay, at most `maxMs`. */
export function decorrelatedJitter(given: Pick<ExponentialOptions, 'baseMs' | 'maxMs'> = {}): Backoff {
  checkDecorrelated(given, 'decorrelatedJitter(options)');
  const { baseMs, maxMs } = merged({ baseMs: 100, maxMs: 30_000 }, given);
  return ({ previousDelayMs = baseMs, random }) =>
    Math.min(maxMs, baseMs + random() * Math.max(0, previousDelayMs * 3 - baseMs));
}
