import type { AxiosResponse } from 'axios';
import type { Outcome } from '../../events.js';
import { hide } from '../../fields.js';
import { type Attempt, type Call, type Captured, type Ending, setAdapter } from '../call/call.js';
import { keyOf } from '../call/circuit-key.js';
import { byMethodAndBaseUrl } from '../call/key.js';
import { openReport } from '../call/records.js';
import {
  type CallState,
  FirstSuccess,
  type Reported,
  remember,
  rememberResult,
  show,
  showSuccess,
} from '../call/report.js';
import { exchangeConfig } from '../config/carried-config.js';
import { conceal } from '../config/concealment.js';
import { overwrite } from '../config/writable-config.js';
import { fallbackFor } from './fallback.js';

/**
 * Closes a call: its config is put in order, its report completed; a failure is answered by fallback if there is data for it.
 * Then it is told how the call ended.
 */
export function conclude(
  call: Call,
  captured: Captured,
  ending: Ending,
): Promise<AxiosResponse | undefined> | undefined {
  const { stopped, result, attempt } = ending;
  const report = openReport(call);
  call.over = true;
  showLast(captured, ending);
  rememberResult(result, report);
  report.stopped = stopped;
  if (call.waits || call.limitedMs)
    report.waitedMs = { circuit: call.waits?.queuedMs ?? 0, limiter: call.limitedMs ?? 0 };
  report.elapsedMs = call.elapsedMs(stopped === 'success' ? attempt?.endedAt : undefined);
  if (report.key === '') report.key = keyAtTheEnd(captured);
  restore(call, captured, result.response, report);
  const isAnswered = stopped === 'success' || (stopped === 'adapter-replaced' && !result.rejected);
  if (!isAnswered) return answerInstead(call, captured, report, ending);
  tellOfEnd(call, report, ending.outcome, result.error);
  return undefined;
}

async function answerInstead(
  call: Call,
  captured: Captured,
  report: CallState,
  ending: Ending,
): Promise<AxiosResponse | undefined> {
  let { error } = ending.result;
  try {
    const answer = await fallbackFor(call, captured, report, ending);
    if (answer) error = undefined;
    return answer;
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    report.elapsedMs = call.elapsedMs();
    tellOfEnd(call, report, ending.outcome, error);
  }
}

function tellOfEnd(
  { attachment: { events } }: Call,
  report: Reported,
  outcome: Outcome | undefined,
  error?: unknown,
): void {
  if (!events.active) return;
  const { key, attempts, elapsedMs, fallback, stopped = 'success' } = report;
  const event = { type: 'call' as const, key, attempts, stopped, outcome, elapsedMs, fallback };
  if (error !== undefined) hide(event, 'error', error);
  events.emit(event);
}

/** The key of a call whose adapter was not asked. */
function keyAtTheEnd({ config, policy }: Captured): string | null {
  try {
    return keyOf(config, policy);
  } catch {
    return byMethodAndBaseUrl(config);
  }
}

/** The same for a success at the first attempt; it ends with its answer, whose time is known. */
export function succeed(
  call: Call,
  captured: Captured,
  { key, startedAt, endedAt }: Attempt,
  response: AxiosResponse,
): void {
  const report = new FirstSuccess(key, endedAt - call.startedAt, response.status, endedAt - startedAt);
  call.over = true;
  restore(call, captured, response, report);
  tellOfEnd(call, report, 'success');
}

/** The call's own config shows the last attempt, and is the one that is carried. */
function showLast({ config }: Captured, { attempt, result }: Ending): void {
  if (!attempt || attempt.config === config) return;
  overwrite(config, attempt.config);
  exchangeConfig(result, attempt.config, config);
}

/** Puts the adapter that the user chose and the report on the call's own config; lets go of what only the call needed. */
function restore(call: Call, captured: Captured, response: AxiosResponse | undefined, report: Reported): void {
  const { config, fields, adapter } = captured;
  setAdapter(config, fields.adapter === call.armed ? adapter : fields.adapter);
  const isShown = call.report ? show(config, call.report) : showSuccess(config, report);
  if (!isShown) remember(response, report);
  if (call.ownHeaders) conceal(call, config);
  // A kept response keeps its request, and that knows the call: it must not keep the bodies of other attempts.
  call.attempt = undefined;
  if (call.report) call.superseded = call.failure = undefined;
}
