import { withoutExchange } from '../errors.js';
import type { TransitionReason } from '../events.js';
import { isTimeoutError } from '../out-of-time.js';
import type { FailureDetails } from './options.js';
import { PartialFault } from './partial-fault.js';
import type { IssuedPermit } from './permit.js';

/** How many successes in the closed circuit end the growth of its cooldown. */
const SERVED_AGAIN = 10;

/** What a circuit remembers of its failures and openings; made at the first. */
export class Openings {
  /** Openings in succession: `attempt` of a `DelayContext`. */
  count = 0;
  /** The length of the last cooldown that this process set, ms. */
  setMs: number | undefined;
  /** The length of the last cooldown, also one that was taken over, ms. */
  lastMs = 0;
  /** The last failure that counted since the circuit was closed, without what may not be kept. */
  lastFailure: unknown;
  /** Whether failures alone opened the circuit: no hand, and no server that asked to wait. */
  isOfFailures = false;
  readonly partial = new PartialFault();
  /** Successes since the circuit closed, while there are openings to forget. */
  #served = 0;

  /** Whether a success changes something. */
  get isLearning(): boolean {
    return this.count > 0 || this.partial.isLearning;
  }

  /** Takes in an outcome of the closed circuit. A success needs no time. */
  saw(outcome: 'success' | 'failure', permit: IssuedPermit, now: number, details: FailureDetails): void {
    if (outcome === 'success') this.partial.succeeded(permit);
    else {
      this.#keep(details);
      this.partial.failed(now, details.isTimeout ?? isTimeoutError(details.error));
    }
  }

  /** Takes in the outcome of a probe. */
  probed(outcome: 'success' | 'failure', details: FailureDetails): void {
    if (outcome === 'failure') this.#keep(details);
    this.partial.probed(outcome);
  }

  /** A success of the closed circuit has changed nothing else. */
  hasServed(): void {
    if (this.count > 0 && ++this.#served >= SERVED_AGAIN) this.count = 0;
  }

  /** Whether the opening was wrong, as the success of an attempt from before it tells. */
  isRefutedBy(permit: IssuedPermit): boolean {
    return this.isOfFailures && this.partial.isEndedBy(permit);
  }

  closed(reason: TransitionReason): void {
    this.#served = 0;
    this.lastFailure = undefined;
    if (reason === 'probe-succeeded' || reason === 'late-success') this.partial.closed();
  }

  /** A state was not found but given. */
  assumed(reason: TransitionReason, remainingMs: number): void {
    this.isOfFailures = false;
    if (reason === 'manual') this.setMs = remainingMs;
    if (reason !== 'shared') this.partial.forget();
  }

  #keep({ error, response }: FailureDetails): void {
    this.lastFailure = withoutExchange(error ?? response);
  }
}
