import { type Emitter, type NewEvent, tellAfterwards } from '../emitter.js';
import type { CircuitState, Outcome, TransitionReason } from '../events.js';
import type { CircuitSnapshot } from './contract.js';
import { cooldownOf } from './cooldown.js';
import { GuardedDetector } from './guarded-detector.js';
import type { CircuitLink, Lease, Opening, SharedView } from './link.js';
import { CIRCUIT_DEFAULTS, type CircuitPolicy, DEFAULT_LEASE_MS, type FailureDetails, probeRules } from './options.js';
import { IssuedPermit, type PermitIssuer } from './permit.js';

/** The probes of a half-open circuit that are under way, and what came of the others. */
interface Probes {
  readonly leases: Set<IssuedPermit>;
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

/** One change of the automatic state. */
export interface Transition {
  readonly from: CircuitState;
  readonly to: CircuitState;
  readonly reason: TransitionReason;
  /** Failures that the detector counted before. */
  readonly failures: number;
  readonly cooldownMs: number;
}

/** What a circuit belongs to: takes back its permits, and hears of each transition when it is final. */
export interface CircuitOwner extends PermitIssuer {
  readonly key: string;
  emit(event: NewEvent): void;
  moved(transition: Transition, now: number): void;
}

/**
 * The automatic state machine of one circuit, with its probes: it gives permits, takes in what they came to, and is the
 * one place where the state changes. Time is an argument.
 */
export class Circuit {
  readonly detector: GuardedDetector;
  readonly policy: CircuitPolicy;
  readonly link: CircuitLink | undefined;
  readonly #owner: CircuitOwner;
  #state: State = CLOSED;
  #generation = 0;
  #openings = 0;
  #lastCooldownMs: number | undefined;
  /** Successes since it closed, while there are openings to forget. */
  #served = 0;

  constructor(owner: CircuitOwner, policy: CircuitPolicy, events: Emitter) {
    this.policy = policy;
    this.#owner = owner;
    const detector = new GuardedDetector(policy.detector, owner);
    this.detector = detector;
    const isClosed = () => this.isClosed;
    this.link = policy.store?.link({
      key: owner.key,
      events,
      threshold: detector.threshold,
      probes: probeRules(policy),
      leaseMs: policy.halfOpen.leaseMs ?? DEFAULT_LEASE_MS,
      get isClosed() {
        return isClosed();
      },
      adopt: (view) => this.#adopt(view, policy.clock.now()),
    });
  }

  /** Openings in succession: `attempt` of a `DelayContext`. */
  get openings(): number {
    return this.#openings;
  }

  get isClosed(): boolean {
    return this.#state === CLOSED;
  }

  /** The state. An open circuit becomes half-open when it is looked at after its cooldown. */
  at(now: number): State {
    if (this.#state.name === 'open' && !(now < this.#state.until)) {
      const probes: Probes = { leases: new Set(), successes: 0, failures: 0 };
      this.#transition({ name: 'half-open', probes }, 'cooldown-elapsed', now);
    }
    return this.#state;
  }

