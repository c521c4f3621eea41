import type { CircuitBreaker } from '../../circuit/breaker.js';
import type { Permit, Rejection } from '../../circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../circuit/options.js';
import type { BreakerRegistry } from '../../circuit/registry.js';
import type { Waiting } from '../../circuit/waiting/waiting.js';
import type { Clock } from '../../clock.js';
import { CircuitOpenError, markRejection, type RejectionContext } from '../../errors.js';
import type { Attempt } from '../call/call.js';
import { contextOf } from '../call/context.js';
import { hasFallback } from '../call/fallback-condition.js';
import type { Admission, Guard, Later, Pass, Refusal } from '../call/guard.js';
import { openReport } from '../call/records.js';
import { conceal } from '../config/concealment.js';
import type { AttemptTimes } from '../time/attempt-times.js';

/** What the circuit says; `undefined` where nobody waits for it any more. */
type Eventual = Admission | undefined | Promise<Admission | undefined>;

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/** Asks the circuit of an attempt for a permit, and waits for one where that may help. */
export function circuitGuard(registry: BreakerRegistry, clock: Clock, times: AttemptTimes): Guard<Attempt> {
  const isOnItsClock = registry.clock === clock;

  const passOf = ({ call }: Attempt, permit: Permit): Pass => {
    call.waits?.end();
    return isOnItsClock ? permit : onAnotherClock(permit);
  };

  /** Goes to a circuit that is not simply closed: there may be a store to ask, and a queue to stand in. */
  const ask = (attempt: Attempt, breaker: CircuitBreaker, now: number | undefined): Admission | Later | undefined => {
    const { call, circuitKey, config } = attempt;
    const { timeout }: { timeout?: unknown } = config;
    const leaseMs = timeout ? Number(timeout) + LEASE_GRACE_MS : DEFAULT_LEASE_MS;
    const remainingMs = call.remainingMs();
    const mayProbe = remainingMs === Number.POSITIVE_INFINITY || remainingMs >= (times.usualMs(circuitKey ?? '') ?? 0);
    let isLeft = false;
    let place: Waiting | undefined;

    const admissionOf = (given: Permit | Rejection) =>
      given.admitted ? passOf(attempt, given) : refusalOf(attempt, given);
    const answered = (answer: Permit | number): Eventual => {
      if (typeof answer !== 'number') return passOf(attempt, answer);
      if (isLeft) return undefined;
      const at = registry.clock.now();
      const asking = { until: at + patienceMs(attempt), leaseMs, mayProbe, caller: call };
      const next = breaker.waitOrReject(asking, answer, at, () => !answersInstead(attempt, answer));
      if ('admitted' in next) return admissionOf(next);
      place = next;
      openReport(call);
      call.openWaits().enterQueue();
      return next.answer.then((given) => {
        call.waits?.end();
        return admissionOf(given);
      });
    };

    const answer = breaker.ask(now, leaseMs, call, mayProbe);
    const admission = answer instanceof Promise ? answer.then(answered) : answered(answer);
    const leave = () => {
      isLeft = true;
      call.waits?.end();
      place?.leave();
    };
    return admission instanceof Promise
      ? { admitted: 'later', answer: admission, leave, end: () => place?.end() }
      : admission;
  };

  return {
    admit(attempt) {
      const { call, circuitKey } = attempt;
      if (circuitKey === null) return undefined;
      const breaker = registry.ensure(circuitKey);
      const now = isOnItsClock ? attempt.startedAt : undefined;
      const permit = breaker.enter(now, call);
      return permit ? passOf(attempt, permit) : ask(attempt, breaker, now);
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
function answersInstead({ call, circuitKey, config, captured }: Attempt, retryAfterMs: number): boolean {
  const key = circuitKey ?? '';
  const { policy } = captured;
  return hasFallback(policy, 'circuit-open', call.failure?.outcome, () => {
    const error = new CircuitOpenError({ key, retryAfterMs, config });
    const last = call.failure ?? { error, attempt: undefined, outcome: undefined };
    return contextOf(call, { key, config: captured.config, ...last });
  });
}

/** An error of the user's own may take its time. */
function refusalOf(attempt: Attempt, rejection: Rejection): Refusal | Promise<Refusal> {
  const refusal = (error: unknown): Refusal => ({ admitted: false, stopped: 'circuit-open', error });
  const { call, config, captured } = attempt;
  const key = attempt.circuitKey ?? '';
  conceal(call, config);
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
