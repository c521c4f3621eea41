import { aFunction } from '../validation.js';
import type { LimitRuleFactory } from './rule.js';
import { Turnstile, type TurnstileOptions } from './turnstile.js';

/**
 * What a limiter goes by: made by `adaptiveLimit`, `concurrencyLimit`, `rateLimit` or `customLimit`. It can be given to several
 * limiters: each makes a rule of its own.
 */
export class Limit {
  /** `adaptive`, `concurrency`, `rate` or `custom`. */
  readonly kind: string;
  readonly #makeRule: LimitRuleFactory;

  /** @internal */
  constructor(kind: string, makeRule: LimitRuleFactory) {
    this.kind = kind;
    this.#makeRule = makeRule;
  }

  /** @internal The limit brings the code of the queue: what does not import a limit does not carry it. */
  open({ random, ...options }: Omit<TurnstileOptions, 'rule'> & { readonly random: () => number }): Turnstile {
    return new Turnstile({ ...options, rule: this.#makeRule({ random }) });
  }
}

/**
 * A limit by a rule of your own.
 *
 * @param makeRule Makes the rule of one limiter. What a rule throws lets the attempt pass.
 */
export function customLimit(makeRule: LimitRuleFactory): Limit {
  aFunction(makeRule, 'customLimit(makeRule)');
  return new Limit('custom', makeRule);
}
