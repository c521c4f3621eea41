import { type AxiosAdapter, AxiosError, type InternalAxiosRequestConfig } from 'axios';

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
 * adapter, also while a streamed response is read later.
 */
export function dispatchWithin(
  remainingMs: number,
  adapter: AxiosAdapter,
  config: InternalAxiosRequestConfig,
): ReturnType<AxiosAdapter> {
  const { signal } = config;
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  const outOfTime = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(deadlineError(config));
      controller.abort();
    }, remainingMs);
  });
  const forward = () => controller.abort();
  if (signal instanceof AbortSignal && config.responseType === 'stream' && 'any' in AbortSignal) {
    config.signal = AbortSignal.any([signal, controller.signal]);
  } else if (!signal?.aborted) {
    signal?.addEventListener?.('abort', forward);
    config.signal = controller.signal;
  }
  const attempt = async () => adapter(config);
  return Promise.race([attempt(), outOfTime]).finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener?.('abort', forward);
    if (signal) config.signal = signal;
    else delete config.signal;
  });
}
