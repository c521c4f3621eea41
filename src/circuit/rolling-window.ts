/** How many of the latest outcomes were bad. Nothing is allocated per outcome. */
export interface RollingWindow {
  /** Bad outcomes in the window. */
  readonly bad: number;
  /** All outcomes in the window. */
  readonly total: number;
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

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * The last `size` outcomes, those older than `maxAgeMs` left out: a ring, one bit for each. Shifts go
 * by the last five bits of a slot, so the others say which word it is in.
 */
export class CountWindow implements RollingWindow {
  bad = 0;
  total = 0;
  readonly #size: number;
  readonly #bits: number[];
  readonly #times: number[] | undefined;
  readonly #maxAgeMs: number;
  #next = 0;

  constructor(size: number, maxAgeMs: number | undefined) {
    this.#size = size;
    this.#bits = new Array<number>((size + 31) >>> 5).fill(0);
    this.#times = maxAgeMs === undefined ? undefined : new Array<number>(size).fill(NEVER);
    this.#maxAgeMs = maxAgeMs ?? Number.POSITIVE_INFINITY;
  }

  add(isBad: boolean, now: number): void {
    this.expire(now);
    if (this.total === this.#size) this.#drop();
    const slot = this.#next;
    const others = (this.#bits[slot >>> 5] ?? 0) & ~(1 << slot);
    this.#bits[slot >>> 5] = isBad ? others | (1 << slot) : others;
    if (this.#times) this.#times[slot] = now;
    this.#next = slot + 1 === this.#size ? 0 : slot + 1;
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
      return [now - (this.#times?.[slot] ?? now), this.#outcome(slot), 1] as const;
    });
  }

  load(saved: readonly SavedOutcome[], now: number): void {
    this.clear();
    for (const [ageMs, bad] of saved) this.add(bad > 0, now - ageMs);
    this.expire(now);
  }

  /** Where the outcome stands that is `index`th from the oldest. */
  #slot(index: number): number {
    return (this.#next - this.total + index + this.#size) % this.#size;
  }

  /** 1 for a bad one. */
  #outcome(slot: number): number {
    return ((this.#bits[slot >>> 5] ?? 0) >> slot) & 1;
  }

  #drop(): void {
    this.bad -= this.#outcome(this.#slot(0));
    this.total--;
  }

  /** Each outcome is dropped once, so this is O(1) per outcome over time. */
  expire(now: number): void {
    if (!this.#times) return;
    while (this.total > 0 && now - (this.#times[this.#slot(0)] ?? 0) >= this.#maxAgeMs) this.#drop();
  }
}

const BUCKETS = 10;

/** The outcomes of the last `windowMs`: a ring of ten buckets, each emptied when its time comes round again. */
export class TimeWindow implements RollingWindow {
  bad = 0;
  total = 0;
  readonly #bucketMs: number;
  /** Of each bucket the bad outcomes, then of each all. */
  readonly #counts: number[] = new Array<number>(2 * BUCKETS).fill(0);
  /** How many bucket lengths have passed at the latest bucket, and where that one stands. */
  #epoch = NEVER;
  #latest = 0;

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  add(isBad: boolean, now: number): void {
    this.expire(now);
    this.#put(this.#latest, Number(isBad), 1);
  }

  clear(): void {
    this.#counts.fill(0);
    this.bad = 0;
    this.total = 0;
  }

  save(now: number): SavedOutcome[] {
    this.expire(now);
    return Array.from({ length: BUCKETS }, (_, age): SavedOutcome => {
      const bucket = this.#bucket(age);
      return [age * this.#bucketMs, this.#counts[bucket] ?? 0, this.#counts[bucket + BUCKETS] ?? 0];
    }).filter(([, , total]) => total > 0);
  }

  load(saved: readonly SavedOutcome[], now: number): void {
    this.clear();
    this.expire(now);
    for (const [ageMs, bad, total] of saved) {
      const age = Math.round(ageMs / this.#bucketMs);
      if (age < BUCKETS) this.#put(this.#bucket(age), bad, total);
    }
  }

  /** Each bucket is emptied once a turn, so this is O(1) per outcome. */
  expire(now: number): void {
    const epoch = Math.floor(now / this.#bucketMs);
    const emptied = Math.min(BUCKETS, epoch - this.#epoch);
    if (emptied <= 0) return;
    this.#epoch = epoch;
    for (let count = 0; count < emptied; count++) {
      this.#latest = (this.#latest + 1) % BUCKETS;
      this.bad -= this.#counts[this.#latest] ?? 0;
      this.total -= this.#counts[this.#latest + BUCKETS] ?? 0;
      this.#counts[this.#latest] = 0;
      this.#counts[this.#latest + BUCKETS] = 0;
    }
  }

  /** Where the bucket stands that is `age` older than the latest. */
  #bucket(age: number): number {
    return (this.#latest - age + BUCKETS) % BUCKETS;
  }

  #put(bucket: number, bad: number, total: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + bad;
    this.#counts[bucket + BUCKETS] = (this.#counts[bucket + BUCKETS] ?? 0) + total;
    this.bad += bad;
    this.total += total;
  }
}
