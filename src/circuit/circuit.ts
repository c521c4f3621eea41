import { tellAfterwards } from '../emitter.js';
import { rejectedKeyOf } from '../errors.js';
import type { Outcome, TransitionReason } from '../events.js';
import { cooldownOf, isToldToWait } from './cooldown.js';
import { GuardedDetector } from './detectors/guarded-detector.js';
import { type CircuitLink, type Lease, type Opening, PROBE_LOST, type ProbeRules, type SharedView } from './link.js';
import { Openings } from './openings.js';
import { type CircuitPolicy, DEFAULT_LEASE_MS, type FailureDetails } from './options.js';
import { IssuedPermit, ProbePermit } from './permit.js';
import { hasDefaultProbes, PARTIAL_PROBE_RULES, probeRules } from './probe-rules.js';
import { Probes } from './probes.js';
import { CLOSED, type State } from './state.js';
import type { CircuitOwner, GivenState } from './transition.js';

/**
 * The automatic state machine of one circuit, with its probes: it gives permits, takes in what they came to, and is the
 * one place where the state changes. Time is an argument.
 */
export class Circuit {
  readonly link: CircuitLink | undefined;
  readonly #owner: CircuitOwner;
  #policy: CircuitPolicy;
  #detector: GuardedDetector;
  #state: State = CLOSED;
  #generation = 0;
  #past: Openings | undefined;

  constructor(owner: CircuitOwner, policy: CircuitPolicy, join: (circuit: Circuit) => CircuitLink | undefined) {
    this.#policy = policy;
    this.#owner = owner;
    this.#detector = new GuardedDetector(policy.detector, owner);
    this.link = join(this);
  }

  get policy(): CircuitPolicy {
    return this.#policy;
  }

  get detector(): GuardedDetector {
    return this.#detector;
  }

  /** Openings in succession: `attempt` of a `DelayContext`. */
  get openings(): number {
    return this.#past?.count ?? 0;
  }

  /** The last failure that counted since it was closed, without what it may not keep. */
  get lastFailure(): unknown {
    return this.#past?.lastFailure;
  }

  /** The length of the last cooldown, ms. */
  get cooldownMs(): number {
    return this.#past?.lastMs ?? 0;
  }

  /** Whether it was tripped by hand, in this process or another, and nobody has seen its cooldown end. */
  get isTripped(): boolean {
    return this.#state.name === 'open' && this.#state.byHand;
  }

  get isClosed(): boolean {
    return this.#state === CLOSED;
  }

  /** Whether it is closed, and nobody outside has a say in it. */
  get isFree(): boolean {
    return this.#state === CLOSED && this.link === undefined;
  }

  /** Whether a success with this permit changes nothing: the short way out, as `isFree` is of the way in. */
  isServing(permit: IssuedPermit): boolean {
    return this.isFree && permit.generation === this.#generation && !this.#past?.isLearning && this.#detector.isAtRest;
  }

