import { aClock, aMode, REGISTRY_RULES } from '../../circuit/options.js';
import { MAX_TIMER_MS } from '../../clock.js';
import { aDelay, type Delay } from '../../delay.js';
import {
  DEFAULTS,
  type IdempotencyKeyOptions,
  type KeyFunction,
  type RequestBreakerOptions,
  type RequestLimiterOptions,
  type RequestResilience,
  type ResilienceOptions,
  type RetryOptions,
  type UpdateOptions,
} from '../../options.js';
import { BUDGET_RULES, type Budget } from '../../retry/budget.js';
import { type Statuses, theStatuses } from '../../retry/statuses.js';
import {
  aBoolean,
  aFunction,
  aHeaderName,
  aName,
  anInteger,
  eitherOf,
  listOf,
  merged,
  milliseconds,
  oneOf,
  options,
  orFalse,
  own,
  type Rule,
  withMethods,
} from '../../validation.js';
import { byMethodAndBaseUrl } from './key.js';

/** How failed attempts of one call are repeated. */
export interface RetryPolicy extends Pick<RetryOptions, 'shouldRetry' | 'shouldRetryResponse' | 'beforeRetry'> {
  readonly enabled: boolean;
  readonly retries: number;
  readonly methods: readonly string[];
  readonly statusCodes: Statuses;
  readonly errorCodes: readonly string[] | undefined;
  readonly backoff: number | Delay;
  readonly retryAfter: { readonly enabled: boolean; readonly maxMs: number };
  readonly deadlineMs: number | undefined;
  readonly budget: Budget | false;
  readonly idempotencyKey: IdempotencyKeyOptions | false;
  readonly attemptHeader: string | false;
}

/** What the circuit of one call is, and what its attempts mean to it. */
interface BreakerPolicy extends Omit<RequestBreakerOptions, 'key'> {
  readonly enabled: boolean;
  readonly key: KeyFunction;
}

/** How the attempts of one call are limited, where there is a limiter. */
interface LimiterPolicy extends RequestLimiterOptions {
  readonly enabled: boolean;
  readonly key?: KeyFunction | undefined;
}

/** Everything that one call goes by: checked, merged and complete. */
export interface Policy extends Pick<UpdateOptions, 'fallback' | 'fallbackOn'> {
  readonly retry: RetryPolicy;
  readonly breaker: BreakerPolicy;
  readonly limiter: LimiterPolicy;
}

export const DEFAULT_POLICY: Policy = {
  retry: { ...DEFAULTS.retry, enabled: true, retryAfter: { ...DEFAULTS.retry.retryAfter, enabled: true } },
  breaker: { enabled: true, key: byMethodAndBaseUrl },
  limiter: { enabled: true },
  fallback: undefined,
  fallbackOn: DEFAULTS.fallbackOn,
};

const RETRY_RULES = {
  retries: anInteger(0),
  methods: listOf(aName),
  statusCodes: theStatuses,
  errorCodes: listOf(aName),
  backoff: aDelay,
  retryAfter: eitherOf({ boolean: aBoolean }, options({ maxMs: milliseconds(0, Number.POSITIVE_INFINITY) })),
  deadlineMs: milliseconds(1, MAX_TIMER_MS),
  budget: orFalse(options(BUDGET_RULES)),
  idempotencyKey: eitherOf(
    { boolean: aBoolean },
    options({ header: aHeaderName, generate: aFunction, quoted: aBoolean }),
  ),
  attemptHeader: orFalse(aHeaderName),
  shouldRetry: aFunction,
  shouldRetryResponse: aFunction,
  beforeRetry: aFunction,
};

const REQUEST_BREAKER_RULES = {
  key: aFunction,
  classify: aFunction,
  createError: aFunction,
  maxWaitMs: milliseconds(0, MAX_TIMER_MS),
};

const REQUEST_LIMITER_RULES = {
  priority: oneOf('high', 'normal', 'low'),
  maxWaitMs: milliseconds(0, Number.POSITIVE_INFINITY),
};

