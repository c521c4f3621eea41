import type { Outcome } from '../../events.js';
import { read } from '../../fields.js';
import { isTimeoutCode, isTimeUp, outcomeOutOfTime, sleepOf } from '../../out-of-time.js';
import type { Attempt } from '../call/call.js';
import type { Diagnosis } from '../outcome/diagnosis.js';
import { isDeadlineError } from '../time/deadline.js';

/**
 * What an attempt that was rejected says, when also its time is looked at.
 *
 * @param timeoutMs The attempt's own `timeout`, ms.
 */
export function outcomeInTime(
  { call, captured, config, name, startedAt, endedAt, remainingMs, passes }: Attempt,
  { outcome, cancelled, codes }: Diagnosis,
  error: unknown,
  timeoutMs: number | undefined,
): Outcome {
  const { times } = call.attachment;
  const attemptMs = endedAt - startedAt;
  const spent = (callMs: number): Outcome => {
    const isProbe = passes.some((pass) => pass.isProbe);
    return outcomeOutOfTime({ attemptMs, callMs, slowestMs: times.slowestMs(name, endedAt), isProbe });
  };
  if (isDeadlineError(error)) {
    return attemptMs - remainingMs > sleepOf(remainingMs) ? 'neutral' : spent(captured.policy.deadlineMs ?? 0);
  }
  if (cancelled && isTimeUp(config.signal)) return spent(call.elapsedMs(endedAt));
  const hasTimedOut = outcome === 'failure' && codes.some(isTimeoutCode);
  if (hasTimedOut && timeoutMs && times.hasSlept(attemptMs, timeoutMs, startsLate(error), endedAt)) return 'neutral';
  return outcome;
}

/** The timers of fetch and XHR begin with the attempt; only their requests have these fields. */
function startsLate(error: unknown): boolean {
  const request = read(error, 'request');
  return typeof read(request, 'redirect') !== 'string' && typeof read(request, 'readyState') !== 'number';
}
