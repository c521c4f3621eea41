/** How many of the latest outcomes were bad. Nothing is allocated per outcome. */
export interface RollingWindow {
  /** Bad outcomes in the window. */
  readonly bad: number;
  /** All outcomes in the window. */
  readonly total: number;
  /** Whether outcomes never grow too old. */
  readonly isTimeless: boolean;
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

  get isTimeless(): boolean {
    return this.#times === undefined;
  }

  /** Of a full ring the oldest outcome stands where the next one goes. */
  add(isBad: boolean, now: number): void {
    const slot = this.#next;
    if (this.#times) {
      this.expire(now);
      this.#times[slot] = now;
    }
    const word = slot >>> 5;
    const bit = 1 << slot;
    const bits = this.#bits[word] ?? 0;
    if (this.total < this.#size) this.total++;
    else if (bits & bit) this.bad--;
    if (isBad) this.bad++;
    this.#bits[word] = isBad ? bits | bit : bits & ~bit;
    this.#next = slot + 1 === this.#size ? 0 : slot + 1;
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
    if (saved.some(([, , total]) => total > 1)) return;
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
    const isOut = (ageMs: number) => ageMs >= this.#maxAgeMs || ageMs < 0;
    while (this.total > 0 && isOut(now - (this.#times[this.#slot(0)] ?? 0))) this.#drop();
  }
}

const BUCKETS = 10;

/** The outcomes of the last `windowMs`: a ring of ten buckets, each emptied when its time comes round again. */
export class TimeWindow implements RollingWindow {
  bad = 0;
  total = 0;
  readonly #windowMs: number;
  /** The outcomes of each bucket. */
  readonly #totals: number[] = new Array<number>(BUCKETS).fill(0);
  /** The bad ones; made with the first, since most circuits are healthy. */
  #bads: number[] | undefined;
  /** Where the latest bucket stands, and when it ends. */
  #latest = 0;
  #until = NEVER;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get isTimeless(): boolean {
    return false;
  }

  add(isBad: boolean, now: number): void {
    this.expire(now);
    this.#put(this.#latest, isBad ? 1 : 0, 1);
  }

  clear(): void {
    this.#totals.fill(0);
    this.#bads = undefined;
    this.bad = 0;
    this.total = 0;
  }

  save(now: number): SavedOutcome[] {
    this.expire(now);
    return Array.from({ length: BUCKETS }, (_, age): SavedOutcome => {
      const bucket = this.#bucket(age);
      return [(age * this.#windowMs) / BUCKETS, this.#bads?.[bucket] ?? 0, this.#totals[bucket] ?? 0];
    }).filter(([, , total]) => total > 0);
  }

  load(saved: readonly SavedOutcome[], now: number): void {
    this.clear();
    this.expire(now);
    for (const [ageMs, bad, total] of saved) {
      const age = Math.round((ageMs * BUCKETS) / this.#windowMs);
      if (age < BUCKETS) this.#put(this.#bucket(age), bad, total);
    }
  }

  /** Each bucket is emptied once a turn, so this is O(1) per outcome. */
  expire(now: number): void {
    // Long before the whole window: the clock was set back.
    if (now < this.#until - 2 * this.#windowMs) this.#until = NEVER;
    if (now < this.#until) return;
    const next = Math.round((this.#until * BUCKETS) / this.#windowMs);
    const epoch = Math.floor((now * BUCKETS) / this.#windowMs);
    this.#until = ((epoch + 1) * this.#windowMs) / BUCKETS;
    for (let emptied = Math.min(BUCKETS, epoch - next + 1); emptied > 0; emptied--) {
      this.#latest = (this.#latest + 1) % BUCKETS;
      this.total -= this.#totals[this.#latest] ?? 0;
      this.#totals[this.#latest] = 0;
      if (!this.#bads) continue;
      this.bad -= this.#bads[this.#latest] ?? 0;
      this.#bads[this.#latest] = 0;
    }
  }

  /** Where the bucket stands that is `age` older than the latest. */
  #bucket(age: number): number {
    return (this.#latest - age + BUCKETS) % BUCKETS;
  }

  #put(bucket: number, bad: number, total: number): void {
    if (bad > 0) {
      this.#bads ??= new Array<number>(BUCKETS).fill(0);
      this.#bads[bucket] = (this.#bads[bucket] ?? 0) + bad;
      this.bad += bad;
    }
    this.#totals[bucket] = (this.#totals[bucket] ?? 0) + total;
    this.total += total;
  }
}
