import type { CircuitVersion, Opening, ProbeRules, SharedThreshold, SharedView } from '../circuit/link.js';
import type { Outcome } from '../events.js';

/** What every operation that may write is given. */
export interface StoreRequest {
  /** What this process knows. */
  readonly known: CircuitVersion;
  /** How long the store has to remember the circuit after this, ms; a longer time that it was told before stays. */
  readonly rememberMs: number;
  /**
   * When the request is void, by the store's own clock (`SharedView.at`), ms: clients queue commands while the store is
   * away, and what happened long ago must not count when it is back.
   */
  readonly expiresAt: number;
}

/** What happened in one process since its last report. */
export interface FailureReport extends StoreRequest {
  /** Which process reports. */
  readonly reporter: string;
  /** Counts the reports of this process: one that was taken already is void. */
  readonly sequence: number;
  /** Failures; where `threshold.windowMs` is 0, those after the last success. */
  readonly failures: number;
  readonly successes: number;
  /** When the counts of all trip the circuit; `undefined`: only `tripped` does. */
  readonly threshold: SharedThreshold | undefined;
  /** Whether the circuit of this process has tripped by itself, and that is to count as a vote. */
  readonly tripped: boolean;
  /** How many processes have to report failures, or have tripped, before the circuit opens. */
  readonly quorum: number;
  /** How the circuit opens, if this report opens it. */
  readonly opening: Opening;
}

/** Asks for the right to probe. */
export interface LeaseRequest extends StoreRequest {
  /** Names the lease; asking again with the same token gives no second one. */
  readonly token: string;
  readonly leaseMs: number;
  readonly permits: number;
}

/** The answer to a `LeaseRequest`. */
export interface LeaseReply extends SharedView {
  readonly granted: boolean;
  /** Leases that are left. */
  readonly free: number;
  /** When it is worth asking for another lease, ms. */
  readonly retryAfterMs: number;
}

/** What a probe came to. */
export interface Settlement extends StoreRequest {
  readonly token: string;
  /** `false` for a probe that a process made without a lease, because the store did not answer in time. */
  readonly leased: boolean;
  readonly outcome: Outcome;
  readonly probes: ProbeRules;
  /** How the circuit re-opens, if this outcome re-opens it. */
  readonly opening: Opening;
}

/** What an operator does by hand. */
export interface ForceRequest extends StoreRequest {
  readonly state: 'open' | 'closed';
  readonly opening: Opening;
}

/** Receives what other processes bring about. */
export interface StoreListener {
  /** A circuit changed, or its first failure was reported. May come twice, late or not at all. */
  changed(key: string, view: SharedView): void;
  /** Messages arrive from now on, for the first time or again; some may have been missed. */
  resumed(): void;
  /** Messages do not arrive at present. */
  interrupted(): void;
}

/**
 * A place where circuits are shared: what `fleet` needs of Redis, or of an engine of your own. Each operation is atomic per
 * key, goes by the store's own clock alone, does nothing once it has expired, and answers with the view after it. `memoryStore` is the shortest example. A
 * promise may stay pending for ever: `fleet` gives each a deadline.
 */
export interface CircuitStore {
  /** The circuit, with an empty epoch where there is none; writes nothing. */
  read(key: string): Promise<SharedView>;
  /**
   * Adds counts to a closed circuit, unless `known` is older than what the store has, or the report was taken before. It
   * opens when they reach the threshold and enough processes have reported.
   */
  report(key: string, report: FailureReport): Promise<SharedView>;
  /**
   * Gives a lease on an open circuit whose cooldown is over, or a half-open one with permits left. A circuit that the store
   * has forgotten, or remembers less of than `known`, is taken to be open with its cooldown over.
   */
  acquire(key: string, request: LeaseRequest): Promise<LeaseReply>;
  /**
   * Ends a lease of the present generation. A success counts also after the lease has run out, a failure does not; the
   * same token counts once.
   */
  settle(key: string, settlement: Settlement): Promise<SharedView>;
  /** Opens or closes a circuit, whatever it was. */
  force(key: string, request: ForceRequest): Promise<SharedView>;
  /**
   * Tells the listener of each transition, and of the first failure after none. Absent: circuits are only read. Where it
   * rejects, it is called again after `resyncMs`.
   */
  subscribe?(listener: StoreListener): Promise<void>;
  /** Closes what the store opened itself. */
  close?(): Promise<void>;
}
