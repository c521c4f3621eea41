import type { Clock } from '../clock.js';
import type { Outcome, TurnedAway } from '../events.js';
import type { LimiterCounts, Slot, Turnstile, TurnstileOptions } from './turnstile.js';
import type { Priority } from './waiting-line.js';

/** A limiter as it is at one moment. */
export interface LimiterStats {
  /** How many may be in flight, perhaps below 1; `undefined` for a limit that is not by concurrency. */
  readonly limit: number | undefined;
  readonly inFlight: number;
  /** How many wait. */
  readonly queued: number;
  readonly counts: LimiterCounts;
  /** What a rule of your own threw last; it let the attempt pass. */
  readonly lastError: unknown;
}

/** Who asks for a slot. */
export interface Asking {
  readonly priority?: Priority | undefined;
  readonly isRetry?: boolean | undefined;
  readonly maxWaitMs?: number | undefined;
}

/** What a limiter answers when it let nobody pass. */
export interface TurnedAwayAnswer {
  readonly why: TurnedAway;
  readonly retryAfterMs: number;
}

/** A place in the queue. */
export interface Place {
  /** Whether it had one; `false` for what was turned away at once. */
  readonly isQueued: boolean;
  /** Never rejects. */
  readonly answer: Promise<Slot | TurnedAwayAnswer>;
  /** Leaves the queue; a slot that was given already has to be cancelled. */
  leave(): void;
  /** Is turned away at once, as if its wait were over. */
  end(): void;
}

/** What a limiter tells of itself. */
type LimiterNews =
  | { readonly type: 'queued'; readonly by: 'limiter'; readonly queued: number }
  | { readonly type: 'rejected'; readonly by: 'limiter'; readonly why: TurnedAway; readonly retryAfterMs: number }
  | ({ readonly type: 'limiter' } & Pick<LimiterStats, 'limit' | 'inFlight' | 'queued'>);

export type OpenOptions = Omit<TurnstileOptions, 'rule'> & { readonly random: () => number };

/** What is asked of a limiter on behalf of attempts; `Limiter` has it. */
export interface LimiterLike {
  readonly key: string;
  ask(asking: Asking): Slot | Place;
  stats(): LimiterStats;
  recovered(): void;
  readonly heldMs: number;
  readonly isIdle: boolean;
  readonly isAtRest: boolean;
}

/** An attempt of an axios call, as far as a limiter looks at it. */
export interface LimitedRequest {
  readonly call: {
    readonly made: number;
    /** How long attempts of the call stood in queues, ms. */
    limitedMs?: number | undefined;
    remainingMs(): number;
  };
  readonly config: { readonly timeout?: number | undefined };
  readonly captured: {
    readonly policy: {
      readonly limiter: {
        readonly enabled: boolean;
        readonly key?: ((config: never) => string | null | undefined) | undefined;
        readonly priority?: Priority | undefined;
        readonly maxWaitMs?: number | undefined;
      };
    };
  };
  readonly circuitKey: string | null;
  /** What its circuit gave after a wait. */
  readonly held?: object | undefined;
  /** Once it has ended. */
  readonly outcome: Outcome | undefined;
  readonly response: { readonly status: number; readonly headers?: object | undefined } | undefined;
}

/** Tells of limiters, and of what rules of the user's throw. */
interface LimiterEvents {
  /** Whether anybody hears of it; asked before anything is told. */
  readonly active: boolean;
  emit(event: LimiterNews & { readonly key: string }): void;
  complain(key: string, source: string, error: unknown): void;
}

/** The circuits of an attached instance, as far as limiters look at them. */
interface CircuitsOfLimiters {
  get(key: string): { readonly isRejecting: boolean } | undefined;
}

/** How the limiters of an attached instance are made. */
export interface LimitersOptions {
  readonly limit: Limit;
  /** In place of limiters of its own. */
  readonly only?: LimiterLike | undefined;
  readonly maxQueue?: number | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: LimiterEvents;
  /** The default key. */
  readonly keyOf: (config: never) => string;
  readonly registry: CircuitsOfLimiters;
}

/** As guards of attempts answer. */
interface Pass {
  readonly admitted: true;
  settle(outcome: Outcome, now?: number, details?: { readonly isTimeout?: boolean | undefined }): Outcome;
}

interface Refusal {
  readonly admitted: false;
  readonly stopped: 'limited';
  readonly error: unknown;
}

interface Later {
  readonly admitted: 'later';
  readonly answer: Promise<Pass | Refusal>;
  leave(): void;
  end(): void;
}

export type Admission = Pass | Refusal;

/** The limiters of an attached instance, by key. */
export interface AttachedLimiters {
  /** As a guard of attempts. */
  admit(attempt: LimitedRequest): Pass | Later | undefined;
  /** The circuit of this key has closed again. */
  recovered(circuitKey: string): void;
  stats(): Readonly<Record<string, LimiterStats>>;
}

/** What a limiter goes by: one limit can be given to several limiters, each has a state of its own. */
export interface Limit {
  /** `adaptive`, `concurrency`, `rate` or `custom`. */
  readonly kind: string;
  /** @internal */
  open(options: OpenOptions): Turnstile;
  /** @internal */
  limiters(options: LimitersOptions): AttachedLimiters;
}
