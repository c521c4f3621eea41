import type { AxiosResponse } from 'axios';
import type { Stopped } from '../events.js';
import { type Call, type Captured, setAdapter } from './call.js';
import { exchangeConfig } from './carried-config.js';
import { conceal } from './concealment.js';
import type { Result } from './diagnosis.js';
import { fallbackFor } from './fallback.js';
import { byMethodAndBaseUrl } from './key.js';
import { remember } from './report.js';
import { overwrite } from './writable-config.js';

/**
 * Closes a call: its config is put in order, its report completed; a failure is announced, and answered by fallback if
 * there is data for it.
 */
export function conclude(
  call: Call,
  captured: Captured,
  stopped: Stopped,
  result: Result,
): Promise<AxiosResponse | undefined> | undefined {
  const { attachment, state } = call;
  call.over = true;
  restore(call, captured, result);
  if (result.rejected) remember(result.error, state);
  state.stopped = stopped;
  // The clock is dear: what succeeded ends with its answer, whose time is known.
  state.elapsedMs = call.elapsedMs(stopped === 'success' ? call.settled?.at : undefined);
  if (!state.key) state.key = byMethodAndBaseUrl(captured.config);
  const { key, attempts, elapsedMs } = state;
  // A kept response keeps its request, and that knows the call: it must not keep the bodies of other attempts.
  call.superseded = call.settled = undefined;
  const { events } = attachment;
  if (events.active) events.emit({ type: 'call', key, attempts, stopped, elapsedMs });
  if (stopped === 'success' || (stopped === 'adapter-replaced' && !result.rejected)) return undefined;
  events.emit({ type: 'giveUp', key, attempts, stopped, elapsedMs });
  return fallbackFor(call, captured, stopped, result);
}

/** The call's own config shows the last attempt and the adapter that the user chose, and is the one that is carried. */
function restore(call: Call, { config, fields }: Captured, result: Result): void {
  const { dispatched, state } = call;
  if (dispatched && dispatched !== config) {
    overwrite(config, dispatched);
    exchangeConfig(result, dispatched, config);
  }
  setAdapter(config, fields.adapter === call.armed ? call.adapter : fields.adapter);
  const isKept = Reflect.set(config, 'resilienceState', state);
  if (!isKept) remember(result.response, state);
  conceal(state, config);
}
