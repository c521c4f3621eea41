import { isTimeoutError } from '../out-of-time.js';
import type { LimitedReason } from './rule.js';

const OVERLOADED = [429, 503];

/** Why an attempt failed, as far as it concerns a limit. */
export function limitedReason(status: unknown, code: unknown, name?: unknown): LimitedReason | undefined {
  if (OVERLOADED.includes(status as number)) return 'overload';
  return isTimeoutError({ code, name }) ? 'timeout' : undefined;
}
