import { isAbort, isRejection } from '../errors.js';
import type { Outcome } from '../events.js';
import { isTimeoutError, isTimeUp } from '../out-of-time.js';
import { limitedReason } from './reason.js';
import { type Ended, endedAs } from './turnstile.js';

/**
 * What it means to a limit that a function threw.
 *
 * @param outOfTime Asked where the time of the signal is over.
 */
export function endedBy(error: unknown, signal: AbortSignal | undefined, outOfTime: () => Outcome): Ended {
  if (isTimeUp(signal) && outOfTime() === 'failure') return endedAs('failure', 'timeout');
  if (signal?.aborted || isAbort(error) || isRejection(error)) return endedAs('neutral');
  try {
    return failureBy(error);
  } catch {
    return endedAs('failure');
  }
}

function failureBy(error: unknown): Ended {
  const { code, name, status, response } = (error ?? {}) as Record<string, unknown>;
  const { status: answered = status, headers } = (response ?? {}) as { status?: unknown; headers?: HeadersLike };
  return {
    outcome: 'failure',
    reason: limitedReason(answered, isTimeoutError({ code, name })),
    status: typeof answered === 'number' ? answered : undefined,
    header: headers && readerOf(headers),
    timeoutMs: undefined,
  };
}

/** An `AxiosHeaders`, a `Headers` of fetch, or an object with names in lower case. */
interface HeadersLike {
  readonly get?: (name: string) => unknown;
  readonly [name: string]: unknown;
}

const readerOf = (headers: HeadersLike) => (name: string) =>
  typeof headers.get === 'function' ? headers.get(name) : headers[name];
