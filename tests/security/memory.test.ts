import { getEventListeners } from 'node:events';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import axios, { type AxiosResponse } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { adaptiveLimit, attach, concurrencyLimit, consecutiveFailures, type Limit } from '../../src/index.js';
import { byMethodAndBaseUrl } from '../../src/interceptors/call/key.js';
import { type Answer, startServer, type TestServer } from '../support/server.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function collectAll(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    collect();
    await nextTurn();
  }
}

const alive = (refs: readonly WeakRef<object>[]) => refs.filter((ref) => ref.deref() !== undefined).length;

/** The signals that Node has made to depend on this one (`AbortSignal.any`), also those that are long done. */
function dependantsOf(signal: AbortSignal): number {
  const symbol = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals');
  return symbol ? ((signal as unknown as Record<symbol, Set<unknown> | undefined>)[symbol]?.size ?? 0) : 0;
}

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const body =
  (status: number): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/octet-stream' });
    response.end(Buffer.alloc(20_000, 'x'));
  };

const CALLS = 100;

describe('a signal that outlives the calls which it is given to, under `deadlineMs` with streams', () => {
  const start = () => {
    const api = axios.create({ baseURL: server.url, responseType: 'stream' });
    attach(api, { breaker: false, retry: { backoff: () => 0, retries: 1, budget: false }, deadlineMs: 60_000 });
    return { api, controller: new AbortController() };
  };

  test('keeps nothing of a call whose body was read', async () => {
    const { api, controller } = start();
    const { signal } = controller;
    server.script(body(200));
    for (let calls = 0; calls < CALLS; calls++) await text((await api.get('/', { signal })).data);
    await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toHaveLength(0));
    expect(dependantsOf(signal)).toBe(0);
  });

  test('keeps nothing of a call whose body was destroyed, or thrown away for a retry', async () => {
    const { api, controller } = start();
    const { signal } = controller;
    for (let calls = 0; calls < CALLS / 2; calls++) {
      server.script(body(503), body(200));
      (await api.get('/', { signal })).data.destroy();
    }
    await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toHaveLength(0));
    expect(dependantsOf(signal)).toBe(0);
  });

  test('still aborts a body that is being read', async () => {
    const { api, controller } = start();
    server.script((_request, response) => {
      response.writeHead(200);
      response.write('never ends');
    });
    const { data } = await api.get('/', { signal: controller.signal });
    const reading = text(data).catch((error: unknown) => error);
    controller.abort();
    expect(await reading).toMatchObject({ code: 'ERR_CANCELED' });
    await vi.waitFor(() => expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0));
  });

  test('keeps nothing of a web stream that is no longer in use', async () => {
    const { api, controller } = start();
    const { signal } = controller;
    server.script(body(200));
    const readOne = async () => {
      const { data } = await api.get('/', { signal, adapter: 'fetch' });
      expect((await new Response(data as ReadableStream).arrayBuffer()).byteLength).toBe(20_000);
    };
    for (let calls = 0; calls < 20; calls++) await readOne();
    await nextTurn();
    await vi.waitFor(async () => {
      await collectAll();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });
    expect(dependantsOf(signal)).toBe(0);
  });

  test('still aborts a web stream that is being read, after a collection too', async () => {
    const { api, controller } = start();
    server.script((_request, response) => {
      response.writeHead(200);
      response.write('never ends');
    });
    const { data } = await api.get('/', { signal: controller.signal, adapter: 'fetch' });
    const reader = (data as ReadableStream).getReader();
    await reader.read();
    await collectAll();
    const reading = reader.read().catch((error: unknown) => error);
    controller.abort();
    expect(await reading).toMatchObject({ name: expect.stringMatching(/AbortError|CanceledError/) });
  });
});

