/** How long a part of the window is, ms. */
const PART_MS = 2_000;
const PARTS = 6;

/** The most of the last 10 to 12 s. */
export class RecentPeak {
  readonly #peaks = new Float64Array(PARTS);
  #part = 0;
  #most = 0;

  at(now: number): number {
    const part = Math.floor(now / PART_MS);
    if (part > this.#part) this.#moveTo(part);
    return this.#most;
  }

  add(value: number, now: number): void {
    if (value > this.at(now)) this.#most = value;
    const index = this.#part % PARTS;
    if (value > (this.#peaks[index] as number)) this.#peaks[index] = value;
  }

  #moveTo(part: number): void {
    const passed = Math.min(part - this.#part, PARTS);
    for (let step = 0; step < passed; step++) this.#peaks[(part - step) % PARTS] = 0;
    this.#part = part;
    this.#most = Math.max(...this.#peaks);
  }
}
