import type { Permit } from '../../src/circuit/contract.js';
import type { Clock } from '../../src/clock.js';
import type { CircuitBreaker, ResilienceEvent, ResilienceEvents } from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(startMs = 0): ManualClock {
  let time = startMs;
  return {
    now: () => time,
    advance: (ms) => {
      time += ms;
    },
  };
}

/** Takes a permit; throws where there is none. */
export function acquire(breaker: CircuitBreaker): Permit {
  const answer = tryAcquire(breaker);
  if (!answer.admitted) throw new Error(`rejected, retry in ${answer.retryAfterMs} ms`);
  return answer;
}

/** How long the circuit says to wait, or `admitted`; a permit is given back. */
export function ask(breaker: CircuitBreaker): number | 'admitted' {
  const answer = tryAcquire(breaker);
  if (!answer.admitted) return answer.retryAfterMs;
  answer.settle('neutral');
  return 'admitted';
}

export function succeed(breaker: CircuitBreaker): void {
  acquire(breaker).settle('success');
}

export function fail(breaker: CircuitBreaker, times = 1): void {
  for (let i = 0; i < times; i++) acquire(breaker).settle('failure');
}

const HEARD = new Set(['stateChange', 'rejected', 'wouldReject', 'late', 'callbackError', 'breakerRemoved']);

/** Keeps what a breaker or registry emits from now on. */
export function listen(source: Pick<CircuitBreaker, 'on'>): ResilienceEvent[] {
  const events: ResilienceEvent[] = [];
  source.on('*', (event) => {
    if (HEARD.has(event.type)) events.push(event);
  });
  return events;
}

export function ofType<Type extends keyof ResilienceEvents>(
  events: readonly ResilienceEvent[],
  type: Type,
): ResilienceEvents[Type][] {
  return events.filter((event): event is ResilienceEvents[Type] => event.type === type);
}

/** What a store told, by its status. */
export const ofStatus = (events: readonly ResilienceEvent[], status: ResilienceEvents['store']['status']) =>
  ofType(events, 'store').filter((event) => event.status === status);

/** The transitions as words: `closed -> open (threshold)`. */
export function transitions(events: readonly ResilienceEvent[]): string[] {
  return ofType(events, 'stateChange').map(({ from, to, reason }) => `${from} -> ${to} (${reason})`);
}
