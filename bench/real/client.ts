import { monitorEventLoopDelay } from 'node:perf_hooks';
import axios from 'axios';
import { equip } from '../faults/clients.js';
import { type Calls, callOpenLoop, type Stretch } from '../load/calls.js';
import { givenTask } from '../measure/processes.js';

/** One client that calls one service, in a process of its own. */
export interface ClientTask {
  readonly client: string;
  readonly url: string;
  readonly timeoutMs: number;
  readonly stretches: readonly Stretch[];
}

export interface ClientReport extends Calls {
  /** What the process took of a processor, ms per call. */
  readonly cpuMs: number;
  /** How late the event loop was, of the 99th percentile, ms. */
  readonly lagMs: number;
}

const WARM_UP_CALLS = 100;
const AT_A_TIME = 5;
const RESOLUTION_MS = 5;

const { client, url, timeoutMs, stretches } = givenTask() as ClientTask;
const caller = await equip(axios.create({ baseURL: url, timeout: timeoutMs, proxy: false }), client);
for (let done = 0; done < WARM_UP_CALLS; done += AT_A_TIME) {
  await Promise.all(Array.from({ length: AT_A_TIME }, () => caller.get('/prices')));
}

async function call(): Promise<ClientReport> {
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  lag.enable();
  const before = process.cpuUsage();
  const calls = await callOpenLoop(caller, stretches);
  const { user, system } = process.cpuUsage(before);
  lag.disable();
  const cpuMs = (user + system) / 1_000 / calls.finished.length;
  return { ...calls, cpuMs, lagMs: Math.max(0, lag.percentile(99) / 1e6 - RESOLUTION_MS) };
}

process.send?.('ready');
process.once('message', () => {
  void call().then((report) => process.send?.(report));
});
