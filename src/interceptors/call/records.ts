import type { Attempt, Call } from './call.js';
import { type AttemptRecord, CallState } from './report.js';

export const recordOf = ({ diagnosis, response, startedAt, endedAt }: Attempt): AttemptRecord => ({
  status: diagnosis ? diagnosis.status : response?.status,
  code: diagnosis?.code,
  durationMs: endedAt - startedAt,
});

/** The report of a call that is no success at the first attempt: made when that turns out, with what was until then. */
export function openReport(call: Call): CallState {
  if (call.report) return call.report;
  const report = new CallState();
  const { attempt } = call;
  if (attempt) report.key = attempt.key;
  report.attempts = call.made;
  if (attempt?.outcome) recordAttempt(report, attempt);
  call.report = report;
  return report;
}

/** Adds an attempt that has ended. */
export function recordAttempt(report: CallState, attempt: Attempt): void {
  report.history = [...report.history, recordOf(attempt)];
}
