import { anInteger } from '../../validation.js';
import type { Limit } from '../contract.js';
import { limitOf } from '../limit.js';

/**
 * At most so many attempts in flight: what other libraries call a bulkhead.
 *
 * @param max An integer >= 1.
 * @throws a `TypeError` or `RangeError` for another `max`.
 */
export function concurrencyLimit(max: number): Limit {
  anInteger(1)(max, 'concurrencyLimit(max)');
  return limitOf('concurrency', () => ({
    limit: max,
    waitMs: (_now, inFlight) => (inFlight < max ? 0 : Number.POSITIVE_INFINITY),
  }));
}
