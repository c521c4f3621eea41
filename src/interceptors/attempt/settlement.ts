import type { AxiosResponse } from 'axios';
import type { FailureDetails } from '../../circuit/options.js';
import type { Outcome } from '../../events.js';
import { anOutcome } from '../../validation.js';
import { type Attempt, NO_PASSES } from '../call/call.js';
import { contextOf } from '../call/context.js';
import type { Pass } from '../call/guard.js';
import { openReport, recordAttempt, recordOf } from '../call/records.js';
import { conceal } from '../config/concealment.js';
import {
  accepted,
  type Diagnosis,
  diagnose,
  failed,
  isOfOwnHost,
  isTimeout,
  type Result,
} from '../outcome/diagnosis.js';
import { outcomeInTime } from '../time/time-up.js';

/** Settles an attempt whose adapter was answered, by what axios accepts. */
export function settleAnswer(attempt: Attempt, response: AxiosResponse): void {
  try {
    attempt.response = response;
    const result = isPlainSuccess(response) ? undefined : accepted(response);
    settle(attempt, result, result && diagnose(result, attempt.config));
  } catch (thrown) {
    settleUnmade(attempt);
    throw thrown;
  }
}

/**
 * Settles an attempt whose adapter failed.
 *
 * @param timeout The attempt's own, as the adapter had it: it may be given as a text.
 */
export function settleError(attempt: Attempt, error: unknown, timeout: unknown): void {
  try {
    const result = failed(error);
    attempt.response = result.response;
    settle(attempt, result, diagnose(result, attempt.config), Number(timeout));
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
const isPlainSuccess = ({ status }: AxiosResponse): boolean => status >= 200 && status < 300;

/** @param diagnosis Of a result that is no plain success. */
function settle(
  attempt: Attempt,
  result: Result | undefined,
  diagnosis: Diagnosis | undefined,
  timeoutMs?: number,
): void {
  const { call, captured, circuitKey, config, key, number, passes } = attempt;
  const { clock, events, times } = call.attachment;
  const now = clock.now();
  times.see(now);
  attempt.endedAt = now;
  if (diagnosis) attempt.diagnosis = diagnosis;
  let outcome = diagnosis?.outcome ?? 'success';
  if (diagnosis && result?.rejected) outcome = judgedByTime(attempt, diagnosis, result.error, timeoutMs);
  const isTimed = captured.policy.deadlineMs !== undefined || config.signal;
  if (outcome === 'success' && isTimed) times.succeeded(attempt.name, now - attempt.startedAt, now);
  if (captured.policy.classify) outcome = classified(attempt, result?.error, outcome);
  attempt.outcome = outcome;
  if (call.report) recordAttempt(call.report, attempt);
  else if (diagnosis || number > 1 || outcome !== 'success') openReport(call);
  if (call.ownHeaders) conceal(call, config);
  const details = outcome === 'failure' ? detailsOf(attempt, result?.error) : errorAlone(result);
  attempt.passes = NO_PASSES;
  settleEach(passes, outcome, now, details);
  if (!events.active) return;
  const { status, code, durationMs } = recordOf(attempt);
  const guarded = circuitKey !== null;
  events.emit({ type: 'attempt', key, attempt: number, outcome, status, code, durationMs, guarded });
}

/** What a failed attempt says when also its time is looked at. */
function judgedByTime(attempt: Attempt, diagnosis: Diagnosis, error: unknown, timeoutMs: number | undefined): Outcome {
  const { call, captured, config, startedAt, endedAt: now, remainingMs, passes } = attempt;
  const timing = {
    key: attempt.name,
    now,
    durationMs: now - startedAt,
    elapsedMs: call.elapsedMs(now),
    deadlineMs: captured.policy.deadlineMs,
    remainingMs,
    timeoutMs,
    isProbe: passes.some((pass) => pass.isProbe),
  };
  return outcomeInTime(diagnosis, error, config, timing, call.attachment.times);
}

function classified(attempt: Attempt, error: unknown, outcome: Outcome): Outcome {
  const { call, captured, config, key, response } = attempt;
  try {
    const context = contextOf(call, { key, config, attempt, error, response, outcome });
    const judged = captured.policy.classify?.(context) ?? outcome;
    anOutcome(judged, 'classify(context)');
    return judged as Outcome;
  } catch (thrown) {
    call.attachment.events.emit({ type: 'callbackError', key, source: 'classify', error: thrown });
    return outcome;
  }
}

const errorAlone = (result: Result | undefined): FailureDetails | undefined => result && { error: result.error };

function detailsOf(attempt: Attempt, error: unknown): FailureDetails {
  const { diagnosis, response } = attempt;
  return {
    status: recordOf(attempt).status,
    error,
    response,
    isTimeout: diagnosis !== undefined && isTimeout(diagnosis),
    isLocal: diagnosis !== undefined && isOfOwnHost(diagnosis),
  };
}
