import type { AxiosResponse } from 'axios';
import type { RetryContext } from '../../contexts.js';
import type { Stopped } from '../../events.js';
import { hide } from '../../fields.js';
import { isTimeoutCode } from '../../out-of-time.js';
import { decideRetry } from '../../retry/decision.js';
import { serverDelay } from '../../retry-after.js';
import type { Attempt, Call, Captured, Round } from '../call/call.js';
import { keyOf } from '../call/circuit-key.js';
import { contextOf } from '../call/context.js';
import { hasFallback } from '../call/fallback-condition.js';
import { interruptible, wait } from '../call/interruptible.js';
import { methodOf, urlWithoutSecrets } from '../call/key.js';
import type { CallState } from '../call/report.js';
import { isOneShot } from '../config/bodies.js';
import { isCancelled } from '../outcome/cancellation.js';
import { accepted, type Diagnosis, diagnose, type Result } from '../outcome/diagnosis.js';
import { leavingMs } from '../outcome/page.js';
import { isDeadlineError } from '../time/deadline.js';
import { isRepeatable, objectionTo } from './objection.js';

/** The delay before the next attempt in ms, or why there is none. */
export async function decide(
  call: Call,
  captured: Captured,
  report: CallState,
  round: Round,
): Promise<number | Stopped> {
  const { attachment } = call;
  const { config, policy, fields } = captured;
  const { result, attempt: made, outcome } = round;
  const { retry } = policy;
  const refusal = made?.refusal ?? captured.refusal;
  if (refusal && result.rejected) return refusal;
  if (isCancelled(result.error, config)) return 'aborted';
  if (isDeadlineError(result.error)) return 'deadline';
  if (!made) return fields.adapter === call.armed && result.rejected ? 'not-retryable' : 'adapter-replaced';
  const { key, delaysMs } = report;
  const attempt = delaysMs.length + 1;
  const diagnosis = diagnosisOf(made, result, config);
  let objection = objectionTo(outcome, diagnosis, result, policy, made.config);
  if (!retry.enabled) return objection === 'success' ? objection : 'disabled';
  const hook = objection && !result.rejected ? 'shouldRetryResponse' : 'shouldRetry';
  let verdict = await verdictOf(hook, call, captured, retryContext(call, captured, key, round, attempt));
  if (verdict && hook === 'shouldRetryResponse' && !isRepeatable(policy, made.config)) {
    verdict = undefined;
    objection = 'method';
  }
  const circuit = circuitAhead(call, captured, key, round);
  const response = result.response ?? made.response;
  const retryAfterMs = retry.retryAfter.enabled ? serverDelay({ response }) : undefined;
  const delayMs = decideRetry(
    retry,
    {
      attempt,
      key,
      previousMs: delaysMs.at(-1),
      error: result.error as RetryContext['error'],
      response,
      retryAfterMs,
      random: attachment.random,
    },
    {
      verdict,
      objection,
      obstacle: circuit === 'hopeless' ? 'circuit-open' : obstacleTo(call, captured, retryAfterMs ?? 0),
      remainingMs: call.remainingMs(),
    },
    () => {
      if (retry.budget && objection !== 'success')
        call.fare = attachment.budgets.fareOf(made.name, retry.budget, diagnosis.codes.some(isTimeoutCode));
      return circuit === 'open' || (call.fare?.pay(attachment.clock.now()) ?? true);
    },
    (error) => attachment.events.complain(key, 'retry.backoff', error),
  );
  if (typeof delayMs === 'string') return delayMs;
  const pageMs = diagnosis.broken ? leavingMs() : 0;
  // Nobody is to hear of a retry that goes with the page.
  if (pageMs > 0 && pageMs + delayMs < call.remainingMs()) await wait(config, pageMs, attachment.pauses);
  report.delaysMs = [...delaysMs, delayMs];
  const reason = objection ? hook : String(diagnosis.status ?? diagnosis.code ?? hook);
  const [method, url] = [methodOf(made.config), urlWithoutSecrets(made.config)];
  const event = { type: 'retry' as const, key, attempt, delayMs, reason, method, url };
  hide(event, 'error', result.error);
  hide(event, 'config', config);
  attachment.events.emit(event);
  return delayMs;
}

/** What the user's hook says: `shouldRetry` of a failure while retries are left, `shouldRetryResponse` can only ask for one. */
async function verdictOf(
  hook: 'shouldRetry' | 'shouldRetryResponse',
  call: Call,
  { config, policy: { retry } }: Captured,
  context: RetryContext,
): Promise<boolean | undefined> {
  if (hook === 'shouldRetry' && context.retriesLeft <= 0) return undefined;
  const question = retry[hook];
  const verdict = question && (await interruptible(config, call.remainingMs(), () => question(context as never)));
  return hook === 'shouldRetryResponse' ? verdict || undefined : verdict;
}

/** What the adapter's answer itself tells: a `transformResponse` that throws would hide it. */
function diagnosisOf(made: Attempt, result: Result, config: Captured['config']): Diagnosis {
  if (!made.outcome) return diagnose(result, config);
  return made.diagnosis ?? diagnose(accepted(made.response as AxiosResponse), made.config);
}

/** Whether the circuit of the next attempt is open at present, and if so, whether it is worth waiting for. */
function circuitAhead(
  call: Call,
  { config, policy }: Captured,
  latestKey: string | null,
  round: Round,
): 'hopeless' | 'open' | undefined {
  const keys = policy.breaker.enabled ? new Set([keyOf(config, policy), latestKey]) : [];
  let answer: 'open' | undefined;
  for (const key of keys) {
    const breaker = key === null ? undefined : call.attachment.registry.get(key);
    if (!breaker?.isRejecting) continue;
    const waits = call.openWaits();
    waits.begin();
    const isWorthIt = breaker.isWorthWaiting(waits.leftMs(policy, call.remainingMs()));
    if (!isWorthIt || hasFallback(policy, () => contextOf(call, key, config, round))) return 'hopeless';
    answer = 'open';
  }
  return answer;
}

/** Why the next attempt cannot be made, even if a hook asks for it. */
function obstacleTo({ attachment }: Call, { fields, policy }: Captured, serverDelayMs: number): Stopped | undefined {
  if (attachment.pauses.isClosed) return 'closed';
  if (!policy.retry.beforeRetry && isOneShot(fields.data)) return 'body';
  return serverDelayMs > policy.retry.retryAfter.maxMs ? 'retry-after' : undefined;
}

export const retryContext = (
  call: Call,
  { config, policy }: Captured,
  key: string | null,
  round: Round,
  attempt: number,
): RetryContext => ({
  ...contextOf(call, key, config, round),
  attempt,
  retriesLeft: policy.retry.retries - attempt + 1,
});
