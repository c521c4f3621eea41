import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { type BreakerRegistryOptions, CIRCUIT_DEFAULTS } from './circuit/options.js';
import type { BreakerRegistry } from './circuit/registry.js';
import type { Clock } from './clock.js';
import type { Delay } from './delay.js';
import type { RejectionContext } from './errors.js';
import type { Outcome, Sink, Stopped } from './events.js';
import type { Limit } from './limiter/contract.js';
import type { Limiter } from './limiter/limiter.js';
import type { Priority } from './limiter/waiting-line.js';
import { BUDGET_DEFAULTS, type BudgetOptions } from './retry/budget.js';
import { DEFAULT_BACKOFF } from './retry/decision.js';
import type { Statuses } from './retry/statuses.js';

/** Names the circuit of a request; `null`: it has none. Pure and cheap: it is asked for every attempt. */
export type KeyFunction = (config: InternalAxiosRequestConfig) => string | null;

/** What a hook is told about the attempt that has just ended. */
export interface RetryContext {
  /** The attempt that ended, from 1. */
  readonly attempt: number;
  /** Retries that are left. */
  readonly retriesLeft: number;
  /** The circuit's key, also where there is no breaker. */
  readonly key: string;
  /** The error of the attempt; `undefined` where axios accepted the response. */
  readonly error: unknown;
  /** The response, if one came, after `transformResponse`. */
  readonly response: AxiosResponse | undefined;
  /** The call's config. To change the next attempt, use `beforeRetry`. */
  readonly config: InternalAxiosRequestConfig;
  /** Time since the call began, ms. */
  readonly elapsedMs: number;
}

/** What `beforeRetry` may read, and change. */
export interface BeforeRetryContext extends Omit<RetryContext, 'config'> {
  /** The config of the next attempt alone. Headers, `url`, `baseURL` and `data` may be changed or replaced. */
  readonly config: InternalAxiosRequestConfig;
  /** The delay that was waited, ms. */
  readonly delayMs: number;
}

/** How far a server's `Retry-After` is followed. */
export interface RetryAfterOptions {
  /**
   * Whether the server's time is waited for (the backoff comes on top).
   * @default true
   */
  respect?: boolean | undefined;
  /**
   * The longest time that is waited for, ms >= 0 or `Infinity`; beyond it the call gives up at once.
   * @default 60_000
   */
  maxMs?: number | undefined;
}

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
  statuses?: Statuses | undefined;
  /**
   * Error codes that are retried, wherever they stand in the chain of causes. Given, only these are.
   * @default every attempt that came back without a whole answer, unless the caller or a certificate is the reason
   */
  codes?: readonly string[] | undefined;
  /**
   * The delay before the next attempt: a number of ms, or a function.
   * @default fullJitter(exponential({ baseMs: 100, factor: 2, maxMs: 30_000 }))
   * @example ({ attempt }) => 250 * attempt
   */
  backoff?: number | Delay | undefined;
  retryAfter?: RetryAfterOptions | undefined;
  /**
   * The most that the whole call may take, from its beginning, ms from 1 to 2_147_483_647. Attempts, waits and hooks are cut
   * off; request interceptors count but are not interrupted, response interceptors come after.
   * @default none
   */
  deadlineMs?: number | undefined;
  /**
   * The cap on retries as a share of calls, per key; `false`: none.
   * @default { ratio: 0.5, minPerSecond: 2 }
   */
  budget?: BudgetOptions | false | undefined;
  /**
   * Gives POST and PATCH a key that is the same on every attempt, and retries them. A key that is there is kept.
   * @default false
   */
  idempotencyKey?: boolean | IdempotencyKeyOptions | undefined;
  /**
   * The name of a header that carries the number of the attempt, from 1; a token of RFC 9110.
   * @default false
   */
  attemptHeader?: string | false | undefined;
  /**
   * Asked after each failed attempt while retries are left; `undefined`: decide as usual. `true` also retries what
   * method, status or code forbid.
   * @example ({ response }) => response?.status === 404 ? true : undefined
   */
  shouldRetry?: ((context: RetryContext) => boolean | undefined | PromiseLike<boolean | undefined>) | undefined;
  /**
   * Asked about each accepted response whose status is not retried anyway: whether it is to be fetched again.
   * @example ({ response }) => response?.data.state === 'pending'
   */
  shouldRetryResponse?: ((context: RetryContext) => boolean | undefined | PromiseLike<boolean | undefined>) | undefined;
  /**
   * Runs after the wait and before the next attempt, whose config it may change.
   * @example ({ config }) => { config.headers.set('Authorization', sign(config)); }
   */
  beforeRetry?: ((context: BeforeRetryContext) => void | PromiseLike<void>) | undefined;
}

/** What `classify` judges by: the attempt as the adapter gave it, before `transformResponse`. */
export interface ClassifyContext {
  readonly key: string;
  readonly status: number | undefined;
  /** The most telling error code. */
  readonly code: string | undefined;
  readonly headers: AxiosResponse['headers'] | undefined;
  /** The body as received. */
  readonly data: unknown;
  readonly error: unknown;
  readonly durationMs: number;
  readonly config: InternalAxiosRequestConfig;
}

