import type { AxiosInstance } from 'axios';
import { attach, type Resilience, type ResilienceOptions } from '../../src/index.js';

/** When something else is set up on an instance, as seen from `attach`. */
export const ORDERS = ['before', 'after'] as const;
export type Order = (typeof ORDERS)[number];

/** Retries without waiting. */
export const AT_ONCE = { retry: { backoff: () => 0 } } satisfies ResilienceOptions;

/** Attaches to the instance, with `setUp` run before or after it. */
export function attachWith(
  order: Order,
  api: AxiosInstance,
  setUp: () => void,
  options: ResilienceOptions = AT_ONCE,
): Resilience {
  if (order === 'before') setUp();
  const resilience = attach(api, options);
  if (order === 'after') setUp();
  return resilience;
}

/** What a promise rejects with; fails the test when it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<any> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('Expected the promise to reject, but it resolved');
}
