import type { SharedView } from '../circuit/link.js';
import type { CircuitState } from '../events.js';
import type {
  CircuitStore,
  FailureReport,
  ForceRequest,
  LeaseReply,
  LeaseRequest,
  Settlement,
  StoreListener,
  StoreRequest,
} from './store.js';

interface Bucket {
  readonly index: number;
  bad: number;
  total: number;
}

interface Reporter {
  sequence: number;
  at: number;
  hasVote: boolean;
}

interface SharedCircuit {
  readonly epoch: string;
  generation: number;
  state: CircuitState;
  until: number;
  cooldownMs: number;
  openings: number;
  byHand: boolean;
  successes: number;
  failures: number;
  bucketMs: number;
  forgetAt: number;
  buckets: Bucket[];
  readonly leases: Map<string, number>;
  readonly settled: Set<string>;
  readonly reporters: Map<string, Reporter>;
}

const UNKNOWN = {
  epoch: '',
  generation: 0,
  state: 'closed',
  remainingMs: 0,
  cooldownMs: 0,
  openings: 0,
  failures: 0,
  total: 0,
  byHand: false,
} as const;

const BUCKETS = 10;
const LEAST_HORIZON_MS = 60_000;

const make = (): SharedCircuit => ({
  epoch: Math.random().toString(36).slice(2),
  generation: 0,
  state: 'closed',
  until: 0,
  cooldownMs: 0,
  openings: 0,
  byHand: false,
  successes: 0,
  failures: 0,
  bucketMs: 0,
  forgetAt: 0,
  buckets: [],
  leases: new Map(),
  settled: new Set(),
  reporters: new Map(),
});

