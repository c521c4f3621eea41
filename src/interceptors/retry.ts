import type { AxiosResponse } from 'axios';
import { hasStatus } from '../retry/statuses.js';
import type { Call } from './call.js';
import { conclude } from './conclusion.js';
import { accepted, failed, type Result } from './diagnosis.js';
import { type Handler, handler } from './placement.js';
import { repeat } from './repeat.js';

/** The response side: hands on what is good, and re-dispatches the rest before the call is closed. */
export const retryInterceptor = (call: Call): Handler =>
  handler(
    (response: AxiosResponse) => {
      const { captured, dispatched, outcome } = call;
      if (!captured || call.over) return response;
      const { enabled, statuses, shouldRetryResponse } = captured.policy.retry;
      const isDoubtful =
        outcome === 'failure' || hasStatus(statuses, response.status) || (enabled && shouldRetryResponse);
      if (dispatched && isDoubtful) return retried(call, accepted(response));
      return conclude(call, captured, dispatched ? 'success' : 'adapter-replaced', accepted(response)) ?? response;
    },
    (error) => retried(call, failed(error)),
  );

async function retried(call: Call, first: Result): Promise<AxiosResponse | undefined> {
  if (!call.captured || call.over) throw first.error;
  const { stopped, result } = await repeat(call, call.captured, first);
  const answer = await conclude(call, call.captured, stopped, result);
  if (answer) return answer;
  if (result.rejected) throw result.error;
  return result.response;
}
