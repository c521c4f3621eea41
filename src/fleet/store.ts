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
  /** The name of this process, for people. */
  readonly by: string;
}

/** Outcomes of one age in a window of time: the age in tenths of the window, failures, and all. */
export type OutcomesOfAge = readonly [age: number, failures: number, total: number];

/** Failures in succession in one process, those that were reported before left out. Ages are in ms. */
export interface Run {
  /** How many count: with `perCall`, calls that have not been reported yet. */
  readonly failures: number;
  readonly firstAgeMs: number;
  /** Of the last failure, also of one that does not count by itself; `undefined` where nothing failed. */
  readonly lastAgeMs: number | undefined;
  /** Of the last success, which came before these failures; `undefined` where there was none. */
  readonly successAgeMs: number | undefined;
}

/** What happened in one process since its last report; its successes are part of it, also those before the first failure. */
export interface FailureReport extends StoreRequest {
  /** Which process reports. */
  readonly reporter: string;
  /** Counts the reports of this process: the outcomes of one that was taken already are void. */
  readonly sequence: number;
  /** The outcomes, for a threshold with a `windowMs`. */
  readonly outcomes: readonly OutcomesOfAge[];
  /** The outcomes, for a threshold with a `windowMs` of 0. */
  readonly run: Run;
  /** Successes of the closed circuit: after ten of all processes its openings are forgotten. */
  readonly served: number;
  /** When the counts of all trip the circuit; `undefined`: only `tripped` does. */
  readonly threshold: SharedThreshold | undefined;
  /** Whether the circuit of this process has tripped by itself, and that is to count as a vote. */
  readonly tripped: boolean;
  /** How many processes have to report failures, or have tripped, before the circuit opens. */
  readonly quorum: number;
  /** How long the other processes have to tell their successes before the counts are judged, ms. */
  readonly gatherMs: number;
  /** By what rules this process judges, as text: processes that share a circuit should have the same. */
  readonly rules: string;
  /** How the circuit opens, if this report opens it. */
  readonly opening: Opening;
  readonly why: string;
}

/** The answer to a `FailureReport`. */
export interface ReportReply extends SharedView {
  /** Failures of all processes that count at present. */
  readonly failures: number;
  /** Outcomes of all processes that count at present. */
  readonly total: number;
  /** When it is worth reporting again, even if nothing happens, since the counts are judged then, ms; 0: it is not. */
  readonly judgeInMs: number;
  /** The rules of the process that reported before, where they are others; else empty. */
  readonly otherRules: string;
}

/** Asks for the right to probe. */
export interface LeaseRequest extends StoreRequest {
  /** Names the lease; asking again with the same token gives no second one. */
  readonly token: string;
  readonly leaseMs: number;
  readonly permits: number;
  /** How many probes may fail: a lease that has run out is a probe that failed. */
  readonly allowed: number;
  /** How the circuit re-opens, if such a lease re-opens it. */
  readonly opening: Opening;
  /**
   * How long this process has known the circuit as it is, ms. Where the store's clock was set back, a process that has
   * waited for the whole cooldown is right.
   */
  readonly waitedMs: number;
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
  readonly why: string;
}

/** What an operator does by hand. */
export interface ForceRequest extends StoreRequest {
  readonly state: 'open' | 'closed';
  readonly opening: Opening;
  readonly why: string;
}

/** Receives what other processes bring about. */
export interface StoreListener {
  /** A circuit changed, or a question was put or is answered. May come twice, late or not at all. */
  changed(key: string, view: SharedView): void;
  /** Messages arrive from now on, for the first time or again; some may have been missed. */
  resumed(): void;
  /** Messages do not arrive at present; `error` says why, where that is known. */
  interrupted(error?: unknown): void;
}

/**
 * A place where circuits are shared: what `fleet` needs of Redis, or of an engine of your own. Each operation is atomic per
 * key, goes by the store's own clock alone, does nothing once it has expired, and answers with the view after it. No time
 * that it keeps may last longer than its own length after now: clocks are set back. `memoryEngine` is the shortest example. A
 * promise may stay pending for ever: `fleet` gives each a deadline.
 *
 * An error with `scope: 'circuit'` says that this circuit alone cannot be served; one with `scope: 'passing'` that it is
 * worth asking again and no sign of illness. Any other counts against the whole store.
 */
export interface StoreEngine {
  /** The circuit, with an empty epoch where there is none; writes nothing. */
  read(key: string): Promise<SharedView>;
  /**
   * Adds the outcomes of a process to a closed circuit, unless `known` is older than what the store has, or the report was
   * taken before. Where enough processes have reported and the counts reach the threshold, it opens: at once for a
   * threshold of failures in a window, or where the process has tripped; else once the question that it puts to all has
   * been out for `gatherMs` and the counts still reach it.
   */
  report(key: string, report: FailureReport): Promise<ReportReply>;
  /**
   * Gives a lease on an open circuit whose cooldown is over, or a half-open one with permits left. A circuit that the store
   * has forgotten, or remembers less of than `known`, is taken to be open with its cooldown over. A lease that has run out
   * is a failed probe: where that is one too many the circuit opens with `why` `probe-lost`, from the end of the lease on.
   */
  acquire(key: string, request: LeaseRequest): Promise<LeaseReply>;
  /**
   * Ends a lease of the present generation. A failure counts once, as it comes or as the end of the lease. A success counts
   * also after that, and where nothing but lost probes has opened the circuit since. The same token counts once.
   */
  settle(key: string, settlement: Settlement): Promise<SharedView>;
  /** Opens or closes a circuit, unless it has moved on from `known`. */
  force(key: string, request: ForceRequest): Promise<SharedView>;
  /** Writes something that does not matter, where this circuit is kept: whether the store is well. Absent: it is read. */
  prove?(key: string): Promise<unknown>;
  /**
   * Tells the listener of each transition, and of questions. Absent: circuits are only read. Where it rejects, it is called
   * again after `resyncMs`.
   */
  subscribe?(listener: StoreListener): Promise<void>;
  /** Closes what the store opened itself. */
  close?(): Promise<void>;
}
