import type { Emitter } from '../emitter.js';
import type { CircuitState, TransitionReason } from '../events.js';
import type { CircuitSnapshot } from './contract.js';
import { cooldownOf } from './cooldown.js';
import { GuardedDetector } from './guarded-detector.js';
import type { Opening, SharedView } from './link.js';
import { CIRCUIT_DEFAULTS, type CircuitPolicy, type FailureDetails } from './options.js';

/** The probes of a half-open circuit that are under way, and what came of the others. */
export interface Probes {
  readonly leases: Set<{ readonly leaseUntil: number }>;
  successes: number;
  failures: number;
}

/**
 * | state     | leaves it                                                    | to        |
 * |-----------|--------------------------------------------------------------|-----------|
 * | closed    | the detector trips                                           | open      |
 * | open      | the cooldown has elapsed, seen at the next read              | half-open |
 * | half-open | a probe fails within its lease, or too many do               | open      |
 * | half-open | enough probes succeed                                        | closed    |
 */
export type State =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly until: number }
  | { readonly name: 'half-open'; readonly probes: Probes };

const CLOSED: State = { name: 'closed' };

/** How many successes in the closed circuit end the growth of its cooldown. */
const SERVED_AGAIN = 10;

/** The state of one circuit, and the one place where it changes. Time is an argument; listeners run when it is final. */
export class Circuit {
  readonly detector: GuardedDetector;
  readonly #key: string;
  readonly #policy: CircuitPolicy;
  readonly #events: Emitter;
  #state: State = CLOSED;
  #generation = 0;
  #shownSince: number;
  #openings = 0;
  /** Successes since it closed, while there are openings to forget. */
  #served = 0;
  #isolations = 0;

  constructor(key: string, policy: CircuitPolicy, events: Emitter) {
    this.#key = key;
    this.#policy = policy;
    this.#events = events;
    this.detector = new GuardedDetector(policy.detector, key, events);
    this.#shownSince = policy.clock.now();
  }

  /** Counts the transitions. */
  get generation(): number {
    return this.#generation;
  }

  /** Since when the state that is shown has been the same. */
  get shownSince(): number {
    return this.#shownSince;
  }

  /** Openings in succession; see `CooldownContext`. */
  get openings(): number {
    return this.#openings;
  }

  /** The automatic state as it was seen last. */
  get current(): State {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state === CLOSED;
  }

  get isIsolated(): boolean {
    return this.#isolations > 0;
  }

  /** The automatic state. */
  at(now: number): State {
    if (this.#state.name === 'open' && !(now < this.#state.until)) {
      const probes: Probes = { leases: new Set(), successes: 0, failures: 0 };
      this.#transition({ name: 'half-open', probes }, 'cooldown-elapsed', now);
    }
    return this.#state;
  }

  /** The state as it is to be seen: what is forced lies above what is found. */
  shownAt(now: number): CircuitState {
    return this.#shown(this.at(now));
  }

  open(reason: TransitionReason, now: number, { cooldownMs, openings }: Opening): void {
    this.#openings = openings;
    this.#transition({ name: 'open', until: now + cooldownMs }, reason, now, cooldownMs);
  }

  close(reason: TransitionReason, now: number): void {
    this.#transition(CLOSED, reason, now);
  }

  /** Takes a success of the closed circuit. */
  serve(): void {
    if (this.#openings > 0 && ++this.#served >= SERVED_AGAIN) this.#openings = 0;
  }

  /** Closes it as if it had never been open. */
  reset(now: number): void {
    this.#openings = 0;
    this.close('manual', now);
  }

  hold(change: 1 | -1, now: number): void {
    const from = this.shownAt(now);
    this.#isolations += change;
    const to = this.#shown(this.#state);
    if (from === to) return;
    this.#shownSince = now;
    this.#announce(from, to, 'manual', this.detector.failures(now), 0);
  }

  restore({ state, remainingCooldownMs, openings, detector }: CircuitSnapshot, now: number): void {
    const next: State = state === 'open' ? { name: state, until: now + remainingCooldownMs } : CLOSED;
    this.#openings = openings;
    this.#transition(next, 'restored', now, remainingCooldownMs, detector);
  }

  /** Takes over what another process brought about; what this one did itself comes back to it without effect. */
  adopt({ state, remainingMs, openings, byHand }: SharedView, now: number): void {
    const isAsItIs = state === this.at(now).name && state !== 'open';
    const reason = byHand ? 'manual' : 'shared';
    this.#openings = openings;
    if (!isAsItIs && state === 'closed') this.close(reason, now);
    else if (!isAsItIs) this.#transition({ name: 'open', until: now + remainingMs }, reason, now, remainingMs);
  }

  /** What an opening now would be like. */
  nextOpening(details: FailureDetails = {}, forMs?: number): Opening {
    const openings = this.#openings + (this.#state.name === 'open' ? 0 : 1);
    return { openings, cooldownMs: forMs ?? this.#cooldownMs(openings, details) };
  }

  #cooldownMs(openings: number, { retryAfterMs = 0, failure }: FailureDetails): number {
    const context = { key: this.#key, openings, retryAfterMs, failure };
    try {
      return cooldownOf(this.#policy, context);
    } catch (error) {
      this.#events.emit({ type: 'listenerError', key: this.#key, source: 'breaker.cooldownMs', error });
      return CIRCUIT_DEFAULTS.cooldownMs(context);
    }
  }

  #shown({ name }: State): CircuitState {
    return this.isIsolated ? 'open' : name;
  }

  #transition(next: State, reason: TransitionReason, now: number, cooldownMs = 0, saved?: unknown): void {
    const from = this.#shown(this.#state);
    const failures = this.detector.failures(now);
    this.#state = next;
    this.#generation++;
    this.#served = 0;
    this.detector.reset();
    this.detector.load(saved, now);
    const to = this.#shown(next);
    if (!this.isIsolated) this.#shownSince = now;
    if (from !== to) this.#announce(from, to, reason, failures, cooldownMs);
  }

  #announce(
    from: CircuitState,
    to: CircuitState,
    reason: TransitionReason,
    failures: number,
    cooldownMs: number,
  ): void {
    this.#events.emit({ type: 'stateChange', key: this.#key, from, to, reason, failures, cooldownMs });
  }
}
