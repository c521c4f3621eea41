import type { Clock } from '../clock.js';

/**
 * How long the attempts of one call may still wait for a breaker. A wait begins with the decision to retry, or where the
 * breaker rejects: it takes the place of what is left of the backoff.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #defaultMs: (attempt: number) => number;
  /** `undefined` where none was given. */
  #givenMs: number | undefined;
  #beganAt: number | undefined;
  #until = 0;

  /** @param defaultMs How long to wait after that attempt where nothing was given, ms. */
  constructor(givenMs: number | undefined, clock: Clock, defaultMs: (attempt: number) => number) {
    this.#givenMs = givenMs;
    this.#clock = clock;
    this.#defaultMs = defaultMs;
  }

  /** Begins a wait after an attempt, unless one is under way; how long it may still be, ms. */
  begin(attempt: number): number {
    const now = this.#clock.now();
    if (this.#beganAt === undefined) {
      this.#beganAt = now;
      this.#until = now + (this.#givenMs ?? this.#defaultMs(attempt));
    }
    return this.#until - now;
  }

  /** Ends the wait, if there was one; what it took is gone. */
  end(): void {
    if (this.#beganAt !== undefined && this.#givenMs !== undefined) {
      this.#givenMs = Math.max(0, this.#givenMs - (this.#clock.now() - this.#beganAt));
    }
    this.#beganAt = undefined;
  }
}
