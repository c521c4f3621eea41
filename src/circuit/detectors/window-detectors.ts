import { anInteger, aRatio, complete, milliseconds } from '../../validation.js';
import type { SharedThreshold } from '../link.js';
import type { DetectorFactory, FailureDetector } from './detectors.js';
import { CountWindow, type RollingWindow, type SavedOutcome, TimeWindow } from './rolling-window.js';

const isSavedOutcome = (saved: unknown): boolean => {
  if (!Array.isArray(saved) || saved.length !== 3 || !Number.isFinite(saved[0])) return false;
  const [ageMs, bad, total] = saved as [number, number, number];
  return ageMs >= 0 && bad >= 0 && bad <= total && total >= 1 && [bad, total].every(Number.isSafeInteger);
};

/** When a window trips the circuit; one object for all circuits of a factory. */
interface Limits {
  /** Bad outcomes that trip. */
  readonly failures: number;
  /** Share of bad outcomes that trips. */
  readonly rate: number;
  /** Outcomes below which nothing trips. */
  readonly minAttempts: number;
  /** From how long on an outcome is bad; `undefined`: failures are. */
  readonly slowMs: number | undefined;
  /** The length of a window of time, ms; `undefined`: the last outcomes, of whatever age. */
  readonly windowMs: number | undefined;
}

const ANY: Limits = { failures: 1, rate: 0, minAttempts: 1, slowMs: undefined, windowMs: undefined };

class WindowDetector implements FailureDetector {
  readonly #window: RollingWindow;
  readonly #limits: Limits;

  constructor(window: RollingWindow, limits: Limits) {
    this.#window = window;
    this.#limits = limits;
  }

  get kind(): string {
    const { slowMs } = this.#limits;
    return slowMs === undefined ? 'failures' : `slower than ${slowMs}`;
  }

