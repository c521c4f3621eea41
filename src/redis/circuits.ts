import type { SharedView } from '../circuit/link.js';
import { CONNECT_TIMEOUT_MS } from '../fleet/health.js';
import type { CircuitStore, StoreListener, StoreRequest } from '../fleet/store.js';
import { type ClientKind, keyPrefixOf, type RedisClient, sender } from './client.js';
import { keysOf, sha1 } from './names.js';
import { SCRIPT } from './script.js';
import { Subscription } from './subscription.js';

/** Where the circuits are kept. */
export interface RedisStoreSettings {
  readonly client: RedisClient;
  readonly kind: ClientKind;
  readonly prefix: string;
  readonly commandTimeoutMs: number;
  /** Listens for messages; `undefined`: circuits are only read. */
  readonly subscriber: { readonly client: RedisClient; readonly kind: ClientKind; readonly isOwn: boolean } | undefined;
}

type Reply = (string | number)[];

const NOTHING: StoreRequest = { known: { epoch: '', generation: 0 }, rememberMs: 0, expiresAt: 0 };
const NUMBER_OF_KEYS = '2';

/** Each operation is one call of one script, which touches the two keys of one circuit. */
export function redisCircuits(settings: RedisStoreSettings): CircuitStore {
  const { client, kind, prefix, commandTimeoutMs, subscriber } = settings;
  const channel = `${keyPrefixOf(client)}${prefix}:events`;
  const send = sender(client, kind);
  let subscription: Subscription | undefined;

  const run = async (
    operation: string,
    key: string,
    { known, rememberMs, expiresAt }: StoreRequest,
    ...rest: (string | number | boolean)[]
  ): Promise<Reply> => {
    const epoch = Math.random().toString(36).slice(2);
    const about = [known.epoch, known.generation, wholeMs(rememberMs), Math.floor(expiresAt)];
    const args = [operation, key, channel, epoch, ...about, ...rest];
    const timeoutMs = operation === 'read' ? Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS) : commandTimeoutMs;
    const tail = [NUMBER_OF_KEYS, ...keysOf(prefix, key), ...args.map(argument)];
    try {
      return (await send(['EVALSHA', SHA, ...tail], timeoutMs)) as Reply;
    } catch (error) {
      if (!String((error as Error | undefined)?.message).startsWith('NOSCRIPT')) throw error;
      return (await send(['EVAL', SCRIPT, ...tail], timeoutMs)) as Reply;
    }
  };

  const onText = (listener: StoreListener) => (text: string) => {
    const message = parse(text);
    if (message) listener.changed(message.key, message.view);
  };

  const store: CircuitStore = {
    read: async (key) => viewOf(await run('read', key, NOTHING)),

    report: async (key, report) => {
      const { reporter, sequence, failures, successes, threshold, tripped, quorum, opening } = report;
      const { windowMs, failures: limit, rate, minimumCalls } = threshold ?? NO_THRESHOLD;
      const counts = [reporter, sequence, failures, successes];
      const limits = [windowMs, limit, rate, minimumCalls, tripped, quorum];
      return viewOf(await run('report', key, report, ...counts, ...limits, ...openingOf(opening)));
    },

    acquire: async (key, request) => {
      const { token, leaseMs, permits } = request;
      const reply = await run('acquire', key, request, token, wholeMs(leaseMs), permits);
      const [granted, free, retryAfterMs] = reply.slice(VIEW_FIELDS).map(Number) as [number, number, number];
      return { ...viewOf(reply), granted: granted === 1, free, retryAfterMs };
    },

    settle: async (key, settlement) => {
      const { token, leased, outcome, probes, opening } = settlement;
      const { needed, allowed } = probes;
      const ending = [token, leased, outcome, needed, allowed];
      return viewOf(await run('settle', key, settlement, ...ending, ...openingOf(opening)));
    },

    force: async (key, request) =>
      viewOf(await run('force', key, request, request.state, ...openingOf(request.opening))),

    close: async () => subscription?.close(),
  };
  if (!subscriber) return store;
  return {
    ...store,
    subscribe: (listener) => {
      const { client: listening, kind: itsKind, isOwn } = subscriber;
      subscription = new Subscription(listening, itsKind, isOwn, channel, onText(listener), listener);
      return Promise.resolve();
    },
  };
}

const SHA = sha1(SCRIPT);
const NO_THRESHOLD = { windowMs: -1, failures: 0, rate: 0, minimumCalls: 0 };
const VIEW_FIELDS = 10;

/** What Redis can add to the time of day; 35,000 years. */
const LONGEST_MS = 2 ** 50;

const wholeMs = (milliseconds: number): number => Math.min(LONGEST_MS, Math.ceil(milliseconds));

const argument = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? String(Number(value)) : String(value);

const openingOf = ({ cooldownMs, openings }: { cooldownMs: number; openings: number }): number[] => [
  wholeMs(cooldownMs),
  openings,
];

function viewOf(reply: Reply): SharedView {
  const [epoch, generation, state, remainingMs, cooldownMs, openings, failures, total, byHand, at] = reply;
  return {
    epoch: String(epoch),
    generation: Number(generation),
    state: String(state) as SharedView['state'],
    remainingMs: Number(remainingMs),
    cooldownMs: Number(cooldownMs),
    openings: Number(openings),
    failures: Number(failures),
    total: Number(total),
    byHand: Number(byHand) === 1,
    at: Number(at),
  };
}

/** What is on the channel may be anybody's. */
function parse(text: string): { key: string; view: SharedView } | undefined {
  try {
    const [key, reply] = JSON.parse(text) as [unknown, unknown];
    if (typeof key === 'string' && Array.isArray(reply)) return { key, view: viewOf(reply as Reply) };
  } catch {
    // Not ours.
  }
  return undefined;
}
