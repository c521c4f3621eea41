import type { Permit, Rejection } from '../circuit/contract.js';
import type { BreakerRegistry } from '../circuit/registry.js';
import type { Clock } from '../clock.js';
import { CircuitOpenError } from '../errors.js';
import type { Attempt } from './call.js';
import type { Admission, Guard, Pass } from './guard.js';

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/** Asks the circuit of an attempt for a permit. */
export function circuitGuard(registry: BreakerRegistry, clock: Clock): Guard<Attempt> {
  const isOnItsClock = registry.clock === clock;
  const passOf = (permit: Permit): Pass => (isOnItsClock ? permit : onAnotherClock(permit));
  return {
    admit(attempt) {
      const { circuitKey, config, startedAt } = attempt;
      if (circuitKey === null) return undefined;
      const { timeout }: { timeout?: unknown } = config;
      const leaseMs = timeout ? Number(timeout) + LEASE_GRACE_MS : undefined;
      const answer = registry.ensure(circuitKey).acquire(isOnItsClock ? startedAt : undefined, leaseMs);
      const admissionOf = (given: Permit | Rejection): Admission =>
        given.admitted ? passOf(given) : refusalOf(attempt, given);
      return answer instanceof Promise
        ? { admitted: 'later', answer: answer.then(admissionOf) }
        : answer.admitted
          ? passOf(answer)
          : refusalOf(attempt, answer);
    },
  };
}

function refusalOf(attempt: Attempt, rejection: Rejection): Admission {
  return { admitted: false, stopped: 'circuit-open', error: errorOf(attempt, rejection) };
}

function errorOf({ key, config, captured }: Attempt, { retryAfterMs }: Rejection): unknown {
  const context = { key, retryAfterMs, config };
  try {
    return captured.policy.breaker.createError?.(context) ?? new CircuitOpenError(context);
  } catch (thrown) {
    return thrown;
  }
}

const onAnotherClock = (permit: Permit): Pass => ({
  admitted: true,
  timeoutMs: permit.timeoutMs,
  settle: (outcome, _now, details) => permit.settle(outcome, undefined, details),
});
