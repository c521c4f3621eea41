import type { Clock } from '../../clock.js';
import { DEFAULTS } from '../../defaults.js';
import type { Policy } from './policy.js';

/** The gate's timer must be due before that of the deadline: such a call is rejected, and not out of time. */
const BEFORE_DEADLINE_MS = 1;

/** How long a call may wait for its circuit in sum, ms. Who has turned retries off would rather fail at once. */
const maxWaitMsOf = ({ breaker, retry }: Policy): number =>
  breaker.maxWaitMs ?? (retry.enabled && retry.retries > 0 ? DEFAULTS.breaker.maxWaitMs : 0);

/**
 * What one call has waited for its circuit, and may still. A wait begins where the circuit is found open: with the decision to
 * retry, so that it takes the place of the backoff, or where an attempt asks.
 */
export class Waits {
  readonly #clock: Clock;
  #waitedMs = 0;
  #since: number | undefined;
  #queuedMs = 0;
  #queuedSince: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In sum, ms. */
  get waitedMs(): number {
    return this.#waitedMs + (this.#since === undefined ? 0 : this.#clock.now() - this.#since);
  }

  /** How long attempts of the call stood in a queue, ms. */
  get queuedMs(): number {
    return this.#queuedMs;
  }

  /** How long the call may still wait, ms, `remainingMs` before its deadline. */
  leftMs(policy: Policy, remainingMs: number): number {
    return Math.min(maxWaitMsOf(policy) - this.waitedMs, remainingMs - BEFORE_DEADLINE_MS);
  }

  begin(): void {
    this.#since ??= this.#clock.now();
  }

  /** An attempt stands in the queue, until the wait ends. */
  enterQueue(): void {
    this.#queuedSince ??= this.#clock.now();
  }

  end(): void {
    if (this.#queuedSince !== undefined) this.#queuedMs += this.#clock.now() - this.#queuedSince;
    this.#waitedMs = this.waitedMs;
    this.#since = this.#queuedSince = undefined;
  }
}

/** The waits of all calls of an attached instance, to be ended at once. */
export class Pauses {
  readonly #ends = new Set<() => void>();
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds what ends a wait, or ends it at once after `close`; the returned function takes it out, when the wait is over. */
  add(end: () => void): () => void {
    if (this.#isClosed) end();
    else this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  /** Ends all waits; there are to be no others. */
  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#ends]) end();
  }
}
