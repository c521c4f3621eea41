import type { Clock } from '../clock.js';
import type { TurnedAway } from '../errors.js';
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
  /** Never rejects. */
  readonly answer: Promise<Slot | TurnedAwayAnswer>;
  /** Leaves the queue; a slot that was given already has to be cancelled. */
  leave(): void;
}

/** What a limiter tells of itself. */
export type LimiterNews =
  | { readonly type: 'queued'; readonly queued: number }
  | { readonly type: 'limited'; readonly why: TurnedAway; readonly retryAfterMs: number }
  | ({ readonly type: 'limiter' } & Pick<LimiterStats, 'limit' | 'inFlight' | 'queued'>);

export type OpenOptions = Omit<TurnstileOptions, 'rule'> & { readonly random: () => number };

/** How the limiters of an attached instance are made. */
export interface LimitersOptions {
  readonly limit: Limit;
  readonly maxQueue?: number | undefined;
  readonly maxWaitMs?: number | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** Asked before anything is told. */
  readonly isHeard: () => boolean;
  readonly tell: (key: string, news: LimiterNews) => void;
  readonly onError: (key: string, error: unknown) => void;
}

/** The limiters of an attached instance, by key. */
export interface AttachedLimiters {
  ask(key: string, asking: Asking): Slot | Place;
  /** A circuit whose requests go through the limiter of this key has closed again. */
  recovered(key: string): void;
  /** How long for certain no attempt of this key passes, ms. */
  heldMs(key: string): number;
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
