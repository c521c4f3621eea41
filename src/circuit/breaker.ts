import { Emitter } from '../emitter.js';
import { CircuitOpenError, isAbort, isCircuitOpenError } from '../errors.js';
import type { CircuitState, EventOf, EventType, Outcome } from '../events.js';
import {
  aFunction,
  aString,
  milliseconds,
  oneOf,
  options as optionsOf,
  unexpected,
  withMethods,
} from '../validation.js';
import { Circuit, type Probes, type State } from './circuit.js';
import type { CircuitSnapshot, CircuitStats, Forced, Isolation, Permit, Rejection } from './contract.js';
import type { CircuitLink, Lease, LeaseAnswer, Opening } from './link.js';
import {
  aMode,
  type BreakerMode,
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  type FailureDetails,
  probeRules,
} from './options.js';
import { IssuedPermit, UNCOUNTED } from './permit.js';

const DEFAULT_LEASE_MS = 30_000;

const anOutcome = oneOf('success', 'failure', 'neutral');
const checkTrip = optionsOf({ forMs: milliseconds() });
const checkExecute = optionsOf({ signal: withMethods('an AbortSignal', 'throwIfAborted') });

interface Shared {
  readonly policy: CircuitPolicy;
  readonly events: Emitter;
}

/**
 * A finite-state machine that watches one key. It has no timers: an open circuit becomes half-open when it is next looked
 * at after its cooldown. What is done by hand lies above the state that it finds by itself.
 */
export class CircuitBreaker {
  /** What the circuit is of, e.g. `GET https://api.example.com`. */
  readonly key: string;
  readonly #policy: CircuitPolicy;
  readonly #events: Emitter;
  readonly #circuit: Circuit;
  readonly #link: CircuitLink | undefined;
  #mode: BreakerMode;
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
    aString(key, 'key');
    this.key = key;
    this.#policy = shared?.policy ?? circuitPolicy(options);
    this.#events = shared?.events ?? new Emitter();
    const circuit = new Circuit(key, this.#policy, this.#events);
    this.#circuit = circuit;
    this.#mode = this.#policy.mode;
    this.#link = this.#policy.store?.link({
      key,
      events: this.#events,
      threshold: circuit.detector.threshold,
      probes: probeRules(this.#policy),
      leaseMs: this.#policy.halfOpen.leaseMs ?? DEFAULT_LEASE_MS,
      get isClosed() {
        return circuit.isClosed;
      },
      adopt: (view) => circuit.adopt(view, this.#policy.clock.now()),
    });
  }

  /** The state at present; `open` while isolated. */
  get state(): CircuitState {
    return this.#circuit.shownAt(this.#policy.clock.now());
  }

  /** Whether the circuit is open and its cooldown not over, or isolated. */
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Permits that are not settled yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether nothing would be lost with it: closed, and no permit out. */
  get isIdle(): boolean {
    return this.#circuit.isClosed && !this.#circuit.isIsolated && this.#inFlight === 0;
  }

  /** Whether rejections are enforced. Can be set at any time; the state goes on as it is. */
  get mode(): BreakerMode {
    return this.#mode;
  }

  set mode(mode: BreakerMode) {
    aMode(mode, 'mode');
    this.#mode = mode;
  }

