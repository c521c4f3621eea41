import type { CircuitState, Outcome } from '../events.js';
import type { SharedStats } from './link.js';
import type { FailureDetails } from './options.js';

/** The right to make one attempt. */
export interface Permit {
  readonly admitted: true;
  /** Whether it is a probe of a half-open circuit. */
  readonly isProbe?: boolean | undefined;
  /** The most that the attempt's own timeout may be, ms (`halfOpen.probeTimeoutMs`). */
  readonly timeoutMs?: number | undefined;
  /**
   * Says how the attempt ended. Only the first call counts.
   *
   * @param now The time on the circuit's clock, ms.
   */
  settle(outcome: Outcome, now?: number, details?: FailureDetails): void;
}

/** There is no permit at present. */
export interface Rejection {
  readonly admitted: false;
  /** When it is worth asking again, in ms, >= 0; `Infinity` while isolated. */
  readonly retryAfterMs: number;
  /** The failure that opened the circuit, as `CircuitStats.lastFailure`; none where that was done by hand. Not enumerable. */
  readonly cause?: unknown;
}

/** A circuit as it is at one moment. */
export interface CircuitStats {
  readonly state: CircuitState;
  /** How long it has been in this state, ms. */
  readonly stateAgeMs: number;
  /** What is left of the cooldown, ms; 0 unless open. */
  readonly remainingCooldownMs: number;
  /** Failures that the detector counts at present. */
  readonly failures: number;
  /** The share of bad outcomes that the detector goes by, in [0, 1]; `undefined` for one that goes by none. */
  readonly rate: number | undefined;
  /**
   * The last failure that counted since the circuit was closed: an error as `fn` threw it, and an axios error without config,
   * request and response, which may hold secrets.
   */
  readonly lastFailure: unknown;
  /** How many times in succession the circuit has opened: the `attempt` of a `cooldownMs` function. */
  readonly openings: number;
  /** Permits that are not settled yet. */
  readonly inFlight: number;
  /** Attempts that wait for the circuit. */
  readonly queued: number;
  /** Whether `isolate` holds the circuit open. */
  readonly isolated: boolean;
  /** For a circuit with a store: what is known of it in the fleet. */
  readonly shared?: SharedStats | undefined;
  /** Since the breaker was made: settled attempts by outcome, attempts rejected (none in mode `observe`), and outcomes that came too late to count. */
  readonly counts: Readonly<Record<Outcome | 'rejected' | 'late', number>>;
}

/** A circuit as plain data, for another process: durations, never absolute times. */
export interface CircuitSnapshot {
  readonly version: 1;
  readonly key: string;
  /** A half-open circuit is saved as an open one whose cooldown is over. */
  readonly state: 'closed' | 'open';
  readonly remainingCooldownMs: number;
  readonly openings: number;
  /** What the detector saved. */
  readonly detector?: unknown;
}

/** All circuits of a registry as plain data. */
export interface RegistrySnapshot {
  readonly version: 1;
  readonly breakers: readonly CircuitSnapshot[];
}

/** What was done by hand; this process has it at once. */
export interface Forced {
  /**
   * `fleet` once the store has it, so that all processes will; `local` where it has not said so, though it may still take it
   * within a second, or where there is none.
   */
  readonly applied: Promise<'fleet' | 'local'>;
}

/** Holds a circuit open by hand until it is released. */
export interface Isolation {
  /** Lets the circuit go on as it would have been. Only the first call counts. */
  release(): void;
}
