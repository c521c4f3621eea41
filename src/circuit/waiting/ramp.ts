import type { Outcome } from '../../events.js';
import type { Permit } from '../contract.js';
import type { FailureDetails } from '../options.js';

/** The most that are let through at a time, however well it goes. */
const MOST = 4;

/** How long a call may hold up others, ms: a long poll, or a request without a timeout, would do so for ever. */
const LONGEST_HOLD_MS = 1_000;

/**
 * How many calls that have waited may be under way at a time, once the circuit is closed again: one at first, one more after
 * as many successes as that, half as many after a failure. It goes by feedback and by no schedule, since only the service
 * knows what it can take on top of the calls that are made anyway.
 */
export class Ramp {
  #allowed = 1;
  #successes = 0;
  /** In the order in which they were let through. */
  readonly #underWay = new Set<CountedPermit>();

  /** When there is room for another, ms; at once where that is not later than `now`. */
  roomAt(now: number): number {
    for (const permit of this.#underWay) {
      if (permit.holdsUntil <= now) this.#underWay.delete(permit);
    }
    const [oldest] = this.#underWay;
    return oldest && this.#underWay.size >= this.#allowed ? oldest.holdsUntil : now;
  }

  /** Begins at one again; those that are under way still count. */
  begin(): void {
    this.#allowed = 1;
    this.#successes = 0;
  }

  /** Counts one that is let through; its permit stands for the given one. */
  enter(permit: Permit, now: number, onEnd: () => void): Permit {
    const counted = new CountedPermit(permit, now + LONGEST_HOLD_MS, (outcome) => {
      this.#underWay.delete(counted);
      this.#learn(outcome);
      onEnd();
    });
    this.#underWay.add(counted);
    return counted;
  }

  #learn(outcome: Outcome): void {
    if (outcome === 'failure') {
      this.#allowed = Math.max(1, Math.floor(this.#allowed / 2));
      this.#successes = 0;
    } else if (outcome === 'success' && ++this.#successes >= this.#allowed) {
      this.#allowed = Math.min(MOST, this.#allowed + 1);
      this.#successes = 0;
    }
  }
}

/** Settles the circuit's permit first: a failure may open the circuit, and then nobody else is let through. */
class CountedPermit implements Permit {
  readonly admitted = true;
  readonly holdsUntil: number;
  readonly #permit: Permit;
  #onEnd: ((outcome: Outcome) => void) | undefined;

  constructor(permit: Permit, holdsUntil: number, onEnd: (outcome: Outcome) => void) {
    this.holdsUntil = holdsUntil;
    this.#permit = permit;
    this.#onEnd = onEnd;
  }

  get timeoutMs(): number | undefined {
    return this.#permit.timeoutMs;
  }

  settle(outcome: Outcome, now?: number, details?: FailureDetails): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    if (!onEnd) return;
    this.#permit.settle(outcome, now, details);
    onEnd(outcome);
  }
}
