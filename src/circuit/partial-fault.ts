import type { IssuedPermit } from './permit.js';

/** Fewer failures in a row than this are bad luck. */
const TELLING_RUN = 3;

/** After so many successes failures in a row have nothing to do with those before. */
const SERVED_AGAIN = 10;

/** For how long a sign holds, ms. */
const LATELY_MS = 20_000;

/** So many failed probes in a row end a sign: where one call in ten succeeds, 1 of 200 runs is as long. */
const MOST_FAILED_PROBES = 50;

/**
 * Whether only a part of the service fails, such as one path or one of its instances: a few calls succeed between failures in a
 * row. Those with timeouts among them do not count, since an overloaded service also answers some calls, and is helped by an open
 * circuit.
 */
export class PartialFault {
  /** Failures in a row in the closed circuit, kept while it is open; and when the last of them ended. */
  #run = 0;
  #failedAt = 0;
  #hasTimeouts = false;
  /** Permits that were given since the first of them: others may succeed because they were given before an outage. */
  #since = new WeakSet<IssuedPermit>();
  /** Successes since failures in a row ended so, or the circuit has closed by itself. */
  #served = SERVED_AGAIN;
  #failedProbes = 0;
  /** When there was a sign. */
  #seenAt = Number.NEGATIVE_INFINITY;

  /** Whether a success changes something. */
  get isLearning(): boolean {
    return this.#run > 0 || this.#served < SERVED_AGAIN;
  }

  /** The closed circuit gave a permit. */
  gave(permit: IssuedPermit): IssuedPermit {
    if (this.#run > 0) this.#since.add(permit);
    return permit;
  }

  /** An attempt of the closed circuit failed. */
  failed(now: number, isTimeout: boolean): void {
    if (now - this.#failedAt > LATELY_MS) this.#run = 0;
    if (this.#run++ === 0) {
      this.#since = new WeakSet();
      this.#hasTimeouts = false;
    }
    this.#failedAt = now;
    if (isTimeout) this.#hasTimeouts = true;
    if (!this.#isTelling || this.#served >= SERVED_AGAIN) return;
    this.#seenAt = now;
    this.#failedProbes = 0;
  }

  /** An attempt of the closed circuit succeeded; it needs no time. */
  succeeded(permit: IssuedPermit): void {
    if (this.isEndedBy(permit)) this.#served = 0;
    else this.#served++;
    this.#run = 0;
  }

  /** Whether an attempt that succeeded began among the last failures in a row. */
  isEndedBy(permit: IssuedPermit): boolean {
    return this.#isTelling && this.#since.has(permit);
  }

  /** A probe has ended. */
  probed(outcome: 'success' | 'failure'): void {
    this.#failedProbes = outcome === 'success' ? 0 : this.#failedProbes + 1;
    if (this.#failedProbes > MOST_FAILED_PROBES) this.#seenAt = Number.NEGATIVE_INFINITY;
  }

  /** The circuit has closed by itself. */
  closed(): void {
    this.#run = 0;
    this.#served = 0;
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
    return this.#run >= TELLING_RUN && !this.#hasTimeouts;
  }
}
