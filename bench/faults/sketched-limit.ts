import { customLimit, type Limit, type LimitRule } from '../../dist/index.js';

type LimitedAttempt = Parameters<NonNullable<LimitRule['ended']>>[0];

/** What the rule can be varied by. */
interface Variation {
  /** Where it begins, and what it does not fall below by lack of use. */
  readonly start: number;
  readonly quick: number;
  readonly creep: number;
  readonly growth: number;
}

const PART_MS = 2_000;
const PARTS = 6;

/**
 * The rule with which the search for `adaptiveLimit` began: no quick start while nothing is known, no regard to shedding, and
 * the usual time does not move while all are slow.
 */
class SketchedRule implements LimitRule {
  limit: number;
  readonly #by: Variation;
  #usualMs = 0;
  #recentMs = 0;
  #timeoutMs = Number.POSITIVE_INFINITY;
  #cutAt = Number.NEGATIVE_INFINITY;
  #lastStart = 0;
  #nextStart = 0;
  #jitter = 1;
  #peaks = [0];
  #part = 0;

  constructor(by: Variation) {
    this.#by = by;
    this.limit = by.start;
  }

  waitMs(now: number, inFlight: number): number {
    if (this.limit >= 1) return inFlight < Math.floor(this.limit) ? 0 : Number.POSITIVE_INFINITY;
    return inFlight > 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#nextStart - now);
  }

  started(now: number, inFlight: number): void {
    this.#peakAt(now);
    this.#peaks[0] = Math.max(this.#peaks[0] ?? 0, inFlight);
    if (this.limit >= 1) return;
    this.#lastStart = now;
    this.#jitter = 0.5 + Math.random();
    this.#nextStart = now + this.#gapMs * this.#jitter;
  }

  recovered(): void {
    this.limit = Math.max(this.limit, this.#by.start);
  }

  ended({ startedAt, inFlight, wasFull, durationMs, outcome, reason }: LimitedAttempt, now: number): void {
    if (reason === 'timeout') {
      this.#timeoutMs = durationMs;
      if (startedAt < this.#cutAt) return;
      const tooMany = this.limit < 1 ? this.limit : Math.min(this.limit, inFlight);
      this.limit = Math.max(0.3, tooMany * (tooMany <= 3 ? 0.35 : 0.7));
      this.#cutAt = now;
      if (tooMany <= 3) this.#nextStart = Math.max(this.#nextStart, now + durationMs / 2);
    }
    if (outcome !== 'success') return;
    const { start, quick, creep, growth } = this.#by;
    this.#recentMs += (this.#recentMs ? 0.3 : 1) * (durationMs - this.#recentMs);
    this.#usualMs ||= durationMs;
    if (durationMs < this.#usualMs) this.#usualMs += 0.05 * (durationMs - this.#usualMs);
    else if (!wasFull) this.#usualMs += 0.002 * (durationMs - this.#usualMs);
    const isQuick = durationMs <= quick * this.#usualMs;
    if (this.limit < 1) {
      this.limit = isQuick ? 1 : Math.min(1, 1.3 * this.limit);
      this.#nextStart = Math.min(this.#nextStart, this.#lastStart + this.#gapMs * this.#jitter);
    } else if (wasFull) {
      this.limit += isQuick ? growth : this.limit < 2 ? 0.02 : creep;
    }
    const most = Math.max(start, 2 * this.#peakAt(now));
    if (this.limit > most) this.limit = Math.max(most, 0.98 * this.limit);
  }

  get #gapMs(): number {
    return Math.min(3 * this.#timeoutMs, (this.#recentMs || 100) / this.limit);
  }

  #peakAt(now: number): number {
    const part = Math.floor(now / PART_MS);
    const passed = Math.min(part - this.#part, PARTS);
    for (let step = 0; step < passed; step++) this.#peaks.unshift(0);
    this.#peaks.length = Math.min(this.#peaks.length, PARTS);
    this.#part = part;
    return Math.max(...this.#peaks);
  }
}

/** The sketch, with some of its numbers changed. */
export const sketchedLimit = (by: Partial<Variation> = {}): Limit =>
  customLimit(() => new SketchedRule({ start: 2, quick: 2.5, creep: 0.1, growth: 1, ...by }));
