import type { CallContext } from '../../contexts.js';
import { DEFAULTS } from '../../defaults.js';
import type { Delay } from '../../delay.js';
import type {
  IdempotencyKeyOptions,
  KeyFunction,
  ResilienceOptions,
  ResilienceRequestOptions,
  RetryOptions,
  UpdateOptions,
} from '../../options.js';
import { type Budget, isShared, type RetryBudget } from '../../retry/budget.js';
import type { RetryAfter } from '../../retry/decision.js';
import type { Statuses } from '../../retry/statuses.js';
import { merged, own } from '../../validation.js';
import { byMethodAndBaseUrl } from './key.js';

/** `true` turns a group on with the fields that it had last, `false` off, options turn it on. */
type Switched<Fields> = Fields & { readonly enabled: boolean };

/** How failed attempts of one call are repeated. */
export interface RetryPolicy extends Pick<RetryOptions, 'shouldRetry' | 'shouldRetryResponse' | 'beforeRetry'> {
  readonly enabled: boolean;
  readonly retries: number;
  readonly methods: readonly string[];
  readonly statusCodes: Statuses;
  readonly errorCodes: readonly string[] | undefined;
  readonly backoff: number | Delay;
  readonly retryAfter: Switched<RetryAfter>;
  readonly budget: Budget | RetryBudget | false;
  readonly attemptHeader: string | false;
}

type RequestGroup<Name extends 'breaker' | 'limiter'> = Exclude<ResilienceRequestOptions[Name], boolean | undefined>;

/** Everything that one call goes by: checked, merged and complete. */
export interface Policy extends Pick<UpdateOptions, 'deadlineMs' | 'fallback' | 'fallbackOn'> {
  readonly key: KeyFunction;
  readonly classify?: ((context: CallContext) => unknown) | undefined;
  readonly idempotencyKey: Switched<IdempotencyKeyOptions>;
  readonly retry: RetryPolicy;
  readonly breaker: Switched<RequestGroup<'breaker'>>;
  readonly limiter: Switched<RequestGroup<'limiter'> & { readonly key?: KeyFunction | undefined }>;
}

export const DEFAULT_POLICY: Policy = {
  key: byMethodAndBaseUrl,
  classify: undefined,
  deadlineMs: undefined,
  idempotencyKey: merged({ enabled: false }),
  fallback: undefined,
  fallbackOn: DEFAULTS.fallbackOn,
  retry: merged({
    ...DEFAULTS.retry,
    enabled: true,
    retryAfter: merged({ ...DEFAULTS.retry.retryAfter, enabled: true }),
  }),
  breaker: merged({ enabled: true }),
  limiter: merged({ enabled: true }),
};

type Given = UpdateOptions | ResilienceRequestOptions;

/** Lays checked options over a policy. */
export function extendPolicy(base: Policy, given: Given): Policy {
  const { retry, breaker, limiter, idempotencyKey, ...fields } = own(given);
  return {
    ...merged(base, fields),
    retry: extendRetry(base.retry, retry),
    breaker: switched(base.breaker, breaker),
    limiter: switched(base.limiter, limiter),
    idempotencyKey: switched(base.idempotencyKey, idempotencyKey),
  };
}

function switched<Group extends { readonly enabled: boolean }>(
  base: Group,
  given: object | boolean | undefined,
): Group {
  if (given === undefined) return base;
  if (typeof given === 'boolean') return merged(base, { enabled: given });
  return merged({ ...base, enabled: true }, given);
}

function extendRetry(base: RetryPolicy, given: Given['retry']): RetryPolicy {
  if (typeof given !== 'object') return switched(base, typeof given === 'number' ? { retries: given } : given);
  const { retryAfter, budget, ...fields } = own<RetryOptions>(given);
  return merged(switched(base, fields), {
    retryAfter: switched(base.retryAfter, retryAfter),
    budget: budgetOver(base.budget, budget),
  });
}

function budgetOver(base: RetryPolicy['budget'], given: RetryOptions['budget']): RetryPolicy['budget'] {
  if (given === undefined || given === false) return given ?? base;
  if (given === true) return base || DEFAULTS.retry.budget;
  if (isShared(given)) return given;
  return merged(base && !isShared(base) ? base : DEFAULTS.retry.budget, given);
}

/** The options of one call in those of `attach`: circuits and limiters have the others. */
export function callOptionsOf(
  given: Omit<ResilienceOptions, 'limiter'>,
  limiter: UpdateOptions['limiter'],
): UpdateOptions {
  const { sinks, clock, random, breaker, ...ofCalls } = own(given);
  if (typeof breaker !== 'object') return { ...ofCalls, limiter, breaker };
  const { createError, maxWaitMs } = own(breaker as RequestGroup<'breaker'>);
  return { ...ofCalls, limiter, breaker: { createError, maxWaitMs } };
}
