import { reasonOf } from '../abort.js';
import { SuccessTimes } from '../out-of-time.js';
import type { Permit, Rejection } from './contract.js';
import { ControlledCircuit } from './control.js';
import type { Lease } from './link.js';
import { DEFAULT_LEASE_MS } from './options.js';
import { Denial, IssuedPermit, UNCOUNTED } from './permit.js';
import { Gate } from './waiting/gate.js';
import { type Asking, type Outlook, type Seeking, unlessAborted, type Waiting } from './waiting/waiting.js';

/** How long it is worth waiting for a probe where no recent success tells, ms. */
const PATIENCE_MS = 1_000;

/** A permit, or when it is worth asking again, ms. */
export type Answer = IssuedPermit | number;

/** A circuit that lets attempts in, lets them wait, or rejects them. */
export abstract class AdmittingCircuit extends ControlledCircuit {
  #times: SuccessTimes | undefined;
  #inFlight = 0;
  #rejected = 0;
  /** Made for the first that would wait. */
  #gate: Gate | undefined;

  /** @internal How long successes take. */
  get times(): SuccessTimes {
    this.#times ??= new SuccessTimes();
    return this.#times;
  }

  /** Permits that are not settled yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Attempts that wait for the circuit. */
  get queued(): number {
    return this.#gate?.size ?? 0;
  }

  /** @internal The short way into a closed circuit that neither a store nor a hand has a say in. */
  enter(
    now: number = this.timeUnless(this.circuit.detector.ignoresDuration),
    caller?: object,
  ): IssuedPermit | undefined {
    if (!this.circuit.isFree || this.isIsolated) return undefined;
    this.#inFlight++;
    return this.circuit.give(now, caller);
  }

