import type { AxiosError, AxiosResponse } from 'axios';
import {
  aPositiveNumber,
  aRatio,
  complete,
  eitherOf,
  milliseconds,
  orFalse,
  type Rule,
  unexpected,
} from './validation.js';

/** What a delay is computed from: the wait before a retry, or the cooldown of a circuit that opens. */
export interface DelayContext {
  /** The circuit's key; `null` where a call has none. */
  readonly key: string | null;
  /**
   * Of a backoff: the attempt that failed, from 1. Of a cooldown: how many times in succession the circuit has opened, from
   * 1; it begins with 1 again once the circuit was closed and had 10 successes.
   */
  readonly attempt: number;
  /** The delay before that attempt, or the cooldown before this one, ms; `undefined` for the first. */
  readonly previousMs: number | undefined;
  /** The error of the attempt; `undefined` where axios accepted the response, and for `trip`. */
  readonly error: Partial<AxiosError> | undefined;
  /** The response, if one came. */
  readonly response: AxiosResponse | undefined;
  /** What the server asked to wait, ms (`Retry-After`); `undefined` where it did not. */
  readonly retryAfterMs: number | undefined;
  /**
   * Of a cooldown: whether there was a sign within the last 20 s that only a part of the service fails: a few successes between
   * failures in a row. See docs/circuit-breaker.md.
   */
  readonly isPartial?: boolean | undefined;
  /** A random number in [0, 1); the `random` option. */
  readonly random: () => number;
}

/** Yields a delay in ms, a finite number >= 0. Delays compose. */
export type Delay = (context: DelayContext) => number;

const aNumberOfMs = milliseconds();

const OR_A_FUNCTION = ', or a function such as exponential()';

/** A number of milliseconds, or a function of the context; not one that only makes such a function. */
export const aDelay: Rule = eitherOf(
  {
    function: (value, path) => {
      if (value === exponential || value === decorrelatedJitter) {
        throw unexpected(path, `a number of milliseconds >= 0${OR_A_FUNCTION}`, value);
      }
    },
  },
  milliseconds(0, undefined, OR_A_FUNCTION),
);

/**
 * The delay, ms.
 *
 * @param path Names the function in the `TypeError` or `RangeError` for what is no number of milliseconds.
 */
export function delayOf(delay: number | Delay, context: DelayContext, path: string): number {
  const delayMs = typeof delay === 'number' ? delay : delay(context);
  aNumberOfMs(delayMs, path);
  return delayMs;
}

/** The bounds of a delay that grows. */
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
  /**
   * The share of each delay that is random, in (0, 1], so that those who failed together do not return together; `false`:
   * none.
   * @default false
   */
  jitter?: number | false | undefined;
}

/** A complete `ExponentialOptions`. */
type Growth = { readonly [Name in keyof ExponentialOptions]-?: NonNullable<ExponentialOptions[Name]> };

/** `baseMs` × `factor` ^ (attempt − 1), at most `maxMs`: by default 100, 200, 400 ms … 30 s. */
export function exponential(given: ExponentialOptions = {}): Delay {
  const { baseMs, factor, maxMs, jitter } = complete<Growth>(
    given,
    'exponential(options)',
    { baseMs: aNumberOfMs, factor: aPositiveNumber, maxMs: aNumberOfMs, jitter: orFalse(aRatio) },
    { baseMs: 100, factor: 2, maxMs: 30_000, jitter: false },
  );
  const whole = (attempt: number) => Math.min(maxMs, baseMs * factor ** (attempt - 1)) || 0;
  return ({ attempt, random }) => (jitter ? whole(attempt) * (1 - jitter * random()) : whole(attempt));
}

/**
 * A random delay between 0 and what the other says: clients that failed together do not return together.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(delay: number | Delay): Delay {
  aDelay(delay, 'fullJitter(delay)');
  return (context) => context.random() * delayOf(delay, context, 'fullJitter(delay)(context)');
}

/** A random delay between half of what the other says and all of it. */
export function equalJitter(delay: number | Delay): Delay {
  aDelay(delay, 'equalJitter(delay)');
  return (context) => ((1 + context.random()) / 2) * delayOf(delay, context, 'equalJitter(delay)(context)');
}

/** A random delay between `baseMs` and three times the previous delay, at most `maxMs`. */
export function decorrelatedJitter(given: Pick<ExponentialOptions, 'baseMs' | 'maxMs'> = {}): Delay {
  const { baseMs, maxMs } = complete(
    given,
    'decorrelatedJitter(options)',
    { baseMs: aNumberOfMs, maxMs: aNumberOfMs },
    { baseMs: 100, maxMs: 30_000 },
  );
  return ({ previousMs = baseMs, random }) => Math.min(maxMs, baseMs + random() * Math.max(0, previousMs * 3 - baseMs));
}
