import { type Opening, PROBE_LOST, type SharedView } from '../circuit/link.js';
import { SERVED_AGAIN } from '../circuit/partial-fault.js';
import type { CircuitState } from '../events.js';
import { loseProbes, makeCircuit, remainingMs, type SharedCircuit, transition, viewOf } from './shared-circuit.js';
import { judge, type Verdict } from './shared-counts.js';
import type {
  FailureReport,
  ForceRequest,
  LeaseReply,
  LeaseRequest,
  ReportReply,
  Settlement,
  StoreEngine,
  StoreListener,
  StoreRequest,
} from './store.js';

const LEAST_HORIZON_MS = 60_000;
/** How long after its time a question counts as answered. */
const ANSWERED_FOR_MS = 2_000;
/** How long after an answer the next question is put. */
const ASK_AGAIN_MS = 500;

/** A store within one process: for tests of a fleet without a server, and as a pattern for engines of your own. */
export function memoryEngine(now: () => number = () => performance.now()): StoreEngine {
  const circuits = new Map<string, SharedCircuit>();
  const listeners = new Set<StoreListener>();

  const find = (key: string): SharedCircuit | undefined => {
    const circuit = circuits.get(key);
    if (circuit && circuit.forgetAt > now()) return circuit;
    circuits.delete(key);
    return undefined;
  };

  /** The circuit that an operation acts on; where the caller knows a later generation, the caller is right. */
  const open = (key: string, { known }: StoreRequest, stateIfBehind: CircuitState): SharedCircuit => {
    const circuit = structuredClone(find(key)) ?? makeCircuit();
    if (circuit.epoch === known.epoch && circuit.generation < known.generation) {
      Object.assign(circuit, { generation: known.generation, state: stateIfBehind, until: now() });
      circuit.reporters.clear();
    }
    return circuit;
  };

  const save = (key: string, circuit: SharedCircuit, { rememberMs }: StoreRequest): void => {
    circuit.forgetAt = Math.max(circuit.forgetAt, now() + rememberMs);
    circuits.set(key, circuit);
  };

  const unchanged = (key: string): SharedView => viewOf(find(key), now());

  const isVoid = ({ expiresAt }: StoreRequest): boolean => now() > expiresAt;

  const trip = (
    circuit: SharedCircuit,
    { opening, by, why }: { readonly opening: Opening; readonly by: string; readonly why: string },
    { byHand = false, from = now() } = {},
  ): void => {
    Object.assign(circuit, opening, { until: from + opening.cooldownMs });
    transition(circuit, 'open', by, why, byHand);
  };

  const tell = (key: string, circuit: SharedCircuit): SharedView => {
    const told = viewOf(circuit, now());
    for (const listener of listeners) queueMicrotask(() => listener.changed(key, told));
    return told;
  };

  /** Whether enough processes have failed. */
  const vote = (circuit: SharedCircuit, report: FailureReport, isTaken: boolean, isReset: boolean): boolean => {
    const { reporter, run, outcomes, tripped, quorum, threshold, opening } = report;
    if (quorum === 1) return true;
    const { votes } = circuit;
    const horizonMs = threshold?.windowMs || Math.max(LEAST_HORIZON_MS, opening.cooldownMs);
    for (const [id, at] of votes) if (isReset || at <= now() - horizonMs || at > now()) votes.delete(id);
    const hasFailed =
      threshold?.windowMs === 0 ? run.lastAgeMs !== undefined : outcomes.some(([, failures]) => failures > 0);
    if (((threshold && hasFailed) || tripped) && !isTaken) votes.set(reporter, now());
    return votes.size >= quorum;
  };

  /** Whether the circuit opens, when it is worth asking again, and whether a question was put or is answered. */
  const ask = (
    circuit: SharedCircuit,
    report: FailureReport,
    { isOver, isNear, since }: Verdict,
    isEnough: boolean,
  ) => {
    const { threshold, tripped, gatherMs } = report;
    const askedAt = circuit.askedAt > now() ? Number.NEGATIVE_INFINITY : circuit.askedAt;
    const { askedForMs, askedWindowMs } = circuit;
    const isMine = askedWindowMs === (threshold?.windowMs ?? 0);
    const mustAsk = threshold !== undefined && (threshold.windowMs === 0 || threshold.rate > 0);
    const endsAt = askedAt + askedForMs;
    const answer = (opens: boolean, judgeInMs = 0, isAsking = false) => ({ opens, judgeInMs, isAsking });
    if (isNear && mustAsk && isEnough) {
      if (tripped) return answer(true);
      if (askedForMs > 0 && now() < endsAt) return answer(false, endsAt - now());
      const wasLate = askedAt - circuit.askedSince >= (threshold.minSpanMs ?? 0);
      const heldMs = wasLate ? ANSWERED_FOR_MS : Math.min(ANSWERED_FOR_MS, askedForMs);
      if (askedForMs > 0 && isMine && now() < endsAt + heldMs) return answer(isOver);
      const againAt = askedAt + ASK_AGAIN_MS;
      if (askedForMs === 0 && now() < againAt) return answer(false, againAt - now());
      const question = { askedAt: now(), askedForMs: gatherMs, askedWindowMs: threshold.windowMs, askedSince: since };
      Object.assign(circuit, question);
      return answer(false, gatherMs, true);
    }
    const isAnswered = askedForMs > 0 && Number.isFinite(askedAt) && isMine && !isNear;
    if (isAnswered) Object.assign(circuit, { askedAt: now(), askedForMs: 0 });
    return answer(isEnough && (tripped || (isOver && !mustAsk)), 0, isAnswered && now() < endsAt);
  };

  const report = (key: string, given: FailureReport): ReportReply => {
    const { known, reporter, sequence, threshold, rules } = given;
    const circuit = open(key, given, 'closed');
    const { epoch, generation, reporters } = circuit;
    const isCurrent =
      known.epoch === '' || generation === 0 || (epoch === known.epoch && generation === known.generation);
    if (isVoid(given) || circuit.state !== 'closed' || !isCurrent) {
      return { ...unchanged(key), failures: 0, total: 0, judgeInMs: 0, otherRules: '' };
    }
    const isTaken = sequence <= (reporters.get(reporter) ?? -1);
    const otherRules = circuit.rules === undefined || circuit.rules === rules ? '' : circuit.rules;
    const verdict = judge(circuit.counts, given, isTaken, now());
    const isReset = threshold?.windowMs === 0 && verdict.failures <= given.run.failures && !isTaken;
    const isEnough = vote(circuit, given, isTaken, isReset);
    if (!isTaken) {
      reporters.set(reporter, sequence);
      circuit.served += given.served;
      if (circuit.served >= SERVED_AGAIN) circuit.openings = 0;
    }
    const { opens, judgeInMs, isAsking } = ask(circuit, given, verdict, isEnough);
    if (threshold) circuit.rules = rules;
    save(key, circuit, given);
    if (opens) {
      trip(circuit, given);
      return { ...tell(key, circuit), failures: 0, total: 0, judgeInMs: 0, otherRules };
    }
    if (isAsking) tell(key, circuit);
    const { failures, total } = verdict;
    return { ...viewOf(circuit, now()), failures, total, judgeInMs, otherRules };
  };

  /** Counts the leases that have run out as failed probes; whether there are any. */
  const loseExpired = (circuit: SharedCircuit, { allowed, opening, by }: LeaseRequest): boolean => {
    const { leases } = circuit;
    const ends = [...leases.values()].filter((end) => end <= now()).sort((a, b) => a - b);
    if (circuit.state !== 'half-open' || ends.length === 0) return false;
    loseProbes(circuit);
    for (const [token, end] of leases) if (end <= now()) leases.delete(token);
    const last = ends[Math.max(0, allowed - circuit.failures)];
    if (last === undefined) circuit.failures += ends.length;
    else trip(circuit, { opening, by, why: PROBE_LOST }, { from: last });
    return true;
  };

  const acquire = (key: string, request: LeaseRequest): LeaseReply => {
    const { known, token, leaseMs, permits, waitedMs, by } = request;
    const circuit = open(key, request, 'open');
    const { leases } = circuit;
    const answer = (granted: boolean, free: number, retryAfterMs: number) => ({
      ...unchanged(key),
      granted,
      free,
      retryAfterMs,
    });
    const isKnown = circuit.epoch === known.epoch;
    const isForgotten = !isKnown && known.epoch !== '' && circuit.generation === 0;
    if (isVoid(request)) return answer(false, 0, 0);
    if (isForgotten && circuit.state === 'closed') Object.assign(circuit, { state: 'open', until: now() });
    if (circuit.state === 'closed') return answer(false, 0, 0);
    const before = circuit.generation;
    const hasLost = loseExpired(circuit, request);
    const isClockBack = circuit.until > now() + circuit.cooldownMs;
    const hasWaited = isKnown && circuit.generation === known.generation && waitedMs >= circuit.cooldownMs;
    const leftMs = circuit.state === 'half-open' || (isClockBack && hasWaited) ? 0 : remainingMs(circuit, now());
    if (circuit.state === 'open' && leftMs === 0) transition(circuit, 'half-open', by, 'cooldown-elapsed');
    const longestMs = Math.max(circuit.leaseMs, leaseMs);
    for (const [other, end] of leases) leases.set(other, Math.min(end, now() + longestMs));
    const isGranted = leftMs === 0 && (leases.has(token) || leases.size < permits);
    if (isGranted && !leases.has(token)) leases.set(token, now() + leaseMs);
    if (isGranted) circuit.leaseMs = longestMs;
    if (isGranted || hasLost) save(key, circuit, request);
    if (circuit.generation > before) tell(key, circuit);
    const free = isGranted ? Math.max(0, permits - leases.size) : 0;
    return answer(isGranted, free, leftMs || Math.max(0, Math.min(...leases.values()) - now()));
  };

  const settle = (key: string, settlement: Settlement): SharedView => {
    const { known, token, leased, outcome, probes, by, why } = settlement;
    const circuit = open(key, settlement, 'open');
    const { leases, lost, settled } = circuit;
    const isCurrent = circuit.generation === known.generation;
    const isLate = outcome === 'success' && circuit.state !== 'closed' && lost.has(token);
    if (isVoid(settlement) || circuit.epoch !== known.epoch || !(isCurrent || isLate)) return unchanged(key);
    const isRefuted = why === 'late-success' && circuit.state !== 'closed' && !circuit.byHand;
    const isFirst = circuit.state === 'open' && (remainingMs(circuit, now()) <= 0 || isRefuted) && !leased;
    if ((circuit.state !== 'half-open' && !isFirst && !isLate) || settled.has(token)) return unchanged(key);
    const before = circuit.generation;
    const end = leases.get(token);
    const isLost = outcome === 'failure' && leased && end !== undefined && (why === PROBE_LOST || end <= now());
    if (isLost) loseProbes(circuit);
    circuits.get(key)?.leases.delete(token);
    leases.delete(token);
    if (outcome === 'neutral' || (outcome === 'failure' && leased && end === undefined)) return unchanged(key);
    if (isFirst) transition(circuit, 'half-open', by, 'cooldown-elapsed');
    if (isLate && isCurrent) circuit.failures = Math.max(0, circuit.failures - 1);
    if (isLate) lost.delete(token);
    if (!isLost) settled.add(token);
    circuit[outcome === 'success' ? 'successes' : 'failures']++;
    const opening = { ...settlement, why: isLost ? PROBE_LOST : why };
    if (outcome === 'failure' && circuit.failures > probes.allowed)
      trip(circuit, opening, isLost ? { from: Math.min(now(), end) } : {});
    else if (circuit.successes >= probes.needed || isRefuted) transition(circuit, 'closed', by, why);
    save(key, circuit, settlement);
    return circuit.generation > before ? tell(key, circuit) : viewOf(circuit, now());
  };

  const force = (key: string, request: ForceRequest): SharedView => {
    const { known, by, why } = request;
    const isKnown = find(key) !== undefined;
    const circuit = open(key, request, 'open');
    const isCurrent = circuit.epoch === known.epoch && circuit.generation === known.generation;
    if (isVoid(request) || (isKnown && !isCurrent)) return unchanged(key);
    if (!isKnown) circuit.generation = known.generation;
    save(key, circuit, request);
    if (request.state === 'open') {
      trip(circuit, request, { byHand: true });
    } else {
      circuit.openings = 0;
      transition(circuit, 'closed', by, why, true);
    }
    return tell(key, circuit);
  };

  const subscribe = (listener: StoreListener): void => {
    listeners.add(listener);
    listener.resumed();
  };

  return {
    read: promised(unchanged),
    report: promised(report),
    acquire: promised(acquire),
    settle: promised(settle),
    force: promised(force),
    subscribe: promised(subscribe),
  };
}

/** The operation as a store has it. */
const promised =
  <Given extends unknown[], Result>(operation: (...given: Given) => Result) =>
  (...given: Given): Promise<Result> =>
    Promise.resolve(operation(...given));
