import { aClock, aMode, HALF_OPEN_RULES, REGISTRY_RULES } from '../../circuit/options.js';
import { MAX_TIMER_MS } from '../../clock.js';
import { DEFAULTS } from '../../defaults.js';
import { aDelay } from '../../delay.js';
import { nearName } from '../../near-name.js';
import type { ResilienceOptions, ResilienceRequestOptions, UpdateOptions } from '../../options.js';
import { aBudget, BUDGET_RULES } from '../../retry/budget.js';
import { RETRY_AFTER_RULES, RETRY_AFTER_SWITCH } from '../../retry/decision.js';
import { theStatuses } from '../../retry/statuses.js';
import {
  aBoolean,
  aFunction,
  aHeaderName,
  anInteger,
  aSink,
  aToken,
  eitherOf,
  listOf,
  milliseconds,
  ofType,
  oneOf,
  options,
  orFalse,
  own,
  type Rule,
  type Rules,
  unexpected,
  unless,
  withMethods,
} from '../../validation.js';
import { inOurWords } from './other-words.js';

const hasMethod = (name: string) => (value: unknown) =>
  typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function';

const groupOf = (rules: Rules, expected: string): Rule => options(rules, expected, hintFor);

/** `true`, `false` or options. */
const switchOf = (rules: Rules, expected: string): Rule => eitherOf({ boolean: aBoolean }, groupOf(rules, expected));

const aMethodName = aToken('a method such as GET');
const METHODS = [...DEFAULTS.retry.methods, 'POST', 'PATCH'];

/** Any method, but not one that is nearly a usual one: it would never be retried. Short ones may be meant. */
const aMethod: Rule = (value, path) => {
  aMethodName(value, path);
  const method = String(value).toUpperCase();
  const near = METHODS.includes(method) || method.length < 4 ? undefined : nearName(method, METHODS);
  if (near) throw unexpected(path, `a method such as ${near}`, value, RangeError);
};

/** A promise would be kept for all calls, and reject unhandled. */
const aFallback: Rule = (value, path) => {
  if (hasMethod('then')(value)) throw unexpected(path, 'data, or a function that yields it or a promise of it', value);
};

