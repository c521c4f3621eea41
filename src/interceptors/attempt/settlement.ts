import type { AxiosResponse } from 'axios';
import type { FailureDetails } from '../../circuit/options.js';
import type { Outcome } from '../../events.js';
import { anOutcome } from '../../validation.js';
import { type Attempt, NO_PASSES } from '../call/call.js';
import { contextOf } from '../call/context.js';
import type { Pass } from '../call/guard.js';
import { openReport, recordAttempt, recordOf } from '../call/records.js';
import { conceal } from '../config/concealment.js';
import { accepted, diagnose, isOfOwnHost, isTimeout, type Result } from '../outcome/diagnosis.js';
import { outcomeInTime } from './time-up.js';

/**
 * Settles an attempt whose adapter was answered, by what axios accepts, or has failed.
 *
 * @param timeout The attempt's own, as the adapter had it: it may be given as a text.
 */
export function settle(attempt: Attempt, failure?: Result, timeout?: unknown): void {
  try {
    if (failure) attempt.response = failure.response;
    const { response } = attempt;
    takeIn(
      attempt,
      failure ?? (isPlainSuccess(response?.status) ? undefined : accepted(response as AxiosResponse)),
      timeout,
    );
  } catch (thrown) {
    settleUnmade(attempt);
    throw thrown;
  }
}

/** What was not made, or cannot be read, says nothing of the service, and must not cost a seat. */
export function settleUnmade(attempt: Attempt): void {
  const { passes, held, kept } = attempt;
  attempt.passes = NO_PASSES;
  attempt.held = attempt.kept = undefined;
  settleEach(
    [...passes, held, kept?.pass].filter((pass) => pass !== undefined),
    'neutral',
  );
}

/** Settles each pass once, whatever another throws. A failure that one has taken care of means nothing to those behind. */
function settleEach(passes: readonly Pass[], outcome: Outcome, now?: number, details?: FailureDetails, from = 0): void {
  const pass = passes[from];
  if (!pass) return;
  let meaning = outcome;
  try {
    if (pass.settle(outcome, now, details) === 'neutral') meaning = 'neutral';
  } finally {
    settleEach(passes, meaning, now, details, from + 1);
  }
}

/** A 2xx needs no diagnosis. */
const isPlainSuccess = (status = 0): boolean => status >= 200 && status < 300;

/** @param result What is no plain success. */
function takeIn(attempt: Attempt, result: Result | undefined, timeout: unknown): void {
  const { call, captured, config, key, number, passes } = attempt;
  const { clock, events, times } = call.attachment;
  const diagnosis = result && diagnose(result, config, captured.adapter);
  const now = clock.now();
  times.see(now);
  attempt.endedAt = now;
  if (diagnosis) attempt.diagnosis = diagnosis;
  let outcome = diagnosis?.outcome ?? 'success';
  if (diagnosis && result.rejected) outcome = outcomeInTime(attempt, diagnosis, result.error, Number(timeout));
  const isTimed = captured.policy.deadlineMs !== undefined || config.signal;
  if (outcome === 'success' && isTimed) times.succeeded(attempt.name, now - attempt.startedAt, now);
  if (captured.policy.classify) outcome = classified(attempt, result, outcome);
  attempt.outcome = outcome;
  if (call.report) recordAttempt(call.report, attempt);
  else if (diagnosis || number > 1 || outcome !== 'success') openReport(call);
  if (call.ownHeaders) conceal(call, config);
  attempt.passes = NO_PASSES;
  settleEach(passes, outcome, now, detailsOf(attempt, result));
  if (!events.active) return;
  const { status, code, durationMs } = recordOf(attempt);
  const guarded = attempt.circuitKey !== null;
  events.emit({ type: 'attempt', key, attempt: number, outcome, status, code, durationMs, guarded });
}

function classified(attempt: Attempt, ended: Result | undefined, outcome: Outcome): Outcome {
  const { call, captured, config, key, response } = attempt;
  try {
    const result = ended ?? accepted(response as AxiosResponse);
    const context = contextOf(call, key, config, { attempt, outcome, result });
    const judged = captured.policy.classify?.(context) ?? outcome;
    anOutcome(judged, 'classify(context)');
    return judged as Outcome;
  } catch (thrown) {
    call.attachment.events.complain(key, 'classify', thrown);
    return outcome;
  }
}

/** What the circuit and the limiter are told besides the outcome: all of a failure, of others the error. */
function detailsOf({ diagnosis, response, outcome }: Attempt, result: Result | undefined): FailureDetails | undefined {
  const error = result?.error;
  if (outcome !== 'failure') return result && { error };
  return {
    status: diagnosis ? diagnosis.status : response?.status,
    error,
    response,
    isTimeout: diagnosis !== undefined && isTimeout(diagnosis),
    isLocal: diagnosis !== undefined && isOfOwnHost(diagnosis),
  };
}
