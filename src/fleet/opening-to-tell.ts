import type { LinkedCircuit, Opening, RecordedFailure } from '../circuit/link.js';

/** How the circuit opens for all if the failures that are told open it: as the last of them would have it. */
export class OpeningToTell {
  why = '';
  readonly #circuit: Pick<LinkedCircuit, 'isClosed'>;
  #opening: Opening = { cooldownMs: 0, openings: 1 };
  #failedAt = 0;

  constructor(circuit: Pick<LinkedCircuit, 'isClosed'>) {
    this.#circuit = circuit;
  }

  failed({ opening, tripped, isToldToWait }: Partial<RecordedFailure>, now: number): void {
    if (opening) this.#opening = opening;
    this.#failedAt = now;
    this.why = isToldToWait ? 'retry-after' : (tripped ?? 'threshold');
  }

  /** Where the circuit of this process is open already, its cooldown has begun. */
  at(now: number): Opening {
    const { cooldownMs, openings } = this.#opening;
    const passedMs = this.#circuit.isClosed ? 0 : Math.round(now - this.#failedAt);
    return { openings, cooldownMs: Math.max(Math.min(1, cooldownMs), cooldownMs - passedMs) };
  }
}
