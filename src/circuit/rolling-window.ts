/** How many of the latest outcomes were bad. Nothing is allocated per outcome. */
export interface RollingWindow {
  /** Bad outcomes in the window. */
  readonly bad: number;
  /** All outcomes in the window. */
  readonly total: number;
  /** The length of a window of time, ms. */
  readonly windowMs?: number;
  add(isBad: boolean, now: number): void;
  clear(): void;
  /** Lets go of what is too old. */
  expire(now: number): void;
  /** The window as plain data; times are ages in ms. */
  save(now: number): SavedOutcome[];
  load(saved: readonly SavedOutcome[], now: number): void;
}

/** Outcomes of one age: `[ageMs, bad, total]`. */
export type SavedOutcome = readonly [ageMs: number, bad: number, total: number];

/** The last `size` outcomes, those older than `maxAgeMs` left out. */
export class CountWindow implements RollingWindow {
  bad = 0;
  total = 0;
  readonly #outcomes: Uint8Array;
  readonly #times: Float64Array | undefined;
  readonly #maxAgeMs: number;
  #next = 0;

  constructor(size: number, maxAgeMs: number | undefined) {
    this.#outcomes = new Uint8Array(size);
    this.#times = maxAgeMs === undefined ? undefined : new Float64Array(size);
    this.#maxAgeMs = maxAgeMs ?? Number.POSITIVE_INFINITY;
  }

  add(isBad: boolean, now: number): void {
    this.expire(now);
    const size = this.#outcomes.length;
    if (this.total === size) this.#drop();
    this.#outcomes[this.#next] = Number(isBad);
    if (this.#times) this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % size;
    this.bad += Number(isBad);
    this.total++;
  }

  clear(): void {
    this.bad = 0;
    this.total = 0;
  }

  save(now: number): SavedOutcome[] {
    this.expire(now);
    return Array.from({ length: this.total }, (_, index) => {
      const slot = this.#slot(index);
      return [now - (this.#times?.[slot] ?? now), this.#outcomes[slot] ?? 0, 1] as const;
    });
  }

  load(saved: readonly SavedOutcome[], now: number): void {
    this.clear();
    for (const [ageMs, bad] of saved) this.add(bad > 0, now - ageMs);
    this.expire(now);
  }

  /** Where the outcome stands that is `index`th from the oldest. */
  #slot(index: number): number {
    const size = this.#outcomes.length;
    return (this.#next - this.total + index + size) % size;
  }

  #drop(): void {
    this.bad -= this.#outcomes[this.#slot(0)] ?? 0;
    this.total--;
  }

  /** Each outcome is dropped once, so this is O(1) per outcome over time. */
  expire(now: number): void {
    if (!this.#times) return;
    while (this.total > 0 && now - (this.#times[this.#slot(0)] ?? 0) >= this.#maxAgeMs) this.#drop();
  }
}

const BUCKETS = 10;
const NEVER = Number.NEGATIVE_INFINITY;

/** The outcomes of the last `windowMs`, in ten buckets that are stamped with their epoch: a stale one never counts. */
export class TimeWindow implements RollingWindow {
  bad = 0;
  total = 0;
  readonly windowMs: number;
  readonly #bucketMs: number;
  readonly #epochs: number[] = new Array<number>(BUCKETS).fill(NEVER);
  readonly #bad: number[] = new Array<number>(BUCKETS).fill(0);
  readonly #total: number[] = new Array<number>(BUCKETS).fill(0);

  constructor(windowMs: number) {
    this.windowMs = windowMs;
    this.#bucketMs = windowMs / BUCKETS;
  }

  add(isBad: boolean, now: number): void {
    this.#put(this.#epoch(now), Number(isBad), 1);
    this.expire(now);
  }

  clear(): void {
    this.#epochs.fill(NEVER);
    this.bad = 0;
    this.total = 0;
  }

  save(now: number): SavedOutcome[] {
    this.expire(now);
    const current = this.#epoch(now);
    return this.#epochs.flatMap((epoch, slot): SavedOutcome[] =>
      this.#isLive(epoch, current)
        ? [[(current - epoch) * this.#bucketMs, this.#bad[slot] ?? 0, this.#total[slot] ?? 0]]
        : [],
    );
  }

  load(saved: readonly SavedOutcome[], now: number): void {
    this.clear();
    const current = this.#epoch(now);
    for (const [ageMs, bad, total] of saved) this.#put(current - Math.round(ageMs / this.#bucketMs), bad, total);
    this.expire(now);
  }

  #epoch(now: number): number {
    return Math.floor(now / this.#bucketMs);
  }

  #isLive(epoch: number, current: number): boolean {
    return epoch > current - BUCKETS && epoch <= current;
  }

  #put(epoch: number, bad: number, total: number): void {
    const slot = ((epoch % BUCKETS) + BUCKETS) % BUCKETS;
    if (this.#epochs[slot] !== epoch) {
      this.#epochs[slot] = epoch;
      this.#bad[slot] = 0;
      this.#total[slot] = 0;
    }
    this.#bad[slot] = (this.#bad[slot] ?? 0) + bad;
    this.#total[slot] = (this.#total[slot] ?? 0) + total;
  }

  expire(now: number): void {
    const current = this.#epoch(now);
    let bad = 0;
    let total = 0;
    for (let slot = 0; slot < BUCKETS; slot++) {
      if (!this.#isLive(this.#epochs[slot] ?? NEVER, current)) continue;
      bad += this.#bad[slot] ?? 0;
      total += this.#total[slot] ?? 0;
    }
    this.bad = bad;
    this.total = total;
  }
}
