import type { CircuitState, ResilienceEvents } from 'axios-resilience';

/** What came of the calls of one process. */
export interface Tally {
  answered: number;
  failed: number;
  rejected: number;
}

/** `call`: begin to call, and to count anew; `count`: tell the count; `stop`: come to an end. */
export type ToProcess = 'call' | 'count' | 'stop';

export type FromProcess =
  | { readonly event: 'ready' }
  | { readonly event: 'tally'; readonly tally: Tally }
  | {
      readonly event: 'circuit';
      readonly from: CircuitState;
      readonly to: CircuitState;
      readonly reason: ResilienceEvents['stateChange']['reason'];
      readonly at: number;
    }
  | { readonly event: 'store'; readonly what: 'degraded' | 'recovered'; readonly at: number };
