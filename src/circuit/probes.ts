import type { IssuedPermit, ProbePermit } from './permit.js';

/** Calls that ask their own circuit a second time get a seat of their own for it; no more than these. */
const MOST_SPARE = 8;

/** One round of probes of a half-open circuit: those that are under way, and what came of the others. */
export class Probes {
  successes = 0;
  failures = 0;
  readonly #underWay = new Set<ProbePermit>();
  /** Probes whose success counts, also after their lease: of this round, and of the rounds before it that were lost. */
  #known = new WeakSet<IssuedPermit>();
  #callers = new WeakSet<object>();
  /** Seats for calls that hold one and ask again from within. */
  #spare: number;

  /** @param before The last round, if the circuit has not been closed since. */
  constructor(before?: Probes) {
    this.#spare = before ? before.#spare : 0;
  }

  /** How long until the first lease runs out, ms; 0 where no probe is under way. */
  waitMs(now: number): number {
    let end = Number.POSITIVE_INFINITY;
    for (const { leaseUntil } of this.#underWay) end = Math.min(end, leaseUntil);
    return this.#underWay.size > 0 ? end - now : 0;
  }

  /** Since when the oldest probe has been under way. */
  get since(): number | undefined {
    const [oldest] = this.#underWay;
    return oldest?.acquiredAt;
  }

  /** Whether a call that already holds a seat has asked before. */
  get hasSpare(): boolean {
    return this.#underWay.size > 0 && this.#spare > 0;
  }

  /** Whether there is a seat for the call, which gets one of each round. */
  hasSeat(permits: number, caller: object | undefined): boolean {
    return this.#underWay.size < permits + this.#spare && !this.hasSeated(caller);
  }

  hasSeated(caller: object | undefined): boolean {
    return caller !== undefined && this.#callers.has(caller);
  }

  seat(permit: ProbePermit): ProbePermit {
    this.#underWay.add(permit);
    this.#known.add(permit);
    if (permit.caller) this.#callers.add(permit.caller);
    return permit;
  }

  knows(permit: IssuedPermit): boolean {
    return this.#known.has(permit);
  }

  /** Frees a seat; whether the probe had it still. */
  leave(permit: IssuedPermit): boolean {
    return (this.#underWay as Set<IssuedPermit>).delete(permit);
  }

  /** A probe that said nothing is none; one that was rejected by its own circuit needs two seats. */
  giveBack({ caller }: IssuedPermit, isOwnRejection: boolean): void {
    if (caller) this.#callers.delete(caller);
    if (isOwnRejection) this.#spare = Math.min(this.#spare + 1, MOST_SPARE);
  }

  /** Takes out the probes whose lease has run out, in the order in which that happened. */
  takeLost(now: number): ProbePermit[] {
    const lost = [...this.#underWay].filter(({ leaseUntil }) => leaseUntil <= now);
    for (const permit of lost) this.#underWay.delete(permit);
    return lost.sort((a, b) => a.leaseUntil - b.leaseUntil);
  }

  /** The round after this one was lost. */
  next(): Probes {
    const next = new Probes(this);
    next.#known = this.#known;
    return next;
  }
}
