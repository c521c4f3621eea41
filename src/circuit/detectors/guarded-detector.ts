import { anInteger, aShare, oneOf } from '../../validation.js';
import type { SharedThreshold } from '../link.js';
import { CIRCUIT_DEFAULTS } from '../options.js';
import { aDetector, checkVerdict, type DetectorFactory, type FailureDetector, ignoresSuccesses } from './detectors.js';

const aCount = anInteger(0);
const aReason = oneOf('threshold', 'slow');

interface Owner {
  complain(source: string, error: unknown): void;
}

/** A detector that may be the user's: what it throws, or answers wrongly, is reported and fails no call. */
export class GuardedDetector {
  /** What it needs besides failures: see `isTimeless` and `ignoresDuration` of `FailureDetector`. */
  readonly #needs: 'failures' | 'nothing' | 'the end' | 'the duration';
  readonly #detector: FailureDetector;
  readonly #owner: Owner;

  constructor(factory: DetectorFactory, owner: Owner) {
    this.#owner = owner;
    this.#detector = this.#try(() => checked(factory()), undefined) ?? CIRCUIT_DEFAULTS.detector();
    const hasOf = (trait: 'isTimeless' | 'ignoresDuration') =>
      this.#try(() => this.#detector[trait], undefined) === true;
    if (this.#try(() => ignoresSuccesses(this.#detector), false)) this.#needs = 'failures';
    else if (hasOf('isTimeless')) this.#needs = 'nothing';
    else this.#needs = hasOf('ignoresDuration') ? 'the end' : 'the duration';
  }

  /** Whether it needs no time for a success. */
  get isTimeless(): boolean {
    return this.#needs === 'nothing' || this.#needs === 'failures';
  }

  /** Whether it needs no time for a permit. */
  get ignoresDuration(): boolean {
    return this.#needs !== 'the duration';
  }

  /** Whether it looks at nothing but failures in a row. */
  get countsRuns(): boolean {
    return this.#needs === 'failures';
  }

  /** Whether a success changes nothing. */
  get isAtRest(): boolean {
    return this.countsRuns && this.#detector.failures === 0;
  }

  get rate(): number | undefined {
    return this.#try(() => {
      const { rate } = this.#detector;
      if (rate !== undefined) aShare(rate, 'detector.rate');
      return rate;
    }, undefined);
  }

  get reason(): 'threshold' | 'slow' {
    return this.#try(() => {
      const { reason = 'threshold' } = this.#detector;
      aReason(reason, 'detector.reason');
      return reason;
    }, 'threshold');
  }

  /** What can be counted together with other processes. */
  get threshold(): SharedThreshold | undefined {
    return this.#try(() => this.#detector.threshold, undefined);
  }

  /** What `save` and `load` agree on; see `FailureDetector`. */
  get kind(): string | undefined {
    return this.#try(() => this.#detector.kind, undefined);
  }

  /** Whether an attempt that took so long is as bad as one that failed. */
  isSlow(durationMs: number): boolean {
    return this.#try(() => this.#detector.isSlow?.(durationMs), undefined) === true;
  }

  failures(now: number): number {
    return this.#try(() => {
      this.#detector.expire?.(now);
      const { failures } = this.#detector;
      aCount(failures, 'detector.failures');
      return failures;
    }, 0);
  }

  record(outcome: 'success' | 'failure', now: number, durationMs: number, call: object | undefined): boolean {
    try {
      const answer: unknown = this.#detector.record(outcome, now, durationMs, call);
      checkVerdict(answer);
      return answer;
    } catch (error) {
      return this.#complain(error, false);
    }
  }

  reset(): void {
    this.#try(() => this.#detector.reset(), undefined);
  }

  save(now: number): unknown {
    return this.#try(() => this.#detector.save?.(now), undefined);
  }

  load(saved: unknown, now: number): void {
    if (saved !== undefined) this.#try(() => this.#detector.load?.(saved as never, now), undefined);
  }

  #try<T>(run: () => T, otherwise: T): T {
    try {
      return run();
    } catch (error) {
      return this.#complain(error, otherwise);
    }
  }

  #complain<T>(error: unknown, otherwise: T): T {
    this.#owner.complain('breaker.detector', error);
    return otherwise;
  }
}

function checked(detector: FailureDetector): FailureDetector {
  aDetector(detector, 'detector()');
  return detector;
}
