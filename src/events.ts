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
  /** `shouldRetry` said no, or a hook threw. */
  | 'vetoed'
  /** An interceptor answered with an adapter of its own. */
  | 'adapter-replaced'
  /** `retry: false`. */
  | 'disabled';

/** Why a limiter turned an attempt away: there was no room to wait, the wait was over, or it was to last too long for certain. */
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
  /** `trip`, `reset` or `isolate`. */
  | 'manual'
  /** `restore`. */
  | 'restored'
  /** Another process that shares the circuit changed it. */
  | 'shared';

/**
 * Reads the state that the circuit is in when this is called, as metrics are when they are collected: an open circuit becomes
 * half-open only when somebody looks. `undefined` once the circuit is gone, which this does not keep in memory. Not enumerable.
 */
export type ReadState = () => CircuitState | undefined;

interface Base<Type extends string> {
  readonly type: Type;
  /** The circuit's key, e.g. `GET https://api.example.com/v1`; never the URL of a request. */
  readonly key: string;
  /** When, in ms since the Unix epoch. */
  readonly at: number;
}

/** One dispatch to the network came to its end. */
export interface AttemptEvent extends Base<'attempt'> {
  /** From 1. */
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly durationMs: number;
  /** Whether a circuit was asked: not with `breaker: false`, nor where the key is `null`. */
  readonly guarded: boolean;
}

/** An attempt failed and another will follow. */
export interface RetryEvent extends Base<'retry'> {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  /** The status or code that is retried, or the hook that asked for it. */
  readonly reason: string;
  readonly method: string;
  /** Without credentials, query and fragment. */
  readonly url: string;
}

/** A call came to its end, well or not; once per call, before its `giveUp` if there is one. */
export interface CallEvent extends Base<'call'> {
  /** Attempts made; 0 when the circuit rejected the call, or an interceptor answered it. */
  readonly attempts: number;
  readonly stopped: Stopped;
  readonly elapsedMs: number;
}

/** A call ended without success; once per call. */
export interface GiveUpEvent extends Base<'giveUp'> {
  readonly attempts: number;
  readonly stopped: Stopped;
  readonly elapsedMs: number;
}

/** An attempt waits for its limiter. `key` is the limiter's. */
export interface QueuedEvent extends Base<'queued'> {
  /** How many wait, this one included. */
  readonly queued: number;
}

/** A limiter let an attempt not pass in time. `key` is the limiter's. */
export interface LimitedEvent extends Base<'limited'> {
  readonly why: TurnedAway;
  /** How long for certain it is no use to try again, ms; 0 where nobody knows. */
  readonly retryAfterMs: number;
}

/** A limiter as it is, at most once a second while attempts go through it, and when it has come to rest. `key` is the limiter's. */
export interface LimiterEvent extends Base<'limiter'> {
  /** How many may be in flight, perhaps below 1; `undefined` for a limit that is not by concurrency. */
  readonly limit: number | undefined;
  readonly inFlight: number;
  /** How many wait. */
  readonly queued: number;
}

/** A circuit changed its state. */
export interface StateChangeEvent extends Base<'stateChange'> {
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
}

/** The circuit had no permit to give. */
export interface RejectedEvent extends Base<'rejected'> {
  readonly retryAfterMs: number;
  /** In mode `observe`: the attempt was made all the same. */
  readonly observed: boolean;
}

/** An attempt begins to wait for its circuit, which would reject it: `rejected` follows if it waits in vain. */
export interface WaitingEvent extends Base<'waiting'> {
  /** How many wait now. */
  readonly waiting: number;
  /** How long it may wait until then, ms. */
  readonly maxWaitMs: number;
}

/** Fallback data answered a call. */
export interface FallbackEvent extends Base<'fallback'> {
  readonly cause: Stopped;
}

/** An attempt ended after its circuit had moved on; its outcome counts nothing. */
export interface LateEvent extends Base<'late'> {
  readonly outcome: Outcome;
}

/** A circuit breaker was made, or was in the registry when the instance was attached. */
export interface RegisteredEvent extends Base<'registered'> {
  readonly state: CircuitState;
  /** Where the circuit was there already; one that was made is closed, and tells of each change. */
  readonly readState?: ReadState | undefined;
}

/** A circuit breaker was dropped: because the registry is at its cap, or by `delete`. */
export interface EvictedEvent extends Base<'evicted'> {
  readonly state: CircuitState;
  /** Whether something was lost with it that somebody had set: an isolation, a trip, or a mode. */
  readonly byHand?: boolean | undefined;
}

/** A callback that must not fail a call threw, or returned what it must not. */
export interface ListenerErrorEvent extends Base<'listenerError'> {
  /** Which callback: `listener`, `sink`, or the option's path. */
  readonly source: string;
  readonly error: unknown;
}

/**
 * The store of shared circuits does not answer, or does not take writes: each process decides by itself until it does. `key`
 * is empty, or is that of the one circuit that the store cannot serve.
 */
export interface StoreDegradedEvent extends Base<'storeDegraded'> {
  /** What the last command came to. */
  readonly error: unknown;
}

/** The store of shared circuits answers again. `key` as in `storeDegraded`. */
export interface StoreRecoveredEvent extends Base<'storeRecovered'> {
  /** How long the circuits were not shared, ms. */
  readonly degradedMs: number;
}

/** Failures of a circuit could not be told to the store. They count in this process all the same. */
export interface StoreDroppedEvent extends Base<'storeDropped'> {
  /** How many failures. */
  readonly outcomes: number;
}

/**
 * Changes of shared circuits do not arrive as messages, or cannot be sent: they are found when circuits are read, every
 * `resyncMs`. Told once, until they arrive again. `key` is empty.
 */
export interface StoreUnsubscribedEvent extends Base<'storeUnsubscribed'> {
  /** Why, where that is known, e.g. that the user of Redis has no right to the channel. */
  readonly error: unknown;
}

/** Messages arrive again, after a `storeUnsubscribed`. `key` is empty. */
export type StoreSubscribedEvent = Base<'storeSubscribed'>;

/** Another process judges the same circuit by other rules; told once for each. */
export interface StoreMismatchEvent extends Base<'storeMismatch'> {
  readonly ours: string;
  readonly theirs: string;
}

/** The shared circuits in recent use are read anew: messages may have been missed. `key` is empty. */
export interface ResyncEvent extends Base<'resync'> {
  /** How many circuits. */
  readonly circuits: number;
}

/** Everything that happens, told apart by `type`. */
export type ResilienceEvent =
  | AttemptEvent
  | RetryEvent
  | CallEvent
  | GiveUpEvent
  | StateChangeEvent
  | RejectedEvent
  | WaitingEvent
  | QueuedEvent
  | LimitedEvent
  | LimiterEvent
  | FallbackEvent
  | LateEvent
  | RegisteredEvent
  | EvictedEvent
  | ListenerErrorEvent
  | StoreDegradedEvent
  | StoreRecoveredEvent
  | StoreDroppedEvent
  | StoreUnsubscribedEvent
  | StoreSubscribedEvent
  | StoreMismatchEvent
  | ResyncEvent;

export type EventType = ResilienceEvent['type'];
export type EventOf<Type extends EventType> = Extract<ResilienceEvent, { type: Type }>;

/** Receives every event. What it throws, or rejects with, becomes a `listenerError`. */
export interface Sink {
  record(event: ResilienceEvent): void;
}
