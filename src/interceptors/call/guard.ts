import type { FailureDetails } from '../../circuit/options.js';
import type { Outcome, Stopped } from '../../events.js';

/**
 * What an attempt has to pass before it is sent: its deadline, its circuit, what limits how many there may be. The armed
 * adapter asks the guards of an attachment in their order and knows none of them by name.
 *
 * To add one, write `admit` and put it into the list in `attach`.
 */
export interface Guard<Asking> {
  /**
   * Lets an attempt pass now, later, or not at all. What it throws stops the attempt as `not-retryable`.
   *
   * @returns `undefined` where there is nothing to settle.
   */
  admit(attempt: Asking): Admission | Later | undefined;
}

export type Admission = Pass | Refusal;

/**
 * The attempt may go on. It is settled exactly once, as `neutral` when the attempt is not made after all: a later guard
 * refuses it, or it is cancelled while it waits.
 */
export interface Pass {
  readonly admitted: true;
  /** Whether the attempt is to tell if the service is back. */
  readonly isProbe?: boolean | undefined;
  /** The most that the attempt's own timeout may be, ms. */
  readonly timeoutMs?: number | undefined;
  /**
   * Takes what the attempt came to. It must not throw: the call would end with that.
   *
   * @param now When it ended, on the attachment's clock, ms; `undefined` for an attempt that was not made.
   * @param details Of a failure.
   * @returns `'neutral'` where it has taken care of a failure, which then means nothing to the guards behind.
   */
  settle(outcome: Outcome, now?: number, details?: FailureDetails): unknown;
}

/** The attempt is not made. Where it was a retry, the call ends with the error of the attempt before. */
export interface Refusal {
  readonly admitted: false;
  readonly stopped: Stopped;
  readonly error: unknown;
}

/**
 * The attempt has to wait, and holds nothing meanwhile: the passes that it has are settled as `neutral`, and the other guards
 * are asked anew when the wait is over. What it has waited for before it keeps for a moment: `giveBack` says why. The call's
 * cancellation and its deadline end it.
 */
export interface Later {
  readonly admitted: 'later';
  /** Never rejects. */
  readonly answer: Promise<Admission | undefined>;
  /** Called when nobody waits any more; a pass that is given all the same is settled as `neutral`. */
  leave?(): void;
  /** Called when `close()` ends all waits, and at once for a wait that begins after it: the answer is to come now. */
  end?(): void;
}
