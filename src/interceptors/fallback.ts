import { AxiosHeaders, type AxiosResponse } from 'axios';
import { giveCause, isAbort } from '../errors.js';
import type { Outcome, Stopped } from '../events.js';
import type { FallbackContext } from '../options.js';
import { unexpected } from '../validation.js';
import { discard } from './bodies.js';
import type { Call, Captured } from './call.js';
import { isDeadlineError } from './deadline.js';
import type { Result } from './diagnosis.js';
import { interruptible } from './interruptible.js';
import type { CallState } from './report.js';

/** How the call ended. */
interface FallbackCause {
  readonly stopped: Stopped;
  readonly outcome?: Outcome | undefined;
  readonly result: Result;
}

/** The answer to a call that ended without one; `undefined` where there is no data for it. */
export function fallbackFor(
  call: Call,
  { config, policy }: Captured,
  report: CallState,
  { stopped, outcome, result: { error, response } }: FallbackCause,
): Promise<AxiosResponse | undefined> | undefined {
  const { fallback, fallbackOn } = policy;
  if (fallback === undefined || stopped === 'aborted') return undefined;
  const { attachment } = call;
  const { key } = report;
  const context: FallbackContext = { key, stopped, outcome, error, response, config };
  const applies: unknown =
    typeof fallbackOn === 'function'
      ? fallbackOn(context)
      : stopped === 'circuit-open' || (fallbackOn === 'failure' && outcome === 'failure');
  if (applies instanceof Promise) throw unexpected('fallbackOn(context)', 'a boolean', applies);
  if (!applies) return undefined;
  const respond = async (): Promise<AxiosResponse | undefined> => {
    const yielded = (): unknown =>
      typeof fallback === 'function' ? (fallback as FallbackFunction)(context) : fallback;
    const limitMs = Math.max(0, call.remainingMs());
    const data = await interruptible(config, limitMs, yielded).catch((thrown: unknown) => {
      if (isDeadlineError(thrown)) return;
      discard(response);
      if (!isAbort(thrown)) giveCause(thrown, error ?? response);
      throw thrown;
    });
    if (data === undefined) return undefined;
    discard(response);
    report.fallback = true;
    attachment.events.emit({ type: 'fallback', key, cause: stopped });
    const headers = new AxiosHeaders({ 'cache-control': 'no-store' });
    return { data, status: 200, statusText: 'OK (fallback)', headers, config };
  };
  return respond();
}

type FallbackFunction = (context: FallbackContext) => unknown;
