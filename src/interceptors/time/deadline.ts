import { type AxiosAdapter, AxiosError, type InternalAxiosRequestConfig } from 'axios';
import { whenRead } from '../config/bodies.js';
import { exchangeConfig } from '../config/carried-config.js';
import { overwrite } from '../config/writable-config.js';
import { accepted, failed, handedOn } from '../outcome/diagnosis.js';

const deadlineErrors = new WeakSet();

/** The error of a call that had no time left, as against an attempt that timed out by itself. */
export function deadlineError(config: InternalAxiosRequestConfig): AxiosError {
  const error = new AxiosError('deadline exceeded', AxiosError.ETIMEDOUT, config);
  deadlineErrors.add(error);
  return error;
}

export const isDeadlineError = (error: unknown): boolean => deadlineErrors.has(error as object);

/**
 * Lets an adapter work for `remainingMs`; then rejects, and aborts what it does. The user's signal goes on reaching the
 * adapter, also while a streamed response is read later. The adapter is given a config of its own, since axios takes its
 * listener off `config.signal` only when such a response ends: that must still be the signal on which it put it.
 */
export async function dispatchWithin(
  remainingMs: number,
  adapter: AxiosAdapter,
  config: InternalAxiosRequestConfig,
): ReturnType<AxiosAdapter> {
  const { signal } = config;
  const controller = new AbortController();
  const given = { ...config };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const outOfTime = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(deadlineError(config));
      controller.abort();
    }, remainingMs);
  });
  const forward = () => controller.abort((signal as AbortSignal | undefined)?.reason);
  if (!signal?.aborted) {
    signal?.addEventListener?.('abort', forward);
    given.signal = controller.signal;
  }
  const release = () => void signal?.removeEventListener?.('abort', forward);
  const attempt = async () => adapter(given);
  const result = await Promise.race([attempt(), outOfTime]).then(accepted, failed);
  clearTimeout(timer);
  exchangeConfig(result, given, config);
  const isStreamed = config.responseType === 'stream' && whenRead(result.response?.data, release);
  if (!isStreamed) release();
  const { signal: _own, ...written } = given;
  overwrite(config, written);
  return handedOn(result);
}
