import type { BreakerMode } from '../../src/circuit/options.js';
import type { TransitionReason } from '../../src/events.js';
import type { CircuitState, Outcome, ResilienceEvents } from '../../src/index.js';

/** A detector as plain data; rates in whole percent. */
export type DetectorPlan =
  | {
      readonly kind: 'consecutiveFailures';
      readonly threshold: number;
      readonly minSpanMs?: number | undefined;
      readonly maxAgeMs?: number | undefined;
    }
  | { readonly kind: 'failuresInWindow'; readonly failures: number; readonly windowMs: number }
  | {
      readonly kind: 'failureRate';
      readonly size: number;
      readonly percent: number;
      readonly minAttempts: number;
      readonly maxAgeMs?: number | undefined;
    }
  | {
      readonly kind: 'failureRateInWindow';
      readonly windowMs: number;
      readonly percent: number;
      readonly minAttempts: number;
    }
  | {
      readonly kind: 'slowCallRate';
      readonly slowMs: number;
      readonly size: number;
      readonly percent: number;
      readonly minAttempts: number;
    }
  | { readonly kind: 'anyOf' | 'allOf'; readonly parts: readonly DetectorPlan[] };

/** A circuit as plain data. */
export interface CircuitPlan {
  readonly detector: DetectorPlan;
  readonly cooldown: number | { readonly baseMs: number; readonly factor: number; readonly maxMs: number };
  readonly maxRetryAfterMs: number;
  readonly opensOnRetryAfter: boolean;
  readonly permits: number;
  readonly successThreshold: number;
  readonly failurePercent?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly mode: BreakerMode;
}

type Told<Event> = Event extends unknown ? Omit<Event, 'key' | 'at'> : never;
export type ModelEvent = Told<
  ResilienceEvents['stateChange' | 'wouldReject' | 'late'] | Extract<ResilienceEvents['rejected'], { by: 'circuit' }>
>;

interface Completed {
  readonly outcome: 'success' | 'failure';
  readonly at: number;
  readonly durationMs: number;
}

/** What a detector makes of the outcomes it was told. */
interface Verdict {
  readonly trips: boolean;
  readonly failures: number;
  readonly rate: number | undefined;
  readonly reason: 'threshold' | 'slow';
}

export interface ModelPermit {
  readonly era: number | 'uncounted';
  readonly acquiredAt: number;
  readonly leaseEnd: number;
  /** The call that the attempt is of. */
  readonly caller?: number | undefined;
  outcome?: Outcome;
  /** Whether its lease ran out before it ended. */
  isLost?: boolean;
  /** As what it counted among the probes, and in which round. */
  judged?: { readonly round: number; readonly as: 'success' | 'failure' };
}

/** What a circuit was when it was saved; `now` is the time on the clock that it was saved by. */
export interface ModelSave {
  readonly now: number;
  readonly state: 'closed' | 'open';
  readonly remainingCooldownMs: number;
  readonly openings: number;
  readonly completed: readonly Completed[][];
}

const BUCKETS = 10;
const DEFAULT_LEASE_MS = 30_000;

const leavesOf = (plan: DetectorPlan): DetectorPlan[] => ('parts' in plan ? plan.parts.flatMap(leavesOf) : [plan]);

const bucketOf = (at: number, windowMs: number) => Math.floor((at * BUCKETS) / windowMs);

/** The outcomes that a detector looks at, out of all that it was told. */
function inSight(plan: DetectorPlan, completed: readonly Completed[], now: number): Completed[] {
  switch (plan.kind) {
    case 'failuresInWindow':
    case 'failureRateInWindow':
      return completed.filter(({ at }) => bucketOf(at, plan.windowMs) > bucketOf(now, plan.windowMs) - BUCKETS);
    case 'failureRate':
      return completed.slice(-plan.size).filter(({ at }) => now - at < (plan.maxAgeMs ?? Number.POSITIVE_INFINITY));
    case 'slowCallRate':
      return completed.slice(-plan.size);
    default:
      return [...completed];
  }
}

