import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { BreakerRegistryOptions } from './circuit/options.js';
import type { BreakerRegistry } from './circuit/registry.js';
import type { Clock } from './clock.js';
import type { CallContext, FallbackContext, RetryContext } from './contexts.js';
import type { Delay } from './delay.js';
import type { RejectionContext } from './errors.js';
import type { Outcome, Sink } from './events.js';
import type { Limit } from './limiter/contract.js';
import type { Limiter } from './limiter/limiter.js';
import type { Priority } from './limiter/waiting-line.js';
import type { BudgetOptions, RetryBudget } from './retry/budget.js';
import type { RetryAfterOptions } from './retry/decision.js';
import type { Statuses } from './retry/statuses.js';

/** `true` turns it on with the options that it had last, `false` turns it off, options turn it on. */
type Switch<Options> = Options | boolean;

type Promisable<T> = T | PromiseLike<T>;

/**
 * Names the circuit of a request, and what is counted by it: budget, events and metrics. `null`: it has none; `undefined`: the
 * default. Pure and cheap: it is asked for every attempt.
 */
export type KeyFunction = (config: InternalAxiosRequestConfig) => string | null | undefined;

/** How POST and PATCH are made safe to retry. */
export interface IdempotencyKeyOptions {
  /**
   * The header's name, a token of RFC 9110.
   * @default 'Idempotency-Key'
   */
  header?: string | undefined;
  /**
   * Makes the key of a call.
   * @default a random UUID
   */
  generate?: (() => string) | undefined;
  /**
   * Puts the key in double quotes, as a structured field (draft-ietf-httpapi-idempotency-key-header).
   * @default false
   */
  quoted?: boolean | undefined;
}

/** When and how a failed attempt is repeated. */
export interface RetryOptions {
  /**
   * Retries after the first attempt; an integer >= 0.
   * @default 3
   */
  retries?: number | undefined;
  /**
   * Methods that are retried after any retryable failure, in any case.
   * @default ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']
   */
  methods?: readonly string[] | undefined;
  /**
   * Statuses that are retried, also where `validateStatus` accepts them: integers from 100 to 999, ranges of them from the
   * first to the last, or a function that is asked for each response.
   * @default [429, 500, 502, 503, 504, 408, 425, 520, 521, 522, 523, 524, 529, 530]
   * @example [429, [500, 599]]
   * @example (status) => status >= 500 && status !== 501
   */
  statusCodes?: Statuses | undefined;
  /**
   * Error codes that are retried, in any case, wherever they stand in the chain of causes. Given, only these are.
   * @default every attempt that came back without a whole answer, unless the caller or a certificate is the reason
   */
  errorCodes?: readonly string[] | undefined;
  /**
   * The delay before the next attempt: a number of ms, or a function, which `attach` and `update` call once to see that it works.
   * @default fullJitter(exponential({ baseMs: 100, factor: 2, maxMs: 30_000 }))
   * @example ({ attempt }) => 250 * attempt
   */
  backoff?: number | Delay | undefined;
  /**
   * How far a server's `Retry-After` is followed. `false`: it is not looked at.
   * @default { maxMs: 60_000, mode: 'add' }
   */
  retryAfter?: Switch<RetryAfterOptions> | undefined;
  /**
   * The cap on retries as a share of calls, per key; `false`: none. A `RetryBudget` is one for all keys, and can be shared with
   * other instances and with `retry`.
   * @default { ratio: 0.5, minPerSecond: 1 }
   */
  budget?: Switch<BudgetOptions> | RetryBudget | undefined;
  /**
   * The name of a header that carries the number of the attempt, from 1; a token of RFC 9110.
   * @default false
   */
  attemptHeader?: string | false | undefined;
  /**
   * Asked after each failed attempt while retries are left; `undefined`: decide as usual. `true` also retries what
   * method, status or code forbid.
   * @example ({ status }) => status === 404 ? true : undefined
   */
  shouldRetry?: ((context: RetryContext) => Promisable<boolean | undefined>) | undefined;
  /**
   * Asked about each accepted response whose status is not retried anyway: whether it is to be fetched again. Methods are left as
   * they are: a POST is sent again only with an idempotency key, or with POST in `methods`.
   * @example ({ response }) => response.data.state === 'pending'
   */
  shouldRetryResponse?:
    | ((context: RetryContext & { readonly response: AxiosResponse }) => Promisable<boolean | undefined>)
    | undefined;
  /**
   * Runs after the wait and before the next attempt. `config` is that of the next attempt alone: headers, `url`, `baseURL` and
   * `data` may be changed or replaced. `delayMs` is the delay that was waited.
   * @example ({ config }) => { config.headers.set('Authorization', sign(config)); }
   */
  beforeRetry?: ((context: RetryContext & { readonly delayMs: number }) => Promisable<void>) | undefined;
}

