/** How many retries there may be. */
export interface BudgetOptions {
  /**
   * Retries per call, in (0, 1].
   * @default 0.2
   */
  ratio?: number | undefined;
  /**
   * Retries per second that are always there, > 0. Ten seconds of it are the capacity and the start.
   * @default 10
   */
  minPerSecond?: number | undefined;
}

/** A complete budget. */
export interface Budget {
  readonly ratio: number;
  readonly minPerSecond: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

const MAX_BUCKETS = 1024;

/** A token bucket per key: calls and time put tokens in, a retry takes one out. */
export class RetryBudgets {
  readonly #buckets = new Map<string, Bucket>();

  /** Adds `tokens`, negative ones for a retry; `false` where there are not enough, and nothing is taken. */
  add(tokens: number, key: string, { minPerSecond }: Budget, now: number): boolean {
    const capacity = Math.max(1, 10 * minPerSecond);
    const bucket = this.#buckets.get(key) ?? this.#make(key, { tokens: capacity, at: now });
    const refilled = Math.min(capacity, bucket.tokens + ((now - bucket.at) * minPerSecond) / 1000);
    const enough = refilled + tokens >= 0;
    bucket.tokens = enough ? Math.min(capacity, refilled + tokens) : refilled;
    bucket.at = now;
    return enough;
  }

  #make(key: string, bucket: Bucket): Bucket {
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size >= MAX_BUCKETS) this.#buckets.delete(oldest as string);
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
