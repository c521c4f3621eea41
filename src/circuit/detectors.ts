import {
  aBoolean,
  aFunction,
  anInteger,
  aRatio,
  merged,
  milliseconds,
  options,
  unexpected,
  withMethods,
} from '../validation.js';
import type { SharedThreshold } from './link.js';
import { CountWindow, type RollingWindow, type SavedOutcome, TimeWindow } from './rolling-window.js';

/**
 * Decides from the outcomes of completed attempts when a closed circuit trips. Every circuit has one of its own, empty
 * after each change of state.
 */
export interface FailureDetector {
  /** Failures (slow attempts, for `slowCallRate`) that count at present; the most of any part, for a combination. */
  readonly failures: number;
  /** The share of bad outcomes at present, in [0, 1]; for detectors that go by one. */
  readonly rate?: number | undefined;
  /** Whether `record` looks at no time and never trips on a success: then no clock is read for the successes of a closed circuit. */
  readonly isTimeless?: boolean | undefined;
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
    this.failures = Number.isInteger(saved) && Number(saved) >= 0 ? Number(saved) : 0;
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

const isSavedOutcome = (saved: unknown): boolean => {
  if (!Array.isArray(saved) || saved.length !== 3 || !saved.every((value) => Number.isFinite(value))) return false;
  const [ageMs, bad, total] = saved as [number, number, number];
  return ageMs >= 0 && bad >= 0 && bad <= total;
};

/** When a window trips the circuit. */
interface Limits {
  /** Bad outcomes that trip. */
  readonly failures: number;
  /** Share of bad outcomes that trips. */
  readonly rate: number;
  /** Outcomes below which nothing trips. */
  readonly minimumCalls: number;
}

const ANY: Limits = { failures: 1, rate: 0, minimumCalls: 1 };

class WindowDetector implements FailureDetector {
  readonly #window: RollingWindow;
  readonly #limits: Limits;
  readonly #slowMs: number | undefined;

