import { giveCause } from '../../errors.js';
import type { Stopped } from '../../events.js';
import { type Call, type Captured, type Ending, type Round, rememberArmed } from '../call/call.js';
import { interruptible, wait } from '../call/interruptible.js';
import { openReport } from '../call/records.js';
import { asCause, type CallState, rememberResult, show } from '../call/report.js';
import { discard, isOneShot } from '../config/bodies.js';
import { configLike } from '../config/dispatch.js';
import { keepIdempotencyKey } from '../config/headers.js';
import { accepted, failed, type Result } from '../outcome/diagnosis.js';
import { isDeadlineError } from '../time/deadline.js';
import { decide, retryContext } from './decide.js';

/** Decides, waits and dispatches again, until there is a result to hand on. */
export async function repeat(call: Call, captured: Captured, first: Result): Promise<Ending> {
  const report = openReport(call);
  show(captured.config, report);
  rememberArmed(call);
  let round: Round = { result: first, attempt: call.attempt, outcome: call.attempt?.outcome };
  for (;;) {
    const { made } = call;
    rememberResult(round.result, report);
    const next = await nextRound(call, captured, report, round).catch((error: unknown) =>
      interrupted(captured, report, round, error),
    );
    if (call.made === made) call.fare?.giveBack();
    call.fare = undefined;
    if (typeof next === 'string') return { ...round, stopped: next };
    if ('stopped' in next) return next;
    round = next;
  }
}

/** The next round, or why there is none: with the result that is to be handed on, where that is not the one of this round. */
async function nextRound(
  call: Call,
  captured: Captured,
  report: CallState,
  round: Round,
): Promise<Round | Ending | Stopped> {
  const { config, policy, fields, headers } = captured;
  const { result } = round;
  const delayMs = await decide(call, captured, report, round);
  if (typeof delayMs === 'string') return delayMs;
  const { key } = report;
  // Nobody is given this body any more; an accepted one is, if no further attempt can be made after all.
  if (result.rejected) discard(result.response);
  const { pauses } = call.attachment;
  const isClosed = () => pauses.isClosed;
  await wait(config, delayMs, pauses);
  if (isClosed()) return 'closed';
  const next = configLike(config, fields, headers);
  const { beforeRetry } = policy.retry;
  if (beforeRetry) {
    const context = { ...retryContext(call, captured, key, round, report.delaysMs.length), config: next, delayMs };
    await interruptible(config, call.remainingMs(), () => beforeRetry(context));
    if (isClosed()) return 'closed';
    keepIdempotencyKey(next, headers, policy);
  }
  if (next.data === fields.data && isOneShot(next.data)) return 'body';
  const { attempt: before } = call;
  call.superseded = result.response;
  call.failure = round;
  const repeated = await call.attachment.dispatch(next).then(accepted, failed);
  const attempt = call.attempt === before ? undefined : call.attempt;
  if (attempt?.refusal === 'aborted') return { ...round, stopped: 'aborted', result: repeated };
  if (attempt?.refusal && repeated.rejected) return attempt.refusal;
  return { result: repeated, attempt, outcome: attempt?.outcome ?? round.outcome };
}

/** What a hook threw, or what ended a wait. */
function interrupted({ config }: Captured, report: CallState, round: Round, error: unknown): Ending | Stopped {
  const { result } = round;
  if (isDeadlineError(error) && (error as { config?: unknown }).config === config) return 'deadline';
  discard(result.response);
  if (config.signal?.aborted || config.cancelToken?.reason)
    return { ...round, stopped: 'aborted', result: failed(error) };
  giveCause(error, asCause(result, report));
  return { ...round, stopped: 'hook-failed', result: failed(error), outcome: undefined };
}
