import { CircuitOpenError, isAbort, isCircuitOpenError } from '../errors.js';
import { aFunction, options as optionsOf, withMethods } from '../validation.js';
import type { Permit, Rejection } from './contract.js';

/** How a function is run behind a circuit. */
export interface ExecuteOptions {
  /** Aborted before: the function is not called, and its reason is thrown. */
  signal?: AbortSignal | undefined;
}

/** What a function behind a circuit is given. */
export interface ExecuteContext {
  readonly signal: AbortSignal | undefined;
}

interface Guard {
  readonly key: string;
  acquire(): Permit | Rejection | Promise<Permit | Rejection>;
}

const check = optionsOf({ signal: withMethods('an AbortSignal', 'throwIfAborted') });

/** See `CircuitBreaker.execute`. */
export async function execute<T>(
  guard: Guard,
  fn: (context: ExecuteContext) => T | PromiseLike<T>,
  options: ExecuteOptions | undefined,
): Promise<T> {
  if (typeof fn !== 'function') aFunction(fn, 'execute(fn)');
  if (options !== undefined) check(options, 'execute(options)');
  const signal = options?.signal;
  signal?.throwIfAborted();
  const answer = guard.acquire();
  const permit = answer instanceof Promise ? await answer : answer;
  if (signal?.aborted && permit.admitted) permit.settle('neutral');
  signal?.throwIfAborted();
  if (!permit.admitted) throw new CircuitOpenError({ key: guard.key, retryAfterMs: permit.retryAfterMs });
  try {
    const result = await fn({ signal });
    permit.settle('success');
    return result;
  } catch (error) {
    permit.settle(signal?.aborted || isAbort(error) || isCircuitOpenError(error) ? 'neutral' : 'failure');
    throw error;
  }
}
