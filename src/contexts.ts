import type { AxiosError, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { Outcome, Stopped } from './events.js';

/** What every callback of a call is told: of the call, and of its last attempt. */
export interface CallContext {
  /** Names the circuit of the call; `null` where the `key` function says so. */
  readonly key: string | null;
  /** The call's config. To change the next attempt, use that of `beforeRetry`. */
  readonly config: InternalAxiosRequestConfig;
  /** Time since the call began, ms. */
  readonly elapsedMs: number;
  /** The last attempt, from 1; 0 where none was made. */
  readonly attempt: number;
  /** What that attempt says about the service; `undefined` where none was made. */
  readonly outcome: Outcome | undefined;
  /** How long that attempt took, ms; `undefined` where none was made. */
  readonly durationMs: number | undefined;
  /** The status of its response, if one came. */
  readonly status: number | undefined;
  /**
   * Its most telling error code: that of the cause where axios only says `ERR_NETWORK`. Where no attempt was made, that of `error`,
   * such as `ERR_CIRCUIT_OPEN` or `ERR_LIMITED`.
   */
  readonly code: string | undefined;
  /**
   * Its error, or why it was not made; `undefined` where axios accepted the response. It is an `AxiosError`, unless an adapter or
   * an interceptor threw something else.
   */
  readonly error: Partial<AxiosError> | undefined;
  /** Its response, if one came: after `transformResponse`, but for `classify` as the adapter gave it. */
  readonly response: AxiosResponse | undefined;
  /** What the server asked to wait, ms (`Retry-After`); `undefined` where it did not. */
  readonly retryAfterMs: number | undefined;
}

/** What the hooks of `retry` are told. */
export interface RetryContext extends CallContext {
  /** Retries that are left. */
  readonly retriesLeft: number;
}

/** What a fallback, or the predicate for it, is told. */
export interface FallbackContext extends CallContext {
  /** Why there was no further attempt. */
  readonly stopped: Stopped;
}
