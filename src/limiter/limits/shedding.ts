const LATELY_WEIGHT = 0.1;
const LEVEL_WEIGHT = 0.01;
/** By how much the share of refusals must be above its level. */
const ABOVE_LEVEL = 0.3;

/** How long after a service has shed load the limit grows by little, ms. */
const WARY_MS = 5_000;

/** Tells a service that sheds load (503 and 429 above the level of lately) from one where some requests fail anyway. */
export class Shedding {
  #lately = 0;
  #level = 0;
  #answeredAt = 1;
  #shedAt = Number.NEGATIVE_INFINITY;

  /** How many were in flight where attempts were answered. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  isRecent(now: number): boolean {
    return now - this.#shedAt < WARY_MS;
  }

  /** What was taken for shedding was an outage. */
  forget(): void {
    this.#shedAt = Number.NEGATIVE_INFINITY;
  }

  answered(inFlight: number): void {
    this.#take(0);
    this.#answeredAt += LATELY_WEIGHT * (inFlight - this.#answeredAt);
  }

  /** @returns Whether the service sheds load. */
  refused(now: number): boolean {
    this.#take(1);
    const sheds = this.#lately > this.#level + ABOVE_LEVEL;
    if (sheds) this.#shedAt = now;
    return sheds;
  }

  #take(refused: 0 | 1): void {
    this.#lately += LATELY_WEIGHT * (refused - this.#lately);
    this.#level += LEVEL_WEIGHT * (refused - this.#level);
  }
}