  /** Adds a listener for this circuit's events, and those of its store; the returned function takes it out. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    return this.#events.on(type, (event) => ([this.key, ''].includes(event.key) ? listener(event) : undefined));
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
    now: number = this.#timeUnless(this.#circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
  ): Permit | Rejection {
    const state = this.#circuit.at(now);
    this.#link?.touch();
    return this.#isLeased(state) ? this.#reject(now, 0) : this.#admit(state, now, leaseMs);
  }

  /**
   * As `tryAcquire`, and where the circuit has a store and is half-open, it asks that for a probe of the whole fleet:
   * the only case in which a promise is returned. It is never rejected, and pending no longer than `commandTimeoutMs`.
   */
  acquire(
    now: number = this.#timeUnless(this.#circuit.detector.ignoresDuration),
    leaseMs: number = DEFAULT_LEASE_MS,
  ): Permit | Rejection | Promise<Permit | Rejection> {
    const state = this.#circuit.at(now);
    this.#link?.touch();
    if (!this.#isLeased(state)) return this.#admit(state, now, leaseMs);
    const heldMs = this.#heldMs(leaseMs);
    const answer = this.#link?.lease(heldMs);
    return answer instanceof Promise
      ? answer.then((later) => this.#admitLeased(later, this.#policy.clock.now(), heldMs))
      : this.#admitLeased(answer, now, heldMs);
  }

  /**
   * Runs `fn` if the circuit lets it. What it throws counts as a failure, except an abort (the signal's, `name`
   * `AbortError`, or an axios cancellation) and the rejection of another circuit, which count nothing.
   *
   * @param fn Is given the signal.
   * @param options.signal Aborted before: `fn` is not called, and its reason is thrown.
   * @throws {CircuitOpenError} when there is no permit; `fn` was not called.
   */
  async execute<T>(
    fn: (context: { readonly signal: AbortSignal | undefined }) => T | PromiseLike<T>,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<T> {
    if (typeof fn !== 'function') aFunction(fn, 'execute(fn)');
    if (options !== undefined) checkExecute(options, 'execute(options)');
    const signal = options?.signal;
    signal?.throwIfAborted();
    const answer = this.acquire();
    const permit = answer instanceof Promise ? await answer : answer;
    if (signal?.aborted && permit.admitted) permit.settle('neutral');
    signal?.throwIfAborted();
    if (!permit.admitted) throw new CircuitOpenError({ key: this.key, retryAfterMs: permit.retryAfterMs });
    try {
      const result = await fn({ signal });
      permit.settle('success');
      return result;
    } catch (error) {
      permit.settle(signal?.aborted || isAbort(error) || isCircuitOpenError(error) ? 'neutral' : 'failure');
      throw error;
    }
  }

  /** Opens the circuit by hand. It is probed after `forMs` (default: its cooldown) like one that tripped. */
  trip(options: { forMs?: number | undefined } = {}): Forced {
    checkTrip(options, '');
    const { forMs } = options;
    const now = this.#policy.clock.now();
    const opening = this.#circuit.nextOpening(now, {}, forMs);
    this.#circuit.open('manual', now, opening);
    return this.#tell('open', opening);
  }

  /** Closes the circuit by hand and forgets all failures. It does not lift an isolation. */
  reset(): Forced {
    this.#circuit.reset(this.#policy.clock.now());
    return this.#tell('closed', { cooldownMs: 0, openings: 0 });
  }

  /**
   * Keeps the circuit open, without probes, until the handle is released; then it is as it would have been. Several
   * isolations add up: the last one released lifts them. It is of this process alone, also with a store.
   */
  isolate(): Isolation {
    const { clock } = this.#policy;
    this.#circuit.hold(1, clock.now());
    let held = true;
    return {
      release: () => {
        if (held) this.#circuit.hold(-1, clock.now());
        held = false;
      },
    };
  }

  /** The circuit as it is now. */
  stats(): CircuitStats {
    const now = this.#policy.clock.now();
    const state = this.#circuit.at(now);
    return {
      state: this.#circuit.shownAt(now),
      stateAgeMs: now - this.#circuit.shownSince,
      remainingCooldownMs: state.name === 'open' ? state.until - now : 0,
      failures: this.#circuit.detector.failures(now),
      rate: this.#circuit.detector.rate,
      openings: this.#circuit.openingsAt(now),
      inFlight: this.#inFlight,
      isolated: this.#circuit.isIsolated,
      ...(this.#link && { shared: this.#link.shared }),
      counts: {
        success: this.#success,
        failure: this.#failure,
        neutral: this.#neutral,
        rejected: this.#rejected,
        late: this.#late,
      },
    };
  }

  /** The circuit as plain data. What was done by hand to keep it open is not part of it. */
  snapshot(): CircuitSnapshot {
    const now = this.#policy.clock.now();
    const { name } = this.#circuit.at(now);
    return {
      version: 1,
      key: this.key,
      state: name === 'closed' ? name : 'open',
      remainingCooldownMs: this.stats().remainingCooldownMs,
      openings: this.#circuit.openingsAt(now),
      lastCooldownMs: this.#circuit.lastCooldownMs,
      detector: this.#circuit.detector.save(now),
    };
  }

  /** Takes over a snapshot. One of an unknown version is ignored, with a `listenerError` of source `restore`. */
  restore(snapshot: CircuitSnapshot): void {
    if (isSnapshot(snapshot)) {
      this.#circuit.restore(snapshot, this.#policy.clock.now());
    } else {
      const error = unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError);
      this.#events.emit({ type: 'listenerError', key: this.key, source: 'restore', error });
    }
  }

  /** @internal Lets go of the store; the circuit goes on by itself. */
  leaveFleet(): void {
    this.#link?.close();
  }

  /** @internal Takes back a permit. */
  settled(permit: IssuedPermit, outcome: Outcome, givenNow?: number, details: FailureDetails = {}): void {
    const now = givenNow ?? this.#timeUnless(outcome !== 'failure' && this.#circuit.detector.isTimeless);
    const state = this.#circuit.current;
    this.#inFlight--;
    if (state.name === 'half-open') state.probes.leases.delete(permit);
    this.#count(outcome);
    if (permit.generation === UNCOUNTED) return;
    if (outcome === 'neutral') {
      if (permit.lease) this.#link?.settle(permit.lease, outcome, undefined);
    } else if (permit.generation !== this.#circuit.generation || (outcome === 'failure' && permit.leaseUntil <= now)) {
      this.#late++;
      this.#events.emit({ type: 'late', key: this.key, outcome });
    } else if (state.name === 'closed') {
      this.#settleClosed(outcome, now, now - permit.acquiredAt, details, givenNow);
    } else if (state.name === 'half-open') {
      this.#settleProbe(state.probes, permit.lease, outcome, now, details);
    }
  }

  /** The time, unless nobody looks at it in a closed circuit: the clock is the dearest part of a healthy call. */
  #timeUnless(isUnseen: boolean): number {
    return isUnseen && this.#circuit.isClosed ? 0 : this.#policy.clock.now();
  }

  /** Whether a probe needs a lease of the store. */
  #isLeased({ name }: State): boolean {
    return this.#link !== undefined && name === 'half-open' && !this.#circuit.isIsolated;
  }

  #admit(state: State, now: number, leaseMs: number): Permit | Rejection {
    if (this.#circuit.isIsolated) return this.#reject(now, Number.POSITIVE_INFINITY);
    switch (state.name) {
      case 'closed':
        return this.#issue(now);
      case 'open':
        return this.#reject(now, state.until - now);
      case 'half-open':
        return this.#probe(state.probes, now, this.#heldMs(leaseMs));
    }
  }

  /** While the store was asked, the circuit may have moved on. */
  #admitLeased(answer: LeaseAnswer, now: number, leaseMs: number): Permit | Rejection {
    const state = this.#circuit.at(now);
    if (answer && this.#isLeased(state) && state.name === 'half-open') {
      return answer.granted ? this.#seat(state.probes, now, leaseMs, answer) : this.#reject(now, answer.retryAfterMs);
    }
    if (answer?.granted) this.#link?.settle(answer, 'neutral', undefined);
    return this.#admit(state, now, leaseMs);
  }

