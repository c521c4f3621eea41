import { Emitter } from '../emitter.js';
import { CircuitOpenError, isAbort, isCircuitOpenError } from '../errors.js';
import type { CircuitState, EventOf, EventType, Outcome, TransitionReason } from '../events.js';
import { milliseconds, unexpected } from '../validation.js';
import type { CircuitSnapshot, CircuitStats, Isolation, Permit, Rejection } from './contract.js';
import { aDetector, checkVerdict, type FailureDetector } from './detectors.js';
import {
  aMode,
  type BreakerMode,
  CIRCUIT_DEFAULTS,
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  type FailureDetails,
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

/** 0.29 × 100 is a little less than 29. */
const ROUNDING = 1e-9;

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
  #breaker: CircuitBreaker | undefined;

  constructor(breaker: CircuitBreaker, generation: number, acquiredAt: number, leaseUntil: number, timeoutMs?: number) {
    this.#breaker = breaker;
    this.generation = generation;
    this.acquiredAt = acquiredAt;
    this.leaseUntil = leaseUntil;
    this.timeoutMs = timeoutMs;
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
  readonly #detector: FailureDetector;
  readonly #isTimeless: boolean;
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
    this.#detector = this.#makeDetector();
    this.#isTimeless = this.#guarded(() => this.#detector.isTimeless, false) === true;
    this.#mode = this.#policy.mode;
    this.#changedAt = this.#policy.clock.now();
    this.#shownSince = this.#changedAt;
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
   * @param now The time on the circuit's clock, ms.
   * @param leaseMs How long a probe holds its permit, unless the options say.
   */
  tryAcquire(now: number = this.#timeFor(true), leaseMs = 30_000): Permit | Rejection {
    const state = this.#at(now);
    if (this.#isolations > 0) return this.#reject(now, Number.POSITIVE_INFINITY);
    switch (state.name) {
      case 'closed':
        return this.#issue(this.#generation, now, Number.POSITIVE_INFINITY);
      case 'open':
        return this.#reject(now, state.until - now);
      case 'half-open':
        return this.#probe(state.probes, now, this.#policy.halfOpen.leaseMs ?? leaseMs);
    }
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
    const permit = this.tryAcquire();
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
  trip({ forMs }: { forMs?: number | undefined } = {}): void {
    if (forMs !== undefined) milliseconds()(forMs, 'forMs');
    this.#open('manual', this.#policy.clock.now(), { forMs });
  }

  /** Closes the circuit by hand and forgets all failures. It does not lift an isolation. */
  reset(): void {
    this.#openings = 0;
    this.#transition(CLOSED, 'manual', this.#policy.clock.now());
  }

  /**
   * Keeps the circuit open, without probes, until the handle is released; then it is as it would have been. Several
   * isolations add up: the last one released lifts them.
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
      failures: this.#failures(now),
      rate: this.#guarded(() => this.#detector.rate, undefined),
      openings: this.#openingsAt(now),
      inFlight: this.#inFlight,
      isolated: this.#isolations > 0,
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
      detector: this.#guarded(() => this.#detector.save?.(now), undefined),
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
    if (detector !== undefined) this.#guarded(() => this.#detector.load?.(detector as never, now), undefined);
  }

  /** The time, unless nobody looks at it: the clock is the dearest part of a healthy call. */
  #timeFor(isHealthy: boolean): number {
    return isHealthy && this.#isTimeless && this.#state === CLOSED ? 0 : this.#policy.clock.now();
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

  #issue(generation: number, now: number, leaseUntil: number, timeoutMs?: number): IssuedPermit {
    this.#inFlight++;
    return new IssuedPermit(this, generation, now, leaseUntil, timeoutMs);
  }

  #probe(probes: Set<IssuedPermit>, now: number, leaseMs: number): Permit | Rejection {
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const probe of probes) {
      if (probe.leaseUntil <= now) probes.delete(probe);
      else firstEnd = Math.min(firstEnd, probe.leaseUntil);
    }
    const { permits, probeTimeoutMs } = this.#policy.halfOpen;
    if (probes.size >= permits) return this.#reject(now, firstEnd - now);
    const permit = this.#issue(this.#generation, now, now + leaseMs, probeTimeoutMs);
    probes.add(permit);
    return permit;
  }

  #reject(now: number, retryAfterMs: number): Permit | Rejection {
    this.#rejected++;
    const observed = this.#mode === 'observe';
    this.#events.emit({ type: 'rejected', key: this.key, retryAfterMs, observed });
    return observed ? this.#issue(UNCOUNTED, now, now) : { admitted: false, retryAfterMs };
  }

  #settle(permit: IssuedPermit, outcome: Outcome, now: number, details: FailureDetails = {}): void {
    this.#inFlight--;
    this.#count(outcome);
    const state = this.#state;
    if (state.name === 'half-open') state.probes.delete(permit);
    if (outcome === 'neutral' || permit.generation === UNCOUNTED) return;
    if (permit.generation !== this.#generation || (outcome === 'failure' && permit.leaseUntil <= now)) {
      this.#late++;
      this.#events.emit({ type: 'late', key: this.key, outcome });
    } else if (state.name === 'closed') {
      const hasTripped = this.#trips(outcome, now, now - permit.acquiredAt);
      const toldToWait = outcome === 'failure' && this.#policy.openOnRetryAfter && details.retryAfterMs !== undefined;
      if (hasTripped) this.#open(this.#guarded(() => this.#detector.reason, undefined) ?? 'threshold', now, details);
      else if (toldToWait) this.#open('retry-after', now, details);
    } else if (state.name === 'half-open') {
      if (outcome === 'success') state.successes++;
      else state.failures++;
      const { permits, successThreshold, failureRatio } = this.#policy.halfOpen;
      const allowed = failureRatio === undefined ? 0 : Math.floor(failureRatio * permits + ROUNDING);
      const needed = failureRatio === undefined ? successThreshold : Math.max(1, permits - allowed);
      if (state.failures > allowed || state.failures === permits) this.#open('probe-failed', now, details);
      else if (state.successes >= needed) this.#transition(CLOSED, 'probe-succeeded', now);
    }
  }

  #count(outcome: Outcome): void {
    if (outcome === 'success') this.#success++;
    else if (outcome === 'failure') this.#failure++;
    else this.#neutral++;
  }

  #trips(outcome: 'success' | 'failure', now: number, durationMs: number): boolean {
    return this.#guarded(() => {
      const answer: unknown = this.#detector.record(outcome, now, durationMs);
      checkVerdict(answer);
      return answer;
    }, false);
  }

  #open(reason: TransitionReason, now: number, details: FailureDetails & { forMs?: number | undefined }): void {
    if (this.#state.name !== 'open') this.#openings = this.#openingsAt(now) + 1;
    const cooldownMs = details.forMs ?? this.#cooldownMs(details);
    this.#lastCooldownMs = cooldownMs;
    this.#transition({ name: 'open', until: now + cooldownMs }, reason, now, cooldownMs);
  }

  #openingsAt(now: number): number {
    if (this.#state.name !== 'closed') return this.#openings;
    return Math.max(0, this.#openings - Math.floor((now - this.#changedAt) / Math.max(1, this.#lastCooldownMs)));
  }

  #cooldownMs({ retryAfterMs = 0, failure }: FailureDetails): number {
    const { cooldownMs, maxRetryAfterMs } = this.#policy;
    const asked = Math.min(retryAfterMs, maxRetryAfterMs);
    if (typeof cooldownMs === 'number') return Math.max(cooldownMs, asked);
    try {
      const computed = cooldownMs({ key: this.key, openings: this.#openings, retryAfterMs, failure });
      milliseconds()(computed, 'cooldownMs(context)');
      return Math.max(computed, asked);
    } catch (error) {
      this.#complain('breaker.cooldownMs', error);
      return CIRCUIT_DEFAULTS.cooldownMs;
    }
  }

  #hold(change: 1 | -1): void {
    const now = this.#policy.clock.now();
    const from = this.#shown(this.#at(now));
    this.#isolations += change;
    const to = this.#shown(this.#state);
    if (from === to) return;
    this.#shownSince = now;
    this.#announce(from, to, 'manual', this.#failures(now), 0);
  }

  /** The one place where the state changes; listeners run when it is final. */
  #transition(next: State, reason: TransitionReason, now: number, cooldownMs = 0): void {
    const from = this.#shown(this.#state);
    const failures = this.#failures(now);
    this.#state = next;
    this.#generation++;
    this.#changedAt = now;
    this.#guarded(() => this.#detector.reset(), undefined);
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

  /** A detector of the user's that cannot be used is replaced by the default one. */
  #makeDetector(): FailureDetector {
    return (
      this.#guarded(() => {
        const detector = this.#policy.detector();
        aDetector(detector, 'detector()');
        return detector;
      }, undefined) ?? CIRCUIT_DEFAULTS.detector()
    );
  }

  #failures(now: number): number {
    return this.#guarded(() => {
      this.#detector.expire?.(now);
      return this.#detector.failures;
    }, 0);
  }

  /** Runs what belongs to the detector, which may be the user's: it fails no call. */
  #guarded<T>(run: () => T, otherwise: T): T {
    try {
      return run();
    } catch (error) {
      this.#complain('breaker.detector', error);
      return otherwise;
    }
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
