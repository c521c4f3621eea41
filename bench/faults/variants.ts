import {
  consecutiveFailures,
  equalJitter,
  exponential,
  exponentialCooldown,
  type FailureDetector,
  type ResilienceOptions,
} from '../../dist/index.js';

class Spanning implements FailureDetector {
  failures = 0;
  #first = 0;
  constructor(readonly threshold2: number, readonly forMs: number) {}
  record(outcome: 'success' | 'failure', now: number): boolean {
    if (outcome === 'success') { this.failures = 0; return false; }
    if (++this.failures === 1) this.#first = now;
    return this.failures >= this.threshold2 && now - this.#first >= this.forMs;
  }
  reset(): void { this.failures = 0; }
}

/** Also as many failures as cannot be chance, given the usual run of failures between successes. */
class Surprised implements FailureDetector {
  failures = 0;
  #first = 0;
  #usual = 0;
  constructor(readonly threshold2: number, readonly forMs: number, readonly times: number, readonly weight: number) {}
  record(outcome: 'success' | 'failure', now: number): boolean {
    if (outcome === 'success') {
      this.#usual += this.weight * (this.failures - this.#usual);
      this.failures = 0;
      return false;
    }
    if (++this.failures === 1) this.#first = now;
    return this.failures >= Math.max(this.threshold2, this.times * (this.#usual + 1)) && now - this.#first >= this.forMs;
  }
  reset(): void { this.failures = 0; }
}

const surprised = (forMs: number, times: number, weight: number, baseMs = 400, factor = 1.25, maxMs = 1500, ratio = 0.5, perSecond = 1) => (): ResilienceOptions => ({
  breaker: {
    detector: () => new Surprised(5, forMs, times, weight),
    cooldownMs: exponentialCooldown({ baseMs, factor, maxMs, jitter: 0.2 }),
  },
  retry: { budget: { ratio, minPerSecond: perSecond } },
});

const tuned = (forMs: number, baseMs: number, factor: number, maxMs: number, ratio: number, perSecond: number, equal = false) => (): ResilienceOptions => ({
  breaker: {
    detector: () => new Spanning(5, forMs),
    cooldownMs: exponentialCooldown({ baseMs, factor, maxMs, jitter: 0.2 }),
  },
  retry: { budget: { ratio, minPerSecond: perSecond }, ...(equal && { backoff: equalJitter(exponential({ baseMs: 200 })) }) },
});

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
  t1: tuned(700, 400, 1.25, 1500, 0.5, 1),
  s1: surprised(700, 5, 0.1),
  s2: surprised(500, 5, 0.1),
  s3: surprised(700, 5, 0.3),
  s4: surprised(700, 3, 0.2),
  t2: tuned(500, 400, 1.25, 1500, 0.5, 1),
  t3: tuned(700, 500, 1.5, 3000, 0.5, 1),
  t4: tuned(700, 500, 1.5, 10000, 0.3, 1),
  t5: tuned(700, 400, 1.25, 1500, 0.5, 1, true),
};