const RETRY_RULES = {
  retries: anInteger(0),
  methods: listOf(aMethod, "an array such as ['GET', 'PUT']"),
  statusCodes: theStatuses,
  errorCodes: listOf(
    ofType('string', 'an error code such as ECONNRESET', (code: string) => code),
    "an array such as ['ECONNRESET']",
  ),
  backoff: aDelay,
  retryAfter: switchOf(RETRY_AFTER_RULES, RETRY_AFTER_SWITCH),
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

const IDEMPOTENCY_KEY_RULES = { header: aHeaderName, generate: aFunction, quoted: aBoolean };

const CALL_RULES = {
  key: aFunction,
  classify: aFunction,
  deadlineMs: milliseconds(1, MAX_TIMER_MS),
  idempotencyKey: switchOf(IDEMPOTENCY_KEY_RULES, "true, false or an object such as { header: 'Idempotency-Key' }"),
  fallback: aFallback,
  fallbackOn: unless(
    (value) => value === 'rejected' || value === 'failure',
    ofType('function', '"rejected", "failure" or a function'),
  ),
};

const aLimit = withMethods('a limit, such as adaptiveLimit()', 'limiters');

const LIMITER_RULES = { ...REQUEST_LIMITER_RULES, limit: aLimit, maxQueue: anInteger(0), key: aFunction };

const limiterRules = groupOf(
  LIMITER_RULES,
  'false, a limit such as concurrencyLimit(10), a Limiter or an object such as { limit: adaptiveLimit() }',
);

/** Options, of which the limit is needed, or a limit or a limiter alone. */
const aLimiter = unless(hasMethod('limiters'), (value, path) => {
  limiterRules(value, path);
  aLimit((value as { limit?: unknown }).limit, `${path}.limit`);
});

const isRegistry = (value: unknown) => hasMethod('ensure')(value) && hasMethod('pipe')(value);

const aRegistry = withMethods('a BreakerRegistry', 'ensure', 'get', 'pipe');

const BREAKER_RULES = { ...REGISTRY_RULES, ...REQUEST_BREAKER_RULES, registry: aRegistry };

const onlyAtAttach = (rules: Rules): Rules =>
  Object.fromEntries(Object.keys(rules).map((name) => [name, 'given to attach alone']));

const retryOf = (rules: Rules): Rule =>
  eitherOf(
    { number: anInteger(0) },
    switchOf(rules, 'a number of retries, true, false or an object such as { retries: 3 }'),
  );

const INSTANCE_RULES = { sinks: listOf(aSink), clock: aClock, random: aFunction };

const ATTACH_RULES = {
  ...CALL_RULES,
  ...INSTANCE_RULES,
  retry: retryOf(RETRY_RULES),
  breaker: unless(
    isRegistry,
    switchOf(BREAKER_RULES, 'true, false, a BreakerRegistry or an object such as { detector: consecutiveFailures(5) }'),
  ),
  limiter: orFalse(aLimiter),
};

/** What can be changed once an instance is attached, or given for one request. */
const afterAttach = (retryRules: Rules, breakerRules: Rules, expected: string): Rule =>
  groupOf(
    {
      ...CALL_RULES,
      ...onlyAtAttach(INSTANCE_RULES),
      retry: retryOf(retryRules),
      breaker: switchOf(
        { ...onlyAtAttach(BREAKER_RULES), ...breakerRules },
        'true, false or an object such as { maxWaitMs: 0 }, since registries are given to attach alone',
      ),
      limiter: switchOf(
        { ...onlyAtAttach(LIMITER_RULES), ...REQUEST_LIMITER_RULES },
        "true, false or an object such as { priority: 'high' }, since limits are given to attach alone",
      ),
    },
    expected,
  );

export const checkAttachOptions: (given: ResilienceOptions, path: string) => void = groupOf(ATTACH_RULES, 'an object');

export const checkUpdateOptions: (given: UpdateOptions, path: string) => void = afterAttach(
  RETRY_RULES,
  { ...REQUEST_BREAKER_RULES, mode: aMode },
  'an object',
);

export const checkRequestOptions: (given: ResilienceRequestOptions, path: string) => void = afterAttach(
  { ...RETRY_RULES, budget: aBoolean },
  REQUEST_BREAKER_RULES,
  'false or an object',
);

/** What `axios.create` was given for all requests: at fault, it would fail every one of them. */
export function checkDefaults(defaults: object): void {
  const { resilience } = own(defaults as { resilience?: ResilienceRequestOptions | false });
  if (resilience) checkRequestOptions(resilience, 'defaults.resilience');
  const misspelt = Object.keys(defaults).find((name) => name !== 'resilience' && nearName(name, ['resilience']));
  if (misspelt) throw new TypeError(`Unknown option \`defaults.${misspelt}\`: did you mean \`resilience\`?`);
}

const HOMES: Readonly<Record<string, Rules>> = {
  'at the top level': ATTACH_RULES,
  'in `retry`': RETRY_RULES,
  'in `retry.budget`': BUDGET_RULES,
  'in `breaker`': BREAKER_RULES,
  'in `breaker.halfOpen`': HALF_OPEN_RULES,
  'in `limiter`': LIMITER_RULES,
  'in `idempotencyKey`': IDEMPOTENCY_KEY_RULES,
};

/** What the name of an option may mean that is not known where it stands. */
function hintFor(name: string): string | undefined {
  const ours = inOurWords(name);
  if (ours) return `; use ${ours}`;
  const homes = Object.keys(HOMES).filter((home) => Object.hasOwn(HOMES[home] as Rules, name));
  return homes.length > 0 ? `; \`${name}\` belongs ${homes.join(' or ')}` : undefined;
}
