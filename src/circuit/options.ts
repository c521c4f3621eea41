import { type Clock, monotonicClock } from '../clock.js';
import { aDelay, type Delay, type DelayContext, exponential } from '../delay.js';
import {
  aBoolean,
  aFunction,
  anInteger,
  aRatio,
  eitherOf,
  merged,
  milliseconds,
  ofType,
  oneOf,
  options,
  own,
  type Rule,
  unexpected,
  withMethods,
} from '../validation.js';
import { aDetector, consecutiveFailures, type DetectorFactory } from './detectors/detectors.js';
import type { SharedStore } from './link.js';

/** `enforce` rejects; `observe` has the same states and events but rejects nothing. */
export type BreakerMode = 'enforce' | 'observe';

/** What is known of a failed attempt, which may open a circuit. */
export interface FailureDetails {
  /** The status of the response, if there was one. */
  readonly status?: number | undefined;
  /** What the server asked to wait, ms (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  /** The error of the attempt. */
  readonly error?: unknown;
  /** The response, if one came. */
  readonly response?: DelayContext['response'];
  /**
   * Whether no answer came in time.
   * @default told from the error, its `code`, `name` and `cause`
   */
  readonly isTimeout?: boolean | undefined;
  /** Whether the host of this process is at fault (its DNS, its network): no other process is told. */
  readonly isLocal?: boolean | undefined;
}

/** How an open circuit finds out whether the service is back. */
export interface HalfOpenOptions {
  /**
   * Probes under way at a time; an integer >= 1.
   * @default 1; 4, of which one has to succeed, while only a part of the service seems to fail (`isPartial`) and none of the
   *   three options that say how probes are judged is given
   */
  probes?: number | undefined;
  /**
   * Successful probes that close the circuit; an integer >= 1, and 1 where there is a `failureRate`.
   * @default 1
   */
  successThreshold?: number | undefined;
  /**
   * The share of `probes` probes that may fail, in (0, 1]. The circuit closes or opens as soon as the outcome of that many
   * probes is certain; it opens in any case when all of them fail. `successThreshold` is not used then, and cannot be given.
   * @default none: any failed probe re-opens, unless only a part of the service seems to fail (`probes`)
   */
  failureRate?: number | undefined;
  /**
   * How long a probe holds its permit, ms >= 1. After it another probe is admitted, and a failure of the first is void.
   * @default the request's `timeout` plus one second, or 30_000 where it has none
   */
  leaseMs?: number | undefined;
  /**
   * The most that a probe's own `timeout` may be, ms >= 1: a service that hangs costs no more than this.
   * @default none
   */
  probeTimeoutMs?: number | undefined;
}

