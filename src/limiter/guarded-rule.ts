import { unexpected } from '../validation.js';
import type { LimitedAttempt, LimitRule } from './rule.js';

/**
 * A rule, perhaps of the user's: what it throws, or says that makes no sense, lets attempts pass and fails nobody. Each question
 * has a `try` of its own, since closures are what a healthy call would notice.
 */
export class GuardedRule {
  readonly #rule: LimitRule;
  readonly #onError: ((error: unknown) => void) | undefined;
  lastError: unknown;

  constructor(rule: LimitRule, onError: ((error: unknown) => void) | undefined) {
    this.#rule = rule;
    this.#onError = onError;
  }

  get limit(): number | undefined {
    try {
      const limit: unknown = this.#rule.limit;
      return typeof limit === 'number' ? limit : undefined;
    } catch (error) {
      this.#complain(error);
      return undefined;
    }
  }

  waitMs(now: number, inFlight: number): number {
    try {
      return msOf(this.#rule.waitMs(now, inFlight), 'waitMs()');
    } catch (error) {
      this.#complain(error);
      return 0;
    }
  }

  heldMs(now: number): number {
    try {
      return msOf(this.#rule.heldMs?.(now) ?? 0, 'heldMs()');
    } catch (error) {
      this.#complain(error);
      return 0;
    }
  }

  isAtRest(now: number): boolean {
    try {
      return this.#rule.isAtRest?.(now) !== false;
    } catch (error) {
      this.#complain(error);
      return true;
    }
  }

  started(now: number, inFlight: number): void {
    try {
      this.#watch(this.#rule.started?.(now, inFlight));
    } catch (error) {
      this.#complain(error);
    }
  }

  cancelled(now: number): void {
    try {
      this.#watch(this.#rule.cancelled?.(now));
    } catch (error) {
      this.#complain(error);
    }
  }

  ended(attempt: LimitedAttempt, now: number): void {
    try {
      this.#watch(this.#rule.ended?.(attempt, now));
    } catch (error) {
      this.#complain(error);
    }
  }

  recovered(now: number): void {
    try {
      this.#watch(this.#rule.recovered?.(now));
    } catch (error) {
      this.#complain(error);
    }
  }

  /** A function of the user's may be asynchronous all the same. */
  #watch(said: unknown): void {
    if (said === undefined || typeof (said as PromiseLike<unknown> | null)?.then !== 'function') return;
    Promise.resolve(said).catch((error: unknown) => this.#complain(error));
  }

  #complain(error: unknown): void {
    this.lastError = error;
    this.#onError?.(error);
  }
}

function msOf(said: unknown, question: string): number {
  if (typeof said !== 'number' || Number.isNaN(said)) throw unexpected(question, 'a number of ms', said);
  return said > 0 ? said : 0;
}
