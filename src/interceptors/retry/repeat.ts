import type { AxiosResponse } from 'axios';
import type { RetryContext } from '../../contexts.js';
import { giveCause } from '../../errors.js';
import type { Outcome, Stopped } from '../../events.js';
import { isTimeoutCode } from '../../out-of-time.js';
import { TIMEOUT_RETRY_COST } from '../../retry/budget.js';
import { decideRetry } from '../../retry/decision.js';
import { type Attempt, type Call, type Captured, rememberArmed } from '../call/call.js';
import { keyOf } from '../call/circuit-key.js';
import { contextOf } from '../call/context.js';
import { hasFallback } from '../call/fallback-condition.js';
import { interruptible, wait } from '../call/interruptible.js';
import { methodOf, urlWithoutSecrets } from '../call/key.js';
import { openReport } from '../call/records.js';
import { asCause, type CallState, rememberResult, show } from '../call/report.js';
import type { Ending } from '../conclusion/conclusion.js';
import { discard, isOneShot } from '../config/bodies.js';
import { configLike } from '../config/dispatch.js';
import { keepIdempotencyKey, serverDelay } from '../config/headers.js';
import { isCancelled } from '../outcome/cancellation.js';
import { accepted, type Diagnosis, diagnose, failed, type Result } from '../outcome/diagnosis.js';
import { leavingMs } from '../outcome/page.js';
import { isDeadlineError } from '../time/deadline.js';
import { objectionTo } from './objection.js';

/** How one attempt ended, or why it was the last. */
interface Round {
  readonly result: Result;
  /** `undefined` where the adapter was not asked. */
  readonly attempt: Attempt | undefined;
  readonly outcome: Outcome | undefined;
}

/** Decides, waits and dispatches again, until there is a result to hand on. */
export async function repeat(call: Call, captured: Captured, first: Result): Promise<Ending> {
  const report = openReport(call);
  show(captured.config, report);
  rememberArmed(call);
  let round: Round = { result: first, attempt: call.attempt, outcome: call.attempt?.outcome };
  for (;;) {
    rememberResult(round.result, report);
    const next = await nextRound(call, captured, report, round).catch((error: unknown) =>
      interrupted(captured, report, round, error),
    );
    if ('stopped' in next) return next;
    round = next;
  }
}

async function nextRound(call: Call, captured: Captured, report: CallState, round: Round): Promise<Round | Ending> {
  const { config, policy, fields, headers } = captured;
  const { result } = round;
  const delayMs = await decide(call, captured, report, round);
  if (typeof delayMs === 'string') return { ...round, stopped: delayMs };
  const { key } = report;
  // Nobody is given this body any more; an accepted one is, if no further attempt can be made after all.
  if (result.rejected) discard(result.response);
  const { pauses } = call.attachment;
  await wait(config, delayMs, pauses);
  if (pauses.isClosed) return { ...round, stopped: 'closed' };
  const next = configLike(config, fields, headers);
  const { beforeRetry } = policy.retry;
  if (beforeRetry) {
    const context = { ...retryContext(call, captured, key, round, report.delaysMs.length), config: next, delayMs };
    await interruptible(config, call.remainingMs(), () => beforeRetry(context));
    keepIdempotencyKey(next, headers, policy);
  }
  if (next.data === fields.data && isOneShot(next.data)) return { ...round, stopped: 'body' };
  const { attempt: before } = call;
  call.superseded = result.response;
  call.failure = { ...result, outcome: round.outcome, attempt: round.attempt };
  const repeated = await call.attachment.dispatch(next).then(accepted, failed);
  const attempt = call.attempt === before ? undefined : call.attempt;
  if (attempt?.refusal === 'aborted') return { ...round, stopped: 'aborted', result: repeated };
  if (attempt?.refusal && repeated.rejected) {
    const { budget } = policy.retry;
    const hasPaid = round.outcome !== 'success' && !call.waits?.owedTokens;
    if (attempt.refusal === 'limited' && budget && hasPaid) call.attachment.budgets.giveBack(attempt.name, budget);
    return { ...round, stopped: attempt.refusal };
  }
  return { result: repeated, attempt, outcome: attempt?.outcome ?? round.outcome };
}

/** What a hook threw, or what ended a wait. */
function interrupted({ config }: Captured, report: CallState, round: Round, error: unknown): Ending {
  const { result } = round;
  if (isDeadlineError(error) && (error as { config?: unknown }).config === config)
    return { ...round, stopped: 'deadline' };
  discard(result.response);
  if (config.signal?.aborted || config.cancelToken?.reason)
    return { ...round, stopped: 'aborted', result: failed(error) };
  giveCause(error, asCause(result.error, result.response, report));
  return { ...round, stopped: 'hook-failed', result: failed(error), outcome: undefined };
}

