import { PROBE_LOST, type Question, type SharedView } from '../circuit/link.js';
import type { CircuitState } from '../events.js';
import { noCounts, type SharedCounts } from './shared-counts.js';

/** A circuit as a store keeps it; times are the store's own. */
export interface SharedCircuit {
  readonly epoch: string;
  generation: number;
  state: CircuitState;
  until: number;
  cooldownMs: number;
  openings: number;
  byHand: boolean;
  by: string;
  why: string;
  /** When a question was put, or answered; `-Infinity`: none was. */
  askedAt: number;
  /** How long it is out; 0: it is answered. */
  askedForMs: number;
  askedWindowMs: number;
  askedSince: number;
  rules: string | undefined;
  successes: number;
  /** Successes since it was closed, as far as they were told. */
  served: number;
  failures: number;
  forgetAt: number;
  counts: SharedCounts;
  /** The longest lease of this generation, ms. */
  leaseMs: number;
  readonly leases: Map<string, number>;
  readonly settled: Set<string>;
  /** The tokens of probes whose leases ran out, in this round and in those before it that were lost as a whole. */
  readonly lost: Set<string>;
  /** The number of the latest report of each process. */
  readonly reporters: Map<string, number>;
  /** When each process failed last. */
  readonly votes: Map<string, number>;
}

const NEVER = Number.NEGATIVE_INFINITY;

export const makeCircuit = (): SharedCircuit => ({
  epoch: Math.random().toString(36).slice(2),
  generation: 0,
  state: 'closed',
  until: 0,
  cooldownMs: 0,
  openings: 0,
  byHand: false,
  by: '',
  why: '',
  askedAt: NEVER,
  askedForMs: 0,
  askedWindowMs: 0,
  askedSince: 0,
  rules: undefined,
  successes: 0,
  served: 0,
  failures: 0,
  forgetAt: 0,
  counts: noCounts(),
  leaseMs: 0,
  leases: new Map(),
  settled: new Set(),
  lost: new Set(),
  reporters: new Map(),
  votes: new Map(),
});

const UNKNOWN = {
  epoch: '',
  generation: 0,
  state: 'closed',
  remainingMs: 0,
  cooldownMs: 0,
  openings: 0,
  byHand: false,
  by: '',
  why: '',
  question: undefined,
  isMuted: false,
} as const;

/** What is left of a cooldown, never more than its length: the clock may have been set back. */
export const remainingMs = ({ until, cooldownMs }: SharedCircuit, now: number): number =>
  Math.max(0, Math.min(cooldownMs, until - now));

export function viewOf(circuit: SharedCircuit | undefined, now: number): SharedView {
  if (!circuit) return { ...UNKNOWN, at: now };
  const { epoch, generation, state, cooldownMs, openings, byHand, by, why } = circuit;
  return {
    epoch,
    generation,
    state,
    remainingMs: state === 'open' ? remainingMs(circuit, now) : 0,
    cooldownMs,
    openings,
    byHand,
    by,
    why,
    question: questionOf(circuit, now),
    isMuted: false,
    at: now,
  };
}

function questionOf(circuit: SharedCircuit, now: number): Question | undefined {
  const { state, askedAt, askedForMs, askedWindowMs, askedSince } = circuit;
  const withinMs = askedAt > now ? 0 : askedAt + askedForMs - now;
  if (state !== 'closed' || withinMs <= 0) return undefined;
  return { withinMs, windowMs: askedWindowMs, sinceMs: Math.max(0, now - askedSince) };
}

/** So many lost probes are kept in mind. */
const MOST_LOST = 64;

/** Notes that the probes under way are lost, one of them at least: the success of each counts all the same. */
export function loseProbes({ leases, lost }: SharedCircuit): void {
  for (const token of leases.keys()) lost.add(token);
  for (const token of lost) if (lost.size > MOST_LOST) lost.delete(token);
}

/** Moves the circuit on: nothing of the generation before counts any more. */
export function transition(circuit: SharedCircuit, state: CircuitState, by: string, why: string, byHand = false): void {
  Object.assign(circuit, {
    state,
    byHand,
    by,
    why,
    generation: circuit.generation + 1,
    successes: 0,
    served: 0,
    failures: 0,
    askedAt: NEVER,
    askedForMs: 0,
    leaseMs: 0,
    rules: undefined,
    counts: noCounts(),
  });
  circuit.settled.clear();
  if (why !== PROBE_LOST && why !== 'cooldown-elapsed') circuit.lost.clear();
  circuit.reporters.clear();
  circuit.votes.clear();
  circuit.leases.clear();
}
