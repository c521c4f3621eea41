import type { Outcome } from '../../events.js';
import type { Permit } from '../contract.js';

/** The most that are let through at a time, however well it goes. */
const MOST = 4;

/** How long a call may hold up others, ms: a long poll, or a request without a timeout, would do so for ever. */
const LONGEST_HOLD_MS = 1_000;

/** For so long after the circuit has closed, ms, slow answers hold others back: a service may stay slower than it was. */
const HELD_BACK_MS = 5_000;

/** The longest pause after a slow answer, in times of what that took. */
const LONGEST_PAUSE = 8;

/** How long it is known what was usual, ms. */
const USUAL_FOR_MS = 60_000;

/**
 * How many calls that have waited may be under way at a time, once the circuit is closed again: one at first, one more after
 * as many successes as that, half as many after a failure. An answer that took longer than any before the outage says that
 * there is no room: then they go one by one again, with pauses that double. It goes by feedback and by no schedule, since only
 * the service knows what it can take on top of the calls that are made anyway.
 */
export class Ramp {
  #allowed = 1;
  #successes = 0;
  /** What the slowest success took before the outage, ms. */
  #usualMs = Number.POSITIVE_INFINITY;
  #usualSince = Number.NEGATIVE_INFINITY;
  #begunAt = 0;
  #pausedUntil = 0;
  /** The next pause, in times of what a slow answer took. */
  #pause = 1;
  /** In the order in which they were let through. */
  readonly #underWay = new Set<{ readonly holdsUntil: number }>();

  /**
   * When there is room for another, ms; at once where that is not later than `now`.
   *
   * @param until Until when it is willing to wait: pauses end then.
   */
  roomAt(now: number, until: number): number {
    for (const stay of this.#underWay) if (stay.holdsUntil <= now) this.#underWay.delete(stay);
    const [oldest] = this.#underWay;
    const isFull = oldest && this.#underWay.size >= this.#allowed;
    return Math.max(Math.min(this.#pausedUntil, until), isFull ? oldest.holdsUntil : now);
  }

  /** Takes in what the slowest success took before somebody waited, ms. Of several within a minute the least counts. */
  usually(slowestMs: number | undefined, now: number): void {
    if (slowestMs === undefined) return;
    const isNew = now - this.#usualSince > USUAL_FOR_MS;
    if (isNew) this.#usualSince = now;
    this.#usualMs = isNew ? slowestMs : Math.min(this.#usualMs, slowestMs);
  }

  /** Begins at one again; those that are under way still count. */
  begin(now: number): void {
    this.#allowed = 1;
    this.#successes = 0;
    this.#begunAt = now;
    this.#pausedUntil = 0;
    this.#pause = 1;
  }

  /**
   * Counts one that is let through; its permit stands for the given one, which is settled first: a failure may open the circuit,
   * and then nobody else is let through.
   */
  enter(permit: Permit, now: number, clock: { readonly now: number }, onEnd: (now: number) => void): Permit {
    const stay = { holdsUntil: now + LONGEST_HOLD_MS };
    this.#underWay.add(stay);
    let isSettled = false;
    const settle: Permit['settle'] = (outcome, settledAt, details) => {
      if (isSettled) return;
      isSettled = true;
      permit.settle(outcome, settledAt, details);
      const endedAt = clock.now;
      this.#underWay.delete(stay);
      const isHeld = endedAt <= this.#begunAt + HELD_BACK_MS;
      if (outcome === 'success' && isHeld && endedAt - now > this.#usualMs) this.#holdBack(endedAt, endedAt - now);
      else this.#learn(outcome);
      onEnd(endedAt);
    };
    return { admitted: true, timeoutMs: permit.timeoutMs, settle };
  }

  /** There is no room for more: a pause before the next. */
  #holdBack(now: number, tookMs: number): void {
    this.#allowed = 1;
    this.#successes = 0;
    this.#pausedUntil = Math.min(now + this.#pause * tookMs, this.#begunAt + HELD_BACK_MS);
    this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause);
  }

  #learn(outcome: Outcome): void {
    if (outcome === 'success') this.#pause = 1;
    if (outcome === 'failure') {
      this.#allowed = Math.max(1, Math.floor(this.#allowed / 2));
      this.#successes = 0;
    } else if (outcome === 'success' && ++this.#successes >= this.#allowed) {
      this.#allowed = Math.min(MOST, this.#allowed + 1);
      this.#successes = 0;
    }
  }
}
