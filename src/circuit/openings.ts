import type { IssuedPermit } from './permit.js';

/** So many failures in a row that a success ends are a sign that only a part of the service fails. */
const TELLING_RUN = 3;

/** For how long such a sign holds, ms. */
const LATELY_MS = 20_000;

/** What a circuit remembers of its failures and openings; made at the first. */
export class Openings {
  /** Openings in succession: `attempt` of a `DelayContext`. */
  count = 0;
  /** The length of the last cooldown that this process set, ms. */
  setMs: number | undefined;
  /** The length of the last cooldown, also one that was taken over, ms. */
  lastMs = 0;
  /** Successes since the circuit closed, while there are openings to forget. */
  served = 0;
  /** The last failure that counted since the circuit was closed, without what may not be kept. */
  lastFailure: unknown;
  /** Failures in a row in the closed circuit, and when the last of them ended. */
  #run = 0;
  #failedAt = 0;
  /** Permits that were given since the first of them: others may succeed because they were given before an outage. */
  #since = new WeakSet<IssuedPermit>();
  /** When there was a sign that only a part of the service fails. */
  #partialAt = Number.NEGATIVE_INFINITY;

  /** The closed circuit gave a permit. */
  gave(permit: IssuedPermit): IssuedPermit {
    if (this.#run > 0) this.#since.add(permit);
    return permit;
  }

  /** Takes in an outcome of the closed circuit. A success needs no time. */
  saw(outcome: 'success' | 'failure', now: number, permit: IssuedPermit): void {
    if (outcome === 'failure') {
      if (now - this.#failedAt > LATELY_MS) this.#run = 0;
      if (this.#run++ === 0) this.#since = new WeakSet();
      this.#failedAt = now;
    } else {
      if (this.#run >= TELLING_RUN && this.#since.has(permit)) this.#partialAt = this.#failedAt;
      this.#run = 0;
    }
  }

  /** The circuit has closed, opened or let probes go. */
  moved(): void {
    this.served = 0;
    this.#run = 0;
  }

  /** The circuit was opened or closed by hand: what was before is no sign any more. */
  forget(): void {
    this.#partialAt = Number.NEGATIVE_INFINITY;
  }

  /** Whether calls have succeeded among failures of late. */
  isPartial(now: number): boolean {
    return now - this.#partialAt <= LATELY_MS;
  }
}
