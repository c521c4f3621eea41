import type { LimitedReason } from './rule.js';

const OVERLOADED = [429, 503];
const TIMED_OUT = ['ECONNABORTED', 'ETIMEDOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];

/** Why an attempt failed, as far as it concerns a limit. */
export function limitedReason(status: unknown, code: unknown, name?: unknown): LimitedReason | undefined {
  if (OVERLOADED.includes(status as number)) return 'overload';
  return TIMED_OUT.includes(code as string) || name === 'TimeoutError' ? 'timeout' : undefined;
}
