import axios, { type AxiosError } from 'axios';
import { expectTypeOf, test } from 'vitest';
import {
  attach,
  BreakerRegistry,
  CircuitBreaker,
  CircuitOpenError,
  type CircuitState,
  isRejectedError,
  type LimitError,
  type MemorySink,
  memorySink,
  type Outcome,
  type ResilienceEvent,
  type ResilienceEvents,
  type Sink,
  type Stopped,
} from '../../src/index.js';

const resilience = attach(axios.create());

test('events are told apart by type', () => {
  const describe = (event: ResilienceEvent): string => {
    expectTypeOf(event.key).toEqualTypeOf<string | null>();
    expectTypeOf(event.at).toBeNumber();
    switch (event.type) {
      case 'attempt':
        expectTypeOf(event.outcome).toEqualTypeOf<Outcome>();
        return `${event.attempt} ${event.status ?? event.code ?? ''} ${event.durationMs}`;
      case 'retry':
        // What is pasted from elsewhere.
        if (event.error?.response?.status === 429) return String(event.error.response.headers['retry-after']);
        return `${event.method} ${event.url} ${event.attempt} ${event.delayMs} ${event.reason}`;
      case 'call':
        expectTypeOf(event.stopped).toEqualTypeOf<Stopped>();
        expectTypeOf(event.error).toEqualTypeOf<Partial<AxiosError> | undefined>();
        if (axios.isAxiosError(event.error)) expectTypeOf(event.error).toExtend<AxiosError>();
        if (isRejectedError(event.error)) return event.error.rejectedBy;
        return `${event.attempts} ${event.elapsedMs} ${event.fallback}`;
      case 'stateChange':
        expectTypeOf(event.from).toEqualTypeOf<CircuitState>();
        return `${event.to} ${event.reason} ${event.failures} ${event.cooldownMs}`;
      case 'rejected':
        if (event.by === 'limiter') return `${event.why} ${event.retryAfterMs}`;
        expectTypeOf(event.by).toEqualTypeOf<'circuit'>();
        return `${event.retryAfterMs}`;
      case 'wouldReject':
        return `${event.retryAfterMs}`;
      case 'queued':
        return `${event.by} ${event.queued}`;
      case 'limiter':
        expectTypeOf(event.limit).toEqualTypeOf<number | undefined>();
        return `${event.inFlight} ${event.queued}`;
      case 'late':
        return event.outcome;
      case 'breakerAdded':
      case 'breakerRemoved':
        expectTypeOf(event.state).toEqualTypeOf<CircuitState>();
        return event.state;
      case 'callbackError':
        expectTypeOf(event.error).toBeUnknown();
        return event.source;
      case 'store':
        if (event.status === 'mismatch') return `${event.ours} ${event.theirs}`;
        if (event.status === 'recovered') return `${event.degradedMs}`;
        if (event.status === 'dropped') return `${event.outcomes}`;
        return event.status === 'resync' ? `${event.circuits}` : event.status;
      default:
        expectTypeOf(event).toBeNever();
        return event;
    }
  };
  expectTypeOf(describe).returns.toBeString();
});

test('a listener is given the event of its type', () => {
  resilience.on('stateChange', (event) => expectTypeOf(event).toEqualTypeOf<ResilienceEvents['stateChange']>());
  resilience.on('attempt', (event) => expectTypeOf(event).toEqualTypeOf<ResilienceEvents['attempt']>());
  resilience.on('*', (event) => expectTypeOf(event).toEqualTypeOf<ResilienceEvent>());
  new BreakerRegistry().on('breakerRemoved', ({ state }) => expectTypeOf(state).toEqualTypeOf<CircuitState>());
  new CircuitBreaker('queue').on('rejected', ({ retryAfterMs }) => expectTypeOf(retryAfterMs).toBeNumber());
  new CircuitBreaker('queue').on('*', (event) => expectTypeOf(event).toEqualTypeOf<ResilienceEvent>());
  expectTypeOf(resilience.on('late', () => undefined)).toEqualTypeOf<() => void>();
});

test('a listener for what does not happen does not compile', () => {
  // @ts-expect-error no such event
  resilience.on('retried', () => undefined);
  // @ts-expect-error a retry has no cooldown
  resilience.on('retry', ({ cooldownMs }) => cooldownMs);
  // @ts-expect-error the listener is for another event
  resilience.on('retry', (event: ResilienceEvents['stateChange']) => event.from);
  // @ts-expect-error a registry knows circuits, and no calls
  new BreakerRegistry().on('call', () => undefined);
  // @ts-expect-error a breaker does not see attempts
  new CircuitBreaker('queue').on('attempt', () => undefined);
  // @ts-expect-error a breaker is not told that it was added
  new CircuitBreaker('queue').on('breakerAdded', () => undefined);
  // @ts-expect-error events are read-only
  resilience.on('retry', (event) => (event.delayMs = 0));
});

test('a sink is a function, or an object that takes every event', () => {
  expectTypeOf<(event: ResilienceEvent) => void>().toExtend<Sink>();
  expectTypeOf(memorySink).returns.toEqualTypeOf<MemorySink>();
  expectTypeOf<MemorySink>().toExtend<Sink>();
  expectTypeOf(memorySink().summary()['GET https://api.example.com']?.counts.retry).toEqualTypeOf<number | undefined>();
});

test('isRejectedError makes an unknown error one of a circuit or of a limiter', () => {
  const error: unknown = new Error('any');
  if (isRejectedError(error)) {
    expectTypeOf(error).toEqualTypeOf<CircuitOpenError | LimitError>();
    if (error.rejectedBy === 'limiter') expectTypeOf(error).toEqualTypeOf<LimitError>();
    expectTypeOf(error.key).toBeString();
    expectTypeOf(error.retryAfterMs).toBeNumber();
    expectTypeOf(error.statusCode).toBeNumber();
    expectTypeOf(error.headers).toEqualTypeOf<{ readonly 'Retry-After'?: string }>();
    expectTypeOf(error).toExtend<InstanceType<typeof axios.AxiosError>>();
  }
  expectTypeOf(CircuitOpenError).toBeConstructibleWith({ key: 'queue', retryAfterMs: 1 });
});