  constructor(window: RollingWindow, limits: Limits, slowMs?: number) {
    this.#window = window;
    this.#limits = limits;
    this.#slowMs = slowMs;
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
    const { windowMs } = this.#window;
    return windowMs === undefined ? undefined : { windowMs, ...this.#limits };
  }

  get reason(): 'threshold' | 'slow' {
    return this.#slowMs === undefined ? 'threshold' : 'slow';
  }

  record(outcome: 'success' | 'failure', now: number, durationMs: number): boolean {
    const isBad = this.#slowMs === undefined ? outcome === 'failure' : durationMs >= this.#slowMs;
    this.#window.add(isBad, now);
    const { bad, total } = this.#window;
    const { failures, rate, minimumCalls } = this.#limits;
    return total >= minimumCalls && bad >= failures && bad / total >= rate;
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

const aCount = anInteger(1);
const aDuration = milliseconds(1);

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

const checkFailuresInWindow = options({ failures: aCount, windowMs: aDuration });

/** Trips when so many attempts failed in the last `windowMs`, whatever succeeded between. */
export function failuresInWindow(given: FailuresInWindowOptions = {}): DetectorFactory {
  checkFailuresInWindow(given, 'failuresInWindow(options)');
  const { failures, windowMs } = merged({ failures: 5, windowMs: 60_000 }, given);
  return () => new WindowDetector(new TimeWindow(windowMs), { ...ANY, failures });
}

/** Options of `failureRate`. */
export interface FailureRateOptions {
  /**
   * How many of the latest attempts are looked at; an integer >= 1.
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
  minimumCalls?: number | undefined;
  /**
   * Attempts that are this old do not count, ms >= 1.
   * @default none
   */
  maxAgeMs?: number | undefined;
}

const checkFailureRate = options({ size: aCount, rate: aRatio, minimumCalls: aCount, maxAgeMs: aDuration });

const checkMinimum = (size: number, minimumCalls: number, path: string) =>
  anInteger(1, size)(minimumCalls, `${path}.minimumCalls`);

const SIZED = { size: 10, rate: 0.5, minimumCalls: 5 };

/** Trips when at least this share of the last `size` attempts failed. */
export function failureRate(given: FailureRateOptions = {}): DetectorFactory {
  checkFailureRate(given, 'failureRate(options)');
  const { size, rate, minimumCalls, maxAgeMs } = merged({ ...SIZED, maxAgeMs: undefined as number | undefined }, given);
  checkMinimum(size, minimumCalls, 'failureRate(options)');
  return () => new WindowDetector(new CountWindow(size, maxAgeMs), { ...ANY, rate, minimumCalls });
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
  minimumCalls?: number | undefined;
}

const checkFailureRateInWindow = options({ windowMs: aDuration, rate: aRatio, minimumCalls: aCount });

/** Trips when at least this share of the attempts of the last `windowMs` failed. */
export function failureRateInWindow(given: FailureRateInWindowOptions = {}): DetectorFactory {
  checkFailureRateInWindow(given, 'failureRateInWindow(options)');
  const { windowMs, rate, minimumCalls } = merged({ windowMs: 60_000, rate: 0.5, minimumCalls: 5 }, given);
  return () => new WindowDetector(new TimeWindow(windowMs), { ...ANY, rate, minimumCalls });
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
   * How many of the latest attempts are looked at; an integer >= 1.
   * @default 10
   */
  size?: number | undefined;
  /**
   * Attempts below which nothing trips; an integer from 1 to `size`.
   * @default 5
   */
  minimumCalls?: number | undefined;
}

const checkSlowCallRate = options({ slowMs: aDuration, size: aCount, rate: aRatio, minimumCalls: aCount });

/** Trips when at least this share of the last `size` attempts was slow: a service that hangs is as ill as one that fails. */
export function slowCallRate(given: SlowCallRateOptions): DetectorFactory {
  checkSlowCallRate(given, 'slowCallRate(options)');
  aDuration(given.slowMs, 'slowCallRate(options).slowMs');
  const { size, rate, minimumCalls, slowMs } = merged({ ...SIZED, slowMs: 0 }, given);
  checkMinimum(size, minimumCalls, 'slowCallRate(options)');
  return () => new WindowDetector(new CountWindow(size, undefined), { ...ANY, rate, minimumCalls }, slowMs);
}

/** What `record` must answer. A promise is not waited for, nor left to reject unhandled. */
export function checkVerdict(answer: unknown): asserts answer is boolean {
  if (answer instanceof Promise) answer.catch(() => undefined);
  aBoolean(answer, 'detector.record(…)');
}

export const aDetector = withMethods('a FailureDetector with record(…) and reset()', 'record', 'reset');

class Combination implements FailureDetector {
  readonly #parts: readonly FailureDetector[];
  readonly #needed: number;
  reason: 'threshold' | 'slow' | undefined;

  constructor(parts: readonly FailureDetector[], needed: number) {
    this.#parts = parts;
    this.#needed = needed;
  }

  get failures(): number {
    return Math.max(...this.#parts.map(({ failures }) => failures));
  }

  expire(now: number): void {
    for (const part of this.#parts) part.expire?.(now);
  }

  record(outcome: 'success' | 'failure', now: number, durationMs: number): boolean {
    const errors: unknown[] = [];
    const tripping = this.#parts.filter((part) => {
      try {
        const answer: unknown = part.record(outcome, now, durationMs);
        checkVerdict(answer);
        return answer;
      } catch (error) {
        errors.push(error);
        return false;
      }
    });
    this.reason = tripping[0]?.reason;
    const trips = tripping.length >= this.#needed;
    if (errors.length > 0 && !trips) throw errors[0];
    return trips;
  }

  reset(): void {
    for (const part of this.#parts) part.reset();
  }

  save(now: number): unknown[] {
    return this.#parts.map((part) => part.save?.(now));
  }

  load(saved: unknown, now: number): void {
    if (!Array.isArray(saved)) return;
    for (const [index, part] of this.#parts.entries()) {
      if (saved[index] != null) part.load?.(saved[index] as never, now);
    }
  }
}

function combined(name: string, detectors: readonly DetectorFactory[], needed: number): DetectorFactory {
  if (detectors.length === 0) throw unexpected(`${name}(...detectors)`, 'at least one detector', detectors, RangeError);
  for (const [index, detector] of detectors.entries()) aFunction(detector, `${name}(...detectors)[${index}]`);
  return () => {
    const parts = detectors.map((detector) => detector());
    for (const [index, part] of parts.entries()) aDetector(part, `${name}(...detectors)[${index}]()`);
    return new Combination(parts, needed);
  };
}

/** Trips when any of the detectors does. They can be nested. */
export const anyOf = (...detectors: DetectorFactory[]): DetectorFactory => combined('anyOf', detectors, 1);

/** Trips when all of the detectors do, at the same outcome. They can be nested. */
export const allOf = (...detectors: DetectorFactory[]): DetectorFactory =>
  combined('allOf', detectors, detectors.length);
