import axios from 'axios';
import { expectTypeOf, test } from 'vitest';
import {
  type AttemptEvent,
  attach,
  BreakerRegistry,
  CircuitBreaker,
  CircuitOpenError,
  type CircuitState,
  type EventOf,
  type EventType,
  isCircuitOpenError,
  type MemorySink,
  memorySink,
  type Outcome,
  type ResilienceEvent,
  type Sink,
  type StateChangeEvent,
  type Stopped,
} from '../../src/index.js';

const resilience = attach(axios.create());

test('events are told apart by type', () => {
  const describe = (event: ResilienceEvent): string => {
    expectTypeOf(event.key).toBeString();
    expectTypeOf(event.at).toBeNumber();
    switch (event.type) {
      case 'attempt':
        expectTypeOf(event.outcome).toEqualTypeOf<Outcome>();
        return `${event.attempt} ${event.status ?? event.code ?? ''} ${event.durationMs}`;
      case 'retry':
        return `${event.method} ${event.url} ${event.attempt} ${event.delayMs} ${event.reason}`;
      case 'call':
        expectTypeOf(event.stopped).toEqualTypeOf<Stopped>();
        return `${event.attempts} ${event.elapsedMs}`;
      case 'giveUp':
        expectTypeOf(event.stopped).toEqualTypeOf<Stopped>();
        return `${event.attempts} ${event.elapsedMs}`;
      case 'stateChange':
        expectTypeOf(event.from).toEqualTypeOf<CircuitState>();
        return `${event.to} ${event.reason} ${event.failures} ${event.cooldownMs}`;
      case 'rejected':
        expectTypeOf(event.observed).toBeBoolean();
        return `${event.retryAfterMs}`;
      case 'queued':
        return `${event.queued}`;
      case 'limited':
        return `${event.why} ${event.retryAfterMs}`;
      case 'limiter':
        expectTypeOf(event.limit).toEqualTypeOf<number | undefined>();
        return `${event.inFlight} ${event.queued}`;
      case 'fallback':
        return event.cause;
      case 'late':
        return event.outcome;
      case 'registered':
      case 'evicted':
        expectTypeOf(event.state).toEqualTypeOf<CircuitState>();
        return event.state;
      case 'listenerError':
        expectTypeOf(event.error).toBeUnknown();
        return event.source;
      case 'storeUnsubscribed':
        expectTypeOf(event.error).toBeUnknown();
        return event.key;
      case 'storeSubscribed':
        return event.key;
      case 'storeMismatch':
        return `${event.ours} ${event.theirs}`;
      case 'storeDegraded':
        expectTypeOf(event.error).toBeUnknown();
        return event.key;
      case 'storeRecovered':
        return `${event.degradedMs}`;
      case 'storeDropped':
        return `${event.key} ${event.outcomes}`;
      case 'waiting':
        return `${event.key} ${event.waiting} ${event.maxWaitMs}`;
      case 'resync':
        return `${event.circuits}`;
      default:
        expectTypeOf(event).toBeNever();
        return event;
    }
  };
  expectTypeOf(describe).returns.toBeString();
});

test('a listener is given the event of its type', () => {
  resilience.on('stateChange', (event) => expectTypeOf(event).toEqualTypeOf<StateChangeEvent>());
  resilience.on('attempt', (event) => expectTypeOf(event).toEqualTypeOf<AttemptEvent>());
  resilience.on('giveUp', ({ stopped, attempts, elapsedMs }) => {
    expectTypeOf(stopped).toEqualTypeOf<Stopped>();
    expectTypeOf(attempts + elapsedMs).toBeNumber();
  });
  new BreakerRegistry().on('evicted', ({ state }) => expectTypeOf(state).toEqualTypeOf<CircuitState>());
  new CircuitBreaker('queue').on('rejected', ({ observed }) => expectTypeOf(observed).toBeBoolean());
  expectTypeOf(resilience.on('late', () => undefined)).toEqualTypeOf<() => void>();
});

test('a listener for what does not happen does not compile', () => {
  // @ts-expect-error no such event
  resilience.on('retried', () => undefined);
  // @ts-expect-error a retry has no cooldown
  resilience.on('retry', ({ cooldownMs }) => cooldownMs);
  // @ts-expect-error the listener is for another event
  resilience.on('retry', (event: StateChangeEvent) => event.from);
  // @ts-expect-error events are read-only
  resilience.on('retry', (event) => (event.delayMs = 0));
});

test('EventOf takes the event of a type out of the union', () => {
  expectTypeOf<EventOf<'attempt'>>().toEqualTypeOf<AttemptEvent>();
  expectTypeOf<EventOf<EventType>>().toEqualTypeOf<ResilienceEvent>();
});

test('a sink takes every event', () => {
  expectTypeOf<Sink['record']>().parameter(0).toEqualTypeOf<ResilienceEvent>();
  expectTypeOf(memorySink).returns.toEqualTypeOf<MemorySink>();
  expectTypeOf<MemorySink>().toExtend<Sink>();
  expectTypeOf(memorySink().summary()['GET https://api.example.com']?.counts.retry).toEqualTypeOf<number | undefined>();
});

test('isCircuitOpenError makes an unknown error a CircuitOpenError', () => {
  const error: unknown = new Error('any');
  if (isCircuitOpenError(error)) {
    expectTypeOf(error).toEqualTypeOf<CircuitOpenError>();
    expectTypeOf(error.key).toBeString();
    expectTypeOf(error.retryAfterMs).toBeNumber();
    expectTypeOf(error.statusCode).toBeNumber();
    expectTypeOf(error.headers).toEqualTypeOf<{ readonly 'Retry-After'?: string }>();
    expectTypeOf(error).toExtend<InstanceType<typeof axios.AxiosError>>();
  }
  expectTypeOf(CircuitOpenError).toBeConstructibleWith({ key: 'queue', retryAfterMs: 1 });
});
