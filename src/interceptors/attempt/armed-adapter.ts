import type { AxiosAdapter, InternalAxiosRequestConfig } from 'axios';
import { Attempt, type Call } from '../call/call.js';
import { keyOf } from '../call/circuit-key.js';
import type { Admission, Guard, Later, Pass } from '../call/guard.js';
import { interruptible } from '../call/interruptible.js';
import { resolveAdapter } from '../config/adapters.js';
import { discard } from '../config/bodies.js';
import { writeOwnHeader } from '../config/concealment.js';
import { failed } from '../outcome/diagnosis.js';
import { dispatchWithin, isDeadlineError } from '../time/deadline.js';
import { settle, settleUnmade } from './settlement.js';

type Config = InternalAxiosRequestConfig;
type Sent = ReturnType<AxiosAdapter>;

/**
 * Stands in for the adapter of a call while that is under way. Only here is it certain that an attempt follows, so guards
 * are asked here, and told what the adapter comes to.
 *
 * A call that was not captured is sent as without the plugin: axios sends one whose synchronous request interceptor threw and
 * took its error itself, and leaves out all handlers behind it.
 */
export function armed(call: Call, config: Config): Sent {
  const { captured } = call;
  if (!captured || call.over) return resolveAdapter((captured ?? call).adapter, config)(config);
  const attempt = new Attempt(call, captured, config);
  call.attempt = attempt;
  try {
    const adapter = resolveAdapter(captured.adapter, config);
    attempt.key = keyOf(config, captured.policy);
    if (call.report) call.report.key = attempt.key;
    call.attachment.times.see(attempt.startedAt);
    return pass(attempt, adapter);
  } catch (error) {
    return unmade(attempt, error);
  }
}

/**
 * Asks the guards in their order. An attempt that has to wait for one of them holds nothing of the others meanwhile, no slot
 * and no seat: when the wait is over, those are asked anew.
 *
 * @param waitedFor Which of the guards the attempt has waited for: what that gave is held.
 */
function pass(attempt: Attempt, adapter: AxiosAdapter, waitedFor?: Guard<Attempt>): Sent {
  for (const guard of attempt.call.attachment.guards) {
    const answer = guard === waitedFor ? attempt.held : (keptOf(attempt, guard) ?? guard.admit(attempt));
    if (answer?.admitted === 'later') {
      giveBack(attempt, waitedFor);
      return whileWanted(attempt, answer).then((admission) => {
        try {
          attempt.startedAt = attempt.call.attachment.clock.now();
          attempt.held = passOf(attempt, admission);
          return pass(attempt, adapter, guard);
        } catch (error) {
          return unmade(attempt, error);
        }
      });
    }
    const given = passOf(attempt, answer);
    if (guard === waitedFor) attempt.held = undefined;
    if (given) attempt.passes = attempt.passes.length === 0 ? [given] : [...attempt.passes, given];
  }
  return send(attempt, adapter);
}

/**
 * Gives back what an attempt has that begins to wait: a slot at once, and what it has waited for, a seat, a moment later. If both
 * went at once, those with a slot and those with a seat could go round for ever, each without the other: nothing else would run.
 */
function giveBack(attempt: Attempt, waitedFor: Guard<Attempt> | undefined): void {
  const { held } = attempt;
  attempt.held = undefined;
  settleUnmade(attempt);
  if (!held || !waitedFor) return;
  const kept = { by: waitedFor, pass: held };
  attempt.kept = kept;
  setTimeout(() => attempt.kept === kept && settleUnmade(attempt), 0);
}

function keptOf(attempt: Attempt, guard: Guard<Attempt>): Pass | undefined {
  const { kept } = attempt;
  if (kept?.by !== guard) return undefined;
  attempt.kept = undefined;
  return kept.pass;
}

/** What the attempt may go on with; a refusal is thrown. */
function passOf(attempt: Attempt, admission: Admission | undefined): Pass | undefined {
  if (!admission || admission.admitted) return admission;
  attempt.refusal = admission.stopped;
  throw admission.error;
}

/** The answer, unless the call is cancelled or its deadline passes before: then what is given later goes back. */
async function whileWanted(attempt: Attempt, later: Later): Promise<Admission | undefined> {
  const over = attempt.call.attachment.pauses.add(() => later.end?.());
  try {
    return await interruptible(attempt.config, attempt.call.remainingMs(), () => later.answer);
  } catch (error) {
    later.leave?.();
    void later.answer.then((late) => late?.admitted && late.settle('neutral'));
    return { admitted: false, stopped: isDeadlineError(error) ? 'deadline' : 'aborted', error };
  } finally {
    over();
  }
}

function unmade(attempt: Attempt, error: unknown): Promise<never> {
  attempt.refusal ??= 'not-retryable';
  settleUnmade(attempt);
  return Promise.reject(error);
}

function send(attempt: Attempt, adapter: AxiosAdapter): Sent {
  const { call, captured, config, passes } = attempt;
  const { budget, attemptHeader } = captured.policy.retry;
  if (call.superseded) {
    discard(call.superseded);
    call.superseded = undefined;
  }
  attempt.number = ++call.made;
  if (call.report) call.report.attempts = call.made;
  if (call.made === 1 && budget) call.attachment.budgets.deposit(attempt.name, budget, attempt.startedAt);
  if (attemptHeader) writeOwnHeader(call, config, attemptHeader, String(attempt.number));
  const restore = shortened(config, passes);
  attempt.remainingMs = call.remainingMs();
  const sent = dispatch(adapter, config, attempt.remainingMs);
  return Promise.resolve(sent).then(
    (response) => {
      restore?.();
      attempt.response = response;
      settle(attempt);
      // An adapter that gives no promise at all fails here, as in axios.
      return (sent as Sent | undefined) ? response : sent.then();
    },
    (error: unknown) => {
      const { timeout } = config;
      restore?.();
      settle(attempt, failed(error), timeout);
      throw error;
    },
  );
}

/** Shortens the timeout to the least that a pass says; what is returned, if so, puts back what it was. A closed config stays. */
function shortened(config: Config, passes: readonly Pass[]): (() => void) | undefined {
  let least = Number.POSITIVE_INFINITY;
  for (const { timeoutMs } of passes) if (timeoutMs) least = Math.min(least, timeoutMs);
  if (least === Number.POSITIVE_INFINITY) return undefined;
  const { timeout } = config;
  Reflect.set(config, 'timeout', Math.min(timeout || least, least));
  return () => void Reflect.set(config, 'timeout', timeout);
}

function dispatch(adapter: AxiosAdapter, config: Config, remainingMs: number): Sent {
  try {
    return remainingMs < Number.POSITIVE_INFINITY ? dispatchWithin(remainingMs, adapter, config) : adapter(config);
  } catch (error) {
    return Promise.reject(error);
  }
}
