import axios, { type AxiosInstance, isAxiosError } from 'axios';
import {
  attach,
  type CircuitBreaker,
  consecutiveFailures,
  type DetectorFactory,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  isRejectedError,
  type Resilience,
  type ResilienceEvent,
  slowCallRate,
} from 'axios-resilience';
import { redisStore } from 'axios-resilience/redis';
import { WORKER_HEADER } from '../service.js';
import { makeClient, type OwnedClient } from './clients.js';
import type {
  CallOptions,
  CallOutcome,
  ClientSpec,
  DetectorSpec,
  RecordedEvent,
  Request,
  WorkerApi,
  WorkerSpec,
} from './protocol.js';

/** Since the epoch, ms, and the same in all processes whatever their wall clocks say. */
const { timeOrigin } = performance;
const now = (): number => timeOrigin + performance.now();

interface Waiter {
  readonly matches: (event: RecordedEvent) => boolean;
  readonly resolve: (event: RecordedEvent) => void;
}

let api: AxiosInstance;
let resilience: Resilience;
let store: ReturnType<typeof redisStore> | undefined;
const clients: OwnedClient[] = [];
const events: RecordedEvent[] = [];
const waiters = new Set<Waiter>();
const unhandled: string[] = [];

process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
process.on('disconnect', () => process.exit());

function shiftWallClock(offMs: number): void {
  const real = Date.now;
  Date.now = () => real() + offMs;
}

const DETECTORS = { consecutiveFailures, failuresInWindow, failureRate, failureRateInWindow, slowCallRate } as const;

function detectorOf([name, ...args]: DetectorSpec): DetectorFactory {
  return (DETECTORS[name] as (...args: readonly unknown[]) => DetectorFactory)(...args);
}

function record(event: ResilienceEvent): void {
  const plain = Object.fromEntries(
    Object.entries(event).map(([field, value]) => [field, value instanceof Error ? value.message : (value as unknown)]),
  );
  const recorded = {
    ...plain,
    type: event.type === 'store' ? event.status : event.type,
    key: event.key ?? '',
    recordedAt: now(),
  };
  events.push(recorded);
  for (const waiter of waiters) {
    if (!waiter.matches(recorded)) continue;
    waiters.delete(waiter);
    waiter.resolve(recorded);
  }
}

async function openClient(spec: ClientSpec): Promise<OwnedClient['client']> {
  const owned = await makeClient(spec);
  clients.push(owned);
  return owned.client;
}

async function makeStore({ client, breaker }: WorkerSpec): Promise<typeof store> {
  if (breaker.store === false) return undefined;
  const { subscribe, ...options } = breaker.store ?? {};
  return redisStore(await openClient(client), {
    ...options,
    ...(subscribe !== undefined && {
      subscribe: typeof subscribe === 'object' ? await openClient(subscribe) : subscribe,
    }),
  });
}

function breakerOf(key: string | undefined): CircuitBreaker | undefined {
  return key === undefined ? [...resilience.breakers][0] : resilience.breakers.get(key);
}

async function callOnce(key: string | undefined): Promise<CallOutcome> {
  const startedAt = now();
  try {
    const { status } = await api.get('/', key === undefined ? {} : { resilience: { key: () => key } });
    return { result: 'answered', status, startedAt, endedAt: now() };
  } catch (error) {
    const { status, code } = isAxiosError(error) ? { status: error.response?.status, code: error.code } : {};
    const result = isRejectedError(error) ? 'rejected' : 'failed';
    return { result, status, code, startedAt, endedAt: now() };
  }
}

const worker: WorkerApi = {
  async start(spec) {
    const { name, serviceUrl, breaker, timeoutMs = 0, wallClockOffMs = 0 } = spec;
    const { detector, key, store: _, ...rest } = breaker;
    if (wallClockOffMs !== 0) shiftWallClock(wallClockOffMs);
    store = await makeStore(spec);
    api = axios.create({
      baseURL: serviceUrl,
      timeout: timeoutMs,
      headers: { [WORKER_HEADER]: name },
      proxy: false,
    });
    resilience = attach(api, {
      retry: false,
      sinks: [record],
      ...(key !== undefined && { key: () => key }),
      breaker: {
        ...rest,
        ...(detector && { detector: detectorOf(detector) }),
        ...(store && { store }),
      },
    });
  },
  ready: async (timeoutMs) => store === undefined || store.ready(timeoutMs),
  async call(count, { key, concurrency = count }: CallOptions = {}) {
    const outcomes: CallOutcome[] = [];
    let begun = 0;
    const caller = async () => {
      while (begun < count) {
        begun += 1;
        outcomes.push(await callOnce(key));
      }
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
    return outcomes;
  },
  state: (key) => breakerOf(key)?.state,
  stats: (key) => breakerOf(key)?.stats(),
  events: () => events,
  happened: (type, fields = {}) =>
    new Promise((resolve) => {
      const matches = (event: RecordedEvent) =>
        event.type === type && Object.entries(fields).every(([field, value]) => event[field] === value);
      const past = events.find(matches);
      if (past) resolve(past);
      else waiters.add({ matches, resolve });
    }),
  forgetEvents() {
    events.length = 0;
  },
  control: async (action, key) => breakerOf(key)![action]().applied,
  async close() {
    process.removeAllListeners('disconnect');
    await store?.close();
    for (const { end } of clients) end();
    return unhandled;
  },
};

async function obey({ id, method, args }: Request): Promise<void> {
  try {
    const value = await (worker[method] as (...args: readonly unknown[]) => unknown)(...args);
    process.send!({ id, value });
  } catch (error) {
    process.send!({ id, error: error instanceof Error ? error.stack : String(error) });
  }
}

process.on('message', (request: Request) => void obey(request));
