import { type Clock, MAX_TIMER_MS } from '../clock.js';
import type { Outcome, TurnedAway } from '../events.js';
import { own } from '../validation.js';
import { GuardedRule } from './guarded-rule.js';
import type { LimitedAttempt, LimitRule } from './rule.js';
import { type Waiting, WaitingLine } from './waiting-line.js';

/** Attempts since a limiter was made. */
export interface LimiterCounts extends Readonly<Record<Outcome, number>> {
  /** Attempts that were let pass; those that have ended are counted by their outcome besides. */
  readonly started: number;
  /** Attempts that had to wait, whether they were let pass in the end or not. */
  readonly queued: number;
  /** Attempts that were turned away. */
  readonly rejected: number;
  /** Attempts that left while they waited, or were not made although they were let pass. */
  readonly cancelled: number;
}

/** Somebody who waits for a slot. */
export interface Waiter extends Waiting {
  /** Until when, on the turnstile's clock. */
  expiresAt: number;
  readonly enter: (slot: Slot) => void;
  readonly turnAway: (why: TurnedAway) => void;
}

/** What became of an attempt. */
export type Ended = Pick<LimitedAttempt, 'outcome' | 'reason' | 'status' | 'header' | 'timeoutMs'>;

/** No more is known of it than that. Each field is its own, so that none is read from `Object.prototype`. */
export const endedAs = (outcome: Outcome, reason?: LimitedAttempt['reason']): Ended => ({
  outcome,
  reason,
  status: undefined,
  header: undefined,
  timeoutMs: undefined,
});

export interface TurnstileOptions {
  readonly rule: LimitRule;
  readonly maxQueue: number;
  readonly clock: Clock;
  /** Told what a rule of the user's throws: that lets the attempt pass. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A timer that is as late as this says that the process slept, ms. */
const SLEPT_MS = 250;
/** The most that waits are then longer, so that answers which came meanwhile are seen first, ms. */
const MOST_GRACE_MS = 1_000;

/** Attempts that start within so many ms start together, ms. */
const TOGETHER_MS = 5;

/** What starts together: the first of a burst meets as many as the last. */
interface Moment {
  readonly at: number;
  inFlight: number;
}

/** The right to make one attempt. It is given back exactly once: further times change nothing. */
export class Slot {
  #turnstile: Turnstile | undefined;

  constructor(
    turnstile: Turnstile,
    /** @internal */
    readonly startedAt: number,
    /** @internal */
    readonly moment: Moment,
    /** @internal */
    readonly wasFull: boolean,
  ) {
    this.#turnstile = turnstile;
  }

  /**
   * The attempt has ended.
   *
   * @param now The present on the limiter's clock, where it is known.
   */
  end(ended: Ended, now?: number): void {
    this.#leave()?.ended(this, ended, now);
  }

  /** The attempt was not made. */
  cancel(): void {
    this.#leave()?.cancelled();
  }

  #leave(): Turnstile | undefined {
    const turnstile = this.#turnstile;
    this.#turnstile = undefined;
    return turnstile;
  }
}

/** Lets attempts pass as a rule says, and keeps the line of those who wait, with one timer at most and none while nobody waits. */
export class Turnstile {
  readonly #rule: GuardedRule;
  readonly #maxQueue: number;
  readonly #clock: Clock;
  readonly #counts = { started: 0, queued: 0, rejected: 0, cancelled: 0, success: 0, failure: 0, neutral: 0 };
  readonly #line = new WaitingLine<Waiter>();
  #inFlight = 0;
  #moment: Moment = { at: Number.NEGATIVE_INFINITY, inFlight: 0 };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = 0;
  /** Nobody's wait ends before. */
  #expiryFrom = Number.POSITIVE_INFINITY;

  constructor(options: TurnstileOptions) {
    const { rule, maxQueue, clock, onError } = own(options);
    this.#rule = new GuardedRule(rule, onError);
    this.#maxQueue = maxQueue;
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#line.size;
  }

  get limit(): number | undefined {
    return this.#rule.limit;
  }

  /** What a rule of the user's threw last. */
  get lastError(): unknown {
    return this.#rule.lastError;
  }

