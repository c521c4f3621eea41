import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { CallContext } from '../../contexts.js';
import type { Outcome } from '../../events.js';
import { serverDelay } from '../../retry-after.js';
import { read } from '../outcome/error-chain.js';
import type { Attempt, Call } from './call.js';
import { recordOf } from './records.js';

/** What a callback is to be told. */
interface Told {
  readonly key: string | null;
  readonly config: InternalAxiosRequestConfig;
  /** The last attempt that was made. */
  readonly attempt: Attempt | undefined;
  readonly error?: unknown;
  readonly response?: AxiosResponse | undefined;
  readonly outcome: Outcome | undefined;
}

/** The context that all callbacks have. */
export function contextOf(call: Call, { key, config, attempt, error, response, outcome }: Told): CallContext {
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
