import type { IssuedPermit } from './permit.js';

/** Fewer failures in a row than this are bad luck. */
const TELLING_RUN = 3;

/** After so many successes the failures before them have nothing to do with those that follow. */
export const SERVED_AGAIN = 10;

/** For how long a sign holds, and what there was before one counts, ms. */
const LATELY_MS = 20_000;

/** So many failed probes in a row end a sign: where one call in ten succeeds, 1 of 200 runs is as long. */
const MOST_FAILED_PROBES = 50;

/**
 * Whether only a part of the service fails, such as one path or one of its instances: a few calls succeed between failures in a
 * row. Those that tell of an overload do not count: an overloaded service also answers some calls, and is helped by an open
 * circuit.
 */
export class PartialFault {
  /** Failures in a row in the closed circuit, kept while it is open; and when the last of them ended. */
  #run = 0;
  #failedAt = 0;
  #isOverload = false;
  /**
   * The number of those failures in a row, from 1. Permits that were given since the first carry it. An older attempt may succeed
   * although the service is down by now.
   */
  #runNumber = 0;
  /** Successes since failures in a row ended so, or the circuit has closed by itself; and when that was. */
  #served = SERVED_AGAIN;
  #servedSince = 0;
  #failedProbes = 0;
  /** When there was a sign. */
  #seenAt = Number.NEGATIVE_INFINITY;

  /** Whether a success changes something. */
  get isLearning(): boolean {
    return this.#run > 0 || this.#served < SERVED_AGAIN;
  }

  /** The closed circuit gave a permit. */
  gave(permit: IssuedPermit): IssuedPermit {
    if (this.#run > 0) permit.run = this.#runNumber;
    return permit;
  }

  /** An attempt of the closed circuit failed. */
  failed(now: number, isOverload: boolean): void {
    if (now - this.#failedAt > LATELY_MS) this.#run = 0;
    if (this.#run++ === 0) {
      this.#runNumber++;
      this.#isOverload = false;
    }
    this.#failedAt = now;
    if (isOverload) this.#isOverload = true;
    const isAgain = this.#served < SERVED_AGAIN && now - this.#servedSince <= LATELY_MS;
    if (!this.#isTelling || !isAgain) return;
    this.#seenAt = now;
    this.#failedProbes = 0;
  }

  /** An attempt of the closed circuit succeeded; it needs no time. */
  succeeded(permit: IssuedPermit): void {
    if (this.#isEndedBy(permit)) this.#serves(this.#failedAt);
    else this.#served++;
    this.#run = 0;
  }

  /** Whether the last failures in a row were no outage, as the success of an attempt from among them tells. */
  isRefutedBy(permit: IssuedPermit, now: number): boolean {
    const isLate = now - this.#failedAt > LATELY_MS || this.#failedProbes >= MOST_FAILED_PROBES;
    return !isLate && this.#isEndedBy(permit);
  }

  /** A probe has ended, or is lost. */
  probed(outcome: 'success' | 'failure', isOverload: boolean): void {
    this.#failedProbes = outcome === 'success' ? 0 : this.#failedProbes + 1;
    if (isOverload || this.#failedProbes >= MOST_FAILED_PROBES) this.#seenAt = Number.NEGATIVE_INFINITY;
  }

  /** The circuit has closed by itself. */
  closed(now: number): void {
    if (!this.#isOverload) this.#serves(now);
    this.#run = 0;
  }

  /** What was before is no sign any more. */
  forget(): void {
    this.#run = 0;
    this.#served = SERVED_AGAIN;
    this.#seenAt = Number.NEGATIVE_INFINITY;
  }

  isSeen(now: number): boolean {
    return now - this.#seenAt <= LATELY_MS;
  }

  get #isTelling(): boolean {
    return this.#run >= TELLING_RUN && !this.#isOverload;
  }

  #isEndedBy(permit: IssuedPermit): boolean {
    return this.#isTelling && permit.run === this.#runNumber;
  }

  #serves(now: number): void {
    this.#served = 0;
    this.#servedSince = now;
  }
}