/** The delay before the next attempt in ms, or why there is none. */
async function decide(call: Call, captured: Captured, report: CallState, round: Round): Promise<number | Stopped> {
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
  // What the adapter came to: a `transformResponse` that throws would hide it.
  const diagnosis = made.outcome ? diagnosisOf(made) : diagnose(result, config);
  const objection = objectionTo(outcome, diagnosis, result, policy, made.config);
  if (!retry.enabled) return objection === 'success' ? objection : 'disabled';
  const hook = objection && !result.rejected ? 'shouldRetryResponse' : 'shouldRetry';
  const question = attempt > retry.retries && hook === 'shouldRetry' ? undefined : retry[hook];
  const verdict =
    question &&
    (await interruptible(config, call.remainingMs(), () =>
      question(retryContext(call, captured, key, round, attempt) as Parameters<typeof question>[0]),
    ));
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
      verdict: objection && !result.rejected ? verdict || undefined : verdict,
      refusal: objection,
      obstacle: circuit === 'hopeless' ? 'circuit-open' : obstacleTo(call, captured, retryAfterMs ?? 0),
      remainingMs: call.remainingMs(),
    },
    () => {
      if (!retry.budget || objection === 'success') return true;
      const cost = retryCost(diagnosis);
      if (circuit !== 'open') return attachment.budgets.withdraw(made.name, retry.budget, attachment.clock.now(), cost);
      call.openWaits().owedTokens = cost ?? 1;
      return true;
    },
    (error) => attachment.events.emit({ type: 'callbackError', key, source: 'retry.backoff', error }),
  );
  if (typeof delayMs === 'number') {
    const pageMs = diagnosis.broken ? leavingMs() : 0;
    // Nobody is to hear of a retry that goes with the page.
    if (pageMs > 0 && pageMs + delayMs < call.remainingMs()) await wait(config, pageMs, attachment.pauses);
    report.delaysMs = [...delaysMs, delayMs];
    const reason = objection ? hook : String(diagnosis.status ?? diagnosis.code ?? hook);
    const [method, url] = [methodOf(made.config), urlWithoutSecrets(made.config)];
    const event = { type: 'retry' as const, key, attempt, delayMs, reason, method, url };
    attachment.events.emit(
      Object.defineProperties(event, { error: { value: result.error }, config: { value: config } }),
    );
  }
  return delayMs;
}

/** What the adapter's answer itself tells. */
const diagnosisOf = ({ diagnosis, response, config }: Attempt): Diagnosis =>
  diagnosis ?? diagnose(accepted(response as AxiosResponse), config);

/** What a retry takes out of the budget. */
const retryCost = ({ codes }: Diagnosis): number | undefined =>
  codes.some(isTimeoutCode) ? TIMEOUT_RETRY_COST : undefined;

/** Whether the circuit of the next attempt is open at present, and if so, whether it is worth waiting for. */
function circuitAhead(
  call: Call,
  { config, policy }: Captured,
  latestKey: string | null,
  { result, outcome, attempt }: Round,
): 'hopeless' | 'open' | undefined {
  const keys = policy.breaker.enabled ? new Set([keyOf(config, policy), latestKey]) : [];
  let answer: 'open' | undefined;
  for (const key of keys) {
    const breaker = key === null ? undefined : call.attachment.registry.get(key);
    if (breaker?.mode !== 'enforce' || !breaker.isOpen) continue;
    const waits = call.openWaits();
    waits.begin();
    const isWorthIt = breaker.isWorthWaiting(waits.leftMs(policy, call.remainingMs()));
    const context = () => contextOf(call, { key, config, attempt, outcome, ...result });
    if (!isWorthIt || hasFallback(policy, 'circuit-open', outcome, context)) return 'hopeless';
    answer = 'open';
  }
  return answer;
}

/** Why the next attempt cannot be made, whoever wants it. */
function obstacleTo({ attachment }: Call, { fields, policy }: Captured, serverDelayMs: number): Stopped | undefined {
  if (attachment.pauses.isClosed) return 'closed';
  if (!policy.retry.beforeRetry && isOneShot(fields.data)) return 'body';
  return serverDelayMs > policy.retry.retryAfter.maxMs ? 'retry-after' : undefined;
}

const retryContext = (
  call: Call,
  { config, policy }: Captured,
  key: string | null,
  { result: { error, response }, attempt: made, outcome }: Round,
  attempt: number,
): RetryContext => ({
  ...contextOf(call, { key, config, attempt: made, error, response, outcome }),
  attempt,
  retriesLeft: policy.retry.retries - attempt + 1,
});
