import type { CircuitBreaker } from '../../circuit/breaker.js';
import type { Permit, Rejection } from '../../circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../circuit/options.js';
import type { BreakerRegistry } from '../../circuit/registry.js';
import type { Clock } from '../../clock.js';
import { CircuitOpenError, markRejection, type RejectionContext } from '../../errors.js';
import type { Attempt } from '../call/call.js';
import { contextOf } from '../call/context.js';
import { hasFallback } from '../call/fallback-condition.js';
import type { Admission, Guard, Later, Pass, Refusal } from '../call/guard.js';
import { openReport } from '../call/records.js';
import type { AttemptTimes } from '../time/attempt-times.js';

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/** Asks the circuit of an attempt for a permit, and waits for one where that may help. */
export function circuitGuard(registry: BreakerRegistry, clock: Clock, times: AttemptTimes): Guard<Attempt> {
  const isOnItsClock = registry.clock === clock;
  const admissionOf = (attempt: Attempt, given: Permit | Rejection): Admission | Later => {
    if (!given.admitted) return refusalOf(attempt, given);
    attempt.call.waits?.end();
    return isOnItsClock ? given : onAnotherClock(given);
  };
  const waitOrRefuse = (
    attempt: Attempt,
    breaker: CircuitBreaker,
    { leaseMs = DEFAULT_LEASE_MS, mayProbe }: { readonly leaseMs: number | undefined; readonly mayProbe: boolean },
    retryAfterMs: number,
  ): Admission | Later => {
    const now = registry.clock.now();
    const asking = { until: now + patienceMs(attempt), leaseMs, mayProbe, caller: attempt.call };
    const next = breaker.waitOrReject(asking, retryAfterMs, now, () => !answersInstead(attempt, retryAfterMs));
    if ('admitted' in next) return admissionOf(attempt, next);
    const over = waiting(attempt);
    const answer = next.answer.then((given) => {
      over();
      return settledLater(admissionOf(attempt, given));
    });
    const leave = () => {
      over();
      next.leave();
    };
    return { admitted: 'later', answer, leave, end: () => next.end() };
  };
  return {
    admit(attempt) {
      const { call, circuitKey, config } = attempt;
      if (circuitKey === null) return undefined;
      const breaker = registry.ensure(circuitKey);
      const now = isOnItsClock ? attempt.startedAt : undefined;
      const permit = breaker.enter(now, call);
      if (permit) return admissionOf(attempt, permit);
      const { timeout }: { timeout?: unknown } = config;
      const leaseMs = timeout ? Number(timeout) + LEASE_GRACE_MS : undefined;
      const remainingMs = call.remainingMs();
      const mayProbe = remainingMs === Number.POSITIVE_INFINITY || remainingMs >= (times.usualMs(circuitKey) ?? 0);
      const given = breaker.ask(now, leaseMs, call, mayProbe);
      if (!(given instanceof Promise)) {
        return typeof given === 'number'
          ? waitOrRefuse(attempt, breaker, { leaseMs, mayProbe }, given)
          : admissionOf(attempt, given);
      }
      let later: Later | undefined;
      const answer = given.then((answered) => {
        if (typeof answered !== 'number') return settledLater(admissionOf(attempt, answered));
        const next = waitOrRefuse(attempt, breaker, { leaseMs, mayProbe }, answered);
        if (next.admitted === 'later') later = next;
        return settledLater(next);
      });
      return { admitted: 'later', answer, leave: () => later?.leave?.(), end: () => later?.end?.() };
    },
  };
}

const settledLater = (admission: Admission | Later): Admission | Promise<Admission> =>
  admission.admitted === 'later' ? (admission.answer as Promise<Admission>) : admission;

/** How long the attempt may wait from now, ms. */
function patienceMs({ call, captured: { policy } }: Attempt): number {
  if (call.attachment.pauses.isClosed) return 0;
  const waits = call.openWaits();
  waits.begin();
  return waits.leftMs(policy, call.remainingMs());
}

/** Whether a fallback would answer the call if its circuit rejected it. */
function answersInstead({ call, circuitKey, config, captured }: Attempt, retryAfterMs: number): boolean {
  const key = circuitKey ?? '';
  const { policy } = captured;
  return hasFallback(policy, 'circuit-open', call.failure?.outcome, () => {
    const error = new CircuitOpenError({ key, retryAfterMs, config });
    const last = call.failure ?? { error, attempt: undefined, outcome: undefined };
    return contextOf(call, { key, config: captured.config, ...last });
  });
}

/** Notes the wait; the returned function is called when it is over. */
function waiting({ call }: Attempt): () => void {
  const { clock } = call.attachment;
  const waits = call.openWaits();
  const since = clock.now();
  openReport(call);
  return () => {
    waits.end();
    waits.queuedMs += clock.now() - since;
  };
}

/** An error of the user's own may take its time. */
function refusalOf(attempt: Attempt, rejection: Rejection): Refusal | Later {
  const refusal = (error: unknown): Refusal => ({ admitted: false, stopped: 'circuit-open', error });
  const { config, captured } = attempt;
  const key = attempt.circuitKey ?? '';
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
