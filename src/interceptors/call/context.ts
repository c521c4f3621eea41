import type { InternalAxiosRequestConfig } from 'axios';
import type { CallContext } from '../../contexts.js';
import { read } from '../../fields.js';
import { serverDelay } from '../../retry-after.js';
import type { Call, Round } from './call.js';
import { recordOf } from './records.js';

/** What all callbacks are told of a call and its last round. */
export function contextOf(
  call: Call,
  key: string | null,
  config: InternalAxiosRequestConfig,
  { attempt, outcome, result: { error, response } }: Round,
): CallContext {
  const { status = response?.status, code, durationMs } = attempt?.number ? recordOf(attempt) : unmade(error);
  return {
    key,
    config,
    elapsedMs: call.elapsedMs(),
    attempt: attempt?.number ?? 0,
    outcome,
    durationMs,
    status,
    code,
    error: error as CallContext['error'],
    response,
    retryAfterMs: serverDelay({ response }),
  };
}

/** Of an attempt that was not made there is only the error that says why. */
function unmade(error: unknown) {
  const code = read(error, 'code');
  return { status: undefined, code: typeof code === 'string' ? code : undefined, durationMs: undefined };
}
