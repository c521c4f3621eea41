import { keepRecent } from '../recent.js';
import { aBoolean, aPositiveNumber, aRatio, eitherOf, merged, options, type Rule } from '../validation.js';
import { Fare, type Purse } from './fare.js';

/** How many retries there may be. What is not used is kept for ten seconds. The retry of a timeout counts as ten, also
 * where it is refused, and needs nine tenths of the budget: with fewer than ten tokens no timeout is retried.
 */
export interface BudgetOptions {
  /**
   * Retries per call, in (0, 1].
   * @default 0.5
   */
  ratio?: number | undefined;
  /**
   * Retries per second that are always there, > 0. A budget begins with ten seconds of it.
   * @default 1
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
  /** Calls of the last ten seconds, as they fade. */
  calls: number;
  at: number;
}

export const BUDGET_DEFAULTS: Budget = Object.freeze({ ratio: 0.5, minPerSecond: 1 });

export const BUDGET_RULES = { ratio: aRatio, minPerSecond: aPositiveNumber };

const checkSwitch = options(BUDGET_RULES, 'true, false, a RetryBudget or an object such as { ratio: 0.2 }');

/** `true`, `false`, options, or a `RetryBudget`. */
export const aBudget: Rule = eitherOf({ boolean: aBoolean }, (value, path) => {
  if (typeof (value as Partial<RetryBudget> | null)?.withdraw !== 'function') checkSwitch(value, path);
});

const MAX_BUCKETS = 1024;

const RETRY_COST = 1;

/** The share of the budget that has to be there for the retry of a timeout. */
const NEARLY_FULL = 0.9;

/** The share that timeouts leave for other retries. */
const KEPT_FOR_OTHERS = 0.3;

/** How long tokens are kept. */
const KEPT_SECONDS = 10;

const leastOf = ({ minPerSecond }: Budget): number => Math.max(1, KEPT_SECONDS * minPerSecond);

/** The most tokens that a bucket holds. */
const fullOf = (budget: Budget, { calls }: Pick<Bucket, 'calls'>): number => leastOf(budget) + budget.ratio * calls;

/**
 * A token bucket per key: calls and time put tokens in, a retry takes one out. It holds what the last ten seconds put in, so
 * that its size follows the traffic of its process.
 */
export class RetryBudgets {
  /** In the order of use: the least recently used first. */
  readonly #buckets = new Map<string, Bucket>();
  #latest: { readonly key: string; readonly bucket: Bucket } | undefined;

  /** A call makes its first attempt. */
  deposit(key: string, budget: Budget | RetryBudget, now: number): void {
    if (isShared(budget)) {
      budget.deposit(now);
      return;
    }
    const bucket = this.#refilled(key, budget, now);
    bucket.calls++;
    bucket.tokens += budget.ratio;
  }

  /** What the retry of a call with this key costs. */
  fareOf(key: string, budget: Budget | RetryBudget, isOfTimeout: boolean): Fare {
    const ofKey = (given: Budget): Purse => ({
      withdraw: (now, tokens) => this.withdraw(key, given, now, tokens),
      giveBack: (tokens) => this.giveBack(key, tokens),
    });
    return new Fare(isShared(budget) ? budget : ofKey(budget), isOfTimeout);
  }

  /**
   * Takes what a retry costs; `false` where there is not enough. What costs more than others needs a budget that is nearly
   * full, and takes tokens also where it is refused: then not even some of many timeouts are retried.
   */
  withdraw(key: string, budget: Budget, now: number, cost = RETRY_COST): boolean {
    const bucket = this.#refilled(key, budget, now);
    const { tokens } = bucket;
    const full = cost > RETRY_COST ? fullOf(budget, bucket) : 0;
    const isEnough = tokens >= Math.max(cost, NEARLY_FULL * full);
    if (isEnough || full > 0) bucket.tokens = Math.max(tokens - cost, Math.min(tokens, KEPT_FOR_OTHERS * full));
    return isEnough;
  }

  /** Gives back what a retry took that was not sent. */
  giveBack(key: string, cost = RETRY_COST): void {
    const bucket = this.#buckets.get(key);
    if (bucket) bucket.tokens += cost;
  }

  #refilled(key: string, budget: Budget, now: number): Bucket {
    const { minPerSecond } = budget;
    const bucket = this.#bucket(key, leastOf(budget), now);
    const seconds = Math.max(0, now - bucket.at) / 1000;
    bucket.at = now;
    bucket.calls *= Math.max(0, 1 - seconds / KEPT_SECONDS);
    bucket.tokens = Math.min(bucket.tokens + seconds * minPerSecond, fullOf(budget, bucket));
    return bucket;
  }

  #bucket(key: string, tokens: number, at: number): Bucket {
    if (this.#latest?.key === key) return this.#latest.bucket;
    const bucket = keepRecent(this.#buckets, key, this.#buckets.get(key) ?? { tokens, calls: 0, at }, MAX_BUCKETS);
    this.#latest = { key, bucket };
    return bucket;
  }
}

/** Also one of another copy of this module. */
export const isShared = (budget: object): budget is RetryBudget => 'withdraw' in budget;

/** A retry budget to share: between instances, in the place of one for each key, and between calls of `retry`. */
export class RetryBudget {
  readonly #budgets = new RetryBudgets();
  readonly #budget: Budget;

  /** @throws a `TypeError` or `RangeError` that names the option. */
  constructor(given: BudgetOptions = {}) {
    options(BUDGET_RULES, 'an object such as { ratio: 0.2 }')(given, 'RetryBudget(options)');
    this.#budget = merged(BUDGET_DEFAULTS, given);
  }

  /** @internal A call made its first attempt. */
  deposit(now: number): void {
    this.#budgets.deposit('', this.#budget, now);
  }

  /** @internal Gives back what a retry took that was not sent. */
  giveBack(cost?: number): void {
    this.#budgets.giveBack('', cost);
  }

  /** @internal Takes what a retry costs; `false` where there is not enough. */
  withdraw(now: number, cost?: number): boolean {
    return this.#budgets.withdraw('', this.#budget, now, cost);
  }
}

const ofOptions = new WeakMap<object, RetryBudget>();

/** The budget that options stand for: calls that are given the same object share one. */
export function budgetOf(given: BudgetOptions | RetryBudget | boolean | undefined): RetryBudget | undefined {
  if (given === undefined || given === false) return undefined;
  if (given !== true && isShared(given)) return given;
  const key = given === true ? BUDGET_DEFAULTS : given;
  const budget = ofOptions.get(key) ?? new RetryBudget(key);
  ofOptions.set(key, budget);
  return budget;
}
