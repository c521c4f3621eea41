import { AxiosHeaders, type AxiosResponse } from 'axios';
import type { FallbackContext } from '../../contexts.js';
import { giveCause, isAbort } from '../../errors.js';
import type { Outcome, Stopped } from '../../events.js';
import { unexpected } from '../../validation.js';
import type { Attempt, Call, Captured } from '../call/call.js';
import { contextOf } from '../call/context.js';
import { appliesTo } from '../call/fallback-condition.js';
import { interruptible } from '../call/interruptible.js';
import { asCause, type CallState } from '../call/report.js';
import { discard, isPlain } from '../config/bodies.js';
import type { Result } from '../outcome/diagnosis.js';
import { isDeadlineError } from '../time/deadline.js';

/** How the call ended. */
interface FallbackCause {
  readonly stopped: Stopped;
  readonly outcome?: Outcome | undefined;
  readonly attempt?: Attempt | undefined;
  readonly result: Result;
}

/** The answer to a call that ended without one; `undefined` where there is no data for it. */
export function fallbackFor(
  call: Call,
  { config, policy }: Captured,
  report: CallState,
  { stopped, outcome, attempt, result: { error, response } }: FallbackCause,
): Promise<AxiosResponse | undefined> | undefined {
  const { fallback, fallbackOn } = policy;
  if (fallback === undefined || stopped === 'aborted') return undefined;
  const told = { key: report.key, config, attempt, error, response, outcome };
  const context: FallbackContext = { ...contextOf(call, told), stopped };
  const applies =
    typeof fallbackOn === 'function' ? asked(fallbackOn, context, report) : appliesTo(fallbackOn, stopped, outcome);
  if (applies instanceof Promise) throw unexpected('fallbackOn(context)', 'a boolean', applies);
  if (!applies) return undefined;
  const respond = async (): Promise<AxiosResponse | undefined> => {
    const yielded = (): unknown =>
      typeof fallback === 'function' ? (fallback as FallbackFunction)(context) : copyOf(fallback);
    const limitMs = Math.max(0, call.remainingMs());
    const data = await interruptible(config, limitMs, yielded).catch((thrown: unknown) => {
      if (isDeadlineError(thrown)) return;
      discard(response);
      if (!isAbort(thrown)) giveCause(thrown, asCause(error, response, report));
      throw thrown;
    });
    if (data === undefined) return undefined;
    discard(response);
    report.fallback = true;
    const headers = new AxiosHeaders({ 'cache-control': 'no-store' });
    return { data, status: 200, statusText: 'OK (fallback)', headers, config };
  };
  return respond();
}

type FallbackFunction = (context: FallbackContext) => unknown;

/** A predicate that throws ends the call with its error; the failure that it was asked about is the cause. */
function asked(
  fallbackOn: (context: FallbackContext) => unknown,
  context: FallbackContext,
  report: CallState,
): unknown {
  try {
    return fallbackOn(context);
  } catch (thrown) {
    discard(context.response);
    giveCause(thrown, asCause(context.error, context.response, report));
    throw thrown;
  }
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
