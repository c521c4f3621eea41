import axios, { type AxiosAdapter, type AxiosInstance } from 'axios';
import { attach, BreakerRegistry, CircuitBreaker } from 'axios-resilience';
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

/** A closed circuit, against a bare `await fn()`. */
const guarded = (batch: (breaker: CircuitBreaker) => Promise<void>) => (): Pair => {
  const breaker = new CircuitBreaker('GET https://api.example.com');
  return { bare: awaitWork, ours: () => batch(breaker) };
};

/** Breakers with the default detector that have seen one success each. */
const idle = (make: (key: string) => CircuitBreaker) => (): number => {
  const keys = Array.from({ length: IDLE_BREAKERS }, (_, index) => `GET https://host-${index}.example.com`);
  return bytesPerItem(keys, (key) => {
    const breaker = make(key);
    const permit = breaker.tryAcquire();
    if (permit.admitted) permit.settle('success');
    return breaker;
  });
};

const registry = new BreakerRegistry({ maxBreakers: IDLE_BREAKERS });

export const CALLS_TO_BARE: Record<string, () => Pair> = {
  GET: calls((api) => api.get('/users/42')),
  'POST, 1 KB of JSON': calls((api) => api.post('/users', ONE_KILOBYTE)),
};

export const BREAKER_TO_BARE: Record<string, () => Pair> = {
  'tryAcquire, settle': guarded(acquireAndSettle),
  'tryAcquire, await fn(), settle': guarded(awaitBetween),
  'execute(fn)': guarded(execute),
};

export const BREAKER_BYTES: Record<string, () => number> = {
  'one of a registry': idle((key) => registry.ensure(key)),
  'one by itself': idle((key) => new CircuitBreaker(key)),
};