const aLimit = withMethods('a limit, such as adaptiveLimit()', 'limiters');

const limiterRules = options({ ...REQUEST_LIMITER_RULES, limit: aLimit, maxQueue: anInteger(0), key: aFunction });

/** Options, of which the limit is needed, or a limit or a limiter alone. */
const aLimiter: Rule = (value, path) => {
  if (typeof (value as { limiters?: unknown } | null)?.limiters === 'function') return;
  limiterRules(value, path);
  aLimit((value as { limit?: unknown }).limit, `${path}.limit`);
};

const onlyAtAttach: Rule = (_value, path) => {
  throw new TypeError(`Expected \`${path}\` to be given to attach alone`);
};

const ONLY_AT_ATTACH = { registry: onlyAtAttach, sinks: onlyAtAttach, clock: onlyAtAttach, random: onlyAtAttach };

const CIRCUIT_ONLY_AT_ATTACH = Object.fromEntries(Object.keys(REGISTRY_RULES).map((name) => [name, onlyAtAttach]));

const policyRules = (retryRules: Record<string, Rule>, breakerRules: Record<string, Rule>): Record<string, Rule> => ({
  retry: orFalse(eitherOf({ number: anInteger(0) }, options(retryRules))),
  breaker: orFalse(options({ ...breakerRules, ...REQUEST_BREAKER_RULES })),
  limiter: orFalse(options(REQUEST_LIMITER_RULES)),
  fallback: () => undefined,
  fallbackOn: eitherOf({ function: aFunction }, oneOf('open', 'failure')),
});

export const checkAttachOptions: (given: ResilienceOptions, path: string) => void = options({
  ...policyRules(RETRY_RULES, REGISTRY_RULES),
  limiter: orFalse(aLimiter),
  registry: withMethods('a BreakerRegistry', 'ensure', 'get', 'pipe'),
  sinks: listOf(withMethods('a sink with a method record(event)', 'record')),
  clock: aClock,
  random: aFunction,
});

export const checkUpdateOptions: (given: UpdateOptions, path: string) => void = options({
  ...ONLY_AT_ATTACH,
  ...policyRules(RETRY_RULES, { ...CIRCUIT_ONLY_AT_ATTACH, mode: aMode }),
});

export const checkRequestOptions: (given: RequestResilience, path: string) => void = options({
  ...ONLY_AT_ATTACH,
  ...policyRules({ ...RETRY_RULES, budget: oneOf(false) }, CIRCUIT_ONLY_AT_ATTACH),
});

/** Lays checked options over a policy. */
export function extendPolicy(base: Policy, given: UpdateOptions | RequestResilience): Policy {
  const { retry, breaker, limiter, fallback = base.fallback, fallbackOn = base.fallbackOn } = own(given);
  return {
    retry: merged(base.retry, retryFields(base.retry, retry), 'retryAfter', 'idempotencyKey'),
    breaker: merged(base.breaker, switchable(breaker)),
    limiter: limiter === undefined ? base.limiter : merged(base.limiter, switchable(limiter)),
    fallback,
    fallbackOn,
  };
}

/** `false` turns a group off and leaves its fields for whoever turns it on again. */
const switchable = <T extends object>(given: T | false | undefined): Partial<T> & { enabled?: boolean } =>
  given ? { ...given, enabled: true } : given === false ? ({ enabled: false } as never) : {};

function retryFields(base: RetryPolicy, given: UpdateOptions['retry']): object {
  if (typeof given === 'number') return { retries: given, enabled: true };
  const { budget, idempotencyKey, retryAfter, ...fields } = own(switchable(given));
  return {
    ...fields,
    retryAfter: typeof retryAfter === 'boolean' ? { enabled: retryAfter } : switchable(retryAfter),
    budget: budget && merged(base.budget || DEFAULTS.retry.budget, budget),
    idempotencyKey: idempotencyKey === true ? {} : idempotencyKey,
  };
}
