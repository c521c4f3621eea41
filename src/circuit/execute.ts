import { namedError, reasonOf, throwIfAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import { CircuitOpenError, isAbort, isRejection } from '../errors.js';
import type { Outcome } from '../events.js';
import { isTimeUp, outcomeOutOfTime, type SuccessTimes } from '../out-of-time.js';
import { aFunction, anOutcome, milliseconds, options as optionsOf, own, withMethods } from '../validation.js';
import type { Permit, Rejection } from './contract.js';

/** What a function came to. */
export type Ended<T> =
  | { readonly hasThrown: false; readonly result: T; readonly error?: undefined }
  | { readonly hasThrown: true; readonly result?: undefined; readonly error: unknown };

/** How a function is run behind a circuit. */
export interface ExecuteOptions<T = unknown> {
  /** Aborted before: the function is not called, and its reason is thrown. */
  signal?: AbortSignal | undefined;
  /**
   * How long to wait for a circuit that would reject, ms >= 0. What cannot come in time, or was opened by hand, is not waited
   * for.
   * @default 0
   */
  maxWaitMs?: number | undefined;
  /**
   * Says what the result, or what was thrown, means for the circuit; `undefined`: decide as usual. What it throws becomes a
   * `callbackError`.
   * @example ({ error }) => error instanceof NotFound ? 'success' : undefined
   */
  classify?: ((ended: Ended<T>) => Outcome | undefined) | undefined;
}

/** What the end of a function is judged by. */
export interface JudgedBy<T> extends ExecuteOptions<T> {
  /** What it says that the time of `signal` ran out. */
  readonly outOfTime?: (() => Outcome) | undefined;
}

/** What a function behind a circuit is given. */
export interface ExecuteContext {
  /** The caller's; for a probe with `halfOpen.probeTimeoutMs` one that also aborts then, with a `TimeoutError`. */
  readonly signal: AbortSignal | undefined;
}

const UNLIMITED: ExecuteContext = Object.freeze({ signal: undefined });

interface Guard {
  readonly key: string;
  readonly times: SuccessTimes;
  enter(): Permit | undefined;
  acquireWithin(
    maxWaitMs: () => number,
    signal: AbortSignal | undefined,
  ): Permit | Rejection | Promise<Permit | Rejection>;
  judge<T>(ended: Ended<T>, judgedBy?: JudgedBy<T>): Outcome;
}

const check = optionsOf({
  signal: withMethods('an AbortSignal', 'addEventListener'),
  maxWaitMs: milliseconds(),
  classify: aFunction,
});

/** See `CircuitBreaker.execute`. Without options, and where there is nothing to wait for, it goes a short way. */
export function execute<T>(
  breaker: Guard,
  clock: Clock,
  fn: (context: ExecuteContext) => T | PromiseLike<T>,
  options: ExecuteOptions<T> | undefined,
): Promise<T> {
  const permit = options === undefined && typeof fn === 'function' ? breaker.enter() : undefined;
  return permit ? run(breaker, fn, permit) : admitAndRun(breaker, clock, fn, options);
}

async function admitAndRun<T>(
  breaker: Guard,
  clock: Clock,
  fn: (context: ExecuteContext) => T | PromiseLike<T>,
  options: ExecuteOptions<T> | undefined,
): Promise<T> {
  aFunction(fn, 'execute(fn)');
  if (options !== undefined) check(options, 'execute(options)');
  const given = own(options ?? {});
  const { signal, maxWaitMs } = given;
  throwIfAborted(signal);
  const answer = asked(breaker, signal, maxWaitMs);
  const permit = admitted(breaker, signal, answer instanceof Promise ? await answer : answer);
  return runWithin(breaker, clock, fn, permit, given);
}

async function run<T>(breaker: Guard, fn: (context: ExecuteContext) => T | PromiseLike<T>, permit: Permit): Promise<T> {
  try {
    const result = await fn(UNLIMITED);
    permit.settle('success');
    return result;
  } catch (error) {
    permit.settle(breaker.judge({ hasThrown: true, error }), undefined, { error });
    throw error;
  }
}

const asked = (breaker: Guard, signal: AbortSignal | undefined, maxWaitMs = 0) =>
  breaker.acquireWithin(() => maxWaitMs, signal);

function admitted(breaker: Guard, signal: AbortSignal | undefined, permit: Permit | Rejection): Permit {
  if (signal?.aborted && permit.admitted) permit.settle('neutral');
  throwIfAborted(signal);
  if (permit.admitted) return permit;
  throw new CircuitOpenError({ key: breaker.key, retryAfterMs: permit.retryAfterMs, cause: permit.cause });
}

/** The right to make one attempt. */
export interface CircuitPermit {
  /**
   * Says how the attempt ended, and of a failure its error. Only the first call counts. One that is never settled keeps its seat
   * if it is a probe, until its lease runs out.
   */
  settle(outcome: Outcome, error?: unknown): void;
}

/** See `CircuitBreaker.acquire`. */
export async function acquire(
  breaker: Guard,
  options: Pick<ExecuteOptions, 'signal' | 'maxWaitMs'> | undefined,
): Promise<CircuitPermit> {
  if (options !== undefined) check(options, 'acquire(options)');
  const { signal, maxWaitMs } = own(options ?? {});
  throwIfAborted(signal);
  const permit = admitted(breaker, signal, await asked(breaker, signal, maxWaitMs));
  return { settle: (outcome, error) => permit.settle(outcome, undefined, { error }) };
}

/** With options or limits. */
async function runWithin<T>(
  breaker: Guard,
  clock: Clock,
  fn: (context: ExecuteContext) => T | PromiseLike<T>,
  permit: Permit,
  given: ExecuteOptions<T>,
): Promise<T> {
  const { classify, signal } = given;
  const limit = permit.timeoutMs === undefined ? undefined : openLimit(signal, permit.timeoutMs);
  const startedAt = signal ? clock.now() : 0;
  try {
    const result = await fn({ signal: limit?.signal ?? signal });
    permit.settle(classify ? breaker.judge({ hasThrown: false, result }, given) : 'success');
    if (signal) breaker.times.record(clock.now() - startedAt, clock.now());
    return result;
  } catch (error) {
    const outOfTime = () => outcomeOfTime(breaker, startedAt, clock.now(), permit);
    const outcome = limit?.isOver() ? 'failure' : breaker.judge({ hasThrown: true, error }, { ...given, outOfTime });
    permit.settle(outcome, undefined, { error });
    throw error;
  } finally {
    limit?.close();
  }
}

/** What an end means for the circuit. An abort and the rejection of a circuit say nothing of the service. */
export function outcomeOf<T>(
  ended: Ended<T>,
  { classify, signal, outOfTime }: JudgedBy<T>,
  complain: (error: unknown) => void,
): Outcome {
  try {
    const judged = classify?.(ended);
    if (judged !== undefined) {
      anOutcome(judged, 'classify(ended)');
      return judged;
    }
  } catch (error) {
    complain(error);
  }
  if (!ended.hasThrown) return 'success';
  if (outOfTime && isTimeUp(signal)) return outOfTime();
  return signal?.aborted || isAbort(ended.error) || isRejection(ended.error) ? 'neutral' : 'failure';
}

function outcomeOfTime(breaker: Guard, startedAt: number, now: number, { isProbe }: Permit): Outcome {
  const attemptMs = now - startedAt;
  const slowestMs = breaker.times.slowestMs(now);
  return outcomeOutOfTime({ attemptMs, callMs: attemptMs, slowestMs, isProbe });
}

/** A signal that aborts with the caller's, and when the time of a probe is over. */
function openLimit(outer: AbortSignal | undefined, timeoutMs: number) {
  const controller = new AbortController();
  let isOver = false;
  const onAbort = () => controller.abort(outer && reasonOf(outer));
  outer?.addEventListener('abort', onAbort);
  const timer = setTimeout(() => {
    isOver = true;
    controller.abort(namedError(`The probe took longer than ${timeoutMs} ms`, 'TimeoutError'));
  }, timeoutMs);
  return {
    signal: controller.signal,
    isOver: () => isOver,
    close: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}
