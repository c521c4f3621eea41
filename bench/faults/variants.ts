import {
  consecutiveFailures,
  exponential,
  type FailureDetector,
  type ResilienceOptions,
  type RetryContext,
} from '../../dist/index.js';

/** As many failures in a row as cannot be chance, given how many there usually are between two successes. */
class UnusualRun implements FailureDetector {
  failures = 0;
  #firstAt = 0;
  #usual = 0;

  constructor(
    readonly least: number,
    readonly minSpanMs: number,
    readonly times: number,
    readonly weight: number,
  ) {}

  record(outcome: 'success' | 'failure', now: number): boolean {
    if (outcome === 'success') {
      this.#usual += this.weight * (this.failures - this.#usual);
      this.failures = 0;
      return false;
    }
    if (++this.failures === 1) this.#firstAt = now;
    return (
      this.failures >= Math.max(this.least, this.times * (this.#usual + 1)) && now - this.#firstAt >= this.minSpanMs
    );
  }

  reset(): void {
    this.failures = 0;
  }
}

const isTimeout = ({ error }: RetryContext): boolean =>
  (error as { readonly code?: string } | undefined)?.code === 'ECONNABORTED';

const withoutTimeouts = { shouldRetry: (context: RetryContext) => (isTimeout(context) ? false : undefined) };

interface Cap {
  readonly factor: number;
  readonly maxMs: number;
}

/** Other cooldowns from 500 ms, by name: how fast they grow, and how far. */
export const CAPS: Readonly<Record<string, Cap>> = {
  'cooldown x 1.15 up to 1.5 s': { factor: 1.15, maxMs: 1_500 },
  'cooldown x 1.15 up to 3 s': { factor: 1.15, maxMs: 3_000 },
  'cooldown x 1.25 up to 3 s': { factor: 1.25, maxMs: 3_000 },
  'cooldown x 1.5 up to 3 s': { factor: 1.5, maxMs: 3_000 },
  'cooldown x 1.5 up to 10 s': { factor: 1.5, maxMs: 10_000 },
};

const withCap = (cap: Cap) => () => ({ breaker: { cooldownMs: exponential({ baseMs: 500, jitter: 0.2, ...cap }) } });

const cooldownMs = exponential({ baseMs: 500, factor: 1.15, maxMs: 1_200, jitter: 0.2 });

const unusualRun = { detector: () => new UnusualRun(5, 700, 6, 0.3), cooldownMs };

/** Ways to set this package up that were tried, by name. Made anew for each process. */
export const VARIANTS: Readonly<Record<string, () => ResilienceOptions>> = {
  classic: () => ({
    breaker: {
      detector: consecutiveFailures(5),
      cooldownMs: 10_000,
      halfOpen: { probes: 1, successThreshold: 1 },
    },
    retry: { budget: { ratio: 0.2, minPerSecond: 10 } },
  }),
  'timeouts are not retried': () => ({ retry: withoutTimeouts }),
  'budget of 0.2': () => ({ retry: { budget: { ratio: 0.2, minPerSecond: 2 } } }),
  'budget of 0.3, 1 per second': () => ({ retry: { budget: { ratio: 0.3, minPerSecond: 1 } } }),
  'budget of 0.5, 2 per second': () => ({ retry: { budget: { ratio: 0.5, minPerSecond: 2 } } }),
  'budget of 0.5, 1 per second': () => ({ retry: { budget: { ratio: 0.5, minPerSecond: 1 } } }),
  'budget of 0.5, 0.5 per second': () => ({ retry: { budget: { ratio: 0.5, minPerSecond: 0.5 } } }),
  'budget of 0.4, 1 per second': () => ({ retry: { budget: { ratio: 0.4, minPerSecond: 1 } } }),
  'span of 700 ms': () => ({
    breaker: { detector: consecutiveFailures(5, { perCall: true, minSpanMs: 700, maxAgeMs: 60_000 }) },
  }),
  'four calls': () => ({
    breaker: { detector: consecutiveFailures(4, { perCall: true, minSpanMs: 600, maxAgeMs: 60_000 }) },
  }),
  'attempts in place of calls': () => ({
    breaker: { detector: consecutiveFailures(5, { minSpanMs: 600, maxAgeMs: 60_000 }) },
  }),
  ...Object.fromEntries(Object.entries(CAPS).map(([name, cap]) => [name, withCap(cap)])),
  'cooldown of 400 ms up to 1.5 s': () => ({
    breaker: { cooldownMs: exponential({ baseMs: 400, factor: 1.25, maxMs: 1_500, jitter: 0.2 }) },
  }),
  'no waiting': () => ({ breaker: { maxWaitMs: 0 } }),
  'no waiting, timeouts are not retried': () => ({ breaker: { maxWaitMs: 0 }, retry: withoutTimeouts }),
  'waits of 700 ms': () => ({ breaker: { maxWaitMs: 700 } }),
  'unusual run': () => ({ breaker: unusualRun }),
  'unusual run, timeouts are not retried': () => ({ breaker: unusualRun, retry: withoutTimeouts }),
};