  /**
   * @internal Asks for the right to make one attempt: a permit, which must be settled, or when it is worth asking again, ms;
   * nothing is told of a rejection. A promise only where the circuit has a store and is half-open, which is asked for a probe
   * of the whole fleet. It is never rejected, and pending no longer than `commandTimeoutMs`.
   *
   * @param now The time on the circuit's clock, ms.
   * @param leaseMs How long a probe holds its permit, unless the options say; 30_000 for what is not finite.
   * @param caller Any object that stands for the call which the attempt is of: it gets one probe in each half-open period,
   *   so that the retries of one call do not use up all of them.
   * @param mayProbe `false` for an attempt that has less time left than successes take: it would not tell whether the
   *   service is back, so it gets no probe.
   */
  ask(
    now: number = this.timeUnless(this.circuit.detector.ignoresDuration),
    leaseMs = DEFAULT_LEASE_MS,
    caller?: object,
    mayProbe = true,
  ): Answer | Promise<Answer> {
    const permit = this.enter(now, caller);
    if (permit) return permit;
    const isLeased = this.#isLeasedAt(now, caller);
    const { link } = this.circuit;
    link?.touch();
    if (!mayProbe && !this.isIsolated && this.circuit.at(now).name === 'half-open') return 0;
    const give = (lease?: Lease, at = this.now) => this.#admit(at, leaseMs, caller, lease);
    if (!link || !isLeased) return give(undefined, now);
    return link.admit(now, this.circuit.heldMs(leaseMs), (at = this.now) => this.#isLeasedAt(at, caller), give);
  }

  /**
   * @internal As `ask`, and an attempt that would be rejected waits instead, where that may help. Who leaves while the store is
   * asked gets a permit all the same if it says so, and is not put into the queue.
   */
  seek(seeking: Seeking): Permit | Rejection | Waiting {
    let place: Waiting | undefined;
    let isLeft = false;
    const answered = (answer: Answer): Permit | Rejection | Promise<Permit | Rejection> => {
      if (typeof answer !== 'number') return answer;
      if (isLeft) return new Promise(() => undefined);
      const next = this.#waitOrReject(seeking, answer);
      if ('admitted' in next) return next;
      place = next;
      seeking.onQueue?.();
      return place.answer;
    };
    const { now, leaseMs, caller, mayProbe } = seeking;
    const asked = this.ask(now, leaseMs, caller, mayProbe);
    const answer = asked instanceof Promise ? asked.then(answered) : answered(asked);
    if (!(answer instanceof Promise)) return answer;
    const leave = () => {
      isLeft = true;
      place?.leave();
    };
    return { answer, leave, end: () => place?.end() };
  }

  /**
   * @internal As `seek`; an abort ends the wait with the signal's reason.
   *
   * @param patienceMs How long it may wait; asked where it would be rejected.
   * @param remainingMs What is left for the attempt, ms: it gets no probe where successes take longer.
   */
  acquireWithin(
    patienceMs: () => number,
    signal?: AbortSignal,
    caller?: object,
    remainingMs = Number.POSITIVE_INFINITY,
  ): Permit | Rejection | Promise<Permit | Rejection> {
    const permit = this.enter(undefined, caller);
    if (permit) return permit;
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    const mayProbe = remainingMs === Number.POSITIVE_INFINITY || remainingMs >= (this.usualMs ?? 0);
    const next = this.seek({
      now: undefined,
      leaseMs: DEFAULT_LEASE_MS,
      caller,
      mayProbe,
      patienceMs,
      agrees: undefined,
      onQueue: undefined,
    });
    return 'admitted' in next ? next : unlessAborted(next, signal);
  }

  /** @internal Whether an attempt that can wait as long as that may hope for a permit, as far as can be foreseen. */
  isWorthWaiting(maxWaitMs: number): boolean {
    const { now } = this;
    return maxWaitMs > 0 && this.#openGate().isWorthIt(now + maxWaitMs, now);
  }

  /** @internal How many attempts were rejected. */
  protected get rejected(): number {
    return this.#rejected;
  }

  /** @internal A permit comes back. */
  protected returning(): void {
    this.#inFlight--;
  }

  /** @internal The circuit has taken in what came back with a permit: there may be room for one that waits. */
  protected returned(): void {
    if (this.#gate?.size) this.#gate.look(this.now);
  }

  /** @internal */
  protected override changed(now: number): void {
    this.#gate?.moved(now);
  }

  /** @internal The time, unless nobody looks at it in a closed circuit: the clock is the dearest part of a healthy call. */
  protected timeUnless(isUnseen: boolean): number {
    return isUnseen && this.circuit.isClosed ? 0 : this.now;
  }

  /** @internal How many may wait at a time. */
  get maxQueue(): number {
    return this.circuit.policy.maxQueue;
  }

  /** @internal What the slowest success took in the last minute in which there were any, ms. */
  get usualMs(): number | undefined {
    return this.times.slowestMs();
  }

  /** @internal What those who wait have before them. */
  outlook(now: number): Outlook {
    if (this.mode === 'observe') return this.#passing();
    if (this.isIsolated) return { name: 'cooling', until: Number.POSITIVE_INFINITY };
    const state = this.circuit.at(now);
    switch (state.name) {
      case 'closed':
        return this.#passing();
      case 'open':
        return { name: 'cooling', until: state.byHand ? Number.POSITIVE_INFINITY : state.until };
      case 'half-open': {
        const { usualMs } = this;
        return {
          name: 'probing',
          hasSeat: state.probes.hasSeat(this.circuit.probeRules(now).permits, undefined),
          since: state.probes.since,
          patienceMs: usualMs === undefined ? PATIENCE_MS : 2 * usualMs,
        };
      }
    }
  }

  /** @internal A permit for one that waits, if there is one to be had. */
  admit({ leaseMs, caller, mayProbe }: Asking, now: number): Permit | undefined | Promise<Permit | undefined> {
    const permitOf = (answer: Answer): Permit | undefined => {
      if (typeof answer !== 'number') return answer;
      return this.mode === 'observe' ? (this.#reject(this.now, answer) as Permit) : undefined;
    };
    const answer = this.ask(now, leaseMs, caller, mayProbe);
    return answer instanceof Promise ? answer.then(permitOf) : permitOf(answer);
  }

  /** @internal Rejects one that waits. */
  reject(now: number): Rejection {
    return this.#reject(now, this.isIsolated ? Number.POSITIVE_INFINITY : this.circuit.waitMs(now)) as Rejection;
  }

  /** Whether a lease of the store is needed: for a probe, unless the call has had its own or already holds one. */
  #isLeasedAt(now: number, caller: object | undefined): boolean {
    const state = this.circuit.at(now);
    if (state.name !== 'half-open' || this.circuit.link === undefined || this.isIsolated) return false;
    return !state.probes.hasSpare && !state.probes.hasSeated(caller);
  }

  #admit(now: number, leaseMs: number, caller: object | undefined, lease?: Lease): Answer {
    if (this.isIsolated) return Number.POSITIVE_INFINITY;
    const answer = this.circuit.admit(now, leaseMs, caller, lease);
    if (typeof answer !== 'number') this.#inFlight++;
    return answer;
  }

  #reject(now: number, leftMs: number): Permit | Rejection {
    const retryAfterMs = this.#honest(leftMs, now);
    if (this.mode === 'enforce') {
      this.#rejected++;
      this.emit({ type: 'rejected', key: this.key, by: 'circuit', retryAfterMs });
      return new Denial(retryAfterMs, this.cause);
    }
    this.emit({ type: 'wouldReject', key: this.key, retryAfterMs });
    this.#inFlight++;
    return new IssuedPermit(this, UNCOUNTED, now);
  }

  /** While a probe is out, it is worth asking again when that may have ended, and not when its seat is free at the latest. */
  #honest(leftMs: number, now: number): number {
    const state = this.circuit.at(now);
    if (state.name !== 'half-open' || this.isIsolated) return leftMs;
    const endsInMs = (state.probes.since ?? now) + (this.times.slowestMs(now) ?? PATIENCE_MS) - now;
    return Math.min(leftMs, endsInMs > 0 ? endsInMs : PATIENCE_MS);
  }

  /** A place in the queue, or what it is given in place of one. */
  #waitOrReject(seeking: Seeking, retryAfterMs: number): Permit | Rejection | Waiting {
    const { now } = this;
    const until = now + seeking.patienceMs();
    const isPatient = this.mode === 'enforce' && until > now;
    const isWorthIt = isPatient && this.#openGate().isWorthIt(until, now) && (seeking.agrees?.(retryAfterMs) ?? true);
    const place = isWorthIt ? this.#openGate().wait({ ...seeking, until }, now) : undefined;
    if (!place) return this.#reject(now, retryAfterMs);
    this.emit({ type: 'queued', key: this.key, by: 'circuit', queued: this.queued });
    return place;
  }

  #openGate(): Gate {
    this.#gate ??= new Gate(this);
    return this.#gate;
  }

  /** The processes of a fleet close at the same moment: each begins a little later than the next. */
  #passing(): Outlook {
    return {
      name: 'passing',
      startsInMs: this.circuit.link ? (this.circuit.policy.random() * this.circuit.cooldownMs) / 10 : 0,
    };
  }
}
