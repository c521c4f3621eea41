import type { AxiosError, InternalAxiosRequestConfig } from 'axios';

/** What one attempt says about the health of the service; `neutral` says nothing. */
export type Outcome = 'success' | 'failure' | 'neutral';

/** `closed` lets all attempts through, `open` none, `half-open` only probes. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** Why there was no further attempt. */
export type Stopped =
  /** The call was answered. */
  | 'success'
  /** All `retries` were used. */
  | 'exhausted'
  /** The failure is not one that is retried. */
  | 'not-retryable'
  /** The method is not idempotent and the request may have been received. */
  | 'method'
  /** The body can be sent only once. */
  | 'body'
  /** The retry budget of the key is used up. */
  | 'budget'
  /** The next attempt would not fit into `deadlineMs`. */
  | 'deadline'
  /** The server asked for a longer wait than `retryAfter.maxMs`. */
  | 'retry-after'
  /** The circuit is open, or all probes of a half-open one are under way. */
  | 'circuit-open'
  /** `close` ended the wait for the next attempt. */
  | 'closed'
  /** The limiter let no further attempt pass in time. */
  | 'limited'
  /** The call was cancelled. */
  | 'aborted'
  /** `shouldRetry` said no. */
  | 'vetoed'
  /** A hook of `retry` threw. */
  | 'hook-failed'
  /** An interceptor answered with an adapter of its own. */
  | 'adapter-replaced'
  /** `retry: false`. */
  | 'disabled';

/** What let an attempt wait or not pass. */
type RejectedBy = 'circuit' | 'limiter';

/** Why a limiter rejected an attempt: the queue was full, the wait was over, or the wait would have been too long. */
export type TurnedAway = 'queue' | 'wait' | 'held';

/** Why a circuit changed its state. */
export type TransitionReason =
  /** The detector tripped on failures. */
  | 'threshold'
  /** The detector tripped on slow attempts. */
  | 'slow'
  /** A response told how long to stay away (`retryAfter.opens`). */
  | 'retry-after'
  /** The cooldown is over: the circuit may be probed. */
  | 'cooldown-elapsed'
  | 'probe-failed'
  | 'probe-succeeded'
  /** Failures in a row had opened it, and an attempt that began among them succeeded: only a part of the service fails. */
  | 'late-success'
  /** `trip`, `reset` or `isolate`, and for a shared circuit a `trip` or `reset` of another process. */
  | 'manual'
  /** `restore`. */
  | 'restored'
  /** Another process that shares the circuit changed it, and not by hand. */
  | 'shared';

/**
 * Reads the state that the circuit is in when this is called, as metrics are when they are collected: an open circuit becomes
 * half-open only when somebody looks. `undefined` once the circuit is gone, which this does not keep in memory. Not enumerable.
 */
export type ReadState = () => CircuitState | undefined;

interface Base<Type extends string, Key = string> {
  readonly type: Type;
  /** The circuit's key, e.g. `GET https://api.example.com/v1`; never the URL of a request. */
  readonly key: Key;
  /** When, in ms since the Unix epoch. */
  readonly at: number;
}

/** Of a call: its key is `null` where the `key` function says so. */
type OfCall<Type extends string> = Base<Type, string | null>;

/** What happened to the store of shared circuits. */
type StoreNews =
  /**
   * It does not answer, or does not take writes: each process decides by itself until it does. `error` is what the last command
   * came to.
   */
  | { readonly status: 'degraded'; readonly error: unknown }
  /** It answers again. `degradedMs`: how long the circuits were not shared. */
  | { readonly status: 'recovered'; readonly degradedMs: number }
  /** So many failures of a circuit could not be told to it. They count in this process all the same. */
  | { readonly status: 'dropped'; readonly outcomes: number }
  /**
   * Changes do not arrive as messages, or cannot be sent: they are found when circuits are read, every `resyncMs`. Told once,
   * until they arrive again. `error` says why, where that is known.
   */
  | { readonly status: 'unsubscribed'; readonly error: unknown }
  /** Messages arrive again. */
  | { readonly status: 'subscribed' }
  /** Another process judges the same circuit by other rules; told once for each. */
  | { readonly status: 'mismatch'; readonly ours: string; readonly theirs: string }
  /** So many circuits in recent use are read again: messages may have been missed. */
  | { readonly status: 'resync'; readonly circuits: number };

