import { namedError, reasonOf } from '../abort.js';
import { MAX_TIMER_MS } from '../clock.js';

/** The time of one call, or of one attempt: it ends with what lies around it, or when its own limit is reached. */
export interface Scope {
  readonly signal: AbortSignal;
  /** Whether its own time has run out. */
  readonly isOver: boolean;
  /** Why it was aborted. */
  reason(): unknown;
  /** Settles as `run` does, or rejects when the scope is aborted. */
  race<T>(run: () => Promise<T>): Promise<T>;
  wait(delayMs: number): Promise<void>;
  close(): void;
}

/** A signal that aborts with the outer one and when its time is over; after `close` it leaves no timer and no listener. */
export function openScope(
  outer: AbortSignal | undefined,
  limitMs: number | undefined,
  name = 'deadline',
  within?: Scope,
): Scope {
  const controller = new AbortController();
  const { signal } = controller;
  let isOver = false;
  let reason: unknown;
  const abort = (why: unknown) => {
    reason = why;
    controller.abort(why);
  };
  const onAbort = () => abort(within ? within.reason() : outer && reasonOf(outer));
  if (outer?.aborted) onAbort();
  outer?.addEventListener('abort', onAbort);
  const expire = () => {
    isOver = true;
    abort(namedError(`${name} of ${limitMs ?? 0} ms exceeded`, 'TimeoutError'));
  };
  const timer = limitMs === undefined ? undefined : setTimeout(expire, limitMs);
  const race = <T>(run: () => Promise<T>): Promise<T> => {
    let stop = () => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      const onStop = () => reject(reason);
      if (signal.aborted) onStop();
      signal.addEventListener('abort', onStop);
      stop = () => signal.removeEventListener('abort', onStop);
    });
    return Promise.race(signal.aborted ? [aborted] : [aborted, run()]).finally(stop);
  };
  return {
    signal,
    get isOver() {
      return isOver;
    },
    reason: () => reason,
    race,
    wait: (delayMs) => {
      let timeout: ReturnType<typeof setTimeout> | undefined;
      const elapsed = async () =>
        new Promise<void>((resolve) => {
          timeout = setTimeout(resolve, Math.min(delayMs, MAX_TIMER_MS));
        });
      return race(elapsed).finally(() => clearTimeout(timeout));
    },
    close: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}
