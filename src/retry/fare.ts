/** Where a fare is paid: a `RetryBudget`, or that of one key. */
export interface Purse {
  /** Takes tokens; `false` where there are not enough. */
  withdraw(now: number, cost?: number): boolean;
  giveBack(cost?: number): void;
}

/**
 * What the retry of a timeout takes: a service that does not answer in time may have too much to do, and repeats keep it
 * so. The AWS SDKs charge more for it, too.
 */
const TIMEOUT_RETRY_COST = 10;

/**
 * What one retry takes out of the budget. It is paid with the decision to retry, or under an open circuit when that lets the
 * retry through, and goes back where the retry is not sent after all, for whatever reason.
 */
export class Fare {
  readonly #purse: Purse;
  readonly #cost: number | undefined;
  #isPaid = false;

  constructor(purse: Purse, isOfTimeout: boolean) {
    this.#purse = purse;
    this.#cost = isOfTimeout ? TIMEOUT_RETRY_COST : undefined;
  }

  /** Whether it is paid, now or before. */
  pay(now: number): boolean {
    this.#isPaid ||= this.#purse.withdraw(now, this.#cost);
    return this.#isPaid;
  }

  /** The retry is not sent. */
  giveBack(): void {
    if (this.#isPaid) this.#purse.giveBack(this.#cost);
    this.#isPaid = false;
  }
}