  /** A permit, or how long to wait, ms; `lease` is the store's leave to probe. */
  admit(now: number, leaseMs: number, lease?: Lease): IssuedPermit | number {
    const state = this.at(now);
    switch (state.name) {
      case 'closed':
        return new IssuedPermit(this.#owner, this.#generation, now);
      case 'open':
        return state.until - now;
      case 'half-open':
        return this.#probe(state.probes, now, leaseMs, lease);
    }
  }

  /** How long a probe holds its permit; a lease without an end would never free its seat. */
  heldMs(leaseMs: number): number {
    return this.policy.halfOpen.leaseMs ?? (Number.isFinite(leaseMs) ? leaseMs : DEFAULT_LEASE_MS);
  }

  /** Takes back a permit; whether it came in time to count. `givenNow` is absent where the caller read no clock. */
  settle(
    permit: IssuedPermit,
    outcome: Outcome,
    now: number,
    details: FailureDetails,
    givenNow: number | undefined,
  ): boolean {
    const state = this.#state;
    if (state.name === 'half-open') state.probes.leases.delete(permit);
    if (outcome === 'neutral') {
      if (permit.lease) this.link?.settle(permit.lease, outcome, undefined);
      return true;
    }
    const isLate = permit.generation !== this.#generation || (outcome === 'failure' && permit.leaseUntil <= now);
    if (isLate) return false;
    if (state.name === 'closed') this.#settleClosed(outcome, now, now - permit.acquiredAt, details, givenNow);
    else if (state.name === 'half-open') this.#settleProbe(state.probes, permit.lease, outcome, now, details);
    return true;
  }

  open(reason: TransitionReason, now: number, { cooldownMs, openings }: Opening): void {
    this.#openings = openings;
    this.#lastCooldownMs = cooldownMs;
    this.#transition({ name: 'open', until: now + cooldownMs }, reason, now, cooldownMs);
  }

  /** Closes it as if it had never been open. */
  reset(now: number): void {
    this.#openings = 0;
    this.#transition(CLOSED, 'manual', now);
  }

  restore({ state, remainingCooldownMs, openings, detector }: CircuitSnapshot, now: number): void {
    const next: State = state === 'open' ? { name: state, until: now + remainingCooldownMs } : CLOSED;
    this.#openings = openings;
    this.#transition(next, 'restored', now, remainingCooldownMs, detector);
  }

  /** What an opening now would be like. */
  nextOpening(details: FailureDetails = {}, forMs?: number): Opening {
    const openings = this.#openings + (this.#state.name === 'open' ? 0 : 1);
    return { openings, cooldownMs: forMs ?? this.#cooldownMs(openings, details) };
  }

  #cooldownMs(attempt: number, { error, response, retryAfterMs }: FailureDetails): number {
    const { key } = this.#owner;
    const previousMs = attempt > 1 ? this.#lastCooldownMs : undefined;
    const context = { key, attempt, previousMs, error, response, retryAfterMs, random: this.policy.random };
    try {
      return cooldownOf(this.policy, context);
    } catch (thrown) {
      this.#owner.emit({ type: 'listenerError', key, source: 'breaker.cooldownMs', error: thrown });
      return CIRCUIT_DEFAULTS.cooldownMs(context);
    }
  }

  #probe({ leases }: Probes, now: number, leaseMs: number, lease: Lease | undefined): IssuedPermit | number {
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const probe of leases) {
      if (probe.leaseUntil <= now) leases.delete(probe);
      else firstEnd = Math.min(firstEnd, probe.leaseUntil);
    }
    const { permits, probeTimeoutMs } = this.policy.halfOpen;
    if (!lease && leases.size >= permits) return firstEnd - now;
    const permit = new IssuedPermit(this.#owner, this.#generation, now, now + leaseMs, probeTimeoutMs, lease);
    leases.add(permit);
    return permit;
  }

  #settleClosed(
    outcome: 'success' | 'failure',
    endedAt: number,
    durationMs: number,
    details: FailureDetails,
    givenNow: number | undefined,
  ): void {
    const hasTripped = this.detector.record(outcome, endedAt, durationMs);
    const toldToWait = outcome === 'failure' && this.policy.openOnRetryAfter && isToldToWait(details);
    const link = details.isLocal ? undefined : this.link;
    if (!hasTripped && !toldToWait) {
      if (outcome === 'success') this.#serve();
      link?.record(outcome, outcome === 'failure' ? this.nextOpening(details) : undefined);
      return;
    }
    const now = outcome === 'success' ? (givenNow ?? this.policy.clock.now()) : endedAt;
    const opening = this.nextOpening(details);
    tellAfterwards(() => {
      this.open(hasTripped ? this.detector.reason : 'retry-after', now, opening);
      link?.record('failure', opening, hasTripped ? 'detector' : 'retry-after');
    });
  }

  #serve(): void {
    if (this.#openings > 0 && ++this.#served >= SERVED_AGAIN) this.#openings = 0;
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
    const { needed, allowed } = probeRules(this.policy);
    const mayOpen = outcome === 'failure' && (probes.failures > allowed || this.link !== undefined);
    const opening = mayOpen ? this.nextOpening(details) : undefined;
    tellAfterwards(() => {
      if (opening && probes.failures > allowed) this.open('probe-failed', now, opening);
      else if (probes.successes >= needed) this.#transition(CLOSED, 'probe-succeeded', now);
      this.link?.settle(lease, details.isLocal ? 'neutral' : outcome, opening);
    });
  }

  /** Takes over what another process brought about; what this one did itself comes back to it without effect. */
  #adopt({ state, remainingMs, openings, byHand }: SharedView, now: number): void {
    const isAsItIs = state === this.at(now).name && state !== 'open';
    const reason = byHand ? 'manual' : 'shared';
    this.#openings = openings;
    if (!isAsItIs && state === 'closed') this.#transition(CLOSED, reason, now);
    else if (!isAsItIs) this.#transition({ name: 'open', until: now + remainingMs }, reason, now, remainingMs);
  }

  #transition(next: State, reason: TransitionReason, now: number, cooldownMs = 0, saved?: unknown): void {
    const from = this.#state.name;
    const failures = this.detector.failures(now);
    this.#state = next;
    this.#generation++;
    this.#served = 0;
    this.detector.reset();
    this.detector.load(saved, now);
    this.#owner.moved({ from, to: next.name, reason, failures, cooldownMs }, now);
  }
}

/** A 429 or 503 with a `Retry-After`, or what is not HTTP. */
const isToldToWait = ({ retryAfterMs, status = 503 }: FailureDetails): boolean =>
  retryAfterMs !== undefined && (status === 429 || status === 503);
