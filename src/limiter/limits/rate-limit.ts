import { anInteger, aPositiveNumber, options as optionsOf, own } from '../../validation.js';
import type { Limit } from '../contract.js';
import { limitOf } from '../limit.js';
import type { LimitedAttempt, LimitRule } from '../rule.js';
import { holdMsOf, quotaOf } from './quota.js';

/** How often attempts may start. */
export interface RateLimitOptions {
  /** How many per second, a number > 0: `100 / 60` for 100 per minute. */
  perSecond: number;
  /**
   * How many at once after a pause, an integer >= 1.
   * @default what may start in one second, at least 1
   */
  burst?: number | undefined;
}

class RateRule implements LimitRule {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;
  #heldUntil = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  waitMs(now: number): number {
    this.#refill(now);
    const missing = 1 - this.#tokens;
    return Math.max(this.heldMs(now), missing > 1e-9 ? (missing * 1_000) / this.#perSecond : 0);
  }

  heldMs(now: number): number {
    return Math.max(0, this.#heldUntil - now);
  }

  isAtRest(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  started(now: number): void {
    this.#refill(now);
    this.#tokens--;
  }

  cancelled(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  ended({ status, header }: LimitedAttempt, now: number): void {
    if (!header) return;
    const left = quotaOf(header);
    if (left) {
      this.#refill(now);
      this.#tokens = Math.min(this.#tokens, left.remaining);
    }
    this.#heldUntil = Math.max(this.#heldUntil, now + holdMsOf(status, header, left));
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / 1_000);
    this.#at = now;
  }
}

/**
 * At most so many attempts per second, for an API with a quota: a token bucket. What the API says of its quota holds it back: a
 * 429 with `Retry-After`, and a quota that is used up by `RateLimit` (draft-ietf-httpapi-ratelimit-headers) or
 * `X-RateLimit-Remaining` and `-Reset`, until the time named. Retries count as first attempts do.
 *
 * @throws a `TypeError` or `RangeError` that names a bad option.
 */
export function rateLimit(options: RateLimitOptions): Limit {
  optionsOf({ perSecond: aPositiveNumber, burst: anInteger(1) })(options, 'rateLimit(options)');
  const { perSecond, burst = Math.max(1, Math.floor(perSecond)) } = own(options);
  aPositiveNumber(perSecond, 'rateLimit(options).perSecond');
  return limitOf('rate', () => new RateRule(perSecond, burst));
}
