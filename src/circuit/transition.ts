import type { CircuitState, TransitionReason } from '../events.js';
import type { PermitIssuer } from './permit.js';

/** One change of the automatic state. */
export interface Transition {
  readonly from: CircuitState;
  readonly to: CircuitState;
  readonly reason: TransitionReason;
  /** Failures that the detector counted before. */
  readonly failures: number;
  readonly cooldownMs: number;
}

/** A state that is not found but given. */
export interface GivenState {
  readonly state: 'closed' | 'open';
  readonly remainingMs: number;
  readonly openings: number;
}

/** What a circuit belongs to: takes back its permits, and hears of each transition when it is final. */
export interface CircuitOwner extends PermitIssuer {
  readonly key: string;
  complain(source: string, error: unknown): void;
  moved(transition: Transition, now: number): void;
}
