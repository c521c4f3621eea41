import { aPositiveNumber, aRatio, merged, options } from '../validation.js';

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

export const BUDGET_DEFAULTS: Budget = Object.freeze({ ratio: 0.2, minPerSecond: 10 });

export const BUDGET_RULES = { ratio: aRatio, minPerSecond: aPositiveNumber };

const checkBudget = options(BUDGET_RULES);

const MAX_BUCKETS = 1024;

/** A token bucket per key: calls and time put tokens in, a retry takes one out. */
export class RetryBudgets {
  /** In the order of use: the least recently used first. */
  readonly #buckets = new Map<string, Bucket>();
  #latest: { readonly key: string; readonly bucket: Bucket } | undefined;

  /** Adds `tokens`, negative ones for a retry; `false` where there are not enough, and nothing is taken. */
  add(tokens: number, key: string, { minPerSecond }: Budget, now: number): boolean {
    const capacity = Math.max(1, 10 * minPerSecond);
    const bucket = this.#bucket(key, capacity, now);
    const refilled = Math.min(capacity, bucket.tokens + ((now - bucket.at) * minPerSecond) / 1000);
    const enough = refilled + tokens >= 0;
    bucket.tokens = enough ? Math.min(capacity, refilled + tokens) : refilled;
    bucket.at = now;
    return enough;
  }

  #bucket(key: string, tokens: number, at: number): Bucket {
    if (this.#latest?.key === key) return this.#latest.bucket;
    const bucket = this.#buckets.get(key) ?? { tokens, at };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#latest = { key, bucket };
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(oldest as string);
    return bucket;
  }
}

/** A retry budget to share between calls of `retry`: a token bucket. */
export class RetryBudget {
  readonly #budgets = new RetryBudgets();
  readonly #budget: Budget;

  /** @throws a `TypeError` or `RangeError` that names the option. */
  constructor(given: BudgetOptions = {}) {
    checkBudget(given, 'RetryBudget(options)');
    this.#budget = merged(BUDGET_DEFAULTS, given);
  }

  /** A call made its first attempt. */
  deposit(now: number): void {
    this.#budgets.add(this.#budget.ratio, '', this.#budget, now);
  }

  /** Takes a token for one retry; `false` where there is none. */
  withdraw(now: number): boolean {
    return this.#budgets.add(-1, '', this.#budget, now);
  }
}
