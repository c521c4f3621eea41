import type { Outcome } from '../events.js';

/** Why an attempt failed, as far as it concerns a limit: `overload` is a status of 429 or 503. */
export type LimitedReason = 'timeout' | 'overload';

/** An attempt that has ended, as the rule of a limiter sees it. */
export interface LimitedAttempt {
  /** When it started, on the limiter's clock, ms. */
  readonly startedAt: number;
  /** How many were in flight when it started, itself and what started in the same moment included. */
  readonly inFlight: number;
  /** Whether it used the limit up: others waited when it started, or would have had to. */
  readonly wasFull: boolean;
  /** From its start to its end, ms: what it waited before is not part of it. */
  readonly durationMs: number;
  /** The timeout that it had, ms; `undefined` where it had none, or the limiter does not know it. */
  readonly timeoutMs?: number | undefined;
  /** `neutral`: it was cancelled, or says nothing of the service. */
  readonly outcome: Outcome;
  /** `undefined` also for what failed in another way. */
  readonly reason?: LimitedReason | undefined;
  /** The status of the response, if one came. */
  readonly status?: number | undefined;
  /** Reads a header of the response by its lower-case name. */
  readonly header?: ((name: string) => unknown) | undefined;
}

/**
 * Says when an attempt may start. One of your own needs no timer, no queue and no count of what is in flight: the limiter has
 * them.
 *
 * @example
 * customLimit(() => ({ waitMs: () => (freemem() > 200_000_000 ? 0 : 50) }))
 */
export interface LimitRule {
  /** How many may be in flight at once, for `stats()` and metrics; none where that is not what it limits. */
  readonly limit?: number | undefined;
  /**
   * How long until an attempt may start, ms. It is asked several times per attempt, so it should be cheap.
   *
   * @param now The time on the limiter's clock, ms.
   * @param inFlight Attempts that have started and not ended.
   * @returns 0 or less to let it start, else the time after which to ask again. It is also asked when an attempt ends or another
   *   comes. `Infinity` leaves it at that, so it is only for a rule that waits for one in flight: with none in flight, an attempt
   *   that is alone waits until its time is over. `NaN`, or what is no number, is an error, and the attempt starts.
   */
  waitMs(now: number, inFlight: number): number;
  /** How long no attempt can start, ms: one that cannot wait for so long is rejected at once. */
  heldMs?(now: number): number;
  /**
   * Whether it has nothing to remember: a new rule would say the same. An attached instance with many origins forgets such rules
   * while nobody is in flight or waits; one without this function is always taken for one.
   */
  isAtRest?(now: number): boolean;
  /** An attempt starts; `inFlight` counts it. */
  started?(now: number, inFlight: number): void;
  /** One that was told as started was not made after all. */
  cancelled?(now: number): void;
  /** An attempt has ended. */
  ended?(attempt: LimitedAttempt, now: number): void;
  /** A circuit of the service has closed again. */
  recovered?(now: number): void;
}

/** Makes the rule of one limiter. */
export type LimitRuleFactory = (options: { readonly random: () => number }) => LimitRule;