  /** A permit of the closed circuit. */
  give(now: number, caller: object | undefined): IssuedPermit {
    const permit = new IssuedPermit(this.#owner, this.#generation, now, caller);
    return this.#past ? this.#past.partial.gave(permit) : permit;
  }

  /** The state. An open circuit becomes half-open when it is looked at after its cooldown. */
  at(now: number): State {
    if (this.#state.name === 'half-open') this.#loseProbes(this.#state.probes, now);
    if (this.#state.name === 'open' && !(now < this.#state.until)) {
      this.#transition({ name: 'half-open', probes: this.#state.probes }, 'cooldown-elapsed', now);
    }
    return this.#state;
  }

  /**
   * A permit, or how long to wait, ms.
   *
   * @param caller The call that the attempt is of; it gets one probe of each round.
   * @param lease The store's leave to probe.
   */
  admit(now: number, leaseMs: number, caller?: object, lease?: Lease): IssuedPermit | number {
    const state = this.at(now);
    if (state.name === 'closed') return this.give(now, caller);
    const { probes } = state;
    const hasSeat = state.name === 'half-open' && (lease || probes.hasSeat(this.probeRules(now).permits, caller));
    if (!hasSeat) return this.waitMs(now);
    const terms = { leaseMs: this.heldMs(leaseMs), timeoutMs: this.#policy.halfOpen.probeTimeoutMs, lease };
    return probes.seat(new ProbePermit(this.#owner, this.#generation, now, caller, terms));
  }

  /** How long it is until there may be a permit, ms; 0 where there is one. */
  waitMs(now: number): number {
    const state = this.at(now);
    return state.name === 'open' ? state.until - now : (state.probes?.waitMs(now) ?? 0);
  }

  /** How probes are judged at present. */
  probeRules(now: number): ProbeRules {
    return this.#adapts && this.#past?.partial.isSeen(now) ? PARTIAL_PROBE_RULES : probeRules(this.#policy);
  }

  /** How long a probe holds its permit; a lease without an end would never free its seat. */
  heldMs(leaseMs: number): number {
    return this.#policy.halfOpen.leaseMs ?? (Number.isFinite(leaseMs) ? leaseMs : DEFAULT_LEASE_MS);
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
    const wasUnderWay = state.name === 'half-open' && state.probes.leave(permit);
    if (outcome === 'neutral') {
      if (wasUnderWay) state.probes.giveBack(permit, rejectedKeyOf(details.error) === this.#owner.key);
      if (permit.lease) this.link?.settle(permit.lease, outcome, undefined);
      return true;
    }
    const current = this.at(now);
    if (current.name === 'closed') {
      if (permit.generation !== this.#generation) return false;
      this.#settleClosed(permit, outcome, now, details, givenNow);
      return true;
    }
    if (outcome === 'success' && this.#past?.isRefutedBy(permit, now) && this.#adapts) {
      tellAfterwards(() => {
        this.#transition(CLOSED, 'late-success', now);
        this.link?.settle(undefined, outcome, undefined, 'late-success');
      });
      return true;
    }
    const hasFailed = outcome === 'failure' || this.#detector.isSlow(now - permit.acquiredAt);
    // A probe whose lease ran out has failed already; its success counts all the same, or a slow service would stay shut off.
    const counts = hasFailed ? wasUnderWay && current === state : current.probes.knows(permit);
    // Of this round and not under way: it counted as lost, and has one outcome like any other.
    if (counts && !wasUnderWay && permit.generation === this.#generation) current.probes.failures--;
    if (counts) this.#settleProbe(current.probes, permit, hasFailed ? 'failure' : 'success', now, details);
    return counts;
  }

  /** Goes by other options from now on. What the detector counted is kept where the new one can take it over. */
  update(policy: CircuitPolicy, now: number): void {
    const before = this.#detector;
    const { detector } = this.#policy;
    this.#policy = policy;
    if (policy.detector === detector) return;
    this.#detector = new GuardedDetector(policy.detector, this.#owner);
    if (before.kind !== undefined && before.kind === this.#detector.kind) this.#detector.load(before.save(now), now);
  }

  /** Takes a state that was not found but given: by hand, by another process, or from a snapshot. */
  assume(
    { state, remainingMs, openings }: GivenState,
    reason: TransitionReason,
    now: number,
    saved?: unknown,
    probes?: Probes,
  ): void {
    const next = state === 'open' ? this.#opened(now + remainingMs, reason === 'manual', probes) : CLOSED;
    this.#count(openings);
    this.#past?.assumed(reason, remainingMs);
    this.#transition(next, reason, now, remainingMs, saved);
  }

  /** Takes over what another process brought about; what this one did itself comes back to it without effect. */
  adopt({ state, remainingMs, openings, byHand, why }: SharedView, now: number): void {
    if (state === this.at(now).name && state !== 'open') this.#count(openings);
    else {
      const given = { state: state === 'closed' ? state : 'open', remainingMs, openings } as const;
      const probes = why === PROBE_LOST ? this.#state.probes?.next() : undefined;
      this.assume(given, byHand ? 'manual' : 'shared', now, undefined, probes);
      this.#past?.adopted(why);
    }
  }

  /** What an opening now would be like. */
  nextOpening(details: FailureDetails = {}, forMs?: number): Opening {
    const openings = this.openings + (this.#state.name === 'open' ? 0 : 1);
    return { openings, cooldownMs: forMs ?? cooldownOf(this.#policy, openings, this.#past, details, this.#owner) };
  }

  #settleClosed(
    permit: IssuedPermit,
    outcome: 'success' | 'failure',
    endedAt: number,
    details: FailureDetails,
    givenNow: number | undefined,
  ): void {
    (outcome === 'failure' ? this.#remembered() : this.#past)?.saw(outcome, permit, endedAt, details);
    const hasTripped = this.#detector.record(outcome, endedAt, endedAt - permit.acquiredAt, permit.caller);
    const told = { call: permit.caller, isToldToWait: outcome === 'failure' && isToldToWait(details) };
    const link = details.isLocal ? undefined : this.link;
    if (!hasTripped && !(told.isToldToWait && this.#policy.retryAfter.opens)) {
      if (outcome === 'failure') link?.record(outcome, { ...told, opening: this.nextOpening(details) });
      else {
        this.#past?.hasServed();
        link?.record(outcome);
      }
      return;
    }
    const now = outcome === 'success' ? (givenNow ?? this.#policy.clock.now()) : endedAt;
    const opening = this.nextOpening(details);
    tellAfterwards(() => {
      this.#remembered().isOfFailures = hasTripped && this.#detector.countsRuns;
      this.#open(hasTripped ? this.#detector.reason : 'retry-after', now, opening, details);
      link?.record('failure', { ...told, opening, tripped: hasTripped ? 'detector' : 'retry-after' });
    });
  }

  #settleProbe(
    probes: Probes,
    permit: IssuedPermit,
    outcome: 'success' | 'failure',
    now: number,
    details: FailureDetails,
  ): void {
    (outcome === 'failure' ? this.#remembered() : this.#past)?.probed(outcome, details);
    probes[outcome === 'success' ? 'successes' : 'failures']++;
    const rules = this.probeRules(now);
    if (rules === PARTIAL_PROBE_RULES) probes.giveBack(permit, false);
    const isOver = probes.failures > rules.allowed;
    const opening = outcome === 'failure' && (isOver || this.link) ? this.nextOpening(details) : undefined;
    const next = rules === PARTIAL_PROBE_RULES && !this.link ? probes.next() : undefined;
    tellAfterwards(() => {
      if (opening && isOver) this.#open('probe-failed', now, opening, details, next);
      else if (probes.successes >= rules.needed) this.#transition(CLOSED, 'probe-succeeded', now);
      const why = outcome === 'failure' && isToldToWait(details) ? 'retry-after' : undefined;
      this.link?.settle(permit.lease, details.isLocal ? 'neutral' : outcome, opening, why);
    });
  }

  /** Whether nobody says how its probes are judged, and a success among failures in a row forbids an opening. */
  get #adapts(): boolean {
    return this.#detector.countsRuns && hasDefaultProbes(this.#policy);
  }

  #count(openings: number): void {
    if (openings > 0 || this.#past) this.#remembered().count = openings;
  }

  #remembered(): Openings {
    this.#past ??= new Openings();
    return this.#past;
  }

  /** A probe that has not ended when its lease runs out has failed: at that moment, whenever it is seen. */
  #loseProbes(probes: Probes, now: number): void {
    for (const { leaseUntil, lease } of probes.takeLost(now)) {
      this.#past?.partial.probed('failure', true);
      const opening = this.nextOpening();
      const isOver = ++probes.failures > this.probeRules(now).allowed;
      tellAfterwards(() => {
        if (isOver) this.#open('probe-failed', leaseUntil, opening, {}, probes.next());
        this.link?.settle(lease, 'failure', opening, PROBE_LOST);
      });
      if (isOver) return;
    }
  }

  #open(reason: TransitionReason, now: number, opening: Opening, details: FailureDetails, probes?: Probes): void {
    this.#remembered().opened(opening, details);
    this.#transition(this.#opened(now + opening.cooldownMs, false, probes), reason, now, opening.cooldownMs);
  }

  /** @param probes What the next round goes on from: one that was lost, or of which more are under way. */
  #opened(until: number, byHand: boolean, probes = new Probes(this.#state.probes)): State {
    return { name: 'open', until, byHand, probes };
  }

  #transition(next: State, reason: TransitionReason, now: number, cooldownMs = 0, saved?: unknown): void {
    const [from, failures] = [this.#state.name, this.#detector.failures(now)];
    this.#state = next;
    this.#generation++;
    if (next.name === 'open') this.#remembered().lastMs = cooldownMs;
    if (next === CLOSED) this.#past?.closed(reason, now);
    this.#detector.reset();
    this.#detector.load(saved, now);
    this.#owner.moved({ from, to: next.name, reason, failures, cooldownMs }, now);
  }
}
