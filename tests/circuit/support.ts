import type {
  BreakerRegistry,
  CircuitBreaker,
  Clock,
  EventOf,
  EventType,
  Permit,
  ResilienceEvent,
} from '../../src/index.js';

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
  const answer = breaker.tryAcquire();
  if (!answer.admitted) throw new Error(`rejected, retry in ${answer.retryAfterMs} ms`);
  return answer;
}

/** How long the circuit says to wait, or `admitted`; a permit is given back. */
export function ask(breaker: CircuitBreaker): number | 'admitted' {
  const answer = breaker.tryAcquire();
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

const ALL_TYPES: readonly EventType[] = ['stateChange', 'rejected', 'late', 'listenerError', 'evicted'];

/** Keeps what a breaker or registry emits from now on. */
export function listen(source: Pick<CircuitBreaker | BreakerRegistry, 'on'>): ResilienceEvent[] {
  const events: ResilienceEvent[] = [];
  for (const type of ALL_TYPES) source.on(type, (event) => events.push(event));
  return events;
}

export function ofType<Type extends EventType>(events: readonly ResilienceEvent[], type: Type): EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type);
}

/** The transitions as words: `closed -> open (threshold)`. */
export function transitions(events: readonly ResilienceEvent[]): string[] {
  return ofType(events, 'stateChange').map(({ from, to, reason }) => `${from} -> ${to} (${reason})`);
}
