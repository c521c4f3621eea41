import type { InternalAxiosRequestConfig } from 'axios';
import type { Outcome } from '../../events.js';
import { isTimeoutCode, isTimeUp, outcomeOutOfTime, sleepOf } from '../../out-of-time.js';
import type { Diagnosis } from '../outcome/diagnosis.js';
import { read } from '../outcome/error-chain.js';
import type { AttemptTimes } from './attempt-times.js';
import { isDeadlineError } from './deadline.js';

/** An attempt that has ended, by the clock. */
export interface Timing {
  readonly key: string;
  readonly now: number;
  readonly durationMs: number;
  /** From the beginning of the call, ms. */
  readonly elapsedMs: number;
  /** The call's `deadlineMs`. */
  readonly deadlineMs: number | undefined;
  /** What was left of it when the attempt began, ms. */
  readonly remainingMs: number;
  /** The attempt's own `timeout`, ms. */
  readonly timeoutMs: number | undefined;
  readonly isProbe: boolean;
}

/** What an attempt that was rejected says, when also its time is looked at. */
export function outcomeInTime(
  { outcome, cancelled, codes }: Diagnosis,
  error: unknown,
  { signal }: InternalAxiosRequestConfig,
  timing: Timing,
  times: AttemptTimes,
): Outcome {
  const { key, now, durationMs, elapsedMs, deadlineMs = 0, remainingMs, timeoutMs, isProbe } = timing;
  const spent = (callMs: number): Outcome =>
    outcomeOutOfTime({ attemptMs: durationMs, callMs, slowestMs: times.slowestMs(key, now), isProbe });
  if (isDeadlineError(error)) {
    return durationMs - remainingMs > sleepOf(remainingMs) ? 'neutral' : spent(deadlineMs);
  }
  if (cancelled && isTimeUp(signal)) return spent(elapsedMs);
  const hasTimedOut = outcome === 'failure' && codes.some(isTimeoutCode);
  if (hasTimedOut && timeoutMs && times.hasSlept(durationMs, timeoutMs, startsLate(error), now)) return 'neutral';
  return outcome;
}

/** The timers of fetch and XHR begin with the attempt; only their requests have these fields. */
function startsLate(error: unknown): boolean {
  const request = read(error, 'request');
  return typeof read(request, 'redirect') !== 'string' && typeof read(request, 'readyState') !== 'number';
}
