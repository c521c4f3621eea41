/** A source of monotonic time. Wall clocks are not fit: they can be set back. */
export interface Clock {
  /** Milliseconds since any fixed moment; never decreases. */
  now(): number;
}

/** `performance.now()`, looked up at each call, so that fake timers installed later are seen. */
export const monotonicClock: Clock = { now: () => performance.now() };

/** The longest delay that a timer takes, in ms (2^31 - 1); beyond it timers fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;
