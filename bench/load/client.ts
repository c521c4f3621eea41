import axios from 'axios';
import { CLIENTS, type ClientName } from '../clients.js';
import { givenTask } from '../measure/processes.js';
import { type Calls, callOpenLoop, type Stretch } from './calls.js';

/** One client that calls one service, in a process of its own. */
export interface LoadTask {
  readonly client: ClientName;
  readonly url: string;
  readonly timeoutMs: number;
  readonly cooldownMs?: number | undefined;
  readonly stretches: readonly Stretch[];
}

const WARM_UP_CALLS = 200;
const AT_A_TIME = 10;

const { client, url, timeoutMs, cooldownMs, stretches } = givenTask() as LoadTask;
const api = axios.create({ baseURL: url, timeout: timeoutMs, proxy: false });
const caller = await CLIENTS[client].equip(api, cooldownMs);

/** Connections are open and code is compiled when it begins, as in a service that has run for a while. */
for (let done = 0; done < WARM_UP_CALLS; done += AT_A_TIME) {
  await Promise.all(Array.from({ length: AT_A_TIME }, () => caller.get('/prices')));
}

process.send?.('ready');
process.once('message', () => {
  void callOpenLoop(caller, stretches).then((calls: Calls) => process.send?.(calls));
});