function judgeOne(plan: DetectorPlan, completed: readonly Completed[], now: number): Verdict {
  const seen = inSight(plan, completed, now);
  const failures = seen.filter(({ outcome }) => outcome === 'failure').length;
  const byRate = (bad: number, percent: number, minAttempts: number) => ({
    trips: seen.length >= minAttempts && bad * 100 >= percent * seen.length,
    failures: bad,
    rate: seen.length === 0 ? 0 : bad / seen.length,
  });
  switch (plan.kind) {
    case 'consecutiveFailures': {
      const { threshold, minSpanMs = 0, maxAgeMs = Number.POSITIVE_INFINITY } = plan;
      const inARow = seen
        .slice(seen.findLastIndex(({ outcome }) => outcome === 'success') + 1)
        .filter(({ at }) => now - at <= maxAgeMs);
      const spanMs = now - (inARow[0]?.at ?? now);
      const trips = inARow.length >= threshold && spanMs >= minSpanMs;
      return { trips, failures: inARow.length, rate: undefined, reason: 'threshold' };
    }
    case 'failuresInWindow':
      return { trips: failures >= plan.failures, failures, rate: undefined, reason: 'threshold' };
    case 'failureRate':
    case 'failureRateInWindow':
      return { ...byRate(failures, plan.percent, plan.minAttempts), reason: 'threshold' };
    case 'slowCallRate': {
      const slow = seen.filter(({ durationMs }) => durationMs >= plan.slowMs).length;
      return { ...byRate(slow, plan.percent, plan.minAttempts), reason: 'slow' };
    }
    default:
      throw new Error(`${plan.kind} has parts`);
  }
}

/** `completed` has one list for each leaf of the plan, in the order of `leavesOf`. */
function judge(plan: DetectorPlan, completed: readonly Completed[][], now: number): Verdict {
  if (!('parts' in plan)) return judgeOne(plan, completed[0] ?? [], now);
  let first = 0;
  const verdicts = plan.parts.map((part) => {
    const count = leavesOf(part).length;
    first += count;
    return judge(part, completed.slice(first - count, first), now);
  });
  const tripping = verdicts.filter(({ trips }) => trips);
  return {
    trips: plan.kind === 'anyOf' ? tripping.length > 0 : tripping.length === verdicts.length,
    failures: Math.max(...verdicts.map(({ failures }) => failures)),
    rate: undefined,
    reason: tripping[0]?.reason ?? 'threshold',
  };
}

/**
 * What a circuit breaker should do, said a second time: it keeps the whole lists of outcomes and probes and counts them
 * anew whenever something depends on them. Times are whole milliseconds.
 */
export class ReferenceModel {
  readonly plan: CircuitPlan;
  readonly events: ModelEvent[] = [];
  readonly counts = { success: 0, failure: 0, neutral: 0, rejected: 0, late: 0 };
  mode: BreakerMode;
  now: number;
  isolations = 0;
  #state: CircuitState = 'closed';
  #shownSince: number;
  /** Everything that was begun in an earlier era comes too late, but for the successes of probes. */
  #era = 0;
  /** A round of probes goes from one opening to the next, or to the closing. */
  #round = 0;
  /** The first era whose probes can still close the circuit: since then probes were lost, and none failed otherwise. */
  #trustedSince = 0;
  /** Seats for calls that ask twice. */
  #spare = 0;
  #until = 0;
  #openings = 0;
  #served = 0;
  #completed: Completed[][] = [];
  #permits: ModelPermit[] = [];

  constructor(plan: CircuitPlan, now: number) {
    this.plan = plan;
    this.mode = plan.mode;
    this.now = now;
    this.#shownSince = now;
    this.#forget();
  }