  get counts(): LimiterCounts {
    return { ...this.#counts };
  }

  /** Whether nobody is in flight or waits, and the rule has nothing to remember. */
  get isAtRest(): boolean {
    if (this.#inFlight > 0 || this.#line.size > 0 || this.heldMs > 0) return false;
    return this.#rule.isAtRest(this.#clock.now());
  }

  /** How long no attempt can pass, ms. */
  get heldMs(): number {
    return this.#rule.heldMs(this.#clock.now());
  }

  /** A slot, unless one has to wait for it. */
  enter(): Slot | undefined {
    const now = this.#clock.now();
    if (this.#line.size > 0 || this.#waitMs(now) > 0) return undefined;
    return this.#start(now);
  }

  /**
   * Stands in the line, unless it is full of others who go first: then one is turned away.
   *
   * @returns Whether it had to wait; `false` where it was turned away at once.
   */
  wait(waiter: Waiter): boolean {
    const now = this.#clock.now();
    const { heldMs } = this;
    if (waiter.expiresAt <= now || now + heldMs > waiter.expiresAt) {
      this.#turnAway(waiter, heldMs > 0 ? 'held' : 'wait');
      return false;
    }
    if (this.#line.size >= this.#maxQueue) this.#serve(now);
    if (this.#line.size >= this.#maxQueue) {
      const last = this.#line.lastBehind(waiter) ?? waiter;
      this.#line.remove(last);
      this.#turnAway(last, 'queue');
      if (last === waiter) return false;
    }
    this.#counts.queued++;
    this.#line.add(waiter);
    this.#expiryFrom = Math.min(this.#expiryFrom, waiter.expiresAt);
    this.#serve(now);
    return true;
  }

  /** Leaves the line. */
  leave(waiter: Waiter): void {
    if (!this.#line.remove(waiter)) return;
    this.#counts.cancelled++;
    this.#serve(this.#clock.now());
  }

  /** Is turned away, if it still stands in the line. */
  end(waiter: Waiter): void {
    if (!this.#line.remove(waiter)) return;
    this.#turnAway(waiter, 'wait');
    this.#serve(this.#clock.now());
  }

  recovered(): void {
    const now = this.#clock.now();
    this.#rule.recovered(now);
    this.#serve(now);
  }

  /** @internal */
  ended({ startedAt, moment: { inFlight }, wasFull }: Slot, ended: Ended, now = this.#clock.now()): void {
    this.#inFlight--;
    this.#counts[ended.outcome]++;
    const { outcome, reason, status, header, timeoutMs } = ended;
    const durationMs = now - startedAt;
    this.#rule.ended({ outcome, reason, status, header, timeoutMs, startedAt, inFlight, wasFull, durationMs }, now);
    this.#serve(now);
  }

  /** @internal */
  cancelled(): void {
    const now = this.#clock.now();
    this.#inFlight--;
    this.#counts.cancelled++;
    this.#rule.cancelled(now);
    this.#serve(now);
  }

  #start(now: number): Slot {
    this.#inFlight++;
    this.#counts.started++;
    this.#rule.started(now, this.#inFlight);
    if (now - this.#moment.at < TOGETHER_MS) this.#moment.inFlight = Math.max(this.#moment.inFlight, this.#inFlight);
    else this.#moment = { at: now, inFlight: this.#inFlight };
    return new Slot(this, now, this.#moment, this.#line.size > 0 || this.#waitMs(now) > 0);
  }

  #serve(now: number): void {
    let waitMs = 0;
    for (let first = this.#line.first; first; first = this.#line.first) {
      waitMs = this.#waitMs(now);
      if (waitMs > 0) break;
      this.#line.remove(first);
      first.enter(this.#start(now));
    }
    if (this.#line.size === 0) this.#rest();
    else this.#wakeAt(Math.min(this.#expiryFrom, now + waitMs), now);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#expiryFrom = Number.POSITIVE_INFINITY;
  }

  #wakeAt(at: number, now: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.#timer !== undefined && this.#dueAt <= at)) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(1, Math.ceil(at - now)), MAX_TIMER_MS));
  }

  #wake(): void {
    const now = this.#clock.now();
    const lateMs = now - this.#dueAt;
    const graceMs = lateMs > SLEPT_MS ? Math.min(lateMs, MOST_GRACE_MS) : 0;
    this.#timer = undefined;
    this.#expiryFrom = Number.POSITIVE_INFINITY;
    for (const waiter of this.#line) {
      if (graceMs > 0) waiter.expiresAt = Math.max(waiter.expiresAt, now + graceMs);
      if (waiter.expiresAt <= now) {
        this.#line.remove(waiter);
        this.#turnAway(waiter, 'wait');
      } else {
        this.#expiryFrom = Math.min(this.#expiryFrom, waiter.expiresAt);
      }
    }
    this.#serve(now);
  }

  #turnAway(waiter: Waiter, why: TurnedAway): void {
    this.#counts.rejected++;
    waiter.turnAway(why);
  }

  #waitMs(now: number): number {
    return this.#rule.waitMs(now, this.#inFlight);
  }
}