describe('a response that is kept', () => {
  const bodiesOfFailures = async (options: object, scripted: readonly Answer[]) => {
    const bodies: WeakRef<object>[] = [];
    const api = axios.create({ baseURL: server.url, responseType: 'arraybuffer' });
    attach(api, {
      breaker: false,
      retry: {
        backoff: () => 0,
        budget: false,
        shouldRetry: ({ response }) => void bodies.push(new WeakRef(response?.data as Buffer)),
      },
      ...options,
    });
    const kept: AxiosResponse[] = [];
    for (let calls = 0; calls < 10; calls++) {
      server.script(...scripted);
      kept.push(await api.get('/'));
    }
    await collectAll();
    return { bodies, kept };
  };

  test('keeps no body of the attempts before', async () => {
    const { bodies, kept } = await bodiesOfFailures({}, [body(503), body(503), body(503), body(200)]);
    expect(kept.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect([bodies.length, alive(bodies)]).toEqual([30, 0]);
  });

  test('that a fallback gave keeps no body of what it stands for', async () => {
    const { bodies, kept } = await bodiesOfFailures({ fallback: 'stale', fallbackOn: 'failure' }, [body(503)]);
    expect(kept.map(({ data }) => data)).toEqual(Array(10).fill('stale'));
    expect([bodies.length, alive(bodies)]).toEqual([30, 0]);
  });
});

test.each<[string, (index: number) => object]>([
  [
    'methods that are made up',
    (index) => ({ method: `m${index}${'x'.repeat(500)}`, baseURL: 'http://one.example.com' }),
  ],
  ['base URLs', (index) => ({ method: 'get', baseURL: `http://h${index}.example.com/${'x'.repeat(1_000)}` })],
])('%s leave no more than a few megabytes in use', async (_what, configOf) => {
  const used = async () => {
    await collectAll();
    return process.memoryUsage().heapUsed;
  };
  const before = await used();
  for (let index = 0; index < 50_000; index++) byMethodAndBaseUrl(configOf(index) as never);
  expect((await used()) - before).toBeLessThan(8_000_000);
});

test.each<[string, Limit]>([
  ['adaptiveLimit()', adaptiveLimit({ max: 50 })],
  ['concurrencyLimit(50)', concurrencyLimit(50)],
])(
  '100,000 calls, most of which wait for %s, leave the heap flat',
  async (_name, limit) => {
    const api = axios.create({
      baseURL: 'https://api.example.com',
      adapter: (config) => Promise.resolve({ status: 200, statusText: '', data: '', headers: {}, config }),
    });
    const resilience = attach(api, { limiter: limit });
    const rounds = async (count: number) => {
      for (let round = 0; round < count; round++) await Promise.all(Array.from({ length: 500 }, () => api.get('/')));
    };
    const used = async () => {
      await collectAll();
      return process.memoryUsage().heapUsed;
    };
    await rounds(40);
    const before = await used();
    await rounds(200);
    expect((await used()) - before).toBeLessThan(1_000_000);
    const { inFlight, queued, counts } = resilience.limiters['https://api.example.com'] ?? {};
    expect({ inFlight, queued, success: counts?.success }).toEqual({ inFlight: 0, queued: 0, success: 120_000 });
    expect(counts?.queued).toBeGreaterThan(50_000);
  },
  60_000,
);

test('10,000 callers that wait for a circuit, again and again, leave the heap flat', async () => {
  const api = axios.create({
    baseURL: 'https://api.example.com',
    adapter: (config) => {
      const status = config.url === '/fails' ? 503 : 200;
      const response = { status, statusText: '', data: '', headers: {}, config };
      return status === 200 ? Promise.resolve(response) : Promise.reject(Object.assign(new Error('503'), { response }));
    },
  });
  const detector = consecutiveFailures(1);
  const { breakers } = attach(api, {
    retry: false,
    breaker: { detector, cooldownMs: 60_000, maxQueue: 10_000, maxWaitMs: 120_000 },
  });
  const round = async () => {
    await api.get('/fails').catch(() => undefined);
    const calls = Array.from({ length: 10_000 }, () => api.get('/works'));
    await nextTurn();
    expect(breakers.get('GET https://api.example.com')?.queued).toBe(10_000);
    breakers.get('GET https://api.example.com')?.reset();
    const answers = await Promise.all(calls);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  };
  const used = async () => {
    await collectAll();
    return process.memoryUsage().heapUsed;
  };
  // The engine goes on compiling through the first rounds.
  for (let count = 0; count < 4; count++) await round();
  const before = await used();
  for (let count = 0; count < 5; count++) await round();
  expect((await used()) - before).toBeLessThan(1_000_000);
}, 60_000);