/** The breaker's options that can be given for one request. */
export interface RequestBreakerOptions {
  /**
   * Names the circuit of a request; `null`: none.
   * @default the method and the base URL
   */
  key?: KeyFunction | undefined;
  /**
   * Says what an attempt means for the circuit; `undefined`: decide as usual.
   * @example ({ status }) => status === 404 ? 'failure' : undefined
   */
  classify?: ((context: ClassifyContext) => Outcome | undefined) | undefined;
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
export interface BreakerOptions extends RequestBreakerOptions, Omit<BreakerRegistryOptions, 'clock' | 'random'> {}

/** The limiter's options that can be given for one request. */
export interface RequestLimiterOptions {
  /**
   * Who is served first, and goes over board last.
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
  /** What they are limited by: `adaptiveLimit()`, `concurrencyLimit(n)`, `rateLimit({ … })` or `customLimit(…)`. */
  limit: Limit;
  /**
   * How many may wait, an integer >= 0. Beyond that whoever stands last is rejected.
   * @default 1_000
   */
  maxQueue?: number | undefined;
  /**
   * Names the limiter of a request; `null`: none.
   * @default the origin
   */
  key?: KeyFunction | undefined;
}

/** What a fallback, or the predicate for it, is told. */
export interface FallbackContext {
  readonly key: string;
  /** Why there was no further attempt. */
  readonly stopped: Stopped;
  /** What the last attempt said about the service; `undefined` where none was made. */
  readonly outcome: Outcome | undefined;
  readonly error: unknown;
  readonly response: AxiosResponse | undefined;
  readonly config: InternalAxiosRequestConfig;
}

/** What can be given for an instance and for one request alike. */
interface FallbackOptions {
  /**
   * Data that answers a call in place of the service, or a function that yields it. Anything but `undefined` is an answer,
   * also `null`.
   * @example ({ config }) => cache.get(config.url)
   */
  fallback?: ((context: FallbackContext) => unknown) | NonNullable<unknown> | null | undefined;
  /**
   * When it answers: `open`, the circuit or the limiter rejected; `failure`, also when the last attempt failed; or a predicate. Never
   * for a cancelled call.
   * @default 'open'
   */
  fallbackOn?: 'open' | 'failure' | ((context: FallbackContext) => boolean) | undefined;
}

/** The options of `attach`. All are optional; groups are merged by field over `DEFAULTS`. */
export interface ResilienceOptions extends FallbackOptions {
  /** Options, or a number as short for `{ retries }`, or `false`: never. */
  retry?: RetryOptions | number | false | undefined;
  /** Options, or `false`: no circuit breaker. */
  breaker?: BreakerOptions | false | undefined;
  /**
   * Holds back what a service could not take: options, or the limit alone as short for `{ limit }`, or a `Limiter` to share.
   * @default false
   */
  limiter?: AttachLimiterOptions | Limit | Limiter | false | undefined;
  /** Circuits to share with other instances; it brings its own circuit options. */
  registry?: BreakerRegistry | undefined;
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
export interface UpdateOptions extends FallbackOptions {
  retry?: RetryOptions | number | false | undefined;
  breaker?: (RequestBreakerOptions & Pick<BreakerOptions, 'mode'>) | false | undefined;
  limiter?: RequestLimiterOptions | false | undefined;
}

/** `config.resilience`: options of one request, merged over those of the instance. */
export interface RequestResilience extends FallbackOptions {
  retry?: (Omit<RetryOptions, 'budget'> & { budget?: false | undefined }) | number | false | undefined;
  breaker?: RequestBreakerOptions | false | undefined;
  limiter?: RequestLimiterOptions | false | undefined;
}

/** Every default, in one place. */
export const DEFAULTS = Object.freeze({
  retry: Object.freeze({
    retries: 3,
    methods: Object.freeze<readonly string[]>(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']),
    statuses: Object.freeze<readonly number[]>([
      429, // Too Many Requests (RFC 6585, section 4)
      500, // Internal Server Error
      502, // Bad Gateway
      503, // Service Unavailable
      504, // Gateway Timeout
      408, // Request Timeout (RFC 9110, section 15.5.9)
      425, // Too Early (RFC 8470, section 5.2)
      // What proxies in front of an origin answer for it (Cloudflare).
      520, // an answer that makes no sense
      521, // refused
      522, // no connection in time
      523, // unreachable
      524, // no answer in time
      529, // overloaded
      530, // its name is not known, or it is frozen
    ]),
    codes: undefined,
    backoff: DEFAULT_BACKOFF,
    retryAfter: Object.freeze({ respect: true, maxMs: 60_000 }),
    deadlineMs: undefined,
    budget: BUDGET_DEFAULTS,
    idempotencyKey: false,
    attemptHeader: false,
  }),
  breaker: Object.freeze({ ...CIRCUIT_DEFAULTS, maxWaitMs: 1_000 }),
  fallbackOn: 'open',
  sinks: Object.freeze([]),
});
