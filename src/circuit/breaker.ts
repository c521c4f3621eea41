import type { Emitter } from '../emitter.js';
import type { Outcome } from '../events.js';
import { oneOf, unexpected } from '../validation.js';
import type { CircuitSnapshot, CircuitStats, Permit, Rejection } from './contract.js';
import { ControlledCircuit } from './control.js';
import { type ExecuteContext, type ExecuteOptions, execute } from './execute.js';
import type { LeaseAnswer } from './link.js';
import {
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  DEFAULT_LEASE_MS,
  type FailureDetails,
} from './options.js';
import { IssuedPermit, UNCOUNTED } from './permit.js';
import { isSnapshot, snapshotOf, statsOf } from './report.js';

const anOutcome = oneOf('success', 'failure', 'neutral');
const NO_DETAILS: FailureDetails = {};

interface Shared {
  readonly policy: CircuitPolicy;
  readonly events: Emitter;
}

/**
 * A finite-state machine that watches one key. It has no timers: an open circuit becomes half-open when it is next looked
 * at after its cooldown. What is done by hand lies above the state that it finds by itself.
 */
export class CircuitBreaker extends ControlledCircuit {
  #inFlight = 0;
  #success = 0;
  #failure = 0;
  #neutral = 0;
  #rejected = 0;
  #late = 0;

  /**
   * @param key A name for the circuit.
   * @param options Checked at once: a `TypeError` or `RangeError` names the option.
   */
  constructor(key: string, options?: CircuitBreakerOptions);
  /** @internal A registry shares one policy and one emitter among its breakers. */
  constructor(key: string, options: undefined, shared: Shared);
  constructor(key: string, options: CircuitBreakerOptions = {}, shared?: Shared) {
    super(key, shared?.policy ?? circuitPolicy(options), shared?.events);
  }

  /** Permits that are not settled yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether nothing would be lost with it: closed, and no permit out. */
  get isIdle(): boolean {
    return this.circuit.isClosed && !this.isIsolated && this.#inFlight === 0;
  }

  /**
   * Asks for the right to make one attempt. A permit must be settled; a rejection need not be looked after.
   *
   * A circuit with a store gives no probes here, since a probe of the whole fleet has to be waited for: see `acquire`.
   *
   * @param now The time on the circuit's clock, ms.
   * @param leaseMs How long a probe holds its permit, unless the options say; 30_000 for what is not finite.
   */
  tryAcquire(
    now: number = this.#timeUnless(this.circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
  ): Permit | Rejection {
    const isLeased = this.#isLeasedAt(now);
    this.circuit.link?.touch();
    return isLeased ? this.#reject(now, 0) : this.#admit(now, leaseMs);
  }

  /**
   * As `tryAcquire`, and where the circuit has a store and is half-open, it asks that for a probe of the whole fleet:
   * the only case in which a promise is returned. It is never rejected, and pending no longer than `commandTimeoutMs`.
   */
  acquire(
    now: number = this.#timeUnless(this.circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
  ): Permit | Rejection | Promise<Permit | Rejection> {
    const isLeased = this.#isLeasedAt(now);
    this.circuit.link?.touch();
    if (!isLeased) return this.#admit(now, leaseMs);
    const answer = this.circuit.link?.lease(this.circuit.heldMs(leaseMs));
    return answer instanceof Promise
      ? answer.then((later) => this.#admitLeased(later, this.now, leaseMs))
      : this.#admitLeased(answer, now, leaseMs);
  }

  /**
   * Runs `fn` if the circuit lets it. What it throws counts as a failure, except an abort (the signal's, `name`
   * `AbortError`, or an axios cancellation) and the rejection of another circuit, which count nothing.
   *
   * @param fn Is given the signal.
   * @throws {CircuitOpenError} when there is no permit; `fn` was not called.
   */
  execute<T>(fn: (context: ExecuteContext) => T | PromiseLike<T>, options?: ExecuteOptions): Promise<T> {
    return execute(this, fn, options);
  }

  /** The circuit as it is now. */
  stats(): CircuitStats {
    const now = this.now;
    const state = this.shownAt(now);
    return statsOf(this.circuit, now, {
      state,
      stateAgeMs: this.shownFor(now),
      inFlight: this.#inFlight,
      isolated: this.isIsolated,
      counts: {
        success: this.#success,
        failure: this.#failure,
        neutral: this.#neutral,
        rejected: this.#rejected,
        late: this.#late,
      },
    });
  }

  /** The circuit as plain data. What was done by hand to keep it open is not part of it. */
  snapshot(): CircuitSnapshot {
    return snapshotOf(this.key, this.circuit, this.now);
  }

  /** Takes over a snapshot. One of an unknown version is ignored, with a `listenerError` of source `restore`. */
  restore(snapshot: CircuitSnapshot): void {
    if (isSnapshot(snapshot)) {
      this.circuit.restore(snapshot, this.now);
    } else {
      const error = unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError);
      this.emit({ type: 'listenerError', key: this.key, source: 'restore', error });
    }
  }

