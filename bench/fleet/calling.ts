import axios, { isAxiosError } from 'axios';
import { Redis } from 'ioredis';
import { givenTask } from '../measure/processes.js';
import { SHARINGS, type SharingName } from './clients.js';

/** One of the processes that share a circuit. */
export interface CallingTask {
  readonly sharing: SharingName;
  readonly url: string;
  readonly redisPort: number;
  /** Each makes one call after the other, in turns past the circuit and through it. */
  readonly callers: number;
  readonly lastsMs: number;
}

export interface Called {
  /** How long each call past the circuit took. */
  readonly bareMs: readonly number[];
  /** How much longer each call took than the one past the circuit before it. */
  readonly addedMs: readonly number[];
  /** Calls that failed although the service did not: it was never asked, or its answer was lost. */
  readonly failed: number;
  /** What this process sent to Redis meanwhile. */
  readonly commands: number;
}

const WARM_UP_CALLS = 20;

let commands = 0;
const { sendCommand } = Redis.prototype;
Redis.prototype.sendCommand = function (this: Redis, ...given: Parameters<typeof sendCommand>) {
  commands++;
  return sendCommand.apply(this, given);
};

const { sharing, url, redisPort, callers, lastsMs } = givenTask() as CallingTask;
const bare = axios.create({ baseURL: url, proxy: false });
const call = await SHARINGS[sharing].equip(axios.create({ baseURL: url, proxy: false }), redisPort);

const bareMs: number[] = [];
const addedMs: number[] = [];
let failed = 0;

async function waitFor(made: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  try {
    await made;
  } catch (error) {
    if (!(isAxiosError(error) && error.response)) failed++;
  }
  return performance.now() - startedAt;
}

async function callOnce(): Promise<void> {
  const without = await waitFor(bare.get('/bare'));
  bareMs.push(without);
  addedMs.push((await waitFor(call())) - without);
}

async function callUntil(endsAt: number): Promise<void> {
  while (performance.now() < endsAt) await callOnce();
}

for (let count = 0; count < WARM_UP_CALLS; count++) await callOnce();

process.once('message', () => {
  bareMs.length = 0;
  addedMs.length = 0;
  failed = 0;
  commands = 0;
  const endsAt = performance.now() + lastsMs;
  void Promise.all(Array.from({ length: callers }, () => callUntil(endsAt))).then(() =>
    process.send?.({ bareMs, addedMs, failed, commands } satisfies Called),
  );
});
process.send?.('ready');
