import { reasonOf } from '../../abort.js';
import type { Permit, Rejection } from '../contract.js';

/** What those who wait have before them. */
export type Outlook =
  /** The circuit is closed, or only observed: they go on, a few at a time. */
  | { readonly name: 'passing'; readonly startsInMs: number }
  /**
   * The circuit is open until then: at its end the first of them becomes a probe. `Infinity` where a hand keeps it open: nobody
   * knows for how long.
   */
  | { readonly name: 'cooling'; readonly until: number }
  /**
   * The circuit is half-open. `since` is the beginning of the oldest probe that this process knows of; it is worth waiting
   * for a probe for `patienceMs`.
   */
  | {
      readonly name: 'probing';
      readonly hasSeat: boolean;
      readonly since: number | undefined;
      readonly patienceMs: number;
    };

/** An attempt that would rather wait than be rejected. */
export interface Asking {
  /** Until when, on the circuit's clock, ms. */
  readonly until: number;
  /** How long a probe may hold its permit, ms. */
  readonly leaseMs: number;
  /** `false` where it has not the time to tell whether the service is back. */
  readonly mayProbe?: boolean | undefined;
  /** The call that the attempt is of. */
  readonly caller?: object | undefined;
}

/** An attempt that asks for a permit, and would rather wait than be rejected. */
export interface Seeking extends Omit<Asking, 'until'> {
  /** The time on the circuit's clock, if that has been read, ms. */
  readonly now: number | undefined;
  /** How long it may wait from now, ms; asked where it would be rejected. */
  readonly patienceMs: () => number;
  /** Asked before it waits: whether it would. */
  readonly agrees: ((retryAfterMs: number) => boolean) | undefined;
  /** Told that it waits. */
  readonly onQueue: (() => void) | undefined;
}

/** The circuit behind a gate. */
export interface GatedCircuit {
  /** How many may wait at a time. */
  readonly maxQueue: number;
  /** The time on the circuit's clock, ms. */
  readonly now: number;
  /** What the slowest success of the last minute with any took, ms. */
  readonly usualMs: number | undefined;
  outlook(now: number): Outlook;
  /** A permit if there is one to be had; a promise where a store has to be asked. It is never rejected. */
  admit(asking: Asking, now: number): Permit | undefined | Promise<Permit | undefined>;
  /** Tells of the rejection. */
  reject(now: number): Rejection;
}

/** A place in the queue. */
export interface Waiting {
  /** Never rejected, and pending for ever for one that has left. */
  readonly answer: Promise<Permit | Rejection>;
  /** Gives up the place. */
  leave(): void;
  /** Is rejected at once. */
  end(): void;
}

/** The answer, unless the signal aborts before: then its reason, and what is given all the same goes back. */
export function unlessAborted(place: Waiting, signal: AbortSignal | undefined): Promise<Permit | Rejection> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      place.leave();
      reject(signal && reasonOf(signal));
      void place.answer.then((late) => late.admitted && late.settle('neutral'));
    };
    signal?.addEventListener('abort', onAbort);
    void place.answer.then((given) => {
      signal?.removeEventListener('abort', onAbort);
      resolve(given);
    });
    if (signal?.aborted) onAbort();
  });
}

/** One that waits. */
export class Waiter implements Waiting {
  readonly asking: Asking;
  readonly answer: Promise<Permit | Rejection>;
  resolve: (answer: Permit | Rejection) => void = () => undefined;
  readonly #leave: (waiter: Waiter, isRejected: boolean) => void;

  constructor(asking: Asking, leave: (waiter: Waiter, isRejected: boolean) => void) {
    this.asking = asking;
    this.#leave = leave;
    this.answer = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  leave(): void {
    this.#leave(this, false);
  }

  end(): void {
    this.#leave(this, true);
  }
}
