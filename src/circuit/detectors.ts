import { anInteger } from '../validation.js';

/**
 * Decides from the outcomes of completed attempts when a closed circuit trips. Every circuit has one of its own, empty
 * after each change of state.
 */
export interface FailureDetector {
  /** Failures that count at present. */
  readonly failures: number;
  /**
   * Takes in one outcome and says whether the circuit trips.
   *
   * @param now The end of the attempt on the circuit's clock, ms.
   * @param durationMs How long the attempt took.
   */
  record(outcome: 'success' | 'failure', now: number, durationMs: number): boolean;
  /** Forgets everything. */
  reset(): void;
}

/** Makes the detector of one circuit. */
export type DetectorFactory = () => FailureDetector;

class ConsecutiveFailures implements FailureDetector {
  failures = 0;
  readonly #threshold: number;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  record(outcome: 'success' | 'failure'): boolean {
    this.failures = outcome === 'failure' ? this.failures + 1 : 0;
    return this.failures >= this.#threshold;
  }

  reset(): void {
    this.failures = 0;
  }
}

/**
 * Trips at the nth failure in a row; any success starts the count anew.
 *
 * @param threshold An integer >= 1. A call with `retries` makes up to `retries + 1` attempts, all of which count.
 */
export function consecutiveFailures(threshold: number): DetectorFactory {
  anInteger(1)(threshold, 'consecutiveFailures(threshold)');
  return () => new ConsecutiveFailures(threshold);
}
