import { withoutExchange } from '../errors.js';
import type { TransitionReason } from '../events.js';
import type { Opening } from './link.js';
import type { FailureDetails } from './options.js';
import { tellsOfOverload } from './overload.js';
import { PartialFault, SERVED_AGAIN } from './partial-fault.js';
import type { IssuedPermit } from './permit.js';

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
  /** Whether failures in a row alone opened the circuit, and no server has asked to wait. */
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
      this.partial.failed(now, tellsOfOverload(details));
    }
  }

  /** Takes in the outcome of a probe. */
  probed(outcome: 'success' | 'failure', details: FailureDetails): void {
    if (outcome === 'failure') this.#keep(details);
    this.partial.probed(outcome, outcome === 'failure' && tellsOfOverload(details));
  }

  /** A success of the closed circuit has changed nothing else. */
  hasServed(): void {
    if (this.count > 0 && ++this.#served >= SERVED_AGAIN) this.count = 0;
  }

  /** Whether the opening was wrong, as the success of an attempt from before it tells. */
  isRefutedBy(permit: IssuedPermit, now: number): boolean {
    return this.isOfFailures && this.partial.isRefutedBy(permit, now);
  }

  opened({ openings, cooldownMs }: Opening, { retryAfterMs }: FailureDetails): void {
    this.count = openings;
    this.setMs = cooldownMs;
    if (retryAfterMs) this.isOfFailures = false;
  }

  closed(reason: TransitionReason, now: number): void {
    this.#served = 0;
    this.lastFailure = undefined;
    this.isOfFailures = false;
    if (reason === 'probe-succeeded' || reason === 'late-success' || reason === 'shared') this.partial.closed(now);
  }

  /** A state was not found but given. */
  assumed(reason: TransitionReason, remainingMs: number): void {
    if (reason === 'manual') this.setMs = remainingMs;
    if (reason !== 'shared') this.partial.forget();
  }

  /** Another process has opened the circuit, or said how it goes on. */
  adopted(why: string): void {
    if (why === 'detector' || why === 'threshold') this.isOfFailures = true;
    else if (why === 'retry-after') this.isOfFailures = false;
  }

  #keep({ error, response }: FailureDetails): void {
    this.lastFailure = withoutExchange(error ?? response);
  }
}
