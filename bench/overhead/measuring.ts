import { BARE, type Caller, CLIENTS, type ClientName, COOLDOWN_MS } from '../clients.js';
import { givenTask } from '../measure/processes.js';
import { type Pair, type RoundOptions, ratiosByName } from '../measure/rounds.js';
import { createApi } from './api.js';

/** One client beside bare axios, in a process of their own. */
export interface OverheadTask {
  readonly client: ClientName;
  /** Of a real service; without it nothing is sent. */
  readonly url?: string;
}

export type Method = 'GET' | 'POST';
export type OverheadRatios = Readonly<Record<Method, readonly number[]>>;

const ONE_KILOBYTE = { text: 'x'.repeat(1_024 - '{"text":""}'.length) };

const SEND: Record<Method, (caller: Caller) => Promise<unknown>> = {
  GET: (caller) => caller.get('/users/42'),
  POST: (caller) => caller.post('/users', ONE_KILOBYTE),
};

const STILL: RoundOptions = { rounds: 300, warmUpRounds: 400, maxMs: 500 };
const ON_A_NETWORK: RoundOptions = { rounds: 100, warmUpRounds: 60, maxMs: 500 };

const { client, url } = givenTask() as OverheadTask;

const CALLS = 20;

const inTurn = (call: () => Promise<unknown>) => async (): Promise<void> => {
  for (let count = 0; count < CALLS; count++) await call();
};

/** One after the other would mostly wait for the service's process to be woken. */
const atOnce = (call: () => Promise<unknown>) => async (): Promise<void> => {
  await Promise.all(Array.from({ length: CALLS }, call));
};

const pairOf = (method: Method) => async (): Promise<Pair> => {
  const send = SEND[method];
  const batchOf = async (name: ClientName) => {
    const caller = await CLIENTS[name].equip(createApi(url), COOLDOWN_MS);
    return url === undefined ? inTurn(() => send(caller)) : atOnce(() => send(caller));
  };
  return { bare: await batchOf(BARE), subject: await batchOf(client) };
};

const pairs: Record<Method, () => Promise<Pair>> = { GET: pairOf('GET'), POST: pairOf('POST') };
process.send?.(await ratiosByName(pairs, url === undefined ? STILL : ON_A_NETWORK));