/** What one circuit breaker is made of. */
export interface CircuitBreakerOptions {
  /**
   * Makes the detector that decides when a closed circuit trips.
   * @default consecutiveFailures(5, { perCall: true, minSpanMs: 600, maxAgeMs: 60_000 })
   */
  detector?: DetectorFactory | undefined;
  /**
   * How long an open circuit rejects before it may be probed: a number of ms, or a function, which `attach` calls once to see that
   * it works.
   * @default exponential({ baseMs: 500, factor: 1.15, maxMs: 1_200, jitter: 0.2 }); 200 ms, less up to 20 %, while only a part
   *   of the service seems to fail (`isPartial` of the context)
   * @example 10_000
   */
  cooldownMs?: number | Delay | undefined;
  /**
   * How far a `Retry-After` on a failed response is followed. `maxMs`, >= 0, is the most that it may lengthen the cooldown to.
   * With `opens` a 429 (Too Many Requests) or 503 (Service Unavailable) that carries one opens a closed circuit at once.
   * `false`: it is not looked at.
   * @default { maxMs: 60_000, opens: false }
   */
  retryAfter?: { maxMs?: number | undefined; opens?: boolean | undefined } | boolean | undefined;
  halfOpen?: HalfOpenOptions | undefined;
  /**
   * How many attempts may wait for the circuit at a time, an integer >= 0; the newest is rejected. See `maxWaitMs`.
   * @default 100
   */
  maxQueue?: number | undefined;
  /**
   * What a rejection means.
   * @default 'enforce'
   */
  mode?: BreakerMode | undefined;
  /**
   * Shares the circuit with other processes.
   * @default none
   * @example redisStore(client)
   */
  store?: SharedStore | undefined;
  /** The time source. */
  clock?: Clock | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

/** What a registry makes its breakers from. */
export interface BreakerRegistryOptions extends CircuitBreakerOptions {
  /**
   * How many breakers are kept; an integer >= 1. Past it those go first that lose nothing, the least recently used before
   * the others: closed without failures, or with their cooldown over. What was set by hand goes last.
   * @default 256
   */
  maxBreakers?: number | undefined;
  /**
   * Options of one circuit, merged over the others; asked once, when its breaker is made.
   * @example (key) => key.startsWith('POST ') ? { cooldownMs: 30_000 } : undefined
   */
  perKey?: ((key: string) => CircuitBreakerOptions | undefined) | undefined;
}

/** How long a probe holds its permit where nobody says, ms. */
export const DEFAULT_LEASE_MS = 30_000;

const ofAll = exponential({ baseMs: 500, factor: 1.15, maxMs: 1_200, jitter: 0.2 });
const ofAPart = exponential({ baseMs: 200, factor: 1, jitter: 0.2 });

export const CIRCUIT_DEFAULTS = Object.freeze({
  detector: consecutiveFailures(5, { perCall: true, minSpanMs: 600, maxAgeMs: 60_000 }),
  cooldownMs: ((context) => (context.isPartial ? ofAPart : ofAll)(context)) satisfies Delay,
  retryAfter: Object.freeze({ maxMs: 60_000, opens: false }),
  halfOpen: Object.freeze({}),
  maxQueue: 100,
  mode: 'enforce',
  maxBreakers: 256,
});

/** The options of a breaker: checked, merged and complete. */
export interface CircuitPolicy {
  readonly detector: DetectorFactory;
  readonly cooldownMs: number | Delay;
  readonly retryAfter: { readonly maxMs: number; readonly opens: boolean };
  readonly halfOpen: HalfOpenOptions;
  readonly maxQueue: number;
  readonly mode: BreakerMode;
  readonly store?: SharedStore | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

const withNow = withMethods('a clock with a method now()', 'now');

export const aClock: Rule = (clock, path) => {
  withNow(clock, path);
  const now: unknown = (clock as Clock).now();
  if (!Number.isFinite(now)) throw unexpected(`${path}.now()`, 'a finite number of milliseconds', now);
};
export const aMode = oneOf('enforce', 'observe');

export const HALF_OPEN_RULES = {
  probes: anInteger(1),
  successThreshold: anInteger(1),
  failureRate: aRatio,
  leaseMs: milliseconds(1),
  probeTimeoutMs: milliseconds(1),
};

const halfOpenRules = options(HALF_OPEN_RULES, 'an object such as { probes: 2 }');

/** Of the two ways to judge probes only one can be meant; a threshold of 1 is the default, which may have been copied. */
const theProbes: Rule = (value, path) => {
  halfOpenRules(value, path);
  const { failureRate, successThreshold = 1 } = own(value as HalfOpenOptions);
  if (failureRate === undefined || successThreshold === 1) return;
  throw new TypeError(
    `Expected \`${path}.successThreshold\` to be left out where there is a \`failureRate\`, got both`,
  );
};

const A_DETECTOR = 'a detector such as consecutiveFailures(5) or failureRate()';

const CIRCUIT_RULES = {
  detector: ofType('function', A_DETECTOR),
  cooldownMs: aDelay,
  retryAfter: eitherOf(
    { boolean: aBoolean },
    options({ maxMs: milliseconds(), opens: aBoolean }, 'true, false or an object such as { maxMs: 60_000 }'),
  ),
  halfOpen: theProbes,
  maxQueue: anInteger(0),
  mode: aMode,
  store: withMethods('a store made by redisStore(client) or sharedStore(engine)', 'link', 'close'),
};

export const REGISTRY_RULES = { ...CIRCUIT_RULES, maxBreakers: anInteger(1), perKey: aFunction };

const checkCircuit = options({ ...CIRCUIT_RULES, clock: aClock, random: aFunction });

const DEFAULT_POLICY: CircuitPolicy = {
  ...CIRCUIT_DEFAULTS,
  mode: 'enforce',
  store: undefined,
  clock: monotonicClock,
  random: () => Math.random(),
};

/** What `retryAfter: false` means. */
const IGNORED = { maxMs: 0, opens: false };

/** A factory that yields a function was to be called first. */
function checkDetector(factory: DetectorFactory, path: string): void {
  const detector: unknown = factory();
  if (typeof detector === 'function') throw unexpected(path, A_DETECTOR, factory);
  aDetector(detector, `${path}()`);
}

/** Checks options and lays them over a policy. */
export function circuitPolicy(given: CircuitBreakerOptions, path = '', base = DEFAULT_POLICY): CircuitPolicy {
  checkCircuit(given, path);
  const { detector, retryAfter, halfOpen } = own(given);
  if (detector) checkDetector(detector, path ? `${path}.detector` : 'detector');
  return {
    ...merged(base, given),
    retryAfter: retryAfterOver(base.retryAfter, retryAfter),
    halfOpen: merged(base.halfOpen, halfOpen),
  };
}

function retryAfterOver(
  base: CircuitPolicy['retryAfter'],
  given: CircuitBreakerOptions['retryAfter'],
): CircuitPolicy['retryAfter'] {
  if (given === undefined) return base;
  if (typeof given === 'boolean') return given ? CIRCUIT_DEFAULTS.retryAfter : IGNORED;
  return merged(base === IGNORED ? CIRCUIT_DEFAULTS.retryAfter : base, given);
}
