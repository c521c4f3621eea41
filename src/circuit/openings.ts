/** So many failures in a row that a success ends are a sign that only a part of the service fails. */
const TELLING_RUN = 3;

/** What such a run lasts at least, ms: attempts that began before an outage may succeed after its first failures. */
const TELLING_MS = 200;

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
  /** Failures in a row in the closed circuit, and when the first and the last of them ended. */
  #run = 0;
  #failedSince = 0;
  #failedAt = 0;
  /** When there was a sign that only a part of the service fails. */
  #partialAt = Number.NEGATIVE_INFINITY;

  /** Takes in an outcome of the closed circuit. A success needs no time. */
  saw(outcome: 'success' | 'failure', now: number): void {
    if (outcome === 'failure') {
      if (this.#run++ === 0) this.#failedSince = now;
      this.#failedAt = now;
    } else {
      if (this.#run >= TELLING_RUN && this.#failedAt - this.#failedSince >= TELLING_MS)
        this.#partialAt = this.#failedAt;
      this.#run = 0;
    }
  }

  /** The closed circuit trips. It has not been closed for long if there are openings to forget. */
  tripped(now: number): void {
    if (this.count > 0) this.#partialAt = now;
  }

  /** The circuit has closed, opened or let probes go. */
  moved(): void {
    this.served = 0;
    this.#run = 0;
  }

  /** Whether calls have succeeded among failures of late. */
  isPartial(now: number): boolean {
    return now - this.#partialAt <= LATELY_MS;
  }
}
