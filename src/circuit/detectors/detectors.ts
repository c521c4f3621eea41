import { aBoolean, anInteger, complete, milliseconds, unexpected, withMethods } from '../../validation.js';
import type { SharedThreshold } from '../link.js';

/**
 * Decides from the outcomes of completed attempts when a closed circuit trips. Every circuit has one of its own, empty
 * after each change of state.
 */
export interface FailureDetector {
  /** Failures (slow attempts, for `slowCallRate`) that count at present; the most of any part, for a combination. */
  readonly failures: number;
  /** The share of bad outcomes at present, in [0, 1]; for detectors that go by one. */
  readonly rate?: number | undefined;
  /** @internal Whether `record` looks neither at `now` nor at `durationMs` of a success: then no clock is read for the successes of a closed circuit. */
  readonly isTimeless?: boolean | undefined;
  /** @internal Whether `record` does not look at `durationMs`, as one that is timeless: then no clock is read for the permits of a closed circuit. */
  readonly ignoresDuration?: boolean | undefined;
  /** @internal What it counts, for detectors whose counts can be added up with those of other processes. */
  readonly threshold?: SharedThreshold | undefined;
  /** Why it tripped last; `threshold` unless given. */
  readonly reason?: 'threshold' | 'slow' | undefined;
  /** Names what `save` gives: when options change, a new detector of the same kind goes on from that. Without it, it begins anew. */
  readonly kind?: string | undefined;
  /** Whether an attempt that took so long is as bad as one that failed: so a probe is judged. */
  isSlow?(durationMs: number): boolean;
  /**
   * Takes in one outcome and says whether the circuit trips.
   *
   * @param now The end of the attempt on the circuit's clock, ms.
   * @param durationMs How long the attempt took.
   * @param call Stands for the call that the attempt was of, if it is known.
   */
  record(outcome: 'success' | 'failure', now: number, durationMs: number, call?: object): boolean;
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

/** What failures in a row must be like to trip a circuit. */
export interface ConsecutiveFailuresOptions {
  /**
   * The shortest time between the end of the first and of the last failure in a row, ms >= 0: failures of one moment, such
   * as a burst of resets or of timeouts, do not trip.
   * @default 0
   */
  minSpanMs?: number | undefined;
  /**
   * How long a failure counts, ms >= 1 and not below `minSpanMs`, or `Infinity`.
   * @default Infinity
   */
  maxAgeMs?: number | undefined;
  /**
   * Whether a call counts once, however many of its attempts fail: then one call's retries are no outage.
   * @default false
   */
  perCall?: boolean | undefined;
}

/** How many failures in a row are kept while they have not lasted for `minSpanMs`. */
const MOST_KEPT = 1_000;

interface Rules {
  readonly failures: number;
  readonly minSpanMs: number;
  readonly maxAgeMs: number;
  readonly perCall: boolean;
}

class ConsecutiveFailures implements FailureDetector {
  get kind(): string {
    return 'consecutive';
  }

  failures = 0;
  /** Shared by all that one factory makes. */
  readonly #rules: Rules;
  #calls: WeakSet<object> | undefined;
  /** When the failures in a row ended: the first, for the span, and the latest of the others as far as they can grow old. */
  #endedAt: number[] | undefined;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  get isTimeless(): boolean {
    return true;
  }

  get threshold(): SharedThreshold {
    const { failures, minSpanMs, maxAgeMs, perCall } = this.#rules;
    return {
      windowMs: 0,
      failures,
      rate: 0,
      minAttempts: 1,
      minSpanMs,
      ...(Number.isFinite(maxAgeMs) && { maxAgeMs }),
      ...(perCall && { perCall }),
    };
  }