/** The breaker's options that can be given for one request. */
interface RequestBreakerOptions {
  /**
   * Makes the error of a rejected call.
   * @default a CircuitOpenError
   */
  createError?: ((context: RejectionContext) => unknown) | undefined;
  /**
   * How long a call may wait in sum for a circuit that would reject it, ms from 0 to 2_147_483_647; 0: never. It waits only
   * where a permit can come in time, no fallback applies, and the circuit was not opened by hand. Before a retry the wait takes
   * the place of the backoff.
   * @default 1_000; 0 where there are no retries
   */
  maxWaitMs?: number | undefined;
}

/** How circuits are kept, and what they count. */
export interface BreakerOptions extends RequestBreakerOptions, Omit<BreakerRegistryOptions, 'clock' | 'random'> {
  /**
   * Circuits to share with other instances; it brings the options of its circuits.
   * @default a registry of its own
   */
  registry?: BreakerRegistry | undefined;
}

/** The limiter's options that can be given for one request. */
interface RequestLimiterOptions {
  /**
   * The attempts that are served first, and rejected last when the queue is full.
   * @default 'normal'
   */
  priority?: Priority | undefined;
  /**
   * How long an attempt may wait, ms >= 0.
   * @default what is left of the smaller of timeout and deadline; 10_000 where there is neither
   */
  maxWaitMs?: number | undefined;
}

/** How attempts are limited. */
export interface AttachLimiterOptions extends RequestLimiterOptions {
  /** The rule of the limit: `adaptiveLimit()`, `concurrencyLimit(n)`, `rateLimit({ … })` or `customLimit(…)`. */
  limit: Limit;
  /**
   * How many may wait, an integer >= 0. Beyond that the attempt that is last in the queue is rejected.
   * @default 1_000
   */
  maxQueue?: number | undefined;
  /**
   * Names the limiter of a request; `null`: none.
   * @default the origin
   */
  key?: KeyFunction | undefined;
}

/** What can be given for an instance and for one request alike. It holds whether or not there are retries and circuits. */
interface CallOptions {
  /**
   * Names the circuit of a request, and what is counted by it: budget, events and metrics.
   * @default the method and the base URL
   */
  key?: KeyFunction | undefined;
  /**
   * Says what an attempt means for its circuit and its limiter, and to the fallback; `undefined`: decide as usual.
   * @example ({ status }) => status === 404 ? 'failure' : undefined
   */
  classify?: ((context: CallContext) => Outcome | undefined) | undefined;
  /**
   * The most that the whole call may take, from its beginning, ms from 1 to 2_147_483_647. Attempts, waits and hooks are cut
   * off; request interceptors count but are not interrupted, response interceptors come after. A streamed body is not part of it.
   * @default none
   */
  deadlineMs?: number | undefined;
  /**
   * Gives POST and PATCH a key that is the same on every attempt, and retries them. A key that is there is kept.
   * @default false
   */
  idempotencyKey?: Switch<IdempotencyKeyOptions> | undefined;
  /**
   * Data that answers a call in place of the service, or a function that yields it or a promise of it. Anything but `undefined`
   * is an answer, also `null`. One for all calls should look at the method: a failed write must not look like a success.
   * @example ({ config }) => (config.method === 'get' ? cache.get(api.getUri(config)) : undefined)
   */
  fallback?: ((context: FallbackContext) => unknown) | NonNullable<unknown> | null | undefined;
  /**
   * When it answers: `rejected`, the circuit or the limiter let no attempt pass; `failure`, also when the last attempt failed; or
   * a predicate. Never for a cancelled call. It does nothing without a `fallback`, which may be that of one request.
   * @default 'rejected'
   */
  fallbackOn?: 'rejected' | 'failure' | ((context: FallbackContext) => boolean) | undefined;
}

/** The options of `attach`. All are optional; groups are merged by field over `DEFAULTS`. */
export interface ResilienceOptions extends CallOptions {
  /** Options, or a number as short for `{ retries }`, or `false`: never. */
  retry?: Switch<RetryOptions> | number | undefined;
  /** Options, or a registry as short for `{ registry }`, or `false`: no circuit breaker. */
  breaker?: Switch<BreakerOptions> | BreakerRegistry | undefined;
  /**
   * Queues attempts that would overload a service: options, or the limit alone as short for `{ limit }`, or a `Limiter` to share.
   * @default false
   */
  limiter?: AttachLimiterOptions | Limit | Limiter | false | undefined;
  /**
   * Receivers of all events.
   * @default []
   */
  sinks?: readonly Sink[] | undefined;
  /** The time source of calls and circuits, for exact tests. */
  clock?: Clock | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

/** What can be changed while calls are under way. */
export interface UpdateOptions extends CallOptions {
  retry?: ResilienceOptions['retry'];
  breaker?: Switch<RequestBreakerOptions & Pick<BreakerOptions, 'mode'>> | undefined;
  limiter?: Switch<RequestLimiterOptions> | undefined;
}

/** `config.resilience`: options of one request, merged over those of the instance. */
export interface ResilienceRequestOptions extends CallOptions {
  retry?: Switch<Omit<RetryOptions, 'budget'> & { budget?: boolean | undefined }> | number | undefined;
  breaker?: Switch<RequestBreakerOptions> | undefined;
  limiter?: Switch<RequestLimiterOptions> | undefined;
}
