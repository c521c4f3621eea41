import { Emitter } from '../emitter.js';
import { CircuitOpenError, isCircuitOpenError } from '../errors.js';
import type { CircuitState, EventOf, EventType, Outcome, TransitionReason } from '../events.js';
import { milliseconds } from '../validation.js';
import type { FailureDetector } from './detectors.js';
import {
  aMode,
  type BreakerMode,
  CIRCUIT_DEFAULTS,
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
} from './options.js';

/** The right to make one attempt. */
export interface Permit {
  readonly admitted: true;
  /** Says how the attempt ended. Only the first call counts. */
  settle(outcome: Outcome, now?: number): void;
}

/** There is no permit at present. */
export interface Rejection {
  readonly admitted: false;
  /** When it is worth asking again, in ms, >= 0. */
  readonly retryAfterMs: number;
}

/** A circuit as it is at one moment. */
export interface CircuitStats {
  readonly state: CircuitState;
  /** Failures that the detector counts at present. */
  readonly failures: number;
  /** Times the circuit has opened since it was last closed. */
  readonly openings: number;
  /** Permits that are not settled yet. */
  readonly inFlight: number;
  /** What is left of the cooldown, ms; 0 unless open. */
  readonly remainingCooldownMs: number;
}

/**
 * | state     | leaves it                                                    | to        |
 * |-----------|--------------------------------------------------------------|-----------|
 * | closed    | the detector trips                                           | open      |
 * | open      | the cooldown has elapsed, seen at the next read              | half-open |
 * | half-open | a probe fails within its lease                               | open      |
 * | half-open | the `successThreshold`th probe succeeds                      | closed    |
 */
type State =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly until: number }
  | { readonly name: 'half-open'; readonly probes: Set<IssuedPermit>; successes: number };

const CLOSED: State = { name: 'closed' };

/** The generation of permits that are given in `observe` where `enforce` would reject: no outcome of theirs counts. */
const UNCOUNTED = -1;

let settle: (breaker: CircuitBreaker, permit: IssuedPermit, outcome: Outcome, now: number | undefined) => void;

class IssuedPermit implements Permit {
  readonly admitted = true;
  readonly generation: number;
  readonly acquiredAt: number;
  readonly leaseUntil: number;
  #breaker: CircuitBreaker | undefined;

  constructor(breaker: CircuitBreaker, generation: number, acquiredAt: number, leaseUntil: number) {
    this.#breaker = breaker;
    this.generation = generation;
    this.acquiredAt = acquiredAt;
    this.leaseUntil = leaseUntil;
  }

  settle(outcome: Outcome, now?: number): void {
    const breaker = this.#breaker;
    if (breaker === undefined) return;
    this.#breaker = undefined;
    settle(breaker, this, outcome, now);
  }
}

/**
 * A finite-state machine that watches one key. It has no timers: an open circuit becomes half-open when it is next looked
 * at after its cooldown.
 */
export class CircuitBreaker {
  static {
    settle = (breaker, permit, outcome, now) => breaker.#settle(permit, outcome, now ?? breaker.#policy.clock.now());
  }

  /** What the circuit is of, e.g. `GET https://api.example.com`. */
  readonly key: string;
  readonly #policy: CircuitPolicy;
  readonly #events: Emitter;
  readonly #detector: FailureDetector;
  #state: State = CLOSED;
  #mode: BreakerMode;
  #generation = 0;
  #openings = 0;
  #inFlight = 0;

  /**
   * @param key A name for the circuit.
   * @param options Checked at once: a `TypeError` or `RangeError` names the option.
   */
  constructor(key: string, options: CircuitBreakerOptions = {}, shared?: { policy: CircuitPolicy; events: Emitter }) {
    this.key = key;
    this.#policy = shared?.policy ?? circuitPolicy(options, '');
    this.#events = shared?.events ?? new Emitter();
    this.#detector = this.#policy.detector();
    this.#mode = this.#policy.mode;
  }

  /** The state at present. */
  get state(): CircuitState {
    return this.#at(this.#policy.clock.now()).name;
  }