  record(outcome: 'success' | 'failure', now: number, _durationMs?: number, call?: object): boolean {
    if (outcome === 'success') {
      if (this.failures > 0) this.reset();
      return false;
    }
    this.expire(now);
    if (!this.#isCounted(call)) {
      this.failures++;
      this.#keep(now);
    }
    return this.failures >= this.#rules.failures && !(now - this.#firstAt(now) < this.#rules.minSpanMs);
  }

  expire(now: number): void {
    const { maxAgeMs } = this.#rules;
    const ageMs = now - this.#firstAt(now);
    // The clock was set back.
    if (ageMs < 0) this.reset();
    if (this.#endedAt === undefined || ageMs <= maxAgeMs) return;
    this.#endedAt = this.#endedAt.filter((at) => now - at <= maxAgeMs);
    this.failures = this.#endedAt.length;
  }

  reset(): void {
    this.failures = 0;
    this.#endedAt = undefined;
    this.#calls = undefined;
  }

  save(now: number): SavedFailures {
    this.expire(now);
    return { failures: this.failures, agesMs: (this.#endedAt ?? []).map((at) => now - at) };
  }

  load(saved: unknown, now: number): void {
    this.reset();
    if (!isSavedFailures(saved)) return;
    for (const ageMs of saved.agesMs) this.#keep(now - ageMs);
    this.failures = saved.agesMs.length > 0 ? saved.failures : 0;
    this.expire(now);
  }

  /** Whether another attempt of the call was counted already. */
  #isCounted(call: object | undefined): boolean {
    if (!this.#rules.perCall || !call) return false;
    this.#calls ??= new WeakSet();
    const isCounted = this.#calls.has(call);
    this.#calls.add(call);
    return isCounted;
  }

  #firstAt(now: number): number {
    return this.#endedAt?.[0] ?? now;
  }

  #keep(endedAt: number): void {
    const { failures, maxAgeMs } = this.#rules;
    const kept = this.#endedAt ?? [];
    this.#endedAt = kept;
    const most = maxAgeMs < Number.POSITIVE_INFINITY ? Math.max(failures, MOST_KEPT) : 1;
    if (kept.length > most) kept.splice(1, 1);
    kept.push(endedAt);
  }
}

/** Whether a success changes nothing while `failures` is 0: not in a detector that somebody has built on this one. */
export const ignoresSuccesses = (detector: FailureDetector): boolean =>
  detector.record === ConsecutiveFailures.prototype.record;

interface SavedFailures {
  readonly failures: number;
  readonly agesMs: readonly number[];
}

function isSavedFailures(saved: unknown): saved is SavedFailures {
  const { failures, agesMs } = (saved ?? {}) as Partial<Record<keyof SavedFailures, unknown>>;
  const isAge = (age: unknown) => Number.isFinite(age) && Number(age) >= 0;
  return Number.isSafeInteger(failures) && Number(failures) >= 0 && Array.isArray(agesMs) && agesMs.every(isAge);
}

/**
 * Trips at the nth failure in a row; any success starts the count anew.
 *
 * @param failures An integer >= 1. A call with `retries` makes up to `retries + 1` attempts, all of which count
 *   without `perCall`.
 * @throws a `TypeError` or `RangeError` that names the option.
 */
export function consecutiveFailures(failures: number, given: ConsecutiveFailuresOptions = {}): DetectorFactory {
  anInteger(1)(failures, 'consecutiveFailures(failures)');
  const run = complete(
    given,
    'consecutiveFailures(options)',
    { minSpanMs: milliseconds(), maxAgeMs: milliseconds(1, Number.POSITIVE_INFINITY), perCall: aBoolean },
    { minSpanMs: 0, maxAgeMs: Number.POSITIVE_INFINITY, perCall: false },
  );
  const rules = { failures, ...run };
  if (rules.maxAgeMs < rules.minSpanMs) {
    throw unexpected('consecutiveFailures(options).maxAgeMs', 'at least `minSpanMs`', rules.maxAgeMs, RangeError);
  }
  return () => new ConsecutiveFailures(rules);
}
