/** How long a part of the window is, ms. */
const PART_MS = 2_000;
const PARTS = 6;

/** The most of the last 10 to 12 s. */
export class RecentPeak {
  readonly #peaks = new Float64Array(PARTS);
  #part = 0;

  at(now: number): number {
    this.#moveTo(now);
    let most = 0;
    for (let index = 0; index < PARTS; index++) most = Math.max(most, this.#peaks[index] as number);
    return most;
  }

  add(value: number, now: number): void {
    this.#moveTo(now);
    const index = this.#part % PARTS;
    this.#peaks[index] = Math.max(this.#peaks[index] as number, value);
  }

  #moveTo(now: number): void {
    const part = Math.floor(now / PART_MS);
    const passed = Math.min(part - this.#part, PARTS);
    for (let step = 0; step < passed; step++) this.#peaks[(part - step) % PARTS] = 0;
    if (passed > 0) this.#part = part;
  }
}
