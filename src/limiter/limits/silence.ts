/** In silence nothing was answered for this share of the timeout. */
const SHARE = 0.35;
/** Shorter than this it is none, ms: where timeouts are short, they tell soon enough. */
const LEAST_MS = 300;

/** The least between starts in silence, ms. Not endless, since what is in flight may be one slow endpoint. */
const BETWEEN_STARTS_MS = 1_000;

/**
 * Tells that attempts are in flight and nothing is answered, long before the first timeout. A process with few in flight learns of
 * a queue at the service in no other way: by the time that slow answers come, it has sent what will be answered too late.
 */
export class Silence {
  /** The latest answer, or the start of the first attempt in flight. */
  #since = 0;
  #startedAt = 0;
  #timeoutMs = 0;

  started(now: number, inFlight: number): void {
    if (inFlight === 1) this.#since = now;
    this.#startedAt = now;
  }

  /** Whatever the answer was. */
  answered(now: number, timeoutMs = 0): void {
    this.#since = now;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * How long the next attempt is to wait while others are in flight, ms: not beyond a whole timeout of silence.
   *
   * @param slowMs What is slow for an answer: silence is longer.
   */
  holdMs(now: number, slowMs: number): number {
    if (now - this.#since <= Math.max(SHARE * this.#timeoutMs, slowMs, LEAST_MS)) return 0;
    return Math.max(0, Math.min(this.#startedAt + BETWEEN_STARTS_MS, this.#since + this.#timeoutMs) - now);
  }
}
