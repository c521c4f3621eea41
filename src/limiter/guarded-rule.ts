import { unexpected } from '../validation.js';
import type { LimitedAttempt, LimitRule } from './rule.js';

/** A rule, perhaps of the user's: what it throws, or says that makes no sense, lets attempts pass and fails nobody. */
export class GuardedRule {
  readonly #rule: LimitRule;
  readonly #onError: ((error: unknown) => void) | undefined;
  lastError: unknown;

  constructor(rule: LimitRule, onError: ((error: unknown) => void) | undefined) {
    this.#rule = rule;
    this.#onError = onError;
  }

  get limit(): number | undefined {
    const limit: unknown = this.#tell(() => this.#rule.limit);
    return typeof limit === 'number' ? limit : undefined;
  }

  waitMs(now: number, inFlight: number): number {
    return this.#msOf('waitMs', () => this.#rule.waitMs(now, inFlight));
  }

  heldMs(now: number): number {
    return this.#msOf('heldMs', () => this.#rule.heldMs?.(now) ?? 0);
  }

  isAtRest(now: number): boolean {
    return this.#tell(() => this.#rule.isAtRest?.(now)) !== false;
  }

  started(now: number, inFlight: number): void {
    this.#tell(() => this.#rule.started?.(now, inFlight));
  }

  cancelled(now: number): void {
    this.#tell(() => this.#rule.cancelled?.(now));
  }

  ended(attempt: LimitedAttempt, now: number): void {
    this.#tell(() => this.#rule.ended?.(attempt, now));
  }

  recovered(now: number): void {
    this.#tell(() => this.#rule.recovered?.(now));
  }

  #msOf(question: 'waitMs' | 'heldMs', ask: () => number): number {
    try {
      const ms: unknown = ask();
      if (typeof ms !== 'number') throw unexpected(`${question}()`, 'a number of ms', ms);
      return ms > 0 ? ms : 0;
    } catch (error) {
      this.#complain(error);
      return 0;
    }
  }

  #tell(say: () => unknown): unknown {
    try {
      const said = say() as { readonly then?: unknown } | undefined;
      if (typeof said?.then === 'function') Promise.resolve(said).catch((error: unknown) => this.#complain(error));
      return said;
    } catch (error) {
      this.#complain(error);
      return undefined;
    }
  }

  #complain(error: unknown): void {
    this.lastError = error;
    this.#onError?.(error);
  }
}
