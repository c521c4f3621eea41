/** Answers that are as slow as this are compared. */
const COMPARED = 12;
/** The second half of a comparison had at least this many times as many in flight. */
const MORE_IN_FLIGHT = 1.25;
/** What the time may grow by meanwhile, for it to be the distance and not a queue. */
const AS_SLOW = 1.05;

const FALLING_WEIGHT = 0.05;
const RISING_WEIGHT = 0.002;

class Mean {
  count = 0;
  #sum = 0;

  get value(): number {
    return this.#sum / this.count;
  }

  add(value: number): void {
    this.count++;
    this.#sum += value;
  }
}

class Sample {
  readonly inFlight = new Mean();
  readonly durationMs = new Mean();

  get isWhole(): boolean {
    return this.durationMs.count >= COMPARED;
  }

  add(inFlight: number, durationMs: number): void {
    this.inFlight.add(inFlight);
    this.durationMs.add(durationMs);
  }
}

/**
 * How long a service usually takes, as against how long it takes with a queue: falls fast, and rises slowly and only by
 * attempts that left room. Where all have become slow, and stay as slow with more in flight, it is not a queue, which would
 * have grown with them: then that is the usual time, until a timeout says otherwise.
 */
export class UsualTime {
  #ms = 0;
  /** The time before the present one was taken for usual. */
  #beforeMs = 0;
  #fewer = new Sample();
  #more = new Sample();

  get ms(): number {
    return this.#ms;
  }

  add(durationMs: number, leftRoom: boolean): void {
    if (this.#ms === 0) this.#ms = durationMs;
    else if (durationMs < this.#ms) this.#ms += FALLING_WEIGHT * (durationMs - this.#ms);
    else if (leftRoom) this.#ms += RISING_WEIGHT * (durationMs - this.#ms);
  }

  /** A slow answer to an attempt that used the limit up. */
  addSlow(durationMs: number, inFlight: number): void {
    if (!this.#fewer.isWhole) {
      this.#fewer.add(inFlight, durationMs);
      return;
    }
    if (inFlight < MORE_IN_FLIGHT * this.#fewer.inFlight.value) return;
    this.#more.add(inFlight, durationMs);
    if (!this.#more.isWhole) return;
    if (this.#more.durationMs.value <= AS_SLOW * this.#fewer.durationMs.value) {
      this.#beforeMs ||= this.#ms;
      this.#ms = this.#more.durationMs.value;
      this.#fewer = new Sample();
    } else {
      this.#fewer = this.#more;
    }
    this.#more = new Sample();
  }

  /** What was taken for usual last was a queue after all. */
  timedOut(): void {
    if (this.#beforeMs > 0) this.#ms = this.#beforeMs;
    this.#beforeMs = 0;
    this.#fewer = new Sample();
    this.#more = new Sample();
  }
}
