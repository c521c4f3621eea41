import { AxiosHeaders, type InternalAxiosRequestConfig } from 'axios';
import { giveCause } from '../errors.js';
import type { Stopped } from '../events.js';
import type { RetryContext } from '../options.js';
import { decideRetry } from '../retry/decision.js';
import { discard, isOneShot } from './bodies.js';
import { type Call, type Captured, circuitKeyOf, rememberArmed } from './call.js';
import { isDeadlineError } from './deadline.js';
import { accepted, type Diagnosis, diagnose, failed, type Result } from './diagnosis.js';
import { IDEMPOTENCY_KEY, plainHeaders, readHeader, serverDelay } from './headers.js';
import { interruptible, wait } from './interruptible.js';
import { methodOf, urlWithoutSecrets } from './key.js';
import type { RetryPolicy } from './policy.js';
import { asCause } from './report.js';

/** The end of a call: what it came to, and why it was not tried again. */
interface Ending {
  readonly stopped: Stopped;
  readonly result: Result;
}

/** Decides, waits and dispatches again, until there is a result to hand on. */
export async function repeat(call: Call, captured: Captured, first: Result): Promise<Ending> {
  Reflect.set(captured.config, 'resilienceState', call.state);
  rememberArmed(call);
  let result = first;
  for (;;) {
    const next = await repeatOnce(call, captured, result).catch((error: unknown) =>
      interrupted(call, captured, result, error),
    );
    if ('stopped' in next) return next;
    result = next;
  }
}

async function repeatOnce(call: Call, captured: Captured, result: Result): Promise<Result | Ending> {
  const { attachment, state } = call;
  const { config, policy, fields, headers } = captured;
  const delayMs = await decide(call, captured, result);
  if (typeof delayMs === 'string') return { stopped: delayMs, result };
  // Nobody is given this body any more; an accepted one is, if no further attempt can be made after all.
  if (result.rejected) discard(result.response);
  await wait(config, delayMs);
  const next: InternalAxiosRequestConfig = {
    ...config,
    ...fields,
    headers: new AxiosHeaders(headers),
    resilienceState: state,
  };
  const { beforeRetry } = policy.retry;
  if (beforeRetry) {
    const context = { ...contextOf(call, captured, result, state.delaysMs.length), config: next, delayMs };
    await interruptible(config, call.remainingMs(), () => beforeRetry(context));
  }
  if (next.data === fields.data && isOneShot(next.data)) return { stopped: 'body', result };
  const { dispatched } = call;
  call.superseded = result.response;
  call.dispatched = undefined;
  call.settled = undefined;
  const repeated = await attachment.bare
    .request({ ...next, headers: plainHeaders(next.headers) })
    .then(accepted, failed);
  if (!call.refusal || !repeated.rejected) return repeated;
  call.dispatched = dispatched;
  return { stopped: call.refusal, result };
}

/** What a hook threw, or what ended a wait. */
function interrupted(call: Call, { config }: Captured, result: Result, error: unknown): Ending {
  if (isDeadlineError(error) && (error as { config?: unknown }).config === config)
    return { stopped: 'deadline', result };
  if (config.signal?.aborted || config.cancelToken?.reason) {
    discard(result.response);
    return { stopped: 'aborted', result: failed(error) };
  }
  discard(result.response);
  call.outcome = undefined;
  giveCause(error, asCause(result.error, result.response, call.state));
  return { stopped: 'vetoed', result: failed(error) };
}

