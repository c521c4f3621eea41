import type { Clock } from '../clock.js';
import { CircuitOpenError, isAbort, isCircuitOpenError } from '../errors.js';
import type { Outcome } from '../events.js';
import { isTimeUp, outcomeOutOfTime, SuccessTimes } from '../out-of-time.js';
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
  clock: Clock,
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
  const startedAt = signal ? clock.now() : 0;
  try {
    const result = await fn({ signal });
    permit.settle('success');
    if (signal) succeeded(guard, startedAt, clock.now());
    return result;
  } catch (error) {
    const isNeutral = signal?.aborted || isAbort(error) || isCircuitOpenError(error);
    permit.settle(
      isTimeUp(signal) ? outOfTime(guard, startedAt, clock.now(), permit) : isNeutral ? 'neutral' : 'failure',
    );
    throw error;
  }
}

/** Of the circuits whose functions were given a signal. */
const successTimes = new WeakMap<Guard, SuccessTimes>();

function succeeded(guard: Guard, startedAt: number, now: number): void {
  const times = successTimes.get(guard) ?? new SuccessTimes();
  successTimes.set(guard, times);
  times.record(now - startedAt, now);
}

function outOfTime(guard: Guard, startedAt: number, now: number, { isProbe }: Permit): Outcome {
  const attemptMs = now - startedAt;
  const slowestMs = successTimes.get(guard)?.slowestMs(now);
  return outcomeOutOfTime({ attemptMs, callMs: attemptMs, slowestMs, isProbe });
}
