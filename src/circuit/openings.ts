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
}