/** A store within one process: for tests of a fleet without a server, and as a pattern for engines of your own. */
export function memoryStore(now: () => number = () => performance.now()): CircuitStore {
  const circuits = new Map<string, SharedCircuit>();
  const listeners = new Set<StoreListener>();

  const find = (key: string): SharedCircuit | undefined => {
    const circuit = circuits.get(key);
    if (circuit && circuit.forgetAt > now()) return circuit;
    circuits.delete(key);
    return undefined;
  };

  const count = ({ buckets, bucketMs }: SharedCircuit): { bad: number; total: number } => {
    const oldest = bucketMs === 0 ? Number.NEGATIVE_INFINITY : Math.floor(now() / bucketMs) - BUCKETS;
    const live = buckets.filter(({ index }) => index > oldest);
    return { bad: sum(live.map(({ bad }) => bad)), total: sum(live.map(({ total }) => total)) };
  };

  const view = (circuit: SharedCircuit): SharedView => {
    const { bad, total } = count(circuit);
    const { epoch, generation, state, until, cooldownMs, openings, byHand } = circuit;
    const remainingMs = state === 'open' ? Math.max(0, until - now()) : 0;
    return { epoch, generation, state, remainingMs, cooldownMs, openings, failures: bad, total, byHand, at: now() };
  };

  /** The circuit that an operation acts on; where the caller knows a later generation, the caller is right. */
  const open = (key: string, { known }: StoreRequest, stateIfBehind: CircuitState): SharedCircuit => {
    const circuit = structuredClone(find(key)) ?? make();
    if (circuit.epoch === known.epoch && circuit.generation < known.generation) {
      Object.assign(circuit, { generation: known.generation, state: stateIfBehind, until: now() });
    }
    return circuit;
  };

  const save = (key: string, circuit: SharedCircuit, { rememberMs }: StoreRequest): void => {
    circuit.forgetAt = Math.max(circuit.forgetAt, now() + rememberMs);
    circuits.set(key, circuit);
  };

  const unchanged = (key: string): SharedView => {
    const circuit = find(key);
    return circuit ? view(circuit) : { ...UNKNOWN, at: now() };
  };

  const isVoid = ({ expiresAt }: StoreRequest): boolean => now() > expiresAt;

  const transition = (circuit: SharedCircuit, state: CircuitState, byHand = false): void => {
    Object.assign(circuit, {
      state,
      byHand,
      generation: circuit.generation + 1,
      successes: 0,
      failures: 0,
      buckets: [],
    });
    circuit.settled.clear();
    circuit.reporters.clear();
    circuit.leases.clear();
  };

  const trip = (circuit: SharedCircuit, opening: { cooldownMs: number; openings: number }, byHand = false): void => {
    Object.assign(circuit, opening, { until: now() + opening.cooldownMs });
    transition(circuit, 'open', byHand);
  };

  const tell = (key: string, circuit: SharedCircuit): SharedView => {
    const told = view(circuit);
    for (const listener of listeners) queueMicrotask(() => listener.changed(key, told));
    return told;
  };

  const report = (key: string, given: FailureReport): SharedView => {
    const { known, reporter, sequence, failures, successes, threshold, tripped, quorum, opening } = given;
    const circuit = open(key, given, 'closed');
    const { epoch, generation, reporters } = circuit;
    const isCurrent =
      known.epoch === '' || generation === 0 || (epoch === known.epoch && generation === known.generation);
    if (isVoid(given) || circuit.state !== 'closed' || !isCurrent) return unchanged(key);
    if (sequence <= (reporters.get(reporter)?.sequence ?? -1)) return unchanged(key);
    const horizonMs = threshold?.windowMs || Math.max(LEAST_HORIZON_MS, opening.cooldownMs);
    for (const [id, { at }] of reporters) if (at <= now() - horizonMs) reporters.delete(id);
    const { hasVote = false } = reporters.get(reporter) ?? {};
    const bucketMs = threshold ? threshold.windowMs / BUCKETS : circuit.bucketMs;
    if (bucketMs !== circuit.bucketMs) Object.assign(circuit, { bucketMs, buckets: [] });
    const before = count(circuit);
    if (threshold?.windowMs === 0) {
      const bad = successes > 0 ? failures : before.bad + failures;
      circuit.buckets = [{ index: 0, bad, total: bad }];
      if (successes > 0) for (const other of reporters.values()) other.hasVote = false;
    } else if (threshold) {
      const index = Math.floor(now() / bucketMs);
      circuit.buckets = circuit.buckets.filter((bucket) => bucket.index > index - BUCKETS);
      if (circuit.buckets.at(-1)?.index !== index) circuit.buckets.push({ index, bad: 0, total: 0 });
      const bucket = circuit.buckets.at(-1) as Bucket;
      bucket.bad += failures;
      bucket.total += failures + successes;
    }
    const isReset = threshold?.windowMs === 0 && successes > 0;
    const votes = (hasVote && !isReset) || failures > 0 || tripped;
    reporters.set(reporter, { sequence, at: now(), hasVote: votes });
    save(key, circuit, given);
    const { bad, total } = count(circuit);
    const isOver =
      threshold !== undefined &&
      bad >= threshold.failures &&
      total >= threshold.minimumCalls &&
      bad / Math.max(1, total) >= threshold.rate;
    const voters = [...reporters.values()].filter((one) => one.hasVote).length;
    if (voters >= quorum && (failures > 0 || tripped) && (isOver || tripped)) {
      trip(circuit, opening);
      return tell(key, circuit);
    }
    return before.bad === 0 && bad > 0 ? tell(key, circuit) : view(circuit);
  };

  const acquire = (key: string, request: LeaseRequest): LeaseReply => {
    const { known, token, leaseMs, permits } = request;
    const circuit = open(key, request, 'open');
    const { leases } = circuit;
    const answer = (granted: boolean, free: number, retryAfterMs: number) => ({
      ...unchanged(key),
      granted,
      free,
      retryAfterMs,
    });
    const isForgotten = circuit.epoch !== known.epoch && known.epoch !== '' && circuit.generation === 0;
    if (isVoid(request)) return answer(false, 0, 0);
    if (isForgotten && circuit.state === 'closed') Object.assign(circuit, { state: 'open', until: now() });
    if (circuit.state === 'closed') return answer(false, 0, 0);
    if (circuit.state === 'open' && circuit.until > now()) return answer(false, 0, circuit.until - now());
    const isFirst = circuit.state === 'open';
    if (isFirst) transition(circuit, 'half-open');
    for (const [other, end] of leases) if (end <= now()) leases.delete(other);
    const earliestEnd = () => Math.max(0, Math.min(...leases.values()) - now());
    if (leases.size >= permits && !leases.has(token)) return answer(false, 0, earliestEnd());
    if (!leases.has(token)) leases.set(token, now() + leaseMs);
    save(key, circuit, request);
    if (isFirst) tell(key, circuit);
    return answer(true, Math.max(0, permits - leases.size), earliestEnd());
  };

  const settle = (key: string, settlement: Settlement): SharedView => {
    const { known, token, leased, outcome, probes, opening } = settlement;
    const circuit = open(key, settlement, 'open');
    const isCurrent = circuit.epoch === known.epoch && circuit.generation === known.generation;
    if (isVoid(settlement) || !isCurrent) return unchanged(key);
    const isFirst = circuit.state === 'open' && circuit.until <= now() && !leased;
    if ((circuit.state !== 'half-open' && !isFirst) || circuit.settled.has(token)) return unchanged(key);
    const end = circuit.leases.get(token) ?? 0;
    circuits.get(key)?.leases.delete(token);
    circuit.leases.delete(token);
    if (outcome === 'neutral' || (outcome === 'failure' && leased && end <= now())) return unchanged(key);
    if (isFirst) transition(circuit, 'half-open');
    circuit.settled.add(token);
    circuit[outcome === 'success' ? 'successes' : 'failures']++;
    if (circuit.failures > probes.allowed) trip(circuit, opening);
    else if (circuit.successes >= probes.needed) transition(circuit, 'closed');
    save(key, circuit, settlement);
    return circuit.generation > known.generation ? tell(key, circuit) : view(circuit);
  };

  const force = (key: string, request: ForceRequest): SharedView => {
    if (isVoid(request)) return unchanged(key);
    const isKnown = find(key) !== undefined;
    const circuit = open(key, request, 'open');
    if (!isKnown) circuit.generation = request.known.generation;
    save(key, circuit, request);
    if (request.state === 'open') {
      trip(circuit, request.opening, true);
    } else {
      circuit.openings = 0;
      transition(circuit, 'closed', true);
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

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
