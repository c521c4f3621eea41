import type { InternalAxiosRequestConfig } from 'axios';
import { isAbort } from '../../errors.js';
import { read } from '../../fields.js';

/**
 * Whether the caller cancelled: by its signal, its token, or an adapter or a fetch of its own. An `AbortError` of axios's
 * fetch adapter does not tell it by itself: Firefox ends a body that breaks off with one, too, and so do older versions of
 * axios when their own timeout is over. The signal of the request tells.
 */
export function isCancelled(error: unknown, config: InternalAxiosRequestConfig<unknown>): boolean {
  if (config.signal?.aborted === true) return true;
  return isAbort(error) && (!isOfOwnFetch(error, config) || (isRequestAborted(error) && !timeoutBehind(error)));
}

/** The timeout of axios that an `AbortError` of fetch stands for. */
export function timeoutBehind(error: unknown): unknown {
  const reason = read(signalOf(error), 'reason');
  return isAbort(error) && read(reason, 'code') === 'ETIMEDOUT' ? reason : undefined;
}

const signalOf = (error: unknown): unknown => read(read(error, 'request'), 'signal');

const isRequestAborted = (error: unknown): boolean => read(signalOf(error), 'aborted') === true;

const isOfOwnFetch = (error: unknown, { env }: InternalAxiosRequestConfig<unknown>): boolean =>
  read(error, '__CANCEL__') !== true &&
  typeof read(signalOf(error), 'aborted') === 'boolean' &&
  typeof read(env, 'fetch') !== 'function';