  /** @internal Takes back a permit. */
  settled(permit: IssuedPermit, outcome: Outcome, givenNow?: number, details: FailureDetails = NO_DETAILS): void {
    const now = givenNow ?? this.#timeUnless(outcome !== 'failure' && this.circuit.detector.isTimeless);
    this.#inFlight--;
    if (!this.#count(outcome)) {
      this.circuit.settle(permit, 'neutral', now, details, givenNow);
      anOutcome(outcome, 'outcome');
    }
    if (permit.generation === UNCOUNTED || this.circuit.settle(permit, outcome, now, details, givenNow)) return;
    this.#late++;
    this.emit({ type: 'late', key: this.key, outcome });
  }

  /** The time, unless nobody looks at it in a closed circuit: the clock is the dearest part of a healthy call. */
  #timeUnless(isUnseen: boolean): number {
    return isUnseen && this.circuit.isClosed ? 0 : this.now;
  }

  /** Whether a probe needs a lease of the store. */
  #isLeasedAt(now: number): boolean {
    return this.circuit.at(now).name === 'half-open' && this.circuit.link !== undefined && !this.isIsolated;
  }

  #admit(now: number, leaseMs: number): Permit | Rejection {
    if (this.isIsolated) return this.#reject(now, Number.POSITIVE_INFINITY);
    const answer = this.circuit.admit(now, this.circuit.heldMs(leaseMs));
    if (typeof answer === 'number') return this.#reject(now, answer);
    this.#inFlight++;
    return answer;
  }

  /** While the store was asked, the circuit may have moved on. */
  #admitLeased(answer: LeaseAnswer, now: number, leaseMs: number): Permit | Rejection {
    if (!answer || !this.#isLeasedAt(now)) {
      if (answer?.granted) this.circuit.link?.settle(answer, 'neutral', undefined);
      return this.#admit(now, leaseMs);
    }
    if (!answer.granted) return this.#reject(now, answer.retryAfterMs);
    this.#inFlight++;
    return this.circuit.admit(now, this.circuit.heldMs(leaseMs), answer) as IssuedPermit;
  }

  #reject(now: number, retryAfterMs: number): Permit | Rejection {
    this.#rejected++;
    const observed = this.mode === 'observe';
    this.emit({ type: 'rejected', key: this.key, retryAfterMs, observed });
    if (!observed) return { admitted: false, retryAfterMs };
    this.#inFlight++;
    return new IssuedPermit(this, UNCOUNTED, now, now);
  }

  /** Whether it is an outcome at all. */
  #count(outcome: unknown): boolean {
    if (outcome === 'success') this.#success++;
    else if (outcome === 'failure') this.#failure++;
    else if (outcome === 'neutral') this.#neutral++;
    else return false;
    return true;
  }
}
