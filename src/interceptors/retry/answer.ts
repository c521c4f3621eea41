import type { AxiosResponse } from 'axios';
import type { Outcome } from '../../events.js';
import { hasStatus } from '../../retry/statuses.js';
import type { Call, Captured } from '../call/call.js';
import { conclude, succeed } from '../conclusion/conclusion.js';
import { accepted, failed, handedOn, type Result } from '../outcome/diagnosis.js';
import { repeat } from './repeat.js';

/** The response side of a call that axios accepts: hands on what is good, and repeats the rest before the call is closed. */
export function answered(call: Call, response: AxiosResponse): unknown {
  const { captured, attempt } = call;
  if (!captured || call.over) return response;
  if (!attempt) {
    const unasked = { result: accepted(response), attempt, outcome: undefined };
    return conclude(call, captured, { ...unasked, stopped: 'adapter-replaced' }) ?? response;
  }
  const { outcome } = attempt;
  if (isDoubtful(captured, outcome, response)) return repeated(call, captured, accepted(response));
  if (call.report || call.limitedMs || attempt.config !== captured.config)
    return conclude(call, captured, { stopped: 'success', result: accepted(response), attempt, outcome }) ?? response;
  succeed(call, captured, attempt, response);
  return response;
}

/** Whether a retry is to be thought of. What a function of the user's throws ends the call in the same place as all hooks do. */
function isDoubtful({ policy: { retry } }: Captured, outcome: Outcome | undefined, { status }: AxiosResponse): unknown {
  try {
    return (
      outcome === 'failure' || hasStatus(retry.statusCodes, status) || (retry.enabled && retry.shouldRetryResponse)
    );
  } catch {
    return true;
  }
}

/** The response side of a call that failed. */
export async function refused(call: Call, error: unknown): Promise<unknown> {
  if (!call.captured || call.over) throw error;
  return repeated(call, call.captured, failed(error));
}

async function repeated(call: Call, captured: Captured, first: Result): Promise<AxiosResponse | undefined> {
  const ending = await repeat(call, captured, first);
  const answer = await conclude(call, captured, ending);
  return answer ?? handedOn(ending.result);
}