  #issue(acquiredAt: number, leaseUntil?: number, timeoutMs?: number, lease?: Lease): IssuedPermit {
    this.#inFlight++;
    return new IssuedPermit(this, this.#circuit.generation, acquiredAt, leaseUntil, timeoutMs, lease);
  }

  #probe(probes: Probes, now: number, leaseMs: number): Permit | Rejection {
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const lease of probes.leases) {
      if (lease.leaseUntil <= now) probes.leases.delete(lease);
      else firstEnd = Math.min(firstEnd, lease.leaseUntil);
    }
    return probes.leases.size < this.#policy.halfOpen.permits
      ? this.#seat(probes, now, leaseMs)
      : this.#reject(now, firstEnd - now);
  }

  /** How long a probe holds its permit; a lease without an end would never free its seat. */
  #heldMs(leaseMs: number): number {
    return this.#policy.halfOpen.leaseMs ?? (Number.isFinite(leaseMs) ? leaseMs : DEFAULT_LEASE_MS);
  }

  #seat(probes: Probes, now: number, leaseMs: number, lease?: Lease): Permit {
    const permit = this.#issue(now, now + leaseMs, this.#policy.halfOpen.probeTimeoutMs, lease);
    probes.leases.add(permit);
    return permit;
  }

  #reject(now: number, retryAfterMs: number): Permit | Rejection {
    this.#rejected++;
    const observed = this.#mode === 'observe';
    this.#events.emit({ type: 'rejected', key: this.key, retryAfterMs, observed });
    if (!observed) return { admitted: false, retryAfterMs };
    this.#inFlight++;
    return new IssuedPermit(this, UNCOUNTED, now, now);
  }

  #settleClosed(
    outcome: 'success' | 'failure',
    endedAt: number,
    durationMs: number,
    details: FailureDetails,
    givenNow: number | undefined,
  ): void {
    const hasTripped = this.#circuit.detector.record(outcome, endedAt, durationMs);
    const toldToWait = outcome === 'failure' && this.#policy.openOnRetryAfter && isToldToWait(details);
    const link = details.isLocal ? undefined : this.#link;
    if (!hasTripped && !toldToWait) {
      link?.record(outcome, outcome === 'failure' ? this.#circuit.nextOpening(endedAt, details) : undefined);
      return;
    }
    const now = outcome === 'success' ? (givenNow ?? this.#policy.clock.now()) : endedAt;
    const opening = this.#circuit.nextOpening(now, details);
    this.#circuit.open(hasTripped ? this.#circuit.detector.reason : 'retry-after', now, opening);
    link?.record('failure', opening, hasTripped ? 'detector' : 'retry-after');
  }

  #settleProbe(
    probes: Probes,
    lease: Lease | undefined,
    outcome: 'success' | 'failure',
    now: number,
    details: FailureDetails,
  ): void {
    if (outcome === 'success') probes.successes++;
    else probes.failures++;
    const { needed, allowed } = probeRules(this.#policy);
    const mayOpen = outcome === 'failure' && (probes.failures > allowed || this.#link !== undefined);
    const opening = mayOpen ? this.#circuit.nextOpening(now, details) : undefined;
    if (opening && probes.failures > allowed) this.#circuit.open('probe-failed', now, opening);
    else if (probes.successes >= needed) this.#circuit.close('probe-succeeded', now);
    this.#link?.settle(lease, details.isLocal ? 'neutral' : outcome, opening);
  }

  #count(outcome: Outcome): void {
    if (outcome === 'success') this.#success++;
    else if (outcome === 'failure') this.#failure++;
    else {
      anOutcome(outcome, 'outcome');
      this.#neutral++;
    }
  }

  /** Tells the fleet what was done by hand. */
  #tell(state: 'open' | 'closed', opening: Opening): Forced {
    const taken = this.#link?.force(state, opening) ?? Promise.resolve(false);
    return { applied: taken.then((isTaken) => (isTaken ? 'fleet' : 'local')) };
  }
}

/** A 429 or 503 with a `Retry-After`, or what is not HTTP. */
const isToldToWait = ({ retryAfterMs, status = 503 }: FailureDetails): boolean =>
  retryAfterMs !== undefined && (status === 429 || status === 503);

const isSnapshot = (snapshot: Partial<CircuitSnapshot> | null | undefined): boolean =>
  snapshot?.version === 1 &&
  (snapshot.state === 'open' || snapshot.state === 'closed') &&
  [snapshot.remainingCooldownMs, snapshot.lastCooldownMs, snapshot.openings].every(
    (value) => Number.isFinite(value) && Number(value) >= 0,
  );
