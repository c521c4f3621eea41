import { adaptiveLimit, concurrencyLimit, type ResilienceOptions } from '../../dist/index.js';
import { sketchedLimit } from './sketched-limit.js';

/** With `limiter: adaptiveLimit()` and nothing else. */
export const WITH_LIMITER = 'axios-resilience, adaptiveLimit()';

/** Limits that were tried, by name. Made anew for each process. */
export const LIMITER_VARIANTS: Readonly<Record<string, () => ResilienceOptions>> = {
  [WITH_LIMITER]: () => ({ limiter: adaptiveLimit() }),
  'the sketch': () => ({ limiter: sketchedLimit() }),
  'the sketch, from 8': () => ({ limiter: sketchedLimit({ start: 8 }) }),
  'the sketch, quick is 1.5 x': () => ({ limiter: sketchedLimit({ quick: 1.5 }) }),
  'the sketch, slow growth 0.2': () => ({ limiter: sketchedLimit({ creep: 0.2 }) }),
  'the sketch, growth 2': () => ({ limiter: sketchedLimit({ growth: 2 }) }),
  'concurrencyLimit(20)': () => ({ limiter: concurrencyLimit(20) }),
};
