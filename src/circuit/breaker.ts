import type { Emitter } from '../emitter.js';
import type { Outcome } from '../events.js';
import { oneOf, unexpected } from '../validation.js';
import type { CircuitSnapshot, CircuitStats, Permit, Rejection } from './contract.js';
import { ControlledCircuit } from './control.js';
import { type Ended, type ExecuteContext, type ExecuteOptions, execute, type JudgedBy, outcomeOf } from './execute.js';
import type { Lease, LeaseAnswer } from './link.js';
import {
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  DEFAULT_LEASE_MS,
  type FailureDetails,
} from './options.js';
import { Denial, IssuedPermit, UNCOUNTED } from './permit.js';
import { restore, snapshotOf, statsOf } from './report.js';

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

  /**
   * @internal What would be lost with it: 0 nothing (closed without failures, or a cooldown that is over, and no permit out),
   * 1 failures that are being counted, 2 a cooldown or permits, 3 what was set by hand.
   */
  get worth(): 0 | 1 | 2 | 3 {
    if (this.isSetByHand) return 3;
    if (this.#inFlight > 0) return 2;
    if (!this.circuit.isClosed) return this.state === 'open' ? 2 : 0;
    return this.circuit.detector.failures(this.now) === 0 ? 0 : 1;
  }

  /**
   * Asks for the right to make one attempt. A permit must be settled; a rejection need not be looked after.
   *
   * A circuit with a store gives no probes here, since a probe of the whole fleet has to be waited for: see `acquire`.
   *
   * @param now The time on the circuit's clock, ms.
   * @param leaseMs How long a probe holds its permit, unless the options say; 30_000 for what is not finite.
   * @param caller Any object that stands for the call which the attempt is of: it gets one probe in each half-open period,
   *   so that the retries of one call do not use up all of them.
   */
  tryAcquire(
    now: number = this.#timeUnless(this.circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
    caller?: object,
  ): Permit | Rejection {
    const isLeased = this.#isLeasedAt(now, caller);
    this.circuit.link?.touch();
    return isLeased ? this.#reject(now, 0) : this.#admit(now, leaseMs, caller);
  }

  /**
   * As `tryAcquire`, and where the circuit has a store and is half-open, it asks that for a probe of the whole fleet:
   * the only case in which a promise is returned. It is never rejected, and pending no longer than `commandTimeoutMs`.
   *
   * @param mayProbe `false` for an attempt that has less time left than successes take: it would not tell whether the
   *   service is back, so it gets no probe.
   */
  acquire(
    now: number = this.#timeUnless(this.circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
    caller?: object,
    mayProbe = true,
  ): Permit | Rejection | Promise<Permit | Rejection> {
    const isLeased = this.#isLeasedAt(now, caller);
    this.circuit.link?.touch();
    if (!mayProbe && !this.isIsolated && this.circuit.at(now).name === 'half-open') return this.#reject(now, 0);
    if (!isLeased) return this.#admit(now, leaseMs, caller);
    const answer = this.circuit.link?.lease(this.circuit.heldMs(leaseMs));
    return answer instanceof Promise
      ? answer.then((later) => this.#admitLeased(later, this.now, leaseMs, caller))
      : this.#admitLeased(answer, now, leaseMs, caller);
  }

  /**
   * Runs `fn` if the circuit lets it. What it throws counts as a failure, except an abort (the signal's, `name`
   * `AbortError`, or an axios cancellation) and the rejection of another circuit, which count nothing. A signal whose time
   * ran out (`AbortSignal.timeout`) is a failure if it left 100 ms or as long as the slowest success of the last minute.
   *
   * @param fn Is given a signal: the caller's, and for a probe one that also aborts at `halfOpen.probeTimeoutMs`.
   * @throws {CircuitOpenError} when there is no permit; `fn` was not called.
   */
  execute<T>(fn: (context: ExecuteContext) => T | PromiseLike<T>, options?: ExecuteOptions<T>): Promise<T> {
    return execute(this, this.circuit.policy.clock, fn, options);
  }

  /** @internal What the end of a function means for this circuit. */
  judge<T>(ended: Ended<T>, judgedBy: JudgedBy<T> = {}): Outcome {
    return outcomeOf(ended, judgedBy, (error) =>
      this.emit({ type: 'listenerError', key: this.key, source: 'classify', error }),
    );
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
    if (restore(this.circuit, snapshot, this.now)) return;
    const error = unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError);
    this.emit({ type: 'listenerError', key: this.key, source: 'restore', error });
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

  /** Whether a lease of the store is needed: for a probe, unless the call has had its own or already holds one. */
  #isLeasedAt(now: number, caller: object | undefined): boolean {
    const state = this.circuit.at(now);
    if (state.name !== 'half-open' || this.circuit.link === undefined || this.isIsolated) return false;
    return !state.probes.hasSpare && !state.probes.hasSeated(caller);
  }

  #admit(now: number, leaseMs: number, caller: object | undefined, lease?: Lease): Permit | Rejection {
    if (this.isIsolated) return this.#reject(now, Number.POSITIVE_INFINITY);
    const answer = this.circuit.admit(now, leaseMs, caller, lease);
    if (typeof answer === 'number') return this.#reject(now, answer);
    this.#inFlight++;
    return answer;
  }

  /** While the store was asked, the circuit may have moved on. */
  #admitLeased(answer: LeaseAnswer, now: number, leaseMs: number, caller: object | undefined): Permit | Rejection {
    if (answer && this.#isLeasedAt(now, caller)) {
      return answer.granted ? this.#admit(now, leaseMs, caller, answer) : this.#reject(now, answer.retryAfterMs);
    }
    if (answer?.granted) this.circuit.link?.settle(answer, 'neutral', undefined);
    return this.#admit(now, leaseMs, caller);
  }

  #reject(now: number, retryAfterMs: number): Permit | Rejection {
    const observed = this.mode === 'observe';
    if (!observed) this.#rejected++;
    this.emit({ type: 'rejected', key: this.key, retryAfterMs, observed });
    if (!observed) return new Denial(retryAfterMs, this.cause);
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
