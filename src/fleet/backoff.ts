const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;

/** How long what is ill is left alone: from 1 to 30 s, twice as long each time until it was really used with success. */
export class Backoff {
  readonly #random: () => number;
  #nextMs = FIRST_BACKOFF_MS;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The length of the next one, ms. */
  next(): number {
    const delayMs = this.#nextMs * (0.5 + this.#random() / 2);
    this.#nextMs = Math.min(LONGEST_BACKOFF_MS, this.#nextMs * 2);
    return Math.max(FIRST_BACKOFF_MS, delayMs);
  }

  /** The next one is short again. */
  startAnew(): void {
    this.#nextMs = FIRST_BACKOFF_MS;
  }
}
