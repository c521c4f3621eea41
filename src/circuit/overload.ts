import { isTimeoutError } from '../out-of-time.js';
import type { FailureDetails } from './options.js';

/** What is answered by a server or gateway that has too much to do, or had no answer in time. */
const OVERLOADED = new Set<unknown>([408, 429, 503, 504, 522, 524, 529, 598]);

/** Whether a failure may come of an overload, in which an open circuit helps the service. */
export const tellsOfOverload = ({ status, retryAfterMs = 0, isTimeout, error }: FailureDetails): boolean =>
  OVERLOADED.has(status) || retryAfterMs > 0 || (isTimeout ?? isTimeoutError(error));
