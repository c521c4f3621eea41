import type { Emitter } from '../emitter.js';
import type { Outcome } from '../events.js';
import { read } from '../fields.js';
import { serverDelay } from '../retry-after.js';
import { anOutcome, own } from '../validation.js';
import { AdmittingCircuit } from './admission.js';
import type { CircuitSnapshot, CircuitStats } from './contract.js';
import {
  acquire,
  type CircuitPermit,
  type Ended,
  type ExecuteContext,
  type ExecuteOptions,
  execute,
  type JudgedBy,
  outcomeOf,
} from './execute.js';
import { type CircuitBreakerOptions, type CircuitPolicy, circuitPolicy, type FailureDetails } from './options.js';
import { type IssuedPermit, UNCOUNTED } from './permit.js';
import { restore, snapshotOf, statsOf, unknownSnapshot } from './report.js';

const NO_DETAILS: FailureDetails = {};

interface Shared {
  readonly policy: CircuitPolicy;
  readonly events: Emitter;
}

/**
 * A finite-state machine that watches one key. It has no timers: an open circuit becomes half-open when it is next looked
 * at after its cooldown. What is set by hand goes before the state that it finds by itself.
 */
export class CircuitBreaker extends AdmittingCircuit {
  #success = 0;
  #failure = 0;
  #neutral = 0;
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

  /**
   * @internal What would be lost with it: 0 nothing (closed without failures, or a cooldown that is over, and no permit out),
   * 1 failures that are being counted, 2 a cooldown or permits, 3 what was set by hand, 4 attempts that wait for it.
   */
  get worth(): 0 | 1 | 2 | 3 | 4 {
    if (this.queued > 0) return 4;
    if (this.isSetByHand) return 3;
    if (this.inFlight > 0) return 2;
    if (!this.circuit.isClosed) return this.state === 'open' ? 2 : 0;
    return this.circuit.detector.failures(this.now) === 0 ? 0 : 1;
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

  /**
   * The first of two steps, for an attempt that is more than one function, e.g. a stream: the right to make it, which is settled
   * when it has ended.
   *
   * @throws {CircuitOpenError} when there is none, or none in time; the signal's reason when that ends the wait.
   */
  acquire(options?: Pick<ExecuteOptions, 'signal' | 'maxWaitMs'>): Promise<CircuitPermit> {
    return acquire(this, options);
  }

  /** @internal What the end of a function means for this circuit. */
  judge<T>(ended: Ended<T>, judgedBy: JudgedBy<T> = {}): Outcome {
    return outcomeOf(ended, own(judgedBy), (error) => this.complain('classify', error));
  }

  /** @internal A success of a call whose time is limited took so long, ms. */
  took(durationMs: number): void {
    this.times.record(durationMs, this.now);
  }

  /** @internal What the slowest success of the last minute took, ms. */
  get slowestMs(): number | undefined {
    return this.times.slowestMs(this.now);
  }

  /** The circuit as it is now. */
  stats(): CircuitStats {
    const now = this.now;
    const state = this.shownAt(now);
    return statsOf(this.circuit, now, {
      state,
      stateAgeMs: this.shownFor(now),
      inFlight: this.inFlight,
      queued: this.queued,
      isolated: this.isIsolated,
      counts: {
        success: this.#success,
        failure: this.#failure,
        neutral: this.#neutral,
        rejected: this.rejected,
        late: this.#late,
      },
    });
  }

  /** The circuit as plain data. What was done by hand to keep it open is not part of it. */
  snapshot(): CircuitSnapshot {
    return snapshotOf(this.key, this.circuit, this.now);
  }

  /** Takes over a snapshot. One of an unknown version is ignored, with a `callbackError` of source `restore`. */
  restore(snapshot: CircuitSnapshot): void {
    if (restore(this.circuit, snapshot, this.now)) return;
    this.complain('restore', unknownSnapshot(snapshot));
  }

  /** @internal Takes back a permit. */
  settled(permit: IssuedPermit, outcome: Outcome, givenNow?: number, details: FailureDetails = NO_DETAILS): void {
    this.returning();
    if (outcome === 'success' && givenNow !== undefined && permit.acquiredAt > 0) {
      this.times.record(givenNow - permit.acquiredAt, givenNow);
    }
    const isNothingNew = outcome === 'success' && this.circuit.isServing(permit);
    if (isNothingNew) this.#success++;
    else this.#takeIn(permit, outcome, givenNow, details);
    this.returned();
    if (!isNothingNew) anOutcome(outcome, 'outcome');
  }

  #takeIn(permit: IssuedPermit, outcome: Outcome, givenNow: number | undefined, details: FailureDetails): void {
    const said = this.#count(outcome) ? outcome : 'neutral';
    if (permit.generation === UNCOUNTED) return;
    const now = givenNow ?? this.timeUnless(outcome !== 'failure' && this.circuit.detector.isTimeless);
    const told = said === 'failure' ? withAnswer(details) : details;
    if (this.circuit.settle(permit, said, now, told, givenNow)) return;
    this.#late++;
    this.emit({ type: 'late', key: this.key, outcome });
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

/** With what the response says, that of an error too, as those of axios and ky have. */
function withAnswer(details: FailureDetails): FailureDetails {
  const response = (details.response ?? read(details.error, 'response')) as FailureDetails['response'];
  const status = read(response, 'status') as FailureDetails['status'];
  return { response, status, retryAfterMs: serverDelay({ response }), ...details };
}
