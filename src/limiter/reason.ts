import type { LimitedReason } from './rule.js';

const OVERLOADED = [429, 503];

/** Why an attempt failed, as far as it concerns a limit. */
export function limitedReason(status: unknown, isTimeout: boolean | undefined): LimitedReason | undefined {
  if (OVERLOADED.includes(status as number)) return 'overload';
  return isTimeout ? 'timeout' : undefined;
}
