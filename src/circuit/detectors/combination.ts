import { aFunction, unexpected } from '../../validation.js';
import { aDetector, checkVerdict, type DetectorFactory, type FailureDetector } from './detectors.js';

class Combination implements FailureDetector {
  readonly #parts: readonly FailureDetector[];
  readonly #needed: number;
  reason: 'threshold' | 'slow' | undefined;

  constructor(parts: readonly FailureDetector[], needed: number) {
    this.#parts = parts;
    this.#needed = needed;
  }

  get kind(): string {
    return `[${this.#parts.map(({ kind = '' }) => kind).join()}]`;
  }

  isSlow(durationMs: number): boolean {
    return this.#parts.some((part) => part.isSlow?.(durationMs) === true);
  }

  get isTimeless(): boolean {
    return this.#parts.every(({ isTimeless }) => isTimeless === true);
  }

  get ignoresDuration(): boolean {
    return this.#parts.every(({ isTimeless, ignoresDuration }) => isTimeless === true || ignoresDuration === true);
  }

  get failures(): number {
    return Math.max(...this.#parts.map(({ failures }) => failures));
  }

  expire(now: number): void {
    for (const part of this.#parts) part.expire?.(now);
  }

  record(outcome: 'success' | 'failure', now: number, durationMs: number, call?: object): boolean {
    let tripping = 0;
    let thrown: { readonly error: unknown } | undefined;
    this.reason = undefined;
    for (const part of this.#parts) {
      try {
        const answer: unknown = part.record(outcome, now, durationMs, call);
        checkVerdict(answer);
        if (answer && tripping++ === 0) this.reason = part.reason;
      } catch (error) {
        thrown ??= { error };
      }
    }
    const trips = tripping >= this.#needed;
    if (thrown && !trips) throw thrown.error;
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
