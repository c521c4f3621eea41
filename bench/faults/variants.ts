import { consecutiveFailures, exponential, type ResilienceOptions } from '../../dist/index.js';

/** Ways to set this package up that were tried, by name. Made anew for each process. */
export const VARIANTS: Readonly<Record<string, () => ResilienceOptions>> = {
  classic: () => ({
    breaker: {
      detector: consecutiveFailures(5),
      cooldownMs: 10_000,
      halfOpen: { permits: 1, successThreshold: 1 },
    },
    retry: { budget: { ratio: 0.2, minPerSecond: 10 } },
  }),
  'growing cooldown': () => ({
    breaker: { cooldownMs: exponential({ baseMs: 400, factor: 1.25, maxMs: 1_500, jitter: 0.2 }) },
  }),
};
