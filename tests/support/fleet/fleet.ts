import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { dieWithMe, freeze, kill, thaw } from '../child.js';
import type { CallOutcome, ClientSpec, Method, Reply, WorkerApi, WorkerSpec } from './protocol.js';

type Remote<Api> = {
  [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** A process of its own, with its own client of Redis and its own axios instance. */
export interface FleetWorker extends Remote<Omit<WorkerApi, 'start' | 'close'>> {
  readonly name: string;
  /**
   * Closes the store and the clients and lets the process end by itself. Resolves when it has ended, to the rejections that
   * nobody handled; rejects when something keeps it alive for ten seconds.
   */
  close(): Promise<string[]>;
  /** SIGKILL: nothing is said good-bye to. */
  crash(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

export interface Fleet {
  readonly workers: readonly FleetWorker[];
  /** Asks all workers at once. */
  all<Result>(ask: (worker: FleetWorker) => Promise<Result>): Promise<Result[]>;
  /** Makes one more; `spec` is what differs from the others. */
  add(spec?: Partial<WorkerSpec>): Promise<FleetWorker>;
  /** Kills what is left. */
  stop(): Promise<void>;
}

export interface FleetOptions extends Omit<WorkerSpec, 'name' | 'client'> {
  readonly processes: number;
  /** One for all, or one for each in turn. */
  readonly clients: ClientSpec | readonly ClientSpec[];
  /** Whether to wait for every store's `ready()`. @default true */
  readonly awaitReady?: boolean;
}

const SOURCE = fileURLToPath(new URL('./worker.ts', import.meta.url));

let bundled: Promise<string> | undefined;

/** One file with everything in it starts several times faster than sources and packages do. */
async function bundle(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'fleet-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'worker.cjs');
  await build({ entryPoints: [SOURCE], outfile, bundle: true, platform: 'node', format: 'cjs', target: 'node20' });
  return outfile;
}

function remote(child: ChildProcess): <Result>(method: Method, args: readonly unknown[]) => Promise<Result> {
  const pending = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  child.on('message', ({ id, value, error }: Reply) => {
    const { resolve, reject } = pending.get(id)!;
    pending.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  child.on('exit', () => {
    for (const { reject } of pending.values()) reject(new Error('the worker has ended'));
    pending.clear();
  });
  return (method, args) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      pending.set(lastId, { resolve, reject });
      child.send({ id: lastId, method, args }, (error) => error && reject(error));
    });
}

async function startWorker(file: string, spec: WorkerSpec, awaitReady: boolean): Promise<[FleetWorker, ChildProcess]> {
  const child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  dieWithMe(child);
  await once(child, 'spawn');
  const ask = remote(child);
  await ask('start', [spec]);
  if (awaitReady) await ask('ready', []);
  const method =
    <Name extends Method>(name: Name) =>
    (...args: Parameters<WorkerApi[Name]>) =>
      ask<Awaited<ReturnType<WorkerApi[Name]>>>(name, args);
  const worker = {
    name: spec.name,
    ready: method('ready'),
    call: method('call'),
    state: method('state'),
    stats: method('stats'),
    events: method('events'),
    happened: method('happened'),
    forgetEvents: method('forgetEvents'),
    control: method('control'),
    async close() {
      const unhandled = await ask<string[]>('close', []);
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(10_000) });
      child.disconnect();
      await ended;
      return unhandled;
    },
    crash: () => kill(child),
    freeze: () => freeze(child),
    thaw: () => thaw(child),
  };
  return [worker, child];
}

/** Starts processes named `worker-1`, `worker-2` and so on. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { processes, clients, awaitReady = true, ...shared } = options;
  const specs = Array.isArray(clients) ? (clients as readonly ClientSpec[]) : [clients as ClientSpec];
  bundled ??= bundle();
  const file = await bundled;
  const workers: FleetWorker[] = [];
  const children: ChildProcess[] = [];
  let made = 0;

  async function add(spec: Partial<WorkerSpec> = {}): Promise<FleetWorker> {
    const client = specs[made % specs.length]!;
    made += 1;
    const [worker, child] = await startWorker(file, { name: `worker-${made}`, client, ...shared, ...spec }, awaitReady);
    workers.push(worker);
    children.push(child);
    return worker;
  }

  await Promise.all(Array.from({ length: processes }, () => add()));
  workers.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  return {
    workers,
    all: (ask) => Promise.all(workers.map(ask)),
    add,
    async stop() {
      await Promise.all(children.map(kill));
    },
  };
}

/** How many calls came to what. */
export function tally(outcomes: readonly CallOutcome[]): Record<CallOutcome['result'], number> {
  const counts = { answered: 0, failed: 0, rejected: 0 };
  for (const { result } of outcomes) counts[result] += 1;
  return counts;
}
