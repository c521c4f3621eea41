import type { InternalAxiosRequestConfig } from 'axios';
import type { Outcome, Stopped } from '../../events.js';
import { hasStatus } from '../../retry/statuses.js';
import { methodOf } from '../call/key.js';
import type { Policy, RetryPolicy } from '../call/policy.js';
import { idempotencyKeyOf } from '../config/headers.js';
import type { Diagnosis, Result } from '../outcome/diagnosis.js';

/** Why the end of an attempt itself forbids a retry; `success` where there is no failure. */
export function objectionTo(
  outcome: Outcome | undefined,
  diagnosis: Diagnosis,
  { rejected }: Result,
  policy: Policy,
  config: InternalAxiosRequestConfig,
): Stopped | undefined {
  const { retry } = policy;
  if (!isRetryable(diagnosis, rejected, retry)) {
    return rejected || outcome === 'failure' ? 'not-retryable' : 'success';
  }
  return diagnosis.unsent || isRepeatable(policy, config) ? undefined : 'method';
}

/** Whether the same request may come to something better when it is sent again. */
function isRetryable({ status, broken, codes }: Diagnosis, rejected: boolean, retry: RetryPolicy): boolean {
  if (status !== undefined && !broken && hasStatus(retry.statusCodes, status)) return true;
  if (!rejected) return false;
  const { errorCodes } = retry;
  return errorCodes ? codes.some((code) => isAmong(errorCodes, code)) : broken === true;
}

/** RFC 9110, section 9.2.2: a request is repeated if doing it twice is as good as once. */
export function isRepeatable({ retry, idempotencyKey }: Policy, config: InternalAxiosRequestConfig): boolean {
  return isAmong(retry.methods, methodOf(config)) || idempotencyKeyOf(config.headers, idempotencyKey) !== undefined;
}

/** In any case. */
const isAmong = (names: readonly string[], name: string): boolean =>
  names.some((listed) => listed.toUpperCase() === name.toUpperCase());
