import { CanceledError, type InternalAxiosRequestConfig } from 'axios';
import { MAX_TIMER_MS } from '../../clock.js';
import { deadlineError } from '../time/deadline.js';
import type { Pauses } from './waits.js';

/** What CancelToken has at run time and its types leave out. */
interface CancelTokenLike {
  readonly reason?: unknown;
  subscribe(listener: () => void): void;
  unsubscribe(listener: () => void): void;
}

/**
 * Settles as `work` does, unless the call is cancelled (rejects with axios's `CanceledError`) or `limitMs` runs out
 * (rejects with a deadline error) before. No timer and no listener outlives it.
 */
export function interruptible<T>(
  config: InternalAxiosRequestConfig,
  limitMs: number,
  work: () => T | PromiseLike<T>,
): Promise<T> {
  const { signal } = config;
  const token = config.cancelToken as CancelTokenLike | undefined;
  let release = () => {};
  return new Promise<T>((resolve, reject) => {
    const onCancel = () => reject(token?.reason ?? new CanceledError(undefined, config as never));
    if (signal?.aborted || token?.reason) return onCancel();
    const timer = limitMs <= MAX_TIMER_MS && setTimeout(() => reject(deadlineError(config)), limitMs);
    signal?.addEventListener?.('abort', onCancel);
    token?.subscribe(onCancel);
    release = () => {
      clearTimeout(timer || undefined);
      signal?.removeEventListener?.('abort', onCancel);
      token?.unsubscribe(onCancel);
    };
    Promise.resolve(work()).then(resolve, reject);
  }).finally(() => release());
}

/**
 * Waits for `delayMs`, also for longer than a timer takes, unless the call is cancelled. It is over at once when all waits are
 * ended.
 */
export async function wait(config: InternalAxiosRequestConfig, delayMs: number, pauses: Pauses): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let remove = () => {};
  const elapsed = () =>
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(delayMs, MAX_TIMER_MS));
      remove = pauses.add(resolve);
    });
  await interruptible(config, Number.POSITIVE_INFINITY, elapsed).finally(() => {
    clearTimeout(timer);
    remove();
  });
  if (delayMs > MAX_TIMER_MS && !pauses.isClosed) await wait(config, delayMs - MAX_TIMER_MS, pauses);
}
