import {
  type AnyListener,
  CIRCUIT_EVENTS,
  type Emitter,
  type EventName,
  type NewEvent,
  tellAfterwards,
} from '../emitter.js';
import type { CircuitEvents, CircuitState, Outcome, Sink } from '../events.js';
import { hide } from '../fields.js';
import { aString, checkListener, milliseconds, options as optionsOf, own } from '../validation.js';
import { Circuit } from './circuit.js';
import type { Forced, Isolation } from './contract.js';
import type { Opening } from './link.js';
import { aMode, type BreakerMode, type CircuitPolicy, type FailureDetails } from './options.js';
import { OwnEvents } from './own-events.js';
import type { IssuedPermit } from './permit.js';
import { withReadState } from './state-reader.js';
import type { Transition } from './transition.js';

/** A circuit, and what lies above its automatic state: isolation and mode. What is forced hides what is found. */
export abstract class ControlledCircuit {
  /** What the circuit is of, e.g. `GET https://api.example.com`. */
  readonly key: string;
  /** @internal */
  protected readonly circuit: Circuit;
  /** The registry's, until somebody listens to this circuit alone. */
  #events: Emitter;
  #mode: BreakerMode;
  #isolations = 0;
  #shownSince: number;

  /** @internal */
  protected constructor(key: string, policy: CircuitPolicy, events: Emitter = new OwnEvents(key)) {
    aString(key, 'key');
    this.key = key;
    this.#events = events;
    this.#mode = policy.mode;
    this.#shownSince = policy.clock.now();
    this.circuit = new Circuit(this, policy, (circuit) => policy.store?.link(key, circuit, events));
  }

  /** The state at present; `open` while isolated. */
  get state(): CircuitState {
    return this.shownAt(this.now);
  }

  /** Whether the circuit is open and its cooldown not over, or isolated. */
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Whether rejections are enforced. Can be set at any time; the state goes on as it is. */
  get mode(): BreakerMode {
    return this.#mode;
  }

  set mode(mode: BreakerMode) {
    aMode(mode, 'mode');
    this.#mode = mode;
    this.changed(this.now);
  }

  /**
   * Adds a listener for this circuit's events, and those of its store; the returned function takes it out. It belongs to
   * this breaker and goes with it: the registry makes a new one for the same key without it.
   */
  on<Type extends keyof CircuitEvents>(type: Type, listener: (event: CircuitEvents[Type]) => void): () => void;
  /** Adds a receiver of all of them. */
  on(type: '*', sink: Sink): () => void;
  on(type: EventName, listener: AnyListener): () => void {
    checkListener(CIRCUIT_EVENTS, type, listener);
    if (!(this.#events instanceof OwnEvents)) this.#events = new OwnEvents(this.key, this.#events);
    return this.#events.on(type, listener);
  }

  /** Opens the circuit by hand. It is probed after `cooldownMs` (default: its cooldown) like one that tripped. */
  trip(options: { cooldownMs?: number | undefined } = {}): Forced {
    optionsOf({ cooldownMs: milliseconds() })(options, '');
    return this.#force('open', this.circuit.nextOpening({}, own(options).cooldownMs));
  }

  /** Closes the circuit by hand and forgets all failures. It does not lift an isolation. */
  reset(): Forced {
    return this.#force('closed', { cooldownMs: 0, openings: 0 });
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

  /** @internal */
  abstract settled(permit: IssuedPermit, outcome: Outcome, now?: number, details?: FailureDetails): void;

  /** @internal Hears of a change of the automatic state. */
  moved(transition: Transition, now: number): void {
    if (!this.isIsolated) this.#show(transition, now);
    this.changed(now);
  }

  #show(transition: Transition, now: number): void {
    this.#shownSince = now;
    if (transition.from === transition.to) return;
    const event = withReadState({ type: 'stateChange' as const, key: this.key, ...transition }, this);
    const cause = transition.to === 'open' ? this.cause : undefined;
    if (cause !== undefined) hide(event, 'cause', cause);
    this.emit(event);
  }

  /** @internal Called when it may have become another matter whether an attempt is let in. */
  protected abstract changed(now: number): void;

  /** @internal */
  emit(event: NewEvent): void {
    this.#events.emit(event);
  }

  /** @internal Tells of a callback that threw, or returned what it must not. */
  complain(source: string, error: unknown): void {
    this.#events.complain(this.key, source, error);
  }

  /** @internal Lets go of the store and of the registry; the circuit goes on by itself. */
  leave(): void {
    if (this.#events instanceof OwnEvents) this.#events.leave();
    this.circuit.link?.close();
  }

  /** @internal The time on its clock, ms. */
  get now(): number {
    return this.circuit.policy.clock.now();
  }

  /** @internal Whether it lets nobody pass at present. */
  get isRejecting(): boolean {
    return this.#mode === 'enforce' && this.isOpen;
  }

  /** Whether the circuit is open because somebody isolated or tripped it, in this process or another. */
  get isOpenedByHand(): boolean {
    return this.state === 'open' && (this.isIsolated || this.circuit.isTripped);
  }

  /** @internal Whether something would be lost with it that somebody has set: an isolation, a trip, or a mode. */
  get isSetByHand(): boolean {
    return this.#mode !== this.circuit.policy.mode || this.isOpenedByHand;
  }

  /** @internal Goes by other options from now on; its mode stays. */
  update(policy: CircuitPolicy): void {
    this.circuit.update(policy, this.now);
  }

  /** @internal The failure that opened the circuit; none where a hand did. */
  protected get cause(): unknown {
    return this.isIsolated || this.circuit.isTripped ? undefined : this.circuit.lastFailure;
  }

  /** @internal */
  protected get isIsolated(): boolean {
    return this.#isolations > 0;
  }

  /** @internal How long the state that is shown has been the same, ms. */
  protected shownFor(now: number): number {
    return now - this.#shownSince;
  }

  /** @internal */
  protected shownAt(now: number): CircuitState {
    const { name } = this.circuit.at(now);
    return this.isIsolated ? 'open' : name;
  }

  #hold(count: 1 | -1): void {
    const now = this.now;
    const from = this.shownAt(now);
    this.#isolations += count;
    const to = this.shownAt(now);
    const failures = this.circuit.detector.failures(now);
    if (from !== to) this.#show({ from, to, reason: 'manual', failures, cooldownMs: 0 }, now);
    this.changed(now);
  }

  /** Makes a change by hand and tells the fleet, before any listener can make another. */
  #force(state: 'open' | 'closed', opening: Opening): Forced {
    const { openings, cooldownMs } = opening;
    let taken = Promise.resolve(false);
    tellAfterwards(() => {
      this.circuit.assume({ state, openings, remainingMs: cooldownMs }, 'manual', this.now);
      taken = this.circuit.link?.force(state, opening) ?? taken;
    });
    return { applied: taken.then((isTaken) => (isTaken ? 'fleet' : 'local')) };
  }
}
