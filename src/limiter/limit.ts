import { aFunction, withMethods } from '../validation.js';
import type { LimitersOptions, Limit as LimitLike, OpenOptions } from './contract.js';
import { Limiters } from './limiters.js';
import type { LimitRuleFactory } from './rule.js';
import { Turnstile } from './turnstile.js';

/** A limit brings the code of limiters along, so that what uses none does not carry it. */
class Limit implements LimitLike {
  readonly kind: string;
  readonly #makeRule: LimitRuleFactory;

  constructor(kind: string, makeRule: LimitRuleFactory) {
    this.kind = kind;
    this.#makeRule = makeRule;
  }

  open({ random, ...options }: OpenOptions): Turnstile {
    const rule = this.#makeRule({ random });
    withMethods('a rule with a method waitMs()', 'waitMs')(rule, 'makeRule()');
    return new Turnstile({ ...options, rule });
  }

  limiters(options: LimitersOptions): Limiters {
    return new Limiters(options);
  }
}

export const limitOf = (kind: string, makeRule: LimitRuleFactory): LimitLike => new Limit(kind, makeRule);

/**
 * A limit by a rule of your own.
 *
 * @param makeRule Makes the rule of one limiter. What it throws, or a rule of it, lets the attempt pass.
 * @throws a `TypeError` for what is no function.
 */
export function customLimit(makeRule: LimitRuleFactory): LimitLike {
  aFunction(makeRule, 'customLimit(makeRule)');
  return limitOf('custom', makeRule);
}
