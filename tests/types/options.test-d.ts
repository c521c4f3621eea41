import axios, { type AxiosInstance } from 'axios';
import { expectTypeOf, test } from 'vitest';
import {
  attach,
  BreakerRegistry,
  byMethodAndOrigin,
  byOrigin,
  CircuitBreaker,
  consecutiveFailures,
  DEFAULTS,
  exponential,
  type FailureDetector,
  fullJitter,
  type KeyFunction,
  logSink,
  memorySink,
  type Resilience,
  type ResilienceOptions,
  RetryBudget,
} from '../../src/index.js';

const api = axios.create();

test('attach takes an instance and options, and gives a handle', () => {
  expectTypeOf<AxiosInstance>().toExtend<Parameters<typeof attach>[0]>();
  expectTypeOf(attach).parameter(1).toEqualTypeOf<ResilienceOptions | undefined>();
  expectTypeOf(attach).returns.toEqualTypeOf<Resilience>();
  expectTypeOf<Resilience['breakers']>().toEqualTypeOf<BreakerRegistry>();
  expectTypeOf<Resilience['detach']>().returns.toBeVoid();
  attach(axios);
  attach(new axios.Axios({}));
});

test('every option can be given', () => {
  const detector: FailureDetector = { failures: 0, record: (outcome) => outcome === 'failure', reset: () => undefined };
  attach(api, {
    retry: {
      retries: 5,
      methods: ['get', 'POST'],
      statusCodes: [503],
      errorCodes: ['ECONNRESET'],
      backoff: fullJitter(exponential({ baseMs: 50, factor: 3, maxMs: 5_000 })),
      retryAfter: { maxMs: 10_000, mode: 'larger' },
      budget: { ratio: 0.1, minPerSecond: 1 },
      attemptHeader: 'X-Attempt',
    },
    deadlineMs: 20_000,
    idempotencyKey: { header: 'X-Key', generate: () => 'key', quoted: true },
    breaker: {
      detector: () => detector,
      cooldownMs: 5_000,
      halfOpen: { probes: 2, successThreshold: 3, leaseMs: 10_000 },
      mode: 'observe',
      maxBreakers: 64,
    },
    key: byOrigin,
    fallback: { items: [] },
    fallbackOn: 'failure',
    sinks: [memorySink(), logSink(console), { record: (event) => console.log(event.type) }],
    clock: { now: () => 0 },
    random: () => 0.5,
  });
  attach(api, { retry: 1, breaker: false });
  attach(api, { retry: false, breaker: new BreakerRegistry({ maxBreakers: 8, detector: consecutiveFailures(3) }) });
  attach(api, { retry: { budget: false, attemptHeader: false }, idempotencyKey: true });
  attach(api, { retry: { budget: new RetryBudget(), retryAfter: false }, breaker: { retryAfter: true } });
  attach(api, { sinks: [(event) => console.log(event.type)] });
});

test('every switch is true, false or options, for an instance, an update and a request', () => {
  const on = { retry: true, breaker: true, idempotencyKey: true } as const;
  const off = { retry: false, breaker: false, idempotencyKey: false } as const;
  const { update } = attach(api, on);
  attach(api, off);
  update({ ...on, limiter: true });
  update({ ...off, limiter: false });
  void api.get('/', { resilience: { ...on, limiter: true } });
  void api.get('/', { resilience: { ...off, limiter: false } });
});

test('undefined means not given, also under exactOptionalPropertyTypes', () => {
  attach(api, {
    retry: { retries: undefined, backoff: undefined, retryAfter: { maxMs: undefined } },
    deadlineMs: undefined,
    breaker: { detector: undefined, halfOpen: { probes: undefined } },
    key: undefined,
    fallbackOn: undefined,
    sinks: undefined,
  });
  attach(api, { retry: undefined, breaker: undefined, fallback: undefined });
  attach(api, undefined);
  void api.get('/', { resilience: { retry: undefined, breaker: undefined } });
});

test('bad options do not compile', () => {
  // @ts-expect-error a misspelt group
  attach(api, { retries: 3 });
  // @ts-expect-error a misspelt option
  attach(api, { retry: { retires: 3 } });
  // @ts-expect-error a number as text
  attach(api, { retry: { retries: '3' } });
  // @ts-expect-error a detector is made per circuit, by a function
  attach(api, { breaker: { detector: 5 } });
  // @ts-expect-error no such mode
  attach(api, { breaker: { mode: 'off' } });
  // @ts-expect-error no such way to make one delay
  attach(api, { retry: { retryAfter: { mode: 'sum' } } });
  // @ts-expect-error one level too high
  attach(api, { breaker: { probes: 2 } });
  // @ts-expect-error a sink is a function or has record
  attach(api, { sinks: [{ emit: console.log }] });
  // @ts-expect-error there is no limit to turn on
  attach(api, { limiter: true });
  // @ts-expect-error no such condition
  attach(api, { fallbackOn: 'closed' });
  // @ts-expect-error a registry is not its options
  attach(api, { breaker: { registry: { maxBreakers: 3 } } });
  // @ts-expect-error not an instance
  attach('axios');
});

test('a circuit breaker and a registry can be made alone', () => {
  expectTypeOf(CircuitBreaker).toBeConstructibleWith('queue', { cooldownMs: 1, mode: 'enforce' });
  expectTypeOf(BreakerRegistry).toBeConstructibleWith({ perKey: () => ({ detector: consecutiveFailures(1) }) });
  expectTypeOf(new BreakerRegistry().get('GET https://api.example.com')).toEqualTypeOf<CircuitBreaker | undefined>();
  for (const breaker of new BreakerRegistry()) expectTypeOf(breaker).toEqualTypeOf<CircuitBreaker>();
  // @ts-expect-error maxBreakers is the registry's
  new CircuitBreaker('queue', { maxBreakers: 5 });
});

test('the keys that are ready made are key functions', () => {
  expectTypeOf(byOrigin).toExtend<KeyFunction>();
  expectTypeOf(byMethodAndOrigin).toExtend<KeyFunction>();
});

test('DEFAULTS can be read, spread and not written to', () => {
  expectTypeOf(DEFAULTS.retry.retries).toBeNumber();
  expectTypeOf(DEFAULTS.retry.statusCodes).toEqualTypeOf<readonly number[]>();
  attach(api, { retry: { statusCodes: [...DEFAULTS.retry.statusCodes, 409], errorCodes: DEFAULTS.retry.errorCodes } });
  // @ts-expect-error defaults are read-only
  DEFAULTS.retry.retries = 5;
  // @ts-expect-error defaults are read-only
  DEFAULTS.retry.errorCodes.push('EPROTO');
});
