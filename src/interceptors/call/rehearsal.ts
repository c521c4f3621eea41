import {
  AxiosError,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import type { DelayContext } from '../../delay.js';
import { giveCause } from '../../errors.js';
import type { ResilienceOptions } from '../../options.js';
import { own, unexpected } from '../../validation.js';
import { byMethodAndBaseUrl } from './key.js';

/**
 * Asks the functions that compute a delay once, about a 503 as it will be met: that one is wrong is to be known before the
 * first outage. Nothing else of the user's is called.
 *
 * @throws a `TypeError` where one throws, or yields no number of milliseconds.
 */
export function tryDelays(
  given: Pick<ResilienceOptions, 'retry' | 'breaker'>,
  defaults: Partial<AxiosInstance['defaults']>,
): void {
  const { retry, breaker } = own(given);
  const { backoff } = own(Object(retry) as { backoff?: unknown });
  const { cooldownMs } = own(Object(breaker) as { cooldownMs?: unknown });
  for (const [path, delay] of Object.entries({ 'retry.backoff': backoff, 'breaker.cooldownMs': cooldownMs })) {
    if (typeof delay === 'function')
      tryDelay(path, delay as (context: DelayContext) => unknown, contextOf503(defaults));
  }
}

function tryDelay(path: string, delay: (context: DelayContext) => unknown, context: DelayContext): void {
  const expected = 'a number of milliseconds >= 0, as of exponential() or ({ attempt }) => 100 * attempt';
  const refuse = (given: unknown) => unexpected(`${path}(context)`, expected, given);
  let delayMs: unknown;
  try {
    delayMs = delay(context);
  } catch (thrown) {
    const error = refuse(thrown);
    giveCause(error, thrown);
    throw error;
  }
  if (!(Number.isFinite(delayMs) && Number(delayMs) >= 0)) throw refuse(delayMs);
}

/** The context of a first failure. */
function contextOf503(defaults: Partial<AxiosInstance['defaults']>): DelayContext {
  const url = defaults.baseURL ? '/' : 'https://api.example.com/';
  const config = { ...defaults, method: 'get', url, headers: new AxiosHeaders() } as InternalAxiosRequestConfig;
  const response: AxiosResponse = {
    status: 503,
    statusText: 'Service Unavailable',
    headers: new AxiosHeaders(),
    data: '',
    config,
    request: {},
  };
  const message = 'Request failed with status code 503';
  const error = new AxiosError(message, 'ERR_BAD_RESPONSE', config, response.request, response);
  const key = byMethodAndBaseUrl(config);
  return { key, attempt: 1, previousMs: undefined, error, response, retryAfterMs: undefined, random: () => 0.5 };
}
