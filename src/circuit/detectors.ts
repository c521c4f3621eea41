import { anInteger, unexpected, withMethods } from '../validation.js';
import type { SharedThreshold } from './link.js';

/**
 * Decides from the outcomes of completed attempts when a closed circuit trips. Every circuit has one of its own, empty
 * after each change of state.
 */
export interface FailureDetector {
  /** Failures (slow attempts, for `slowCallRate`) that count at present; the most of any part, for a combination. */
  readonly failures: number;
  /** The share of bad outcomes at present, in [0, 1]; for detectors that go by one. */
  readonly rate?: number | undefined;
  /** Whether `record` looks neither at `now` nor at `durationMs`: then no clock is read for the successes of a closed circuit. */
  readonly isTimeless?: boolean | undefined;
  /** Whether `record` does not look at `durationMs`, as one that is timeless: then no clock is read for the permits of a closed circuit. */
  readonly ignoresDuration?: boolean | undefined;
  /** What it counts, for detectors whose counts can be added up with those of other processes. */
  readonly threshold?: SharedThreshold | undefined;
  /** Why it tripped last; `threshold` unless given. */
  readonly reason?: 'threshold' | 'slow' | undefined;
  /**
   * Takes in one outcome and says whether the circuit trips.
   *
   * @param now The end of the attempt on the circuit's clock, ms.
   * @param durationMs How long the attempt took.
   */
  record(outcome: 'success' | 'failure', now: number, durationMs: number): boolean;
  /** Lets go of outcomes that are too old. */
  expire?(now: number): void;
  /** Forgets everything. */
  reset(): void;
  /** What it knows, as JSON-safe data; times as ages before `now`. */
  save?(now: number): unknown;
  /** Takes back what `save` gave, perhaps in another process. */
  load?(saved: never, now: number): void;
}

/** Makes the detector of one circuit. */
export type DetectorFactory = () => FailureDetector;

/** What `record` must answer. */
export function checkVerdict(answer: unknown): asserts answer is boolean {
  if (typeof answer !== 'boolean') throw unexpected('detector.record(…)', 'a boolean', answer);
}

export const aDetector = withMethods('a FailureDetector with record(…) and reset()', 'record', 'reset');

class ConsecutiveFailures implements FailureDetector {
  failures = 0;
  readonly #threshold: number;

  get isTimeless(): boolean {
    return true;
  }

  get threshold(): SharedThreshold {
    return { windowMs: 0, failures: this.#threshold, rate: 0, minimumCalls: 1 };
  }

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

  save(): number {
    return this.failures;
  }

  load(saved: unknown): void {
    this.failures = Number.isSafeInteger(saved) && Number(saved) >= 0 ? Number(saved) : 0;
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
