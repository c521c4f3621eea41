import { Emitter } from '../emitter.js';
import { CircuitOpenError, isAbort, isCircuitOpenError } from '../errors.js';
import type { CircuitState, EventOf, EventType, Outcome, TransitionReason } from '../events.js';
import { milliseconds, unexpected } from '../validation.js';
import type { CircuitSnapshot, CircuitStats, Forced, Isolation, Permit, Rejection } from './contract.js';
import { cooldownOf, openingsAfter } from './cooldown.js';
import { GuardedDetector } from './guarded-detector.js';
import type { CircuitLink, Lease, LeaseAnswer, Opening, SharedView } from './link.js';
import {
  aMode,
  type BreakerMode,
  CIRCUIT_DEFAULTS,
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  type FailureDetails,
  probeRules,
} from './options.js';

/**
 * | state     | leaves it                                                    | to        |
 * |-----------|--------------------------------------------------------------|-----------|
 * | closed    | the detector trips                                           | open      |
 * | open      | the cooldown has elapsed, seen at the next read              | half-open |
 * | half-open | a probe fails within its lease, or too many do               | open      |
 * | half-open | enough probes succeed                                        | closed    |
 */
type State =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly until: number }
  | { readonly name: 'half-open'; readonly probes: Set<IssuedPermit>; successes: number; failures: number };

const CLOSED: State = { name: 'closed' };

const DEFAULT_LEASE_MS = 30_000;

interface Shared {
  readonly policy: CircuitPolicy;
  readonly events: Emitter;
}

/** The generation of permits that are given in `observe` where `enforce` would reject: no outcome of theirs counts. */
const UNCOUNTED = -1;

let settle: (
  breaker: CircuitBreaker,
  permit: IssuedPermit,
  outcome: Outcome,
  now?: number,
  details?: FailureDetails,
) => void;

class IssuedPermit implements Permit {
  readonly admitted = true;
  readonly generation: number;
  readonly acquiredAt: number;
  readonly leaseUntil: number;
  readonly timeoutMs: number | undefined;
  readonly lease: Lease | undefined;
  #breaker: CircuitBreaker | undefined;

  constructor(
    breaker: CircuitBreaker,
    generation: number,
    acquiredAt: number,
    leaseUntil: number,
    timeoutMs?: number,
    lease?: Lease,
  ) {
    this.#breaker = breaker;
    this.generation = generation;
    this.acquiredAt = acquiredAt;
    this.leaseUntil = leaseUntil;
    this.timeoutMs = timeoutMs;
    this.lease = lease;
  }

  settle(outcome: Outcome, now?: number, details?: FailureDetails): void {
    const breaker = this.#breaker;
    if (breaker === undefined) return;
    this.#breaker = undefined;
    settle(breaker, this, outcome, now, details);
  }
}

/**
 * A finite-state machine that watches one key. It has no timers: an open circuit becomes half-open when it is next looked
 * at after its cooldown. What is done by hand lies above the state that it finds by itself.
 */
export class CircuitBreaker {
  static {
    settle = (breaker, permit, outcome, now, details) =>
      breaker.#settle(permit, outcome, now ?? breaker.#timeFor(outcome !== 'failure'), details);
  }

