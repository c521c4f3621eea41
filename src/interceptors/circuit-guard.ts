import type { Permit, Rejection } from '../circuit/contract.js';
import type { BreakerRegistry } from '../circuit/registry.js';
import type { Clock } from '../clock.js';
import { CircuitOpenError, markRejection, type RejectionContext } from '../errors.js';
import type { AttemptTimes } from './attempt-times.js';
import type { Attempt } from './call.js';
import type { Admission, Guard, Later, Pass, Refusal } from './guard.js';

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/** Asks the circuit of an attempt for a permit. */
export function circuitGuard(registry: BreakerRegistry, clock: Clock, times: AttemptTimes): Guard<Attempt> {
  const isOnItsClock = registry.clock === clock;
  const passOf = (permit: Permit): Pass => (isOnItsClock ? permit : onAnotherClock(permit));
  return {
    admit(attempt) {
      const { call, circuitKey, config, startedAt } = attempt;
      if (circuitKey === null) return undefined;
      const { timeout }: { timeout?: unknown } = config;
      const leaseMs = timeout ? Number(timeout) + LEASE_GRACE_MS : undefined;
      const remainingMs = call.remainingMs();
      const mayProbe = remainingMs === Number.POSITIVE_INFINITY || remainingMs >= (times.usualMs(circuitKey) ?? 0);
      const now = isOnItsClock ? startedAt : undefined;
      const answer = registry.ensure(circuitKey).acquire(now, leaseMs, call, mayProbe);
      if (!(answer instanceof Promise)) return answer.admitted ? passOf(answer) : refusalOf(attempt, answer);
      const admissionOf = async (): Promise<Admission> => {
        const given = await answer;
        if (given.admitted) return passOf(given);
        const refusal = refusalOf(attempt, given);
        return refusal.admitted === 'later' ? (refusal.answer as Promise<Admission>) : refusal;
      };
      return { admitted: 'later', answer: admissionOf() };
    },
  };
}

/** An error of the user's own may take its time. */
function refusalOf(attempt: Attempt, rejection: Rejection): Refusal | Later {
  const refusal = (error: unknown): Refusal => ({ admitted: false, stopped: 'circuit-open', error });
  const { key, config, captured } = attempt;
  const { retryAfterMs, cause } = rejection;
  const context: RejectionContext = { key, retryAfterMs, config, cause };
  const marked = (error: unknown): Refusal => {
    const given = error ?? new CircuitOpenError(context);
    markRejection(given, key);
    return refusal(given);
  };
  try {
    const own = captured.policy.breaker.createError?.(context) as PromiseLike<unknown> | undefined | null;
    if (typeof own?.then !== 'function') return marked(own);
    return { admitted: 'later', answer: Promise.resolve(own).then(marked).catch(refusal) };
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
