import { type Clock, monotonicClock } from '../clock.js';
import { aFunction, anInteger, eitherOf, merged, milliseconds, oneOf, options, withMethods } from '../validation.js';
import { consecutiveFailures, type DetectorFactory } from './detectors.js';

/** `enforce` rejects; `observe` has the same states and events but rejects nothing. */
export type BreakerMode = 'enforce' | 'observe';

/** What a cooldown is computed from. */
export interface CooldownContext {
  readonly key: string;
  /** How many times the circuit has opened since it was last closed, from 1. */
  readonly openings: number;
}

/** How an open circuit finds out whether the service is back. */
export interface HalfOpenOptions {
  /**
   * Probes under way at a time; an integer >= 1.
   * @default 1
   */
  permits?: number | undefined;
  /**
   * Successful probes that close the circuit; an integer >= 1.
   * @default 1
   */
  successThreshold?: number | undefined;
  /**
   * How long a probe holds its permit, ms >= 1. After it another probe is admitted, and a failure of the first is void.
   * @default the request's `timeout` plus one second, or 30_000 where it has none
   */
  leaseMs?: number | undefined;
}

/** What one circuit breaker is made of. */
export interface CircuitBreakerOptions {
  /**
   * Makes the detector that decides when a closed circuit trips.
   * @default consecutiveFailures(5)
   */
  detector?: DetectorFactory | undefined;
  /**
   * How long an open circuit rejects before it may be probed, ms >= 0, or a function of the context.
   * @default 10_000
   * @example ({ openings }) => Math.min(60_000, 5_000 * 2 ** (openings - 1))
   */
  cooldownMs?: number | ((context: CooldownContext) => number) | undefined;
  halfOpen?: HalfOpenOptions | undefined;
  /**
   * What a rejection means.
   * @default 'enforce'
   */
  mode?: BreakerMode | undefined;
  /** The time source. */
  clock?: Clock | undefined;
}

/** What a registry makes its breakers from. */
export interface BreakerRegistryOptions extends CircuitBreakerOptions {
  /**
   * How many breakers are kept; an integer >= 1. Past it the least recently used go first, those that are not closed or
   * have permits out last.
   * @default 256
   */
  maxBreakers?: number | undefined;
  /**
   * Options of one circuit, merged over the others; asked once, when its breaker is made.
   * @example (key) => key.startsWith('POST ') ? { cooldownMs: 30_000 } : undefined
   */
  overrides?: ((key: string) => CircuitBreakerOptions | undefined) | undefined;
}

export const CIRCUIT_DEFAULTS = Object.freeze({
  detector: consecutiveFailures(5),
  cooldownMs: 10_000,
  halfOpen: Object.freeze({ permits: 1, successThreshold: 1, leaseMs: undefined }),
  mode: 'enforce',
  maxBreakers: 256,
});

/** The options of a breaker: checked, merged and complete. */
export interface CircuitPolicy {
  readonly detector: DetectorFactory;
  readonly cooldownMs: number | ((context: CooldownContext) => number);
  readonly halfOpen: {
    readonly permits: number;
    readonly successThreshold: number;
    readonly leaseMs: number | undefined;
  };
  readonly mode: BreakerMode;
  readonly clock: Clock;
}

export const aClock = withMethods('a clock with a method now()', 'now');
export const aMode = oneOf('enforce', 'observe');

const CIRCUIT_RULES = {
  detector: aFunction,
  cooldownMs: eitherOf({ function: aFunction }, milliseconds()),
  halfOpen: options({ permits: anInteger(1), successThreshold: anInteger(1), leaseMs: milliseconds(1) }),
  mode: aMode,
};

export const REGISTRY_RULES = { ...CIRCUIT_RULES, maxBreakers: anInteger(1), overrides: aFunction };

const checkCircuit = options({ ...CIRCUIT_RULES, clock: aClock });

/** Checks options and lays them over a policy. */
export function circuitPolicy(given: CircuitBreakerOptions, path = '', base?: CircuitPolicy): CircuitPolicy {
  checkCircuit(given, path);
  return merged<CircuitPolicy>(base ?? { ...CIRCUIT_DEFAULTS, clock: monotonicClock }, given, 'halfOpen');
}
