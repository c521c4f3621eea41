import type { AxiosResponse } from 'axios';
import type { Outcome, Stopped } from '../events.js';
import { type Attempt, type Call, type Captured, setAdapter } from './call.js';
import { exchangeConfig } from './carried-config.js';
import type { Result } from './diagnosis.js';
import { overwrite } from './dispatch.js';
import { fallbackFor } from './fallback.js';
import { byMethodAndBaseUrl } from './key.js';
import { openReport } from './records.js';
import { FirstSuccess, remember } from './report.js';

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
  report.elapsedMs = call.elapsedMs(stopped === 'success' ? attempt?.endedAt : undefined);
  if (!report.key) report.key = byMethodAndBaseUrl(captured.config);
  restore(call, captured).resilienceState = report;
  const { key, attempts, elapsedMs } = report;
  if (events.active) events.emit({ type: 'call', key, attempts, stopped, elapsedMs });
  if (stopped === 'success' || (stopped === 'adapter-replaced' && !result.rejected)) return undefined;
  events.emit({ type: 'giveUp', key, attempts, stopped, elapsedMs });
  return fallbackFor(call, captured, report, ending);
}

/** The same for a success at the first attempt; it ends with its answer, whose time is known. */
export function succeed(call: Call, captured: Captured, { key, startedAt, endedAt, response }: Attempt): void {
  const { events } = call.attachment;
  const elapsedMs = endedAt - call.startedAt;
  call.over = true;
  restore(call, captured).resilienceState = new FirstSuccess(key, elapsedMs, response?.status, endedAt - startedAt);
  if (events.active) events.emit({ type: 'call', key, attempts: 1, stopped: 'success', elapsedMs });
}

/** The call's own config shows the last attempt, and is the one that is carried. */
function showLast({ config }: Captured, { attempt, result }: Ending): void {
  if (!attempt || attempt.config === config) return;
  overwrite(config, attempt.config);
  exchangeConfig(result, attempt.config, config);
}

/** The call's own config, with the adapter that the user chose. */
function restore({ armed }: Call, { config, fields, adapter }: Captured): Captured['config'] {
  setAdapter(config, fields.adapter === armed ? adapter : fields.adapter);
  return config;
}
