import { AxiosHeaders, type AxiosResponse } from 'axios';
import type { FallbackContext } from '../../contexts.js';
import { giveCause, isAbort } from '../../errors.js';
import { unexpected } from '../../validation.js';
import type { Call, Captured, Ending } from '../call/call.js';
import { contextOf } from '../call/context.js';
import { interruptible } from '../call/interruptible.js';
import type { Policy } from '../call/policy.js';
import { asCause, type CallState, remember, reportOf } from '../call/report.js';
import { discard, isPlain } from '../config/bodies.js';
import { isDeadlineError } from '../time/deadline.js';

/**
 * The answer to a call that ended without one; `undefined` where there is no data for it. What the user's functions throw ends
 * the call, and its cause is the failure.
 */
export async function fallbackFor(
  call: Call,
  { config, policy }: Captured,
  report: CallState,
  ending: Ending,
): Promise<AxiosResponse | undefined> {
  const { stopped, result } = ending;
  const { fallback } = policy;
  if (fallback === undefined || stopped === 'aborted') return undefined;
  try {
    const context: FallbackContext = { ...contextOf(call, report.key, config, ending), stopped };
    if (!applies(policy, context)) return undefined;
    const data = await interruptible(config, Math.max(0, call.remainingMs()), (): unknown =>
      typeof fallback === 'function' ? (fallback as (context: FallbackContext) => unknown)(context) : copyOf(fallback),
    );
    if (data === undefined) return undefined;
    discard(result.response);
    report.fallback = true;
    const headers = new AxiosHeaders({ 'cache-control': 'no-store' });
    return { data, status: 200, statusText: 'OK (fallback)', headers, config };
  } catch (thrown) {
    if (isDeadlineError(thrown)) return undefined;
    discard(result.response);
    if (!isAbort(thrown)) giveCause(thrown, asCause(result, report));
    if (!reportOf(thrown)) remember(thrown, report);
    throw thrown;
  }
}

/** Whether it is a case for the fallback. */
function applies({ fallbackOn }: Policy, context: FallbackContext): boolean {
  const { stopped, outcome } = context;
  if (typeof fallbackOn !== 'function')
    return stopped === 'circuit-open' || stopped === 'limited' || (fallbackOn === 'failure' && outcome === 'failure');
  const answer: unknown = fallbackOn(context);
  if (answer instanceof Promise) throw unexpected('fallbackOn(context)', 'a boolean', answer);
  return Boolean(answer);
}

/** Plain objects and lists are copied for every answer; whatever else is in them is the same. */
function copyOf(data: unknown, copies = new Map<object, unknown>()): unknown {
  if (typeof data !== 'object' || data === null) return data;
  const known = copies.get(data);
  if (known !== undefined) return known;
  if (!Array.isArray(data) && !isPlain(data)) return data;
  const copy = (Array.isArray(data) ? [] : {}) as Record<string, unknown>;
  copies.set(data, copy);
  for (const [name, value] of Object.entries(data)) {
    Object.defineProperty(copy, name, {
      value: copyOf(value, copies),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return copy;
}