/** Everything that happens, by `type`. Each thing is told once. */
export interface ResilienceEvents {
  /**
   * A call came to its end, well or not; after its fallback, if it has one. Nothing is told of a call that ended in your request
   * interceptors, or has `resilience: false`. axios before 1.19 may end one that was aborted before it began; nor is that told.
   */
  call: OfCall<'call'> & {
    /** Attempts made; 0 when the circuit rejected the call, or an interceptor answered it. */
    readonly attempts: number;
    readonly stopped: Stopped;
    /** What the last attempt said about the service: `success` for a 404, too; `undefined` where none was made. */
    readonly outcome?: Outcome | undefined;
    readonly elapsedMs: number;
    /** Whether fallback data answered. */
    readonly fallback: boolean;
    /**
     * What the caller is given in place of an answer: an `AxiosError`, unless an adapter, an interceptor, a hook or `createError`
     * made something else. Not enumerable, so that no log shows it whole.
     */
    readonly error?: Partial<AxiosError> | undefined;
  };
  /** One dispatch to the network came to its end. */
  attempt: OfCall<'attempt'> & {
    /** From 1. */
    readonly attempt: number;
    readonly outcome: Outcome;
    readonly status: number | undefined;
    readonly code: string | undefined;
    readonly durationMs: number;
    /** Whether a circuit was asked: not with `breaker: false`, nor where the key is `null`. */
    readonly guarded: boolean;
  };
  /** An attempt failed and another will follow. */
  retry: OfCall<'retry'> & {
    /** The attempt that failed, from 1. */
    readonly attempt: number;
    readonly delayMs: number;
    /** The status or code that is retried, or the hook that asked for it. */
    readonly reason: string;
    readonly method: string;
    /** Without credentials, query and fragment. */
    readonly url: string;
    /**
     * What the attempt failed with: an `AxiosError`, unless an adapter threw something else; `undefined` where axios accepted the
     * response. Not enumerable, so that no log shows it whole.
     */
    readonly error?: Partial<AxiosError> | undefined;
    /** The config of the call, the same for each of its events. Not enumerable. */
    readonly config?: InternalAxiosRequestConfig;
  };
  /** An attempt begins to wait for its circuit or its limiter, whose key it is: `rejected` follows if it is not let pass. */
  queued: Base<'queued'> & {
    readonly by: RejectedBy;
    /** How many wait, this one included. */
    readonly queued: number;
  };
  /** A circuit or a limiter, whose key it is, let an attempt not pass. */
  rejected: Base<'rejected'> & {
    /** When to try again, ms; 0 where that is not known. */
    readonly retryAfterMs: number;
  } & ({ readonly by: 'circuit' } | { readonly by: 'limiter'; readonly why: TurnedAway });
  /** In mode `observe` an attempt passes that the circuit would have rejected. */
  wouldReject: Base<'wouldReject'> & { readonly retryAfterMs: number };
  /** A circuit changed its state. */
  stateChange: Base<'stateChange'> & {
    readonly from: CircuitState;
    readonly to: CircuitState;
    readonly reason: TransitionReason;
    /** Failures that the detector counted when the circuit changed. */
    readonly failures: number;
    /** How long the circuit rejects, ms; 0 unless `to` is `open`, and while isolated. */
    readonly cooldownMs: number;
    /**
     * The failure that opened the circuit: an error as `execute` or `retry` caught it, or an axios error without config, request
     * and response. Not enumerable.
     */
    readonly cause?: unknown;
    readonly readState?: ReadState | undefined;
  };
  /** An attempt ended after its circuit had moved on; its outcome counts nothing. */
  late: Base<'late'> & { readonly outcome: Outcome };
  /** A limiter as it is, at most once a second while attempts go through it, and when it has come to rest. `key` is its own. */
  limiter: Base<'limiter'> & {
    /** How many may be in flight, perhaps below 1; `undefined` for a limit that is not by concurrency. */
    readonly limit: number | undefined;
    readonly inFlight: number;
    /** How many wait. */
    readonly queued: number;
  };
  /** A circuit breaker was made, or was in the registry when the instance was attached. */
  breakerAdded: Base<'breakerAdded'> & {
    readonly state: CircuitState;
    /** Where the circuit was there already; one that was made is closed, and tells of each change. */
    readonly readState?: ReadState | undefined;
  };
  /** A circuit breaker was dropped: because the registry is at its cap, or by `delete`. */
  breakerRemoved: Base<'breakerRemoved'> & {
    readonly state: CircuitState;
    /** Whether something was lost with it that somebody had set: an isolation, a trip, or a mode. */
    readonly byHand?: boolean | undefined;
  };
  /** Something happened to the store of shared circuits; `key` is `null` unless it is about one circuit. */
  store: OfCall<'store'> & StoreNews;
  /** A callback that must not fail a call threw, or returned what it must not. */
  callbackError: OfCall<'callbackError'> & {
    /** Which callback: `listener`, `sink`, or the option's path. */
    readonly source: string;
    readonly error: unknown;
  };
}

/** Any event; they are told apart by `type`. */
export type ResilienceEvent = ResilienceEvents[keyof ResilienceEvents];

/** What one circuit breaker tells. */
export type CircuitEvents = Pick<
  ResilienceEvents,
  'queued' | 'rejected' | 'wouldReject' | 'stateChange' | 'late' | 'store' | 'callbackError'
>;

/** What a registry of circuit breakers tells. */
export type RegistryEvents = CircuitEvents & Pick<ResilienceEvents, 'breakerAdded' | 'breakerRemoved'>;

/** Receives every event: a function, or an object with a `record`. What it throws, or rejects with, becomes a `callbackError`. */
export type Sink = ((event: ResilienceEvent) => void) | Recorder;

/** A sink that is an object. */
export interface Recorder {
  record(event: ResilienceEvent): void;
}
