import axios, { type AxiosInstance } from 'axios';
import CircuitBreaker from 'opossum';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  attach,
  concurrencyLimit,
  failureRateInWindow,
  isRejectedError,
  type Resilience,
  type ResilienceOptions,
} from '../../src/index.js';
import { rejectionOf } from '../support/orders.js';
import { type Answer, hang, json, startServer, type TestServer } from '../support/server.js';
import { endOf } from './support.js';

// docs/coming-from-opossum.md says what is seen here.

let server: TestServer;
let breaker: CircuitBreaker<[string]> | undefined;

beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  breaker?.shutdown();
  await server.close();
});

/** The options of the page: a circuit as opossum's defaults have it. */
const AS_OPOSSUM: ResilienceOptions = {
  retry: false,
  breaker: { detector: failureRateInWindow({ rate: 0.5, windowMs: 10_000, minAttempts: 5 }), cooldownMs: 30_000 },
};

function before(options: CircuitBreaker.Options = {}): (path: string) => Promise<unknown> {
  const api = axios.create({ baseURL: server.url });
  const fired = new CircuitBreaker(async (path: string) => (await api.get(path)).data as unknown, {
    volumeThreshold: 5,
    errorThresholdPercentage: 50,
    ...options,
  });
  breaker = fired;
  return (path) => fired.fire(path);
}

function after(
  options: ResilienceOptions = AS_OPOSSUM,
): [(path: string) => Promise<unknown>, AxiosInstance, Resilience] {
  const api = axios.create({ baseURL: server.url });
  const resilience = attach(api, options);
  return [async (path) => (await api.get<unknown>(path)).data, api, resilience];
}

async function requestsOf(get: (path: string) => Promise<unknown>, calls: number, ...answers: Answer[]) {
  server.script(...answers);
  server.requests.length = 0;
  const ends: unknown[] = [];
  for (let call = 1; call <= calls; call++) {
    ends.push(await endOf(get('/a').then(() => ({ status: 200 }))));
  }
  return [server.requests.length, ...ends];
}

describe('a circuit of half of the calls of ten seconds', () => {
  test('opens after five failures, and rejects the sixth and all that follow', async () => {
    expect(await requestsOf(before(), 8, 503)).toEqual([5, ...Array(5).fill(503), ...Array(3).fill('EOPENBREAKER')]);
    expect(await requestsOf(after()[0], 8, 503)).toEqual([
      5,
      ...Array(5).fill(503),
      ...Array(3).fill('ERR_CIRCUIT_OPEN'),
    ]);
  });

  test('exactly half of failures opens here, and not there', async () => {
    const half = [200, 200, 200, 503, 503, 503, 200];
    expect((await requestsOf(before(), 7, ...half)).slice(1)).toEqual([200, 200, 200, 503, 503, 503, 200]);
    expect((await requestsOf(after()[0], 7, ...half)).at(-1)).toBe('ERR_CIRCUIT_OPEN');
  });

  test('a 404 is a failure there unless `errorFilter` says otherwise, and a success here unless `classify` does', async () => {
    expect((await requestsOf(before(), 6, 404)).at(-1)).toBe('EOPENBREAKER');
    expect((await requestsOf(before({ errorFilter: ({ response }) => response?.status === 404 }), 6, 404)).at(-1)).toBe(
      404,
    );
    expect((await requestsOf(after()[0], 6, 404)).at(-1)).toBe(404);
    const strict = after({
      ...AS_OPOSSUM,
      classify: ({ response }) => (response?.status === 404 ? 'failure' : undefined),
    });
    expect((await requestsOf(strict[0], 6, 404)).at(-1)).toBe('ERR_CIRCUIT_OPEN');
  });
});

describe('option by option', () => {
  test("`timeout` leaves the request running there; here it is axios's, which ends it", async () => {
    server.script(hang);
    const get = before({ timeout: 60 });
    expect((await rejectionOf(get('/a'))).code).toBe('ETIMEDOUT');
    const [, api] = after();
    expect((await rejectionOf(api.get('/a', { timeout: 60 }))).code).toBe('ECONNABORTED');
  });

  test('`fallback` answers every failure there; here that is `fallbackOn: failure`, and never a 404', async () => {
    const get = before();
    breaker!.fallback(() => 'kept');
    server.script(503, 404);
    expect([await get('/a'), await get('/a')]).toEqual(['kept', 'kept']);
    const [here] = after({ ...AS_OPOSSUM, fallback: 'kept', fallbackOn: 'failure' });
    server.script(503, 404);
    expect(await here('/a')).toBe('kept');
    expect((await rejectionOf(here('/a'))).response.status).toBe(404);
  });

  test('`capacity` is a concurrencyLimit without a queue', async () => {
    const slow: Answer = (request, response, raw) =>
      void setTimeout(() => json(200, 'well')(request, response, raw), 60);
    const codes = async (get: (path: string) => Promise<unknown>) => {
      server.script(slow);
      const ends = await Promise.allSettled([1, 2, 3].map(() => get('/a')));
      return ends.map((end) => (end.status === 'fulfilled' ? 'well' : (end.reason as { code: string }).code));
    };
    expect(await codes(before({ capacity: 2 }))).toEqual(['well', 'well', 'ESEMLOCKED']);
    const [here, api] = after({ ...AS_OPOSSUM, limiter: { limit: concurrencyLimit(2), maxQueue: 0 } });
    expect(await codes(here)).toEqual(['well', 'well', 'ERR_LIMITED']);
    server.script(slow);
    const errors = await Promise.all([1, 2, 3].map(() => api.get('/a').catch((error: unknown) => error)));
    expect(errors.map(isRejectedError)).toEqual([false, false, true]);
  });

  test('`open()` and `close()` are `trip()` and `reset()`; `disable()` is mode `observe`', async () => {
    const [get, api, resilience] = after();
    const circuit = resilience.breakers.ensure(`GET ${server.url}`);
    circuit.trip();
    expect(isRejectedError(await rejectionOf(api.get('/a')))).toBe(true);
    circuit.mode = 'observe';
    expect(await get('/a')).toMatchObject({ status: 200 });
    circuit.mode = 'enforce';
    circuit.reset();
    expect(circuit.state).toBe('closed');
  });

  test('one breaker serves one function there; here each method and base URL has its own', async () => {
    const [get, api, resilience] = after();
    await requestsOf(get, 6, 503);
    server.script(200);
    expect((await api.post('/a')).status).toBe(200);
    expect([...resilience.breakers].map(({ key, state }) => `${key}: ${state}`)).toEqual([
      `GET ${server.url}: open`,
      `POST ${server.url}: closed`,
    ]);
  });
});

test('without `retry: false` the same failures are retried, and calls wait for the circuit', async () => {
  const [get] = after({ retry: { backoff: 0 }, breaker: { cooldownMs: 30_000 } });
  expect((await requestsOf(get, 1, 503, 503, 200)).slice(0, 2)).toEqual([3, 200]);
});
