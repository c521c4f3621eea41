import { vi } from 'vitest';
import type { SharedView } from '../../src/circuit/link.js';
import type { SharedStoreOptions } from '../../src/fleet/options.js';
import type { StoreListener } from '../../src/fleet/store.js';
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  failuresInWindow,
  type ResilienceEvent,
  type SharedStore,
} from '../../src/index.js';
import type { StoreEngine } from '../../src/store/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { CLASSIC } from '../support/classic.js';

/** The fifth failure of the minute, in any process, opens all at once: no other process has to be asked. */
export const SUMMED = { ...CLASSIC, detector: failuresInWindow({ failures: 5 }) };

export const KEY = 'GET https://api.example.com';

type Operation = 'read' | 'prove' | 'report' | 'acquire' | 'settle' | 'force';

/** One call of a method of a store. */
export interface Call<Request = Record<string, unknown>> {
  readonly operation: Operation;
  readonly key: string;
  readonly request: Request | undefined;
  /** When, by `performance.now()`. */
  readonly at: number;
}

/** How a store answers: as it should, never, with an error, or after so many milliseconds. */
type Behaviour = 'answer' | 'hang' | 'reject' | number;

/** The way of one process to a store, which remembers what it is asked and falls ill on order. */
export class Access implements StoreEngine {
  readonly calls: Call[] = [];
  behaviour: Behaviour = 'answer';
  #store: StoreEngine;
  #listener: StoreListener | undefined;
  #isMuted = false;

  constructor(store: StoreEngine) {
    this.#store = store;
  }

  /** The calls of one operation, or all but `read` and `prove`. */
  of(operation?: Operation): Call[] {
    return this.calls.filter((call) =>
      operation ? call.operation === operation : !['read', 'prove'].includes(call.operation),
    );
  }

  /** Goes on with another store: what the first one knew is lost. */
  replace(store: StoreEngine): void {
    this.#store = store;
  }

  /** Lets no more messages through. */
  mute(): void {
    this.#isMuted = true;
  }

  /** A message, from anywhere. */
  say(key: string, view: SharedView): void {
    this.#listener?.changed(key, view);
  }

  interrupt(): void {
    this.#listener?.interrupted();
  }

  resume(): void {
    this.#isMuted = false;
    this.#listener?.resumed();
  }

  read(key: string): Promise<SharedView> {
    return this.#ask('read', key, undefined, () => this.#store.read(key));
  }

  prove(key: string): Promise<unknown> {
    return this.#ask<unknown>('prove', key, undefined, () => this.#store.prove?.(key) ?? this.#store.read(key));
  }

  report(key: string, request: Parameters<StoreEngine['report']>[1]): ReturnType<StoreEngine['report']> {
    return this.#ask('report', key, request, () => this.#store.report(key, request));
  }

  acquire(key: string, request: Parameters<StoreEngine['acquire']>[1]): ReturnType<StoreEngine['acquire']> {
    return this.#ask('acquire', key, request, () => this.#store.acquire(key, request));
  }

  settle(key: string, request: Parameters<StoreEngine['settle']>[1]): Promise<SharedView> {
    return this.#ask('settle', key, request, () => this.#store.settle(key, request));
  }

  force(key: string, request: Parameters<StoreEngine['force']>[1]): Promise<SharedView> {
    return this.#ask('force', key, request, () => this.#store.force(key, request));
  }

  async subscribe(listener: StoreListener): Promise<void> {
    this.#listener = listener;
    const changed: StoreListener['changed'] = (key, view) => (this.#isMuted ? undefined : listener.changed(key, view));
    await this.#store.subscribe?.({ ...listener, changed });
  }

  /** A store that is late takes effect late, as a command in a queue does. */
  #ask<Answer>(operation: Operation, key: string, request: object | undefined, ask: () => Promise<Answer>) {
    this.calls.push({ operation, key, request: request as Call['request'], at: performance.now() });
    const { behaviour } = this;
    if (behaviour === 'answer') return ask();
    if (behaviour === 'reject') return Promise.reject<Answer>(new Error('connection refused'));
    return new Promise<Answer>((resolve, reject) => {
      if (behaviour !== 'hang') setTimeout(() => void ask().then(resolve, reject), behaviour);
    });
  }
}

/** One process: its way to the store, its fleet and its circuit. */
export interface Process {
  readonly access: Access;
  readonly fleet: SharedStore;
  readonly breaker: CircuitBreaker;
  readonly events: ResilienceEvent[];
}

const TYPES = ['stateChange', 'rejected', 'late', 'callbackError', 'store'] as const;

const running: SharedStore[] = [];

/** Starts a process that has read its circuit; the fifth failure anywhere opens it everywhere, unless `options` say. */
export async function start(
  store: StoreEngine,
  options: CircuitBreakerOptions = {},
  fleetOptions: SharedStoreOptions = {},
): Promise<Process> {
  const access = store instanceof Access ? store : new Access(store);
  const itsFleet = sharedStore(access, fleetOptions);
  running.push(itsFleet);
  const breaker = new CircuitBreaker(KEY, { ...SUMMED, store: itsFleet, ...options });
  const events: ResilienceEvent[] = [];
  for (const type of TYPES) breaker.on(type, (event) => events.push(event));
  await flush();
  access.calls.length = 0;
  return { access, fleet: itsFleet, breaker, events };
}

/** Starts so many processes that share a store. */
export function startAll(
  count: number,
  options: CircuitBreakerOptions = {},
  fleetOptions: SharedStoreOptions = {},
): Promise<Process[]> {
  const store = memoryEngine();
  return Promise.all(Array.from({ length: count }, () => start(store, options, fleetOptions)));
}

/** In which the successes of the other processes are asked for, and the counts are judged, ms. */
export const MOST_JUDGING_MS = 301;

export const states = (processes: readonly Process[]) => processes.map(({ breaker }) => breaker.state);

export async function closeAll(): Promise<void> {
  await Promise.all(running.splice(0).map((one) => one.close()));
}

/** Lets everything happen that needs no time. */
export async function flush(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}
