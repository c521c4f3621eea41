import {
  allOf,
  anyOf,
  consecutiveFailures,
  type DetectorFactory,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  slowCallRate,
} from '../../dist/index.js';

/** Every built-in detector at its default size. */
export const DETECTORS: Readonly<Record<string, DetectorFactory>> = {
  consecutiveFailures: consecutiveFailures(5),
  failuresInWindow: failuresInWindow(),
  failureRate: failureRate(),
  'failureRate, with maxAgeMs': failureRate({ maxAgeMs: 60_000 }),
  failureRateInWindow: failureRateInWindow(),
  slowCallRate: slowCallRate({ slowMs: 1_000 }),
  'anyOf two': anyOf(consecutiveFailures(5), failureRate()),
  'allOf two': allOf(failuresInWindow(), failureRate()),
};