  /** Whether the circuit is open and its cooldown not over. */
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Permits that are not settled yet. */
  get inFlight(): number {
    return this.#inFlight;
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
  tryAcquire(now: number = this.#policy.clock.now(), leaseMs = 30_000): Permit | Rejection {
    const state = this.#at(now);
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
   * Runs `fn` if the circuit lets it. What it throws counts as a failure, except an abort (`name` `AbortError` or an
   * axios cancellation) and the rejection of another circuit, which count nothing.
   *
   * @throws {CircuitOpenError} when there is no permit; `fn` was not called.
   */
  async execute<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    const permit = this.tryAcquire();
    if (!permit.admitted) throw new CircuitOpenError({ key: this.key, retryAfterMs: permit.retryAfterMs });
    try {
      const result = await fn();
      permit.settle('success');
      return result;
    } catch (error) {
      permit.settle(isNeutral(error) ? 'neutral' : 'failure');
      throw error;
    }
  }

  /** Opens the circuit by hand. It is probed after `forMs` (default: its cooldown) like one that tripped. */
  trip({ forMs }: { forMs?: number | undefined } = {}): void {
    if (forMs !== undefined) milliseconds()(forMs, 'forMs');
    this.#open('manual', this.#policy.clock.now(), forMs);
  }

  /** Closes the circuit by hand and forgets all failures. */
  reset(): void {
    this.#close('manual');
  }

  /** The circuit as it is now. */
  stats(): CircuitStats {
    const now = this.#policy.clock.now();
    const state = this.#at(now);
    return {
      state: state.name,
      failures: this.#detector.failures,
      openings: this.#openings,
      inFlight: this.#inFlight,
      remainingCooldownMs: state.name === 'open' ? state.until - now : 0,
    };
  }

  #at(now: number): State {
    if (this.#state.name === 'open' && now >= this.#state.until) {
      this.#transition({ name: 'half-open', probes: new Set(), successes: 0 }, 'cooldown-elapsed');
    }
    return this.#state;
  }

  #issue(generation: number, now: number, leaseUntil: number): IssuedPermit {
    this.#inFlight++;
    return new IssuedPermit(this, generation, now, leaseUntil);
  }

  #probe(probes: Set<IssuedPermit>, now: number, leaseMs: number): Permit | Rejection {
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const probe of probes) {
      if (probe.leaseUntil <= now) probes.delete(probe);
      else firstEnd = Math.min(firstEnd, probe.leaseUntil);
    }
    if (probes.size >= this.#policy.halfOpen.permits) return this.#reject(now, firstEnd - now);
    const permit = this.#issue(this.#generation, now, now + leaseMs);
    probes.add(permit);
    return permit;
  }

  #reject(now: number, retryAfterMs: number): Permit | Rejection {
    const observed = this.#mode === 'observe';
    this.#events.emit({ type: 'rejected', key: this.key, retryAfterMs, observed });
    return observed ? this.#issue(UNCOUNTED, now, now) : { admitted: false, retryAfterMs };
  }

  #settle(permit: IssuedPermit, outcome: Outcome, now: number): void {
    this.#inFlight--;
    const state = this.#state;
    const isProbe = state.name === 'half-open' && state.probes.delete(permit);
    if (outcome === 'neutral' || permit.generation === UNCOUNTED) return;
    if (permit.generation !== this.#generation || (outcome === 'failure' && permit.leaseUntil <= now)) {
      this.#events.emit({ type: 'late', key: this.key, outcome });
    } else if (state.name === 'closed') {
      if (this.#trips(outcome, now, now - permit.acquiredAt)) this.#open('threshold', now);
    } else if (state.name === 'half-open') {
      if (outcome === 'failure' && isProbe) this.#open('probe-failed', now);
      else if (++state.successes >= this.#policy.halfOpen.successThreshold) this.#close('probe-succeeded');
    }
  }

  #trips(outcome: 'success' | 'failure', now: number, durationMs: number): boolean {
    try {
      return this.#detector.record(outcome, now, durationMs);
    } catch (error) {
      this.#events.emit({ type: 'listenerError', key: this.key, source: 'breaker.detector', error });
      return false;
    }
  }

  #open(reason: TransitionReason, now: number, forMs?: number): void {
    this.#openings++;
    const cooldownMs = forMs ?? this.#cooldownMs();
    this.#transition({ name: 'open', until: now + cooldownMs }, reason, cooldownMs);
  }

  #close(reason: TransitionReason): void {
    this.#openings = 0;
    this.#transition(CLOSED, reason);
  }

  #cooldownMs(): number {
    const { cooldownMs } = this.#policy;
    if (typeof cooldownMs === 'number') return cooldownMs;
    try {
      const computed = cooldownMs({ key: this.key, openings: this.#openings });
      milliseconds()(computed, 'cooldownMs(context)');
      return computed;
    } catch (error) {
      this.#events.emit({ type: 'listenerError', key: this.key, source: 'breaker.cooldownMs', error });
      return CIRCUIT_DEFAULTS.cooldownMs;
    }
  }

  /** The one place where the state changes; listeners run when it is final. */
  #transition(next: State, reason: TransitionReason, cooldownMs = 0): void {
    const from = this.#state.name;
    const { failures } = this.#detector;
    this.#state = next;
    this.#generation++;
    this.#detector.reset();
    if (from !== next.name) {
      this.#events.emit({ type: 'stateChange', key: this.key, from, to: next.name, reason, failures, cooldownMs });
    }
  }
}

function isNeutral(error: unknown): boolean {
  const { name, __CANCEL__ } = (error ?? {}) as { name?: unknown; __CANCEL__?: unknown };
  return name === 'AbortError' || __CANCEL__ === true || isCircuitOpenError(error);
}
