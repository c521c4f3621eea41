import type { CircuitBreaker } from '../../circuit/breaker.js';
import type { Permit, Rejection } from '../../circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../circuit/options.js';
import type { BreakerRegistry } from '../../circuit/registry.js';
import type { Clock } from '../../clock.js';
import { CircuitOpenError, markRejection, type RejectionContext } from '../../errors.js';
import type { Attempt } from '../call/call.js';
import { contextOf } from '../call/context.js';
import { hasFallback } from '../call/fallback-condition.js';
import type { Guard, Pass, Refusal } from '../call/guard.js';
import { openReport } from '../call/records.js';
import { conceal } from '../config/concealment.js';
import { failed } from '../outcome/diagnosis.js';
import type { AttemptTimes } from '../time/attempt-times.js';

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/** Asks the circuit of an attempt for a permit, and waits for one where that may help. */
export function circuitGuard(registry: BreakerRegistry, clock: Clock, times: AttemptTimes): Guard<Attempt> {
  const isOnItsClock = registry.clock === clock;

  const passOf = (permit: Permit): Pass => (isOnItsClock ? permit : onAnotherClock(permit));

  /** Goes to a circuit that is not simply closed: there may be a store to ask, and a queue to stand in. */
  const seek = (
    attempt: Attempt,
    breaker: CircuitBreaker,
    now: number | undefined,
  ): ReturnType<Guard<Attempt>['admit']> => {
    const { call, config } = attempt;
    const { key } = breaker;
    const { timeout }: { timeout?: unknown } = config;
    const remainingMs = call.remainingMs();
    const next = breaker.seek({
      now,
      leaseMs: timeout ? Number(timeout) + LEASE_GRACE_MS : DEFAULT_LEASE_MS,
      caller: call,
      mayProbe: remainingMs === Number.POSITIVE_INFINITY || remainingMs >= (times.usualMs(key) ?? 0),
      patienceMs: () => patienceMs(attempt),
      agrees: (retryAfterMs) => !answersInstead(attempt, key, retryAfterMs),
      onQueue: () => {
        openReport(call);
        call.openWaits().enterQueue();
      },
    });
    const admissionOf = (given: Permit | Rejection) => {
      call.waits?.end();
      return given.admitted ? passOf(given) : refusalOf(attempt, key, given);
    };
    if (!('admitted' in next)) {
      const leave = () => {
        call.waits?.end();
        next.leave();
      };
      return { admitted: 'later', answer: next.answer.then(admissionOf), leave, end: () => next.end() };
    }
    const admission = admissionOf(next);
    return admission instanceof Promise ? { admitted: 'later', answer: admission } : admission;
  };

  return {
    admit(attempt) {
      const { call, circuitKey } = attempt;
      if (circuitKey === null) return undefined;
      const breaker = registry.ensure(circuitKey);
      const now = isOnItsClock ? attempt.startedAt : undefined;
      const permit = breaker.enter(now, call);
      if (!permit) return seek(attempt, breaker, now);
      call.waits?.end();
      return passOf(permit);
    },
  };
}

/** How long the attempt may wait from now, ms. */
function patienceMs({ call, captured: { policy } }: Attempt): number {
  if (call.attachment.pauses.isClosed) return 0;
  const waits = call.openWaits();
  waits.begin();
  return waits.leftMs(policy, call.remainingMs());
}

/** Whether a fallback would answer the call if its circuit rejected it. */
function answersInstead({ call, config, captured }: Attempt, key: string, retryAfterMs: number): boolean {
  const error = () => new CircuitOpenError({ key, retryAfterMs, config });
  const rejected = () => ({ result: failed(error()), attempt: undefined, outcome: undefined });
  return hasFallback(captured.policy, () => contextOf(call, key, captured.config, call.failure ?? rejected()));
}

/** An error of the user's own may take its time. */
function refusalOf(
  { call, config, captured }: Attempt,
  key: string,
  { retryAfterMs, cause }: Rejection,
): Refusal | Promise<Refusal> {
  const refusal = (error: unknown): Refusal => ({ admitted: false, stopped: 'circuit-open', error });
  conceal(call, config);
  const context: RejectionContext = { key, retryAfterMs, config, cause };
  const marked = (error: unknown): Refusal => {
    const given = error ?? new CircuitOpenError(context);
    markRejection(given, key);
    return refusal(given);
  };
  try {
    const own = captured.policy.breaker.createError?.(context) as PromiseLike<unknown> | undefined | null;
    if (typeof own?.then !== 'function') return marked(own);
    return Promise.resolve(own).then(marked).catch(refusal);
  } catch (thrown) {
    return refusal(thrown);
  }
}

const onAnotherClock = (permit: Permit): Pass => ({
  admitted: true,
  isProbe: permit.isProbe,
  timeoutMs: permit.timeoutMs,
  settle: (outcome, _now, details) => permit.settle(outcome, undefined, details),
});
