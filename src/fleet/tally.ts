import type { SharedThreshold } from '../circuit/link.js';
import type { OutcomesOfAge, Run } from './store.js';

/** In how many parts a window of time is counted. */
export const BUCKETS = 10;

interface Bucket {
  readonly index: number;
  failures: number;
  total: number;
}

/** The outcomes of one process that its store has not been told yet, by the process's own clock. */
export class Tally {
  /** Failures not told yet; of a run those after the last success. */
  failures = 0;
  /** Successes not told yet that count in the window. */
  successes = 0;
  readonly #bucketMs: number;
  #buckets: Bucket[] = [];
  /** Calls that count already, where a call counts once; until a call succeeds. */
  #calls: WeakSet<object> | undefined;
  readonly #perCall: boolean;
  #firstFailureAt: number | undefined;
  #lastFailureAt = 0;
  #successAt: number | undefined;
  /** Successes of the closed circuit not told yet. */
  #served = 0;

  constructor(threshold: SharedThreshold | undefined) {
    this.#bucketMs = (threshold?.windowMs ?? 0) / BUCKETS;
    this.#perCall = threshold?.perCall ?? false;
  }

  /** Whether there is a failure to tell, be it another one of a call that counts already. */
  get hasFailed(): boolean {
    return this.#bucketMs > 0 ? this.failures > 0 : this.#firstFailureAt !== undefined;
  }

  add(outcome: 'success' | 'failure', now: number, call?: object): void {
    if (this.#bucketMs > 0) this.#addToWindow(outcome, now);
    if (outcome === 'failure') {
      this.#firstFailureAt ??= now;
      this.#lastFailureAt = now;
      if (!this.#isCounted(call)) this.failures++;
      return;
    }
    this.#successAt = now;
    this.#served++;
    this.#calls = undefined;
    if (this.#bucketMs > 0) return;
    this.failures = 0;
    this.#firstFailureAt = undefined;
  }

  /** Whether a call has succeeded within so many milliseconds before now. */
  hasSucceededWithin(sinceMs: number, now: number): boolean {
    return this.#successAt !== undefined && now - this.#successAt <= sinceMs;
  }

  /** What is to be told; it counts as told from then on. */
  take(now: number): { outcomes: OutcomesOfAge[]; run: Run; served: number } {
    this.#expire(now);
    const latest = this.#indexAt(now);
    const outcomes = this.#buckets.map(
      ({ index, failures, total }): OutcomesOfAge => [latest - index, failures, total],
    );
    const run: Run = {
      failures: this.failures,
      firstAgeMs: now - (this.#firstFailureAt ?? now),
      lastAgeMs: this.hasFailed ? now - this.#lastFailureAt : undefined,
      successAgeMs: this.#successAt === undefined ? undefined : now - this.#successAt,
    };
    const served = this.#served;
    this.#empty();
    return { outcomes, run, served };
  }

  /** What was not told yet counts no more; when a call last succeeded is still known. */
  clear(): void {
    this.#empty();
    this.#calls = undefined;
  }

  #empty(): void {
    this.failures = 0;
    this.successes = 0;
    this.#served = 0;
    this.#firstFailureAt = undefined;
    this.#buckets = [];
  }

  #isCounted(call: object | undefined): boolean {
    if (!this.#perCall || !call) return false;
    this.#calls ??= new WeakSet();
    const isCounted = this.#calls.has(call);
    this.#calls.add(call);
    return isCounted;
  }

  #addToWindow(outcome: 'success' | 'failure', now: number): void {
    const index = this.#indexAt(now);
    let bucket = this.#buckets.at(-1);
    if (bucket?.index !== index) {
      this.#expire(now);
      bucket = { index, failures: 0, total: 0 };
      this.#buckets.push(bucket);
    }
    bucket.total++;
    if (outcome === 'failure') bucket.failures++;
    else this.successes++;
  }

  #expire(now: number): void {
    const oldest = this.#indexAt(now) - BUCKETS;
    while (this.#buckets[0] && this.#buckets[0].index <= oldest) {
      const { failures, total } = this.#buckets.shift() as Bucket;
      this.failures -= failures;
      this.successes -= total - failures;
    }
  }

  #indexAt(now: number): number {
    return this.#bucketMs > 0 ? Math.floor(now / this.#bucketMs) : 0;
  }
}
