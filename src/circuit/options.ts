import { type Clock, monotonicClock } from '../clock.js';
import { aDelay, type Delay, type DelayContext, exponential } from '../delay.js';
import {
  aBoolean,
  aFunction,
  anInteger,
  aRatio,
  merged,
  milliseconds,
  oneOf,
  options,
  type Rule,
  unexpected,
  withMethods,
} from '../validation.js';
import { aDetector, consecutiveFailures, type DetectorFactory } from './detectors/detectors.js';
import type { Fleet, ProbeRules } from './link.js';

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
  /** Whether the host of this process is at fault (its DNS, its network): no other process is told. */
  readonly isLocal?: boolean | undefined;
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
   * The share of `permits` probes that may fail, in (0, 1]. The circuit closes or opens as soon as the outcome of that many
   * probes is certain; it opens in any case when all of them fail. `successThreshold` is not used then.
   * @default none: any failed probe re-opens
   */
  failureRatio?: number | undefined;
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
   * How long an open circuit rejects before it may be probed: a number of ms, or a function.
   * @default exponential({ baseMs: 500, factor: 1.15, maxMs: 1_200, jitter: 0.2 })
   * @example 10_000
   */
  cooldownMs?: number | Delay | undefined;
  /**
   * The most that a `Retry-After` on the tripping response may lengthen the cooldown to, ms >= 0; 0: it is not looked at.
   * @default 60_000
   */
  maxRetryAfterMs?: number | undefined;
  /**
   * Whether a 429 (Too Many Requests) or 503 (Service Unavailable) that carries a `Retry-After` opens a closed circuit at
   * once.
   * @default false
   */
  openOnRetryAfter?: boolean | undefined;
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
  store?: Fleet | undefined;
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
  overrides?: ((key: string) => CircuitBreakerOptions | undefined) | undefined;
}

/** How long a probe holds its permit where nobody says, ms. */
export const DEFAULT_LEASE_MS = 30_000;

export const CIRCUIT_DEFAULTS = Object.freeze({
  detector: consecutiveFailures(5, { perCall: true, minSpanMs: 600, maxAgeMs: 60_000 }),
  cooldownMs: exponential({ baseMs: 500, factor: 1.15, maxMs: 1_200, jitter: 0.2 }),
  maxRetryAfterMs: 60_000,
  openOnRetryAfter: false,
  halfOpen: Object.freeze({ permits: 1, successThreshold: 1 }),
  maxQueue: 100,
  mode: 'enforce',
  maxBreakers: 256,
});

/** The options of a breaker: checked, merged and complete. */
export interface CircuitPolicy {
  readonly detector: DetectorFactory;
  readonly cooldownMs: number | Delay;
  readonly maxRetryAfterMs: number;
  readonly openOnRetryAfter: boolean;
  readonly halfOpen: HalfOpenOptions & { readonly permits: number; readonly successThreshold: number };
  readonly maxQueue: number;
  readonly mode: BreakerMode;
  readonly store?: Fleet | undefined;
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

const CIRCUIT_RULES = {
  detector: aFunction,
  cooldownMs: aDelay,
  maxRetryAfterMs: milliseconds(),
  openOnRetryAfter: aBoolean,
  halfOpen: options({
    permits: anInteger(1),
    successThreshold: anInteger(1),
    failureRatio: aRatio,
    leaseMs: milliseconds(1),
    probeTimeoutMs: milliseconds(1),
  }),
  maxQueue: anInteger(0),
  mode: aMode,
  store: withMethods('a store made by redisStore(client) or fleet(store)', 'link', 'close'),
};

export const REGISTRY_RULES = { ...CIRCUIT_RULES, maxBreakers: anInteger(1), overrides: aFunction };

const checkCircuit = options({ ...CIRCUIT_RULES, clock: aClock, random: aFunction });

const DEFAULT_POLICY: CircuitPolicy = {
  ...CIRCUIT_DEFAULTS,
  mode: 'enforce',
  clock: monotonicClock,
  random: () => Math.random(),
};

/** Checks options and lays them over a policy. */
export function circuitPolicy(given: CircuitBreakerOptions, path = '', base?: CircuitPolicy): CircuitPolicy {
  checkCircuit(given, path);
  const policy = merged(base ?? DEFAULT_POLICY, given, 'halfOpen');
  if (Object.hasOwn(given, 'detector')) aDetector(policy.detector(), path ? `${path}.detector()` : 'detector()');
  const { detector, cooldownMs, maxRetryAfterMs, openOnRetryAfter, maxQueue, mode, store, clock, random } = policy;
  const halfOpen = merged(policy.halfOpen);
  return { detector, cooldownMs, maxRetryAfterMs, openOnRetryAfter, halfOpen, maxQueue, mode, store, clock, random };
}

/** 0.29 × 100 is a little less than 29. */
const ROUNDING = 1e-9;

/** How many probes there may be at a time, how many have to succeed and how many may fail. */
export function probeRules({ halfOpen: { permits, successThreshold, failureRatio } }: CircuitPolicy): ProbeRules {
  if (failureRatio === undefined) return { permits, needed: successThreshold, allowed: 0 };
  const allowed = Math.floor(failureRatio * permits + ROUNDING);
  return { permits, needed: Math.max(1, permits - allowed), allowed: Math.min(allowed, permits - 1) };
}
