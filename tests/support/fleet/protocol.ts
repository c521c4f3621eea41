import type { BreakerOptions, CircuitState, CircuitStats } from 'axios-resilience';

/** A client of Redis as a user makes it, as plain data. */
export interface ClientSpec {
  readonly kind: 'ioredis' | 'node-redis';
  readonly url: string;
  /** `url` is one node of a cluster. @default false */
  readonly cluster?: boolean;
  /** The client's own options: `keyPrefix`, `protocol` (ioredis), `RESP` (node-redis), ... */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** Options of `redisStore`; `subscribe` can be the client that listens. */
interface StoreSpec {
  readonly prefix?: string;
  readonly share?: 'counts' | 'state';
  readonly lingerMs?: number;
  readonly commandTimeoutMs?: number;
  readonly resyncMs?: number;
  readonly subscribe?: boolean | ClientSpec;
  readonly quorum?: number;
}

type DetectorName = 'consecutiveFailures' | 'failuresInWindow' | 'failureRate' | 'failureRateInWindow' | 'slowCallRate';

/** The name of a detector and its arguments, e.g. `['consecutiveFailures', 5]`. */
export type DetectorSpec = readonly [name: DetectorName, ...args: unknown[]];

/** Options of the circuit breaker as plain data. */
interface BreakerSpec {
  readonly detector?: DetectorSpec;
  readonly cooldownMs?: number;
  readonly halfOpen?: NonNullable<BreakerOptions['halfOpen']>;
  /** The key of every call. */
  readonly key?: string;
  /** Without it every process is for itself. */
  readonly store?: StoreSpec | false;
}

/** All that a worker is told when it starts. */
export interface WorkerSpec {
  readonly name: string;
  readonly client: ClientSpec;
  readonly serviceUrl: string;
  readonly breaker: BreakerSpec;
  /** Of a call, ms. @default 0, none */
  readonly timeoutMs?: number;
  /** How far this process's wall clock is off, ms. @default 0 */
  readonly wallClockOffMs?: number;
}

export interface CallOptions {
  /** Instead of the circuit of the other calls. */
  readonly key?: string;
  /** How many are under way at a time. @default all of them */
  readonly concurrency?: number;
}

/** What one call came to; times are ms since the epoch by a clock that all processes share. */
export interface CallOutcome {
  /** `rejected`: by the circuit, without an attempt. */
  readonly result: 'answered' | 'failed' | 'rejected';
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** An event of the plugin's as plain data; `recordedAt` by the clock that all processes share. */
export interface RecordedEvent {
  readonly type: string;
  readonly key: string;
  readonly recordedAt: number;
  readonly [field: string]: unknown;
}

/** What a worker does when it is asked. `key`: a circuit other than that of the calls. */
export interface WorkerApi {
  start(spec: WorkerSpec): Promise<void>;
  /** The store's `ready()`. */
  ready(timeoutMs?: number): Promise<boolean>;
  call(count: number, options?: CallOptions): Promise<CallOutcome[]>;
  /** `undefined` while the circuit was never used. */
  state(key?: string): CircuitState | undefined;
  stats(key?: string): CircuitStats | undefined;
  events(): RecordedEvent[];
  /** Resolves at the first event of this type, from the past or to come. */
  happened(type: string, fields?: Readonly<Record<string, unknown>>): Promise<RecordedEvent>;
  forgetEvents(): void;
  /** Resolves to where it was applied. */
  control(action: 'trip' | 'reset', key?: string): Promise<'fleet' | 'local'>;
  /** Closes the store and the clients; resolves to the rejections that nobody handled so far. */
  close(): Promise<string[]>;
}

export type Method = keyof WorkerApi;

export interface Request {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
