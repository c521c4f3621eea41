import { aClock, aMode, REGISTRY_RULES } from '../../circuit/options.js';
import { MAX_TIMER_MS } from '../../clock.js';
import { aDelay } from '../../delay.js';
import type { ResilienceOptions, ResilienceRequestOptions, UpdateOptions } from '../../options.js';
import { aBudget } from '../../retry/budget.js';
import { theStatuses } from '../../retry/statuses.js';
import {
  aBoolean,
  aFunction,
  aHeaderName,
  aName,
  anInteger,
  aSink,
  eitherOf,
  listOf,
  milliseconds,
  oneOf,
  options,
  orFalse,
  type Rule,
  withMethods,
} from '../../validation.js';

type Rules = Readonly<Record<string, Rule>>;

/** Takes a value that the test says is one; else the other rule decides. */
const orElse =
  (isOne: (value: unknown) => boolean, otherwise: Rule): Rule =>
  (value, path) => {
    if (!isOne(value)) otherwise(value, path);
  };

const hasMethod = (name: string) => (value: unknown) =>
  typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function';

/** `true`, `false` or options. */
const switchOf = (rules: Rules): Rule => eitherOf({ boolean: aBoolean }, options(rules));

const RETRY_RULES = {
  retries: anInteger(0),
  methods: listOf(aName),
  statusCodes: theStatuses,
  errorCodes: listOf(aName),
  backoff: aDelay,
  retryAfter: switchOf({ maxMs: milliseconds(0, Number.POSITIVE_INFINITY) }),
  budget: aBudget,
  attemptHeader: orFalse(aHeaderName),
  shouldRetry: aFunction,
  shouldRetryResponse: aFunction,
  beforeRetry: aFunction,
};

const REQUEST_BREAKER_RULES = { createError: aFunction, maxWaitMs: milliseconds(0, MAX_TIMER_MS) };

const REQUEST_LIMITER_RULES = {
  priority: oneOf('high', 'normal', 'low'),
  maxWaitMs: milliseconds(0, Number.POSITIVE_INFINITY),
};

const CALL_RULES = {
  key: aFunction,
  classify: aFunction,
  deadlineMs: milliseconds(1, MAX_TIMER_MS),
  idempotencyKey: switchOf({ header: aHeaderName, generate: aFunction, quoted: aBoolean }),
  fallback: () => undefined,
  fallbackOn: eitherOf({ function: aFunction }, oneOf('rejected', 'failure')),
};

const aLimit = withMethods('a limit, such as adaptiveLimit()', 'limiters');

const limiterRules = options({ ...REQUEST_LIMITER_RULES, limit: aLimit, maxQueue: anInteger(0), key: aFunction });

/** Options, of which the limit is needed, or a limit or a limiter alone. */
const aLimiter = orElse(hasMethod('limiters'), (value, path) => {
  limiterRules(value, path);
  aLimit((value as { limit?: unknown }).limit, `${path}.limit`);
});

const isRegistry = (value: unknown) => hasMethod('ensure')(value) && hasMethod('pipe')(value);

const aRegistry = withMethods('a BreakerRegistry', 'ensure', 'get', 'pipe');

const onlyAtAttach: Rule = (_value, path) => {
  throw new TypeError(`Expected \`${path}\` to be given to attach alone`);
};

const ONLY_AT_ATTACH = { sinks: onlyAtAttach, clock: onlyAtAttach, random: onlyAtAttach };

const CIRCUIT_ONLY_AT_ATTACH = Object.fromEntries(
  ['registry', ...Object.keys(REGISTRY_RULES)].map((name) => [name, onlyAtAttach]),
);

const retryOf = (rules: Rules): Rule => eitherOf({ number: anInteger(0) }, switchOf(rules));

export const checkAttachOptions: (given: ResilienceOptions, path: string) => void = options({
  ...CALL_RULES,
  retry: retryOf(RETRY_RULES),
  breaker: orElse(isRegistry, switchOf({ ...REGISTRY_RULES, ...REQUEST_BREAKER_RULES, registry: aRegistry })),
  limiter: orFalse(aLimiter),
  sinks: listOf(aSink),
  clock: aClock,
  random: aFunction,
});

export const checkUpdateOptions: (given: UpdateOptions, path: string) => void = options({
  ...ONLY_AT_ATTACH,
  ...CALL_RULES,
  retry: retryOf(RETRY_RULES),
  breaker: switchOf({ ...CIRCUIT_ONLY_AT_ATTACH, ...REQUEST_BREAKER_RULES, mode: aMode }),
  limiter: switchOf(REQUEST_LIMITER_RULES),
});

export const checkRequestOptions: (given: ResilienceRequestOptions, path: string) => void = options({
  ...ONLY_AT_ATTACH,
  ...CALL_RULES,
  retry: retryOf({ ...RETRY_RULES, budget: aBoolean }),
  breaker: switchOf({ ...CIRCUIT_ONLY_AT_ATTACH, ...REQUEST_BREAKER_RULES }),
  limiter: switchOf(REQUEST_LIMITER_RULES),
});
