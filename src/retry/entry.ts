import type { Outcome } from '../events.js';

export type GuardAnswer =
  | {
      readonly admitted: true;
      readonly isProbe?: boolean | undefined;
      readonly timeoutMs?: number | undefined;
      settle(outcome: Outcome, now?: number, details?: { readonly error: unknown }): void;
    }
  | { readonly admitted: false; readonly retryAfterMs: number; readonly cause?: unknown };

/** What an attempt came to. */
export type Ended<T> =
  | { readonly hasThrown: false; readonly result: T; readonly error?: undefined }
  | { readonly hasThrown: true; readonly result?: undefined; readonly error: unknown };

export type Classify<T> = (ended: Ended<T>) => Outcome | undefined;

interface JudgedBy<T> {
  readonly classify?: Classify<T> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly outOfTime?: (() => Outcome) | undefined;
}

/** What `retry` needs of a circuit breaker; `CircuitBreaker` has it. */
export interface RetryGuard {
  readonly key: string;
  readonly mode: 'enforce' | 'observe';
  readonly isOpen: boolean;
  /** @internal Whether it lets nobody pass at present. */
  readonly isRejecting: boolean;
  /** @internal A permit, for which it may wait; a probe only where as much time is left as successes take. */
  acquireWithin(
    maxWaitMs: () => number,
    signal?: AbortSignal,
    caller?: object,
    remainingMs?: number,
  ): GuardAnswer | Promise<GuardAnswer>;
  /** @internal A success of a call whose time is limited took so long, ms. */
  took(durationMs: number): void;
  /** @internal What the slowest success of the last minute took, ms. */
  readonly slowestMs: number | undefined;
  /** @internal Whether there may be a permit within that time. */
  isWorthWaiting(maxWaitMs: number): boolean;
  /** @internal */
  judge<T>(ended: Ended<T>, judgedBy?: JudgedBy<T>): Outcome;
}

interface SlotOptions {
  readonly signal?: AbortSignal | undefined;
  readonly isRetry?: boolean | undefined;
}

export interface RetrySlot {
  end(ended: never): void;
  cancel(): void;
}

/** What `retry` needs of a limiter; `Limiter` has it. */
export interface RetryLimiter {
  readonly key: string;
  /** How many it lets be in flight. */
  stats(): { readonly limit: number | undefined };
  /** @internal A promise only where it has to wait. It does not throw. */
  enter(options: SlotOptions): RetrySlot | Promise<RetrySlot>;
  /** @internal */
  judge(ended: Ended<unknown>, signal: AbortSignal, outOfTime: () => Outcome): object;
  /** @internal A success of a call whose time is limited took so long, ms. */
  took(durationMs: number): void;
  /** @internal What the slowest success of the last minute took, ms. */
  readonly slowestMs: number | undefined;
}

/** What an attempt goes on with. */
interface Entry {
  readonly slot: RetrySlot | undefined;
  readonly permit: GuardAnswer | undefined;
}

/**
 * Takes a slot and a permit, or a rejection. An attempt that waits for one of them does not hold the other: a slot goes back
 * while the breaker is waited for, and a permit while there is no slot, but not before the next timer: if both went at once, those
 * with a slot and those with a permit could take turns for ever.
 *
 * @param takeSlot Is not asked first where the breaker is open.
 */
export async function enter(
  breaker: RetryGuard | undefined,
  takeSlot: () => RetrySlot | undefined | Promise<RetrySlot>,
  takePermit: () => GuardAnswer | undefined | Promise<GuardAnswer>,
): Promise<Entry> {
  let slot = breaker?.isRejecting ? undefined : await takeSlot();
  for (;;) {
    const answer = takePermit();
    if (!(answer instanceof Promise)) return { slot, permit: answer };
    slot?.cancel();
    const permit = await answer;
    const next = permit.admitted ? takeSlot() : undefined;
    if (!(next instanceof Promise)) return { slot: next, permit };
    const kept = new KeptPermit(permit);
    try {
      slot = await next;
    } catch (error) {
      kept.giveBack();
      throw error;
    }
    if (kept.take()) return { slot, permit };
  }
}

/** A permit that goes back with the next timer, if it is not taken before. */
class KeptPermit {
  readonly #permit: GuardAnswer;
  readonly #timer: ReturnType<typeof setTimeout>;
  #isKept = true;

  constructor(permit: GuardAnswer) {
    this.#permit = permit;
    this.#timer = setTimeout(() => this.giveBack(), 0);
  }

  take(): boolean {
    clearTimeout(this.#timer);
    return this.#isKept;
  }

  giveBack(): void {
    if (this.take() && this.#permit.admitted) this.#permit.settle('neutral');
    this.#isKept = false;
  }
}
