/** So many successes are recent. */
const RECENT = 64;

/** How long the slowest of the recent successes took: of the last 64 at least, of the last 128 at most. */
export class Pace {
  #slowestMs = 0;
  #beforeMs = 0;
  #count = 0;

  /** `undefined` where none is known. */
  get slowestMs(): number | undefined {
    return Math.max(this.#slowestMs, this.#beforeMs) || undefined;
  }

  add(durationMs: number): void {
    if (durationMs > this.#slowestMs) this.#slowestMs = durationMs;
    if (++this.#count < RECENT) return;
    this.#count = 0;
    this.#beforeMs = this.#slowestMs;
    this.#slowestMs = 0;
  }
}