/** The delay before the next attempt in ms, or why there is none. */
async function decide(call: Call, captured: Captured, result: Result): Promise<number | Stopped> {
  const { attachment, dispatched, refusal, state } = call;
  const { config, policy, fields } = captured;
  const { retry } = policy;
  if (refusal && result.rejected) return refusal;
  const { settled } = call;
  const final = diagnose(result, config);
  if (final.cancelled) return 'aborted';
  // A `transformResponse` that throws hides what the adapter was answered.
  const diagnosis = final.status === undefined && settled?.diagnosis.status ? settled.diagnosis : final;
  if (isDeadlineError(result.error)) return 'deadline';
  if (!dispatched) return fields.adapter === call.armed && result.rejected ? 'not-retryable' : 'adapter-replaced';
  const { key, delaysMs } = state;
  const attempt = delaysMs.length + 1;
  const objection = objectionTo(call, diagnosis, result, retry, dispatched);
  if (!retry.enabled) return objection === 'success' ? objection : 'disabled';
  const hook = objection && !result.rejected ? 'shouldRetryResponse' : 'shouldRetry';
  const question = attempt > retry.retries && hook === 'shouldRetry' ? undefined : retry[hook];
  const verdict =
    question &&
    (await interruptible(config, call.remainingMs(), () => question(contextOf(call, captured, result, attempt))));
  const retryAfterMs = retry.retryAfter.respect
    ? serverDelay({ response: result.response ?? settled?.response })
    : undefined;
  const delayMs = decideRetry(
    retry,
    {
      attempt,
      key,
      previousMs: delaysMs.at(-1),
      error: result.error,
      response: result.response ?? settled?.response,
      retryAfterMs,
      random: attachment.random,
      verdict: objection && !result.rejected ? verdict || undefined : verdict,
      refusal: objection,
      obstacle: obstacleTo(call, captured, retryAfterMs ?? 0),
      remainingMs: call.remainingMs(),
    },
    () =>
      !retry.budget ||
      call.outcome === 'success' ||
      attachment.budgets.withdraw(key, retry.budget, attachment.clock.now()),
  );
  if (typeof delayMs === 'number') {
    state.delaysMs = [...delaysMs, delayMs];
    const reason = objection ? hook : String(diagnosis.status ?? diagnosis.code ?? hook);
    const [method, url] = [methodOf(dispatched), urlWithoutSecrets(dispatched)];
    attachment.events.emit({ type: 'retry', key, attempt, delayMs, reason, method, url });
  }
  return delayMs;
}

/** Why the failure itself forbids a retry; `success` where there is no failure. */
function objectionTo(
  { outcome }: Call,
  { status, codes, bodyCut, unsent }: Diagnosis,
  { rejected }: Result,
  retry: RetryPolicy,
  config: InternalAxiosRequestConfig,
): Stopped | undefined {
  const method = methodOf(config);
  if (!retry.statuses.includes(status ?? 0)) {
    if (!rejected) return outcome === 'failure' ? 'not-retryable' : 'success';
    if (bodyCut) return method === 'GET' ? undefined : 'method';
    if (!codes.some((code) => retry.codes.includes(code))) return 'not-retryable';
  }
  const { header = IDEMPOTENCY_KEY } = retry.idempotencyKey || {};
  const isRepeatable =
    retry.methods.some((name) => name.toUpperCase() === method) ||
    unsent ||
    readHeader(config.headers, header) !== undefined;
  return isRepeatable ? undefined : 'method';
}

/** Why the next attempt cannot be made, whoever wants it. */
function obstacleTo(
  { attachment, state }: Call,
  { config, fields, policy }: Captured,
  serverDelayMs: number,
): Stopped | undefined {
  const keys = policy.breaker.enabled ? [circuitKeyOf(config, policy), state.key] : [];
  for (const key of keys) {
    const breaker = key === null ? undefined : attachment.registry.get(key);
    if (breaker?.mode === 'enforce' && breaker.isOpen) return 'circuit-open';
  }
  if (!policy.retry.beforeRetry && isOneShot(fields.data)) return 'body';
  return serverDelayMs > policy.retry.retryAfter.maxMs ? 'retry-after' : undefined;
}

const contextOf = (
  call: Call,
  { config, policy }: Captured,
  { response, error }: Result,
  attempt: number,
): RetryContext => ({
  attempt,
  retriesLeft: policy.retry.retries - attempt + 1,
  key: call.state.key,
  error,
  response,
  config,
  elapsedMs: call.elapsedMs(),
});