  /** What the circuit is of, e.g. `GET https://api.example.com`. */
  readonly key: string;
  readonly #policy: CircuitPolicy;
  readonly #events: Emitter;
  readonly #detector: GuardedDetector;
  readonly #link: CircuitLink | undefined;
  #state: State = CLOSED;
  #mode: BreakerMode;
  #generation = 0;
  #changedAt: number;
  #shownSince: number;
  #openings = 0;
  #lastCooldownMs = 0;
  #isolations = 0;
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
    this.key = key;
    this.#policy = shared?.policy ?? circuitPolicy(options);
    this.#events = shared?.events ?? new Emitter();
    this.#detector = new GuardedDetector(this.#policy.detector, key, this.#events);
    this.#mode = this.#policy.mode;
    this.#changedAt = this.#policy.clock.now();
    this.#shownSince = this.#changedAt;
    this.#link = this.#policy.store?.link({
      key,
      events: this.#events,
      threshold: this.#detector.threshold,
      probes: probeRules(this.#policy),
      leaseMs: this.#policy.halfOpen.leaseMs ?? DEFAULT_LEASE_MS,
      adopt: (view) => this.#adopt(view),
    });
  }

  /** The state at present; `open` while isolated. */
  get state(): CircuitState {
    return this.#shown(this.#at(this.#policy.clock.now()));
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
    return this.#state === CLOSED && this.#inFlight === 0 && this.#isolations === 0;
  }

  /** Whether rejections are enforced. Can be set at any time; the state goes on as it is. */
  get mode(): BreakerMode {
    return this.#mode;
  }

  set mode(mode: BreakerMode) {
    aMode(mode, 'mode');
    this.#mode = mode;
  }

  /** Adds a listener for this circuit's events; the returned function takes it out. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    return this.#events.on(type, (event) => (event.key === this.key ? listener(event) : undefined));
  }

  /**
   * Asks for the right to make one attempt. A permit must be settled; a rejection need not be looked after.
   *
   * A circuit with a store gives no probes here, since a probe of the whole fleet has to be waited for: see `acquire`.
   *
   * @param now The time on the circuit's clock, ms.
   * @param leaseMs How long a probe holds its permit, unless the options say.
   */
  tryAcquire(now: number = this.#timeFor(true), leaseMs: number = DEFAULT_LEASE_MS): Permit | Rejection {
    const state = this.#at(now);
    this.#link?.touch();
    return this.#isLeased(state) ? this.#reject(now, 0) : this.#admit(state, now, leaseMs);
  }

  /**
   * As `tryAcquire`, and where the circuit has a store and is half-open, it asks that for a probe of the whole fleet:
   * the only case in which a promise is returned. It is never rejected, and pending no longer than `commandTimeoutMs`.
   */
  acquire(
    now: number = this.#timeFor(true),
    leaseMs: number = DEFAULT_LEASE_MS,
  ): Permit | Rejection | Promise<Permit | Rejection> {
    const state = this.#at(now);
    this.#link?.touch();
    if (!this.#isLeased(state)) return this.#admit(state, now, leaseMs);
    const heldMs = this.#policy.halfOpen.leaseMs ?? leaseMs;
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
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    const answer = this.acquire();
    const permit = answer instanceof Promise ? await answer : answer;
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
  trip({ forMs }: { forMs?: number | undefined } = {}): Forced {
    if (forMs !== undefined) milliseconds()(forMs, 'forMs');
    const now = this.#policy.clock.now();
    const { cooldownMs, openings } = this.#nextOpening(now);
    return this.#force('open', now, { cooldownMs: forMs ?? cooldownMs, openings });
  }

  /** Closes the circuit by hand and forgets all failures. It does not lift an isolation. */
  reset(): Forced {
    return this.#force('closed', this.#policy.clock.now(), { cooldownMs: 0, openings: 0 });
  }

  /**
   * Keeps the circuit open, without probes, until the handle is released; then it is as it would have been. Several
   * isolations add up: the last one released lifts them. It is of this process alone, also with a store.
   */
  isolate(): Isolation {
    this.#hold(1);
    let held = true;
    return {
      release: () => {
        if (held) this.#hold(-1);
        held = false;
      },
    };
  }

  /** The circuit as it is now. */
  stats(): CircuitStats {
    const now = this.#policy.clock.now();
    const state = this.#at(now);
    return {
      state: this.#shown(state),
      stateAgeMs: now - this.#shownSince,
      remainingCooldownMs: state.name === 'open' ? state.until - now : 0,
      failures: this.#detector.failures(now),
      rate: this.#detector.rate,
      openings: this.#openingsAt(now),
      inFlight: this.#inFlight,
      isolated: this.#isolations > 0,
      ...(this.#link && { shared: { generation: this.#link.generation, live: this.#link.live } }),
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
    const { name } = this.#at(now);
    return {
      version: 1,
      key: this.key,
      state: name === 'closed' ? name : 'open',
      remainingCooldownMs: this.stats().remainingCooldownMs,
      openings: this.#openingsAt(now),
      lastCooldownMs: this.#lastCooldownMs,
      detector: this.#detector.save(now),
    };
  }

  /** Takes over a snapshot. One of an unknown version is ignored, with a `listenerError` of source `restore`. */
  restore(snapshot: CircuitSnapshot): void {
    const now = this.#policy.clock.now();
    if (!isSnapshot(snapshot)) {
      this.#complain('restore', unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError));
      return;
    }
    const { state, remainingCooldownMs, lastCooldownMs, openings, detector } = snapshot;
    this.#openings = openings;
    this.#lastCooldownMs = lastCooldownMs;
    const next: State = state === 'open' ? { name: 'open', until: now + remainingCooldownMs } : CLOSED;
    this.#transition(next, 'restored', now, remainingCooldownMs);
    this.#detector.load(detector, now);
  }

  /** @internal Lets go of the store; the circuit goes on by itself. */
  leaveFleet(): void {
    this.#link?.close();
  }

  /** The time, unless nobody looks at it: the clock is the dearest part of a healthy call. */
  #timeFor(isHealthy: boolean): number {
    return isHealthy && this.#detector.isTimeless && this.#state === CLOSED ? 0 : this.#policy.clock.now();
  }

  #shown({ name }: State): CircuitState {
    return this.#isolations > 0 ? 'open' : name;
  }

  #at(now: number): State {
    if (this.#state.name === 'open' && now >= this.#state.until) {
      const next: State = { name: 'half-open', probes: new Set(), successes: 0, failures: 0 };
      this.#transition(next, 'cooldown-elapsed', now);
    }
    return this.#state;
  }

  /** Whether a probe needs a lease of the store. */
  #isLeased({ name }: State): boolean {
    return this.#link !== undefined && name === 'half-open' && this.#isolations === 0;
  }

  #admit(state: State, now: number, leaseMs: number): Permit | Rejection {
    if (this.#isolations > 0) return this.#reject(now, Number.POSITIVE_INFINITY);
    switch (state.name) {
      case 'closed':
        return this.#issue(now, Number.POSITIVE_INFINITY);
      case 'open':
        return this.#reject(now, state.until - now);
      case 'half-open':
        return this.#probe(state.probes, now, this.#policy.halfOpen.leaseMs ?? leaseMs);
    }
  }

  /** While the store was asked, the circuit may have moved on. */
  #admitLeased(answer: LeaseAnswer, now: number, leaseMs: number): Permit | Rejection {
    const state = this.#at(now);
    if (answer && this.#isLeased(state) && state.name === 'half-open') {
      return answer.granted ? this.#seat(state.probes, now, leaseMs, answer) : this.#reject(now, answer.retryAfterMs);
    }
    if (answer?.granted) this.#link?.settle(answer, 'neutral', undefined);
    return this.#admit(state, now, leaseMs);
  }

  #issue(acquiredAt: number, leaseUntil: number, timeoutMs?: number, lease?: Lease): IssuedPermit {
    this.#inFlight++;
    return new IssuedPermit(this, this.#generation, acquiredAt, leaseUntil, timeoutMs, lease);
  }

  #probe(probes: Set<IssuedPermit>, now: number, leaseMs: number): Permit | Rejection {
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const probe of probes) {
      if (probe.leaseUntil <= now) probes.delete(probe);
      else firstEnd = Math.min(firstEnd, probe.leaseUntil);
    }
    return probes.size < this.#policy.halfOpen.permits
      ? this.#seat(probes, now, leaseMs)
      : this.#reject(now, firstEnd - now);
  }

  #seat(probes: Set<IssuedPermit>, now: number, leaseMs: number, lease?: Lease): Permit {
    const permit = this.#issue(now, now + leaseMs, this.#policy.halfOpen.probeTimeoutMs, lease);
    probes.add(permit);
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

  #settle(permit: IssuedPermit, outcome: Outcome, now: number, details: FailureDetails = {}): void {
    this.#inFlight--;
    this.#count(outcome);
    const state = this.#state;
    if (state.name === 'half-open') state.probes.delete(permit);
    const isLate = permit.generation !== this.#generation || (outcome === 'failure' && permit.leaseUntil <= now);
    if (permit.generation === UNCOUNTED) return;
    if (outcome === 'neutral') {
      if (permit.lease) this.#link?.settle(permit.lease, outcome, undefined);
    } else if (isLate) {
      this.#late++;
      this.#events.emit({ type: 'late', key: this.key, outcome });
    } else if (state.name === 'closed') {
      this.#settleClosed(outcome, now, now - permit.acquiredAt, details);
    } else if (state.name === 'half-open') {
      this.#settleProbe(state, permit.lease, outcome, now, details);
    }
  }

  #settleClosed(outcome: 'success' | 'failure', now: number, durationMs: number, details: FailureDetails): void {
    const hasTripped = this.#detector.record(outcome, now, durationMs);
    const toldToWait = outcome === 'failure' && this.#policy.openOnRetryAfter && details.retryAfterMs !== undefined;
    const link = details.isLocal ? undefined : this.#link;
    if (!hasTripped && !toldToWait) {
      link?.record(outcome, outcome === 'failure' ? this.#nextOpening(now, details) : undefined);
      return;
    }
    const opening = this.#nextOpening(now, details);
    this.#open(hasTripped ? this.#detector.reason : 'retry-after', now, opening);
    link?.record('failure', opening, hasTripped ? 'detector' : 'retry-after');
  }

  #settleProbe(
    state: Extract<State, { name: 'half-open' }>,
    lease: Lease | undefined,
    outcome: 'success' | 'failure',
    now: number,
    details: FailureDetails,
  ): void {
    if (outcome === 'success') state.successes++;
    else state.failures++;
    const { needed, allowed } = probeRules(this.#policy);
    const mayOpen = outcome === 'failure' && (state.failures > allowed || this.#link !== undefined);
    const opening = mayOpen ? this.#nextOpening(now, details) : undefined;
    if (opening && state.failures > allowed) this.#open('probe-failed', now, opening);
    else if (state.successes >= needed) this.#transition(CLOSED, 'probe-succeeded', now);
    this.#link?.settle(lease, outcome, opening);
  }

  #count(outcome: Outcome): void {
    if (outcome === 'success') this.#success++;
    else if (outcome === 'failure') this.#failure++;
    else this.#neutral++;
  }

  #open(reason: TransitionReason, now: number, { cooldownMs, openings }: Opening): void {
    this.#openings = openings;
    this.#lastCooldownMs = cooldownMs;
    this.#transition({ name: 'open', until: now + cooldownMs }, reason, now, cooldownMs);
  }

  #force(state: 'open' | 'closed', now: number, opening: Opening): Forced {
    if (state === 'open') {
      this.#open('manual', now, opening);
    } else {
      this.#openings = 0;
      this.#transition(CLOSED, 'manual', now);
    }
    const taken = this.#link?.force(state, opening) ?? Promise.resolve(false);
    return { applied: taken.then((isTaken) => (isTaken ? 'fleet' : 'local')) };
  }

  /** Takes over what another process brought about; what this one has brought about itself comes back to it without effect. */
  #adopt({ state, remainingMs, cooldownMs, openings, byHand }: SharedView): void {
    const now = this.#policy.clock.now();
    const { name } = this.#at(now);
    this.#openings = openings;
    this.#lastCooldownMs = cooldownMs;
    if (state === name && state !== 'open') return;
    const next: State = state === 'closed' ? CLOSED : { name: 'open', until: now + remainingMs };
    this.#transition(next, byHand ? 'manual' : 'shared', now, remainingMs);
  }

  #openingsAt(now: number): number {
    return this.#state.name === 'closed'
      ? openingsAfter(now - this.#changedAt, this.#openings, this.#lastCooldownMs)
      : this.#openings;
  }

  /** What an opening at this moment would be like. */
  #nextOpening(now: number, { retryAfterMs = 0, failure }: FailureDetails = {}): Opening {
    const openings = this.#openingsAt(now) + (this.#state.name === 'open' ? 0 : 1);
    try {
      const cooldownMs = cooldownOf(this.#policy, { key: this.key, openings, retryAfterMs, failure });
      return { cooldownMs, openings };
    } catch (error) {
      this.#complain('breaker.cooldownMs', error);
      return { cooldownMs: CIRCUIT_DEFAULTS.cooldownMs, openings };
    }
  }

  #hold(change: 1 | -1): void {
    const now = this.#policy.clock.now();
    const from = this.#shown(this.#at(now));
    this.#isolations += change;
    const to = this.#shown(this.#state);
    if (from === to) return;
    this.#shownSince = now;
    this.#announce(from, to, 'manual', this.#detector.failures(now), 0);
  }

  /** The one place where the state changes; listeners run when it is final. */
  #transition(next: State, reason: TransitionReason, now: number, cooldownMs = 0): void {
    const from = this.#shown(this.#state);
    const failures = this.#detector.failures(now);
    this.#state = next;
    this.#generation++;
    this.#changedAt = now;
    this.#detector.reset();
    const to = this.#shown(next);
    if (this.#isolations === 0) this.#shownSince = now;
    if (from !== to) this.#announce(from, to, reason, failures, cooldownMs);
  }

  #announce(
    from: CircuitState,
    to: CircuitState,
    reason: TransitionReason,
    failures: number,
    cooldownMs: number,
  ): void {
    this.#events.emit({ type: 'stateChange', key: this.key, from, to, reason, failures, cooldownMs });
  }

  #complain(source: string, error: unknown): void {
    this.#events.emit({ type: 'listenerError', key: this.key, source, error });
  }
}

const isSnapshot = (snapshot: Partial<CircuitSnapshot> | null | undefined): boolean =>
  snapshot?.version === 1 &&
  (snapshot.state === 'open' || snapshot.state === 'closed') &&
  [snapshot.remainingCooldownMs, snapshot.lastCooldownMs, snapshot.openings].every(
    (value) => Number.isFinite(value) && Number(value) >= 0,
  );
