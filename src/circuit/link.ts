import type { Emitter } from '../emitter.js';
import type { CircuitState, Outcome } from '../events.js';

/** A store knows a circuit by these: what is older than its generation is void, and an epoch ends when the store forgets. */
export interface CircuitVersion {
  /** Drawn at random when the store first hears of the circuit; empty where it knows nothing. */
  readonly epoch: string;
  /** Counts the transitions of the epoch. */
  readonly generation: number;
}

/** A circuit as the store knows it at one moment: durations, never times. */
export interface SharedView extends CircuitVersion {
  readonly state: CircuitState;
  /** What is left of the cooldown, ms; 0 unless open. */
  readonly remainingMs: number;
  /** The length of the last cooldown, ms. */
  readonly cooldownMs: number;
  /** How many times in succession the circuit has opened. */
  readonly openings: number;
  /** Whether it was brought about by hand. */
  readonly byHand: boolean;
  /** Which process brought it about (`SharedStoreOptions.name`); empty where that is not known. */
  readonly by: string;
  /** Why, e.g. `threshold 5 of 7`, `probe-failed` or `manual`; empty where that is not known. */
  readonly why: string;
  /** What all processes are asked at present, before a closed circuit may open. */
  readonly question: Question | undefined;
  /** Whether the store could not tell the other processes: they learn of it when they read. */
  readonly isMuted: boolean;
  /** When, by the store's own clock, ms; only ever compared with itself. */
  readonly at: number;
}

/**
 * The failures that were reported would open the circuit, but the successes of the other processes are not known yet: a
 * process that has any tells them.
 */
export interface Question {
  /** How much time there is to answer, ms. */
  readonly withinMs: number;
  /** The window it is about, ms; 0: whether any call succeeded since the first of the failures. */
  readonly windowMs: number;
  /** How long ago the first of the failures was, ms. */
  readonly sinceMs: number;
}

/** A circuit as the fleet knows it: part of `stats()`. */
export interface SharedStats {
  /** The generation that this process knows of. */
  readonly generation: number;
  /** Whether the store answers at present. */
  readonly live: boolean;
  /** Whether messages of the other processes arrive at present. */
  readonly subscribed: boolean;
  /** Which process brought the present state about (`SharedStoreOptions.name`); empty where that is not known. */
  readonly by: string;
  /** Why, e.g. `threshold 5 of 7`, `probe-failed` or `manual`; empty where that is not known. */
  readonly why: string;
}

/** What a circuit would be like if it opened now. */
export interface Opening {
  readonly cooldownMs: number;
  readonly openings: number;
}

/** A failure that counted in a closed circuit. */
export interface RecordedFailure {
  readonly opening: Opening;
  /** What the failure tripped by itself. */
  readonly tripped?: 'detector' | 'retry-after' | undefined;
  /** Whether the server has asked to wait. */
  readonly isToldToWait: boolean;
  /** The call that the attempt was of, if it is known. */
  readonly call?: object | undefined;
}

/** The `why` of a `SharedView` that was brought about by leases which had run out. */
export const PROBE_LOST = 'probe-lost';

/** When the outcomes of all processes together trip a circuit. */
export interface SharedThreshold {
  /** The length of the window, ms; 0: failures since the last success. */
  readonly windowMs: number;
  readonly failures: number;
  readonly rate: number;
  readonly minAttempts: number;
  /**
   * With a `windowMs` of 0: how long before the last failure the first must have ended, ms.
   * @default 0
   */
  readonly minSpanMs?: number | undefined;
  /**
   * With a `windowMs` of 0: failures that are this old do not count, ms.
   * @default none
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * With a `windowMs` of 0: whether a call counts once, however many of its attempts fail.
   * @default false
   */
  readonly perCall?: boolean | undefined;
}

/** How many probes there may be at a time, how many must succeed, and how many may fail. */
export interface ProbeRules {
  readonly permits: number;
  readonly needed: number;
  readonly allowed: number;
}

