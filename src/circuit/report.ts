import { unexpected } from '../validation.js';
import type { Circuit } from './circuit.js';
import type { CircuitSnapshot, CircuitStats } from './contract.js';

/** What lies above the automatic state. */
type Shown = Pick<CircuitStats, 'state' | 'stateAgeMs' | 'inFlight' | 'queued' | 'isolated' | 'counts'>;

/** A circuit as it is at one moment. */
export function statsOf(circuit: Circuit, now: number, { state, stateAgeMs, ...shown }: Shown): CircuitStats {
  const { detector, link } = circuit;
  return {
    state,
    stateAgeMs,
    remainingCooldownMs: remainingCooldownMs(circuit, now),
    failures: detector.failures(now),
    rate: detector.rate,
    openings: circuit.openings,
    lastFailure: circuit.lastFailure,
    ...shown,
    ...(link && { shared: link.shared }),
  };
}

/** The automatic state as plain data. */
export function snapshotOf(key: string, circuit: Circuit, now: number): CircuitSnapshot {
  return {
    version: 1,
    key,
    state: circuit.at(now).name === 'closed' ? 'closed' : 'open',
    remainingCooldownMs: remainingCooldownMs(circuit, now),
    openings: circuit.openings,
    detector: circuit.detector.save(now),
  };
}

/** Takes over a snapshot; whether it is one. */
export function restore(circuit: Circuit, snapshot: CircuitSnapshot, now: number): boolean {
  if (!isSnapshot(snapshot)) return false;
  const { state, openings, detector } = snapshot;
  circuit.assume({ state, openings, remainingMs: snapshot.remainingCooldownMs }, 'restored', now, detector);
  return true;
}

export const unknownSnapshot = (snapshot: unknown): Error =>
  unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError);

const isSnapshot = (snapshot: Partial<CircuitSnapshot> | null | undefined): boolean =>
  snapshot?.version === 1 &&
  (snapshot.state === 'open' || snapshot.state === 'closed') &&
  [snapshot.remainingCooldownMs, snapshot.openings].every((value) => Number.isFinite(value) && Number(value) >= 0);

function remainingCooldownMs(circuit: Circuit, now: number): number {
  const state = circuit.at(now);
  return state.name === 'open' ? state.until - now : 0;
}