  /** Looks at the circuit: probes whose lease is over are lost by it, and an open one whose cooldown is over becomes half-open. */
  look() {
    this.#loseProbes();
    if (this.#state === 'open' && this.now >= this.#until) this.#change('half-open', 'cooldown-elapsed');
    const verdict = this.#verdict();
    return {
      state: this.#shown(),
      stateAgeMs: this.now - this.#shownSince,
      remainingCooldownMs: this.#state === 'open' ? this.#until - this.now : 0,
      failures: verdict.failures,
      rate: verdict.rate,
      openings: this.#openings,
      inFlight: this.#permits.filter(({ outcome }) => outcome === undefined).length,
      queued: 0,
      isolated: this.isolations > 0,
      counts: { ...this.counts },
    };
  }

  /** A permit, or how long to wait; in mode `observe` both. */
  tryAcquire(leaseMs = DEFAULT_LEASE_MS, caller?: number): { permit?: ModelPermit; retryAfterMs?: number } {
    this.look();
    if (this.isolations > 0) return this.#reject(Number.POSITIVE_INFINITY);
    if (this.#state === 'open') return this.#reject(this.#until - this.now);
    if (this.#state === 'closed') return { permit: this.#give(this.#era, Number.POSITIVE_INFINITY) };
    const seats = this.#probes().filter(({ outcome, isLost }) => outcome === undefined && !isLost);
    const hasProbed = this.#probes().some(
      (probe) => probe.caller === caller && (probe.outcome !== 'neutral' || probe.isLost === true),
    );
    const isBarred = caller !== undefined && hasProbed;
    if (seats.length < this.plan.permits + this.#spare && !isBarred) {
      return { permit: this.#give(this.#era, this.now + (this.plan.leaseMs ?? leaseMs), caller) };
    }
    if (seats.length === 0) return this.#reject(0);
    const leftMs = Math.min(...seats.map(({ leaseEnd }) => leaseEnd)) - this.now;
    // Nobody says how long successes take: a probe is taken to be back a second after its start, or in a second from now.
    const endsInMs = Math.min(...seats.map(({ acquiredAt }) => acquiredAt)) + 1_000 - this.now;
    return this.#reject(Math.min(leftMs, endsInMs > 0 ? endsInMs : 1_000));
  }

  /** @param isOwnRejection Whether the attempt came to a rejection of this very circuit. */
  settle(permit: ModelPermit, outcome: Outcome, retryAfterMs?: number, isOwnRejection = false): void {
    if (permit.outcome !== undefined) return;
    permit.outcome = outcome;
    this.counts[outcome]++;
    if (permit.era === 'uncounted') return;
    const era = this.#era;
    const isUnderWay = this.#state === 'half-open' && permit.era === era && !permit.isLost;
    if (outcome === 'neutral') {
      if (isUnderWay && isOwnRejection) this.#spare = Math.min(8, this.#spare + 1);
      return;
    }
    if (this.#state !== 'closed') this.look();
    if (this.#state === 'closed' && permit.era === this.#era) {
      this.#record(outcome, permit, retryAfterMs);
      return;
    }
    const isProbe = Number.isFinite(permit.leaseEnd) && permit.era >= this.#trustedSince && this.#state !== 'closed';
    const as = outcome === 'failure' || this.#isSlow(permit) ? 'failure' : 'success';
    if (isProbe && (as === 'success' || (isUnderWay && era === this.#era))) {
      permit.judged = { round: this.#round, as };
      this.#judgeProbes(retryAfterMs);
      return;
    }
    this.counts.late++;
    this.events.push({ type: 'late', outcome });
  }

  trip(cooldownMs?: number): void {
    this.#open('manual', undefined, cooldownMs);
  }

  reset(): void {
    this.#openings = 0;
    this.#change('closed', 'manual');
  }

  isolate(): void {
    this.#hold(1);
  }

  release(): void {
    this.#hold(-1);
  }

  save(): ModelSave {
    const { remainingCooldownMs, openings } = this.look();
    return {
      now: this.now,
      state: this.#state === 'closed' ? 'closed' : 'open',
      remainingCooldownMs,
      openings,
      completed: this.#completed.map((list) => [...list]),
    };
  }

  /** Outcomes keep their age; in a window of buckets that is the age of their bucket. */
  restore(save: ModelSave): void {
    this.#openings = save.openings;
    this.#until = this.now + save.remainingCooldownMs;
    this.#change(save.state, 'restored', save.remainingCooldownMs);
    const leaves = leavesOf(this.plan.detector);
    this.#completed = save.completed.map((list, index) => {
      const leaf = leaves[index]!;
      const shifted = (at: number) => this.now - (save.now - at);
      if (!('windowMs' in leaf)) return list.map((entry) => ({ ...entry, at: shifted(entry.at) }));
      const bucketMs = leaf.windowMs / BUCKETS;
      const shiftedBucket = (at: number) =>
        bucketOf(this.now, leaf.windowMs) - (bucketOf(save.now, leaf.windowMs) - bucketOf(at, leaf.windowMs));
      return list.map((entry) => ({ ...entry, at: shiftedBucket(entry.at) * bucketMs }));
    });
  }

  /** The times to come at which something ends or expires. */
  moments(): number[] {
    const moments = [this.#until, ...this.#permits.map(({ leaseEnd }) => leaseEnd)];
    for (const [index, leaf] of leavesOf(this.plan.detector).entries()) {
      for (const { at } of this.#completed[index] ?? []) {
        if ('windowMs' in leaf) {
          const bucketMs = leaf.windowMs / BUCKETS;
          const bucket = bucketOf(at, leaf.windowMs);
          moments.push((bucket + 1) * bucketMs, (bucket + BUCKETS) * bucketMs);
        }
        if ('maxAgeMs' in leaf && leaf.maxAgeMs !== undefined) moments.push(at + leaf.maxAgeMs, at + leaf.maxAgeMs + 1);
        if ('minSpanMs' in leaf && leaf.minSpanMs !== undefined) moments.push(at + leaf.minSpanMs);
      }
    }
    const toCome = moments.filter((moment) => moment > this.now && Number.isFinite(moment));
    return [...new Set(toCome)].sort((a, b) => a - b);
  }

  #shown(): CircuitState {
    return this.isolations > 0 ? 'open' : this.#state;
  }

  #verdict(): Verdict {
    return judge(this.plan.detector, this.#completed, this.now);
  }

  #forget(): void {
    this.#completed = leavesOf(this.plan.detector).map(() => []);
  }

  #give(era: number | 'uncounted', leaseEnd: number, caller?: number): ModelPermit {
    const permit: ModelPermit = { era, acquiredAt: this.now, leaseEnd, caller };
    this.#permits.push(permit);
    return permit;
  }

  #reject(retryAfterMs: number): { permit?: ModelPermit; retryAfterMs: number } {
    const observed = this.mode === 'observe';
    if (!observed) this.counts.rejected++;
    this.events.push(
      observed ? { type: 'wouldReject', retryAfterMs } : { type: 'rejected', by: 'circuit', retryAfterMs },
    );
    return observed ? { permit: this.#give('uncounted', this.now), retryAfterMs } : { retryAfterMs };
  }

  #probes(): ModelPermit[] {
    return this.#permits.filter(({ era }) => era === this.#era);
  }

  #record(outcome: 'success' | 'failure', permit: ModelPermit, retryAfterMs: number | undefined): void {
    const entry = { outcome, at: this.now, durationMs: this.now - permit.acquiredAt };
    for (const list of this.#completed) list.push(entry);
    const { trips, reason } = this.#verdict();
    if (trips) this.#open(reason, retryAfterMs);
    else if (outcome === 'failure' && this.plan.opensOnRetryAfter && (retryAfterMs ?? 0) > 0) {
      this.#open('retry-after', retryAfterMs);
    } else if (outcome === 'success' && ++this.#served === 10) this.#openings = 0;
  }

  /** A probe is judged as the calls of a closed circuit are. */
  #isSlow({ acquiredAt }: ModelPermit): boolean {
    const leaves = leavesOf(this.plan.detector);
    return leaves.some((leaf) => leaf.kind === 'slowCallRate' && this.now - acquiredAt >= leaf.slowMs);
  }

  /** A probe is lost at the end of its lease, whenever it is seen. */
  #loseProbes(): void {
    const { now } = this;
    for (;;) {
      const lost = this.#probes()
        .filter(({ outcome, leaseEnd, isLost }) => outcome === undefined && !isLost && leaseEnd <= now)
        .sort((a, b) => a.leaseEnd - b.leaseEnd)[0];
      if (this.#state !== 'half-open' || lost === undefined) return;
      lost.isLost = true;
      lost.judged = { round: this.#round, as: 'failure' };
      const trustedSince = this.#trustedSince;
      this.now = lost.leaseEnd;
      this.#judgeProbes(undefined);
      this.now = now;
      this.#trustedSince = trustedSince;
    }
  }

  #judgeProbes(retryAfterMs: number | undefined): void {
    const { permits, successThreshold, failurePercent } = this.plan;
    const judged = this.#permits.flatMap((probe) => (probe.judged?.round === this.#round ? [probe.judged.as] : []));
    const successes = judged.filter((as) => as === 'success').length;
    const failures = judged.filter((as) => as === 'failure').length;
    // One success closes and no success opens, also where all probes may fail.
    const mayFail = Math.min(Math.floor(((failurePercent ?? 0) * permits) / 100), permits - 1);
    const mustSucceed = failurePercent === undefined ? successThreshold : permits - mayFail;
    if (failures > mayFail) this.#open('probe-failed', retryAfterMs);
    else if (successes >= mustSucceed) this.#change('closed', 'probe-succeeded');
  }

  #open(reason: TransitionReason, retryAfterMs = 0, givenMs?: number): void {
    if (this.#state !== 'open') this.#openings++;
    const cooldownMs = givenMs ?? Math.max(this.#cooldownMs(), Math.min(retryAfterMs, this.plan.maxRetryAfterMs));
    this.#until = this.now + cooldownMs;
    this.#change('open', reason, cooldownMs);
  }

  #cooldownMs(): number {
    const { cooldown } = this.plan;
    if (typeof cooldown === 'number') return cooldown;
    let cooldownMs = cooldown.baseMs;
    for (let opening = 1; opening < this.#openings; opening++) cooldownMs *= cooldown.factor;
    return Math.min(cooldownMs, cooldown.maxMs);
  }

  #hold(change: 1 | -1): void {
    this.look();
    const from = this.#shown();
    this.isolations += change;
    if (from !== this.#shown()) this.#shownSince = this.now;
    this.#tell(from, 'manual', this.#verdict().failures, 0);
  }

  #change(to: CircuitState, reason: TransitionReason, cooldownMs = 0): void {
    const from = this.#shown();
    const { failures } = this.#verdict();
    this.#state = to;
    this.#served = 0;
    if (this.isolations === 0) this.#shownSince = this.now;
    this.#era++;
    if (to === 'closed') this.#spare = 0;
    if (to !== 'half-open') {
      this.#round++;
      this.#trustedSince = this.#era;
    }
    this.#forget();
    this.#tell(from, reason, failures, cooldownMs);
  }

  #tell(from: CircuitState, reason: TransitionReason, failures: number, cooldownMs: number): void {
    const to = this.#shown();
    if (from !== to) this.events.push({ type: 'stateChange', from, to, reason, failures, cooldownMs });
  }
}
