import axios, { type AxiosAdapter, type AxiosInstance } from 'axios';
import {
  allOf,
  anyOf,
  attach,
  BreakerRegistry,
  CircuitBreaker,
  consecutiveFailures,
  type DetectorFactory,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  slowCallRate,
} from 'axios-resilience';
import { bytesPerItem, type Pair } from './measure.js';

const CALLS = 10;
const GUARDED = 1_000;
const IDLE_BREAKERS = 100_000;

const ONE_KILOBYTE = { text: 'x'.repeat(1_024 - '{"text":""}'.length) };

const answerAtOnce: AxiosAdapter = (config) =>
  Promise.resolve({ data: '{"ok":true}', status: 200, statusText: 'OK', headers: {}, config });

const create = (): AxiosInstance =>
  axios.create({ baseURL: 'https://api.example.com', timeout: 5_000, adapter: answerAtOnce });

/** Healthy calls through `attach` with defaults, against bare axios. */
const calls = (send: (api: AxiosInstance) => Promise<unknown>) => (): Pair => {
  const batch = (api: AxiosInstance) => async () => {
    for (let count = 0; count < CALLS; count++) await send(api);
  };
  const attached = create();
  attach(attached);
  return { bare: batch(create()), ours: batch(attached) };
};

const work = async (): Promise<number> => 1;

async function awaitWork(): Promise<void> {
  for (let count = 0; count < GUARDED; count++) await work();
}

async function acquireAndSettle(breaker: CircuitBreaker): Promise<void> {
  for (let count = 0; count < GUARDED; count++) {
    const permit = breaker.tryAcquire();
    if (permit.admitted) permit.settle('success');
  }
}

async function awaitBetween(breaker: CircuitBreaker): Promise<void> {
  for (let count = 0; count < GUARDED; count++) {
    const permit = breaker.tryAcquire();
    await work();
    if (permit.admitted) permit.settle('success');
  }
}

async function execute(breaker: CircuitBreaker): Promise<void> {
  for (let count = 0; count < GUARDED; count++) await breaker.execute(work);
}

const DEFAULT = 'consecutiveFailures';

/** Every built-in detector at its default size. */
const DETECTORS: Record<string, DetectorFactory> = {
  [DEFAULT]: consecutiveFailures(5),
  failuresInWindow: failuresInWindow(),
  failureRate: failureRate(),
  'failureRate, with maxAgeMs': failureRate({ maxAgeMs: 60_000 }),
  failureRateInWindow: failureRateInWindow(),
  slowCallRate: slowCallRate({ slowMs: 1_000 }),
  'anyOf two': anyOf(consecutiveFailures(5), failureRate()),
  'allOf two': allOf(failuresInWindow(), failureRate()),
};

/** A closed circuit, against a bare `await fn()`. */
const guarded =
  (batch: (breaker: CircuitBreaker) => Promise<void>, detector = DETECTORS[DEFAULT]) =>
  (): Pair => {
    const breaker = new CircuitBreaker('GET https://api.example.com', { detector });
    return { bare: awaitWork, ours: () => batch(breaker) };
  };

/** Keys in one piece each: the engine joins the parts of a text when it is first looked up, and that is memory, too. */
function keysOf(count: number): string[] {
  return [...new Set(Array.from({ length: count }, (_, index) => `GET https://host-${index}.example.com`))];
}

/** Breakers that have seen one success each. */
const idle = (start: () => (key: string) => CircuitBreaker) => (): Promise<number> => {
  const make = start();
  return bytesPerItem(keysOf(IDLE_BREAKERS), (key) => {
    const breaker = make(key);
    const permit = breaker.tryAcquire();
    if (permit.admitted) permit.settle('success');
    return breaker;
  });
};

const inRegistry = (detector: DetectorFactory) => () => {
  const registry = new BreakerRegistry({ detector, maxBreakers: IDLE_BREAKERS });
  return (key: string) => registry.ensure(key);
};

const byItself = (detector: DetectorFactory) => () => (key: string) => new CircuitBreaker(key, { detector });

const REGISTRY_CALLS = 20;

/** Calls that go round so many keys, in a registry that keeps so many. */
function registryCalls(keyCount: number, maxBreakers: number): () => Promise<void> {
  const keys = keysOf(keyCount);
  const registry = new BreakerRegistry({ maxBreakers });
  let next = 0;
  const call = () => {
    const permit = registry.ensure(keys[next++ % keyCount] ?? '').tryAcquire();
    if (permit.admitted) permit.settle('success');
  };
  keys.forEach(call);
  if (registry.size > maxBreakers) throw new Error(`The registry keeps ${registry.size} breakers of ${maxBreakers}`);
  return async () => {
    for (let count = 0; count < REGISTRY_CALLS; count++) call();
  };
}

const against = (ours: readonly [number, number], bare: readonly [number, number]) => (): Pair => ({
  bare: registryCalls(...bare),
  ours: registryCalls(...ours),
});

const forEachDetector = <Subject>(
  prefix: string,
  make: (detector: DetectorFactory) => Subject,
): Record<string, Subject> =>
  Object.fromEntries(Object.entries(DETECTORS).map(([name, detector]) => [`${prefix}${name}`, make(detector)]));

export const CALLS_TO_BARE: Record<string, () => Pair> = {
  GET: calls((api) => api.get('/users/42')),
  'POST, 1 KB of JSON': calls((api) => api.post('/users', ONE_KILOBYTE)),
};

export const BREAKER_TO_BARE: Record<string, () => Pair> = {
  'execute(fn)': guarded(execute),
  'tryAcquire, await fn(), settle': guarded(awaitBetween),
  ...forEachDetector('tryAcquire, settle: ', (detector) => guarded(acquireAndSettle, detector)),
};

/** `[keys, maxBreakers]`, and what it is measured against. With no more keys than breakers nothing is ever made anew. */
export const REGISTRY_GROWTH: Record<string, () => Pair> = {
  '256 kept: 100,000 keys against 10,000': against([100_000, 256], [10_000, 256]),
  '256 kept: 100,000 keys against 256': against([100_000, 256], [256, 256]),
  '100,000 keys: 4,096 kept against 256': against([100_000, 4_096], [100_000, 256]),
};

export const BREAKER_BYTES: Record<string, () => Promise<number>> = {
  ...forEachDetector('of a registry: ', (detector) => idle(inRegistry(detector))),
  ...forEachDetector('by itself: ', (detector) => idle(byItself(detector))),
};