  isSlow(durationMs: number): boolean {
    return durationMs >= (this.#limits.slowMs ?? Number.POSITIVE_INFINITY);
  }

  get isTimeless(): boolean {
    return this.ignoresDuration && this.#window.isTimeless;
  }

  get ignoresDuration(): boolean {
    return this.#limits.slowMs === undefined;
  }

  get failures(): number {
    return this.#window.bad;
  }

  expire(now: number): void {
    this.#window.expire(now);
  }

  get rate(): number | undefined {
    if (this.#limits.rate === 0) return undefined;
    return this.#window.bad / (this.#window.total || 1);
  }

  get threshold(): SharedThreshold | undefined {
    const { windowMs, failures, rate, minAttempts } = this.#limits;
    return windowMs === undefined ? undefined : { windowMs, failures, rate, minAttempts };
  }

  get reason(): 'threshold' | 'slow' {
    return this.#limits.slowMs === undefined ? 'threshold' : 'slow';
  }

  record(outcome: 'success' | 'failure', now: number, durationMs: number): boolean {
    const { failures, rate, minAttempts, slowMs } = this.#limits;
    const window = this.#window;
    window.add(slowMs === undefined ? outcome === 'failure' : durationMs >= slowMs, now);
    const { bad, total } = window;
    return total >= minAttempts && bad >= failures && bad / total >= rate;
  }

  reset(): void {
    this.#window.clear();
  }

  save(now: number): SavedOutcome[] {
    return this.#window.save(now);
  }

  load(saved: unknown, now: number): void {
    const isOurs = Array.isArray(saved) && saved.every(isSavedOutcome);
    if (isOurs) this.#window.load(saved as SavedOutcome[], now);
  }
}

const MOST_ATTEMPTS = 1_000_000;

/** Options of `failuresInWindow`. */
export interface FailuresInWindowOptions {
  /**
   * Failures that trip; an integer >= 1.
   * @default 5
   */
  failures?: number | undefined;
  /**
   * The length of the window, ms >= 1; counted in ten buckets.
   * @default 60_000
   */
  windowMs?: number | undefined;
}

/** Trips when so many attempts failed in the last `windowMs`, whatever succeeded between. */
export function failuresInWindow(given: FailuresInWindowOptions = {}): DetectorFactory {
  const { failures, windowMs } = complete(
    given,
    'failuresInWindow(options)',
    { failures: anInteger(1), windowMs: milliseconds(1) },
    { failures: 5, windowMs: 60_000 },
  );
  const limits = { ...ANY, failures, windowMs };
  return () => new WindowDetector(new TimeWindow(windowMs), limits);
}

/** Options of `failureRate`. */
export interface FailureRateOptions {
  /**
   * How many of the latest attempts are looked at; an integer from 1 to 1_000_000.
   * @default 10
   */
  size?: number | undefined;
  /**
   * The share of failures that trips, in (0, 1].
   * @default 0.5
   */
  rate?: number | undefined;
  /**
   * Attempts below which nothing trips; an integer from 1 to `size`.
   * @default 5
   */
  minAttempts?: number | undefined;
  /**
   * Attempts that are this old do not count, ms >= 1.
   * @default none
   */
  maxAgeMs?: number | undefined;
}

const checkMinimum = (size: number, minAttempts: number, path: string) =>
  anInteger(1, size)(minAttempts, `${path}.minAttempts`);

const SIZED = { size: 10, rate: 0.5, minAttempts: 5 };

/** Trips when at least this share of the last `size` attempts failed. */
export function failureRate(given: FailureRateOptions = {}): DetectorFactory {
  const { size, rate, minAttempts, maxAgeMs } = complete(
    given,
    'failureRate(options)',
    { size: anInteger(1, MOST_ATTEMPTS), rate: aRatio, minAttempts: anInteger(1), maxAgeMs: milliseconds(1) },
    { ...SIZED, maxAgeMs: undefined as number | undefined },
  );
  checkMinimum(size, minAttempts, 'failureRate(options)');
  const limits = { ...ANY, rate, minAttempts };
  return () => new WindowDetector(new CountWindow(size, maxAgeMs), limits);
}

/** Options of `failureRateInWindow`. */
export interface FailureRateInWindowOptions {
  /**
   * The length of the window, ms >= 1; counted in ten buckets.
   * @default 60_000
   */
  windowMs?: number | undefined;
  /**
   * The share of failures that trips, in (0, 1].
   * @default 0.5
   */
  rate?: number | undefined;
  /**
   * Attempts below which nothing trips; an integer >= 1.
   * @default 5
   */
  minAttempts?: number | undefined;
}

/** Trips when at least this share of the attempts of the last `windowMs` failed. */
export function failureRateInWindow(given: FailureRateInWindowOptions = {}): DetectorFactory {
  const { windowMs, rate, minAttempts } = complete(
    given,
    'failureRateInWindow(options)',
    { windowMs: milliseconds(1), rate: aRatio, minAttempts: anInteger(1) },
    { windowMs: 60_000, rate: 0.5, minAttempts: 5 },
  );
  const limits = { ...ANY, rate, minAttempts, windowMs };
  return () => new WindowDetector(new TimeWindow(windowMs), limits);
}

/** Options of `slowCallRate`. */
export interface SlowCallRateOptions {
  /** From how long on an attempt is slow, ms >= 1, whether it succeeds or fails. */
  slowMs: number;
  /**
   * The share of slow attempts that trips, in (0, 1].
   * @default 0.5
   */
  rate?: number | undefined;
  /**
   * How many of the latest attempts are looked at; an integer from 1 to 1_000_000.
   * @default 10
   */
  size?: number | undefined;
  /**
   * Attempts below which nothing trips; an integer from 1 to `size`.
   * @default 5
   */
  minAttempts?: number | undefined;
}

/** Trips when at least this share of the last `size` attempts was slow: a service that hangs is as ill as one that fails. */
export function slowCallRate(given: SlowCallRateOptions): DetectorFactory {
  const aDuration = milliseconds(1);
  const { size, rate, minAttempts, slowMs } = complete(
    given,
    'slowCallRate(options)',
    { slowMs: aDuration, size: anInteger(1, MOST_ATTEMPTS), rate: aRatio, minAttempts: anInteger(1) },
    { ...SIZED, slowMs: undefined as number | undefined },
  );
  aDuration(slowMs, 'slowCallRate(options).slowMs');
  checkMinimum(size, minAttempts, 'slowCallRate(options)');
  const limits = { ...ANY, rate, minAttempts, slowMs };
  return () => new WindowDetector(new CountWindow(size, undefined), limits);
}