/** The right of one process to probe a shared circuit. */
export interface Lease extends CircuitVersion {
  readonly granted: true;
  readonly token: string;
}

/** All probes are taken. */
export interface LeaseDenied {
  readonly granted: false;
  readonly retryAfterMs: number;
}

/** `undefined`: the store has no say, so the circuit probes by itself. */
export type LeaseAnswer = Lease | LeaseDenied | undefined;

/** A circuit of this process, as far as a fleet looks into it; `Circuit` is one. */
export interface OwnCircuit {
  readonly isClosed: boolean;
  readonly detector: { readonly threshold: SharedThreshold | undefined };
  readonly policy: {
    readonly halfOpen: {
      readonly probes?: number | undefined;
      readonly successThreshold?: number | undefined;
      readonly failureRate?: number | undefined;
      readonly leaseMs?: number | undefined;
    };
    readonly clock: { now(): number };
  };
  nextOpening(): Opening;
  probeRules(now: number): ProbeRules;
  adopt(view: SharedView, now: number): void;
}

/** The circuit of this process, as a fleet sees it. */
export interface LinkedCircuit {
  readonly key: string;
  readonly events: Emitter;
  /** What the detector counts; `undefined` for one that only this process can judge by. */
  readonly threshold: SharedThreshold | undefined;
  readonly probes: ProbeRules;
  /** The longest lease that the circuit itself asks for, ms. */
  readonly leaseMs: number;
  /** How the circuit would open if a probe failed now. */
  readonly reopening: Opening;
  /** Whether the circuit of this process is closed at present. */
  readonly isClosed: boolean;
  /** Takes over what another process brought about. */
  adopt(view: SharedView): void;
}

/** Joins the circuit of one process with its namesakes in others. Nothing here throws, and only a lease is ever waited for. */
export interface CircuitLink {
  /** What is known of the circuit in the fleet. */
  readonly shared: SharedStats;
  /** Notes that the circuit is in use. */
  touch(): void;
  /** Takes an outcome that counted in the closed circuit. */
  record(outcome: 'success' | 'failure', details?: RecordedFailure): void;
  /**
   * Asks for the right to probe, and gives a permit by it, or the ms to wait where all probes are taken.
   *
   * @param isNeeded Whether a lease is needed still: while the store was asked, the circuit may have moved on.
   * @param give Gives a permit; without a lease where the store has no say. Both take the time, if that is known already.
   */
  admit<Permit>(
    now: number,
    leaseMs: number,
    isNeeded: (now?: number) => boolean,
    give: (lease?: Lease, now?: number) => Permit,
  ): Permit | number | Promise<Permit | number>;
  /**
   * Says what a probe came to; `lease` is undefined for one that was admitted without the store.
   *
   * @param why `probe-lost`: it failed because its lease ran out, and its success may come yet. `late-success`: it was no
   *   probe, but an attempt from among the failures that opened the circuit.
   */
  settle(
    lease: Lease | undefined,
    outcome: Outcome,
    opening: Opening | undefined,
    why?: 'probe-lost' | 'late-success' | 'retry-after',
  ): void;
  /** Opens or closes the circuit everywhere; resolves to whether the store said that it took it. */
  force(state: 'open' | 'closed', opening: Opening): Promise<boolean>;
  /** Leaves the fleet. */
  close(): void;
}

/** What shares circuits between processes: made by `redisStore(client)`, or by `sharedStore(engine)` for a store of your own. */
export interface SharedStore {
  /** @internal Joins a circuit with its namesakes in other processes. */
  link(key: string, circuit: OwnCircuit, events: Emitter): CircuitLink;
  /**
   * Resolves to `true` once messages arrive and the circuits that there are have been read, or to `false` after `timeoutMs`.
   * Nothing depends on it: until then each process decides by itself.
   *
   * @param timeoutMs Default 5_000.
   */
  ready(timeoutMs?: number): Promise<boolean>;
  /** Leaves no timer, subscription or connection of its own behind. The circuits go on, each process by itself. */
  close(): Promise<void>;
}
