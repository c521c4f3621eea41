import type { AxiosResponse } from 'axios';
import type { Outcome, Stopped } from '../../events.js';
import { type Attempt, type Call, type Captured, setAdapter } from '../call/call.js';
import { byMethodAndBaseUrl } from '../call/key.js';
import { openReport } from '../call/records.js';
import { FirstSuccess, type Reported, remember, show } from '../call/report.js';
import { exchangeConfig } from '../config/carried-config.js';
import { conceal } from '../config/concealment.js';
import { overwrite } from '../config/writable-config.js';
import type { Result } from '../outcome/diagnosis.js';
import { fallbackFor } from './fallback.js';

/** The end of a call: what it came to, and why it was not tried again. */
export interface Ending {
  readonly stopped: Stopped;
  readonly result: Result;
  /** The last attempt; `undefined` where the adapter was not asked. */
  readonly attempt?: Attempt | undefined;
  /** What the last attempt that was made said about the service. */
  readonly outcome?: Outcome | undefined;
}

/**
 * Closes a call: its config is put in order, its report completed; a failure is announced, and answered by fallback if
 * there is data for it.
 */
export function conclude(
  call: Call,
  captured: Captured,
  ending: Ending,
): Promise<AxiosResponse | undefined> | undefined {
  const { stopped, result, attempt } = ending;
  const { events } = call.attachment;
  const report = openReport(call);
  call.over = true;
  showLast(captured, ending);
  if (result.rejected) remember(result.error, report);
  report.stopped = stopped;
  if (call.waits) report.waitedMs = { circuit: call.waits.queuedMs };
  report.elapsedMs = call.elapsedMs(stopped === 'success' ? attempt?.endedAt : undefined);
  if (!report.key) report.key = byMethodAndBaseUrl(captured.config);
  restore(call, captured, result.response, report);
  const { key, attempts, elapsedMs } = report;
  if (events.active) events.emit({ type: 'call', key, attempts, stopped, elapsedMs });
  if (stopped === 'success' || (stopped === 'adapter-replaced' && !result.rejected)) return undefined;
  events.emit({ type: 'giveUp', key, attempts, stopped, elapsedMs });
  return fallbackFor(call, captured, report, ending);
}

/** The same for a success at the first attempt; it ends with its answer, whose time is known. */
export function succeed(
  call: Call,
  captured: Captured,
  { key, startedAt, endedAt }: Attempt,
  response: AxiosResponse,
): void {
  const { events } = call.attachment;
  const elapsedMs = endedAt - call.startedAt;
  call.over = true;
  restore(call, captured, response, new FirstSuccess(key, elapsedMs, response.status, endedAt - startedAt));
  if (events.active) events.emit({ type: 'call', key, attempts: 1, stopped: 'success', elapsedMs });
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
  if (!show(config, report)) remember(response, report);
  conceal(call, config);
  // A kept response keeps its request, and that knows the call: it must not keep the bodies of other attempts.
  call.superseded = call.attempt = call.failure = undefined;
}
