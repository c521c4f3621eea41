import type { Question, SharedThreshold, SharedView } from '../circuit/link.js';
import { MAX_TIMER_MS } from '../clock.js';
import { CONNECT_TIMEOUT_MS } from '../fleet/health.js';
import type { ReportReply, StoreEngine, StoreListener, StoreRequest } from '../fleet/store.js';
import { type ClientKind, keyPrefixOf, type RedisClient, sender } from './client.js';
import { channelOf, keysOf, sha1 } from './names.js';
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

const NOTHING: StoreRequest = { known: { epoch: '', generation: 0 }, rememberMs: 0, expiresAt: 0, by: '' };

/** Each operation is one call of one script, which touches the keys of one circuit. */
export function redisCircuits(settings: RedisStoreSettings): StoreEngine {
  const { client, kind, prefix, commandTimeoutMs, subscriber } = settings;
  const channel = `${keyPrefixOf(client)}${channelOf(prefix)}`;
  const send = sender(client, kind);
  let subscription: Subscription | undefined;

  const call = async (keys: readonly string[], args: readonly string[], timeoutMs: number): Promise<Reply> => {
    const tail = [String(keys.length), ...keys, ...args];
    try {
      return (await send(['EVALSHA', SHA, ...tail], timeoutMs)) as Reply;
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw scoped(error);
      return (await send(['EVAL', SCRIPT, ...tail], timeoutMs).catch((failure: unknown) => {
        throw scoped(failure);
      })) as Reply;
    }
  };

  const run = (
    operation: string,
    key: string,
    { known, rememberMs, expiresAt, by }: StoreRequest,
    ...rest: (string | number | boolean)[]
  ): Promise<Reply> => {
    const keys = keysOf(prefix, key);
    const epoch = Math.random().toString(36).slice(2);
    const about = [known.epoch, known.generation, wholeMs(rememberMs), Math.floor(expiresAt), by];
    const args = [operation, JSON.stringify(key), channel, epoch, ...about, ...rest];
    const timeoutMs = operation === 'read' ? Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS) : commandTimeoutMs;
    const reporters = operation === 'report' ? [keys.report(String(rest[0]))] : [];
    return call([keys.state, keys.leases, keys.votes, ...reporters], args.map(argument), timeoutMs);
  };

  const onText = (listener: StoreListener) => (text: string) => {
    const message = parse(text);
    if (message) listener.changed(message.key, message.view);
  };

  const store: StoreEngine = {
    read: async (key) => viewOf(await run('read', key, NOTHING)),

    report: async (key, report) => {
      const { reporter, sequence, outcomes, run: failed, threshold, tripped, quorum } = report;
      const { windowMs, failures, rate, minAttempts, minSpanMs = 0, maxAgeMs = 0 } = threshold ?? NO_THRESHOLD;
      const { firstAgeMs, lastAgeMs = -1, successAgeMs = -1 } = failed;
      const votes = [reporter, sequence, tripped, quorum, wholeMs(report.gatherMs)];
      const limits = [windowMs, failures, rate, minAttempts, minSpanMs, maxAgeMs, report.rules];
      const counts = outcomes.map((each) => each.join(':')).join(';');
      const ages = [firstAgeMs, lastAgeMs, successAgeMs].map(Math.round);
      const how = [...openingOf(report.opening), report.why];
      const told = [counts, failed.failures, ...ages, report.served];
      const reply = await run('report', key, report, ...votes, ...how, ...limits, ...told);
      return reportReplyOf(reply);
    },

    acquire: async (key, request) => {
      const { token, leaseMs, permits, waitedMs, allowed, opening } = request;
      const asked = [token, wholeMs(leaseMs), permits, wholeMs(waitedMs), allowed];
      const reply = await run('acquire', key, request, ...asked, ...openingOf(opening));
      const [granted, free, retryAfterMs] = reply.slice(VIEW_FIELDS).map(Number) as [number, number, number];
      return { ...viewOf(reply), granted: granted === 1, free, retryAfterMs };
    },

    settle: async (key, settlement) => {
      const { token, leased, outcome, probes, opening, why } = settlement;
      const { needed, allowed } = probes;
      const ending = [token, leased, outcome, needed, allowed];
      return viewOf(await run('settle', key, settlement, ...ending, ...openingOf(opening), why));
    },

    force: async (key, request) =>
      viewOf(await run('force', key, request, request.state, ...openingOf(request.opening), request.why)),

    prove: (key) => call([keysOf(prefix, key).proof], ['prove', ...Array<string>(8).fill('0')], commandTimeoutMs),

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
const NO_THRESHOLD: SharedThreshold = { windowMs: -1, failures: 0, rate: 0, minAttempts: 0 };
const VIEW_FIELDS = 14;

/** What Redis can add to the time of day; 35,000 years. */
const LONGEST_MS = 2 ** 50;

const wholeMs = (milliseconds: number): number => Math.min(LONGEST_MS, Math.ceil(milliseconds));

const argument = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? String(Number(value)) : String(value);

const openingOf = ({ cooldownMs, openings }: { cooldownMs: number; openings: number }): number[] => [
  wholeMs(cooldownMs),
  openings,
];

const messageOf = (error: unknown): string => String((error as Error | undefined)?.message);

/** What a cluster answers while slots move. */
const PASSING = /^(?:TRYAGAIN|ASK|MOVED|CLUSTERDOWN|LOADING)\b|Too many Cluster redirections/;

/** The error, with what it says of the store; see `StoreEngine`. */
function scoped(error: unknown): unknown {
  const message = messageOf(error);
  const scope = PASSING.test(message) ? 'passing' : /WRONGTYPE/.test(message) ? 'circuit' : undefined;
  return scope ? Object.assign(new Error(message, { cause: error }), { scope }) : error;
}

/** What is stored may be anybody's: no number is believed that no process of ours could have written. */
const numberOf = (value: string | number | undefined, most = Number.MAX_SAFE_INTEGER): number => {
  const number = Number(value);
  return number >= 0 ? Math.min(most, number) : 0;
};

function viewOf(reply: Reply): SharedView {
  const [epoch, generation, state, remainingMs, cooldownMs, openings, byHand, by, why, ...rest] = reply;
  const [withinMs, windowMs, sinceMs, muted, at] = rest;
  const longestMs = numberOf(cooldownMs, LONGEST_MS);
  return {
    epoch: String(epoch),
    generation: numberOf(generation),
    state: state === 'open' || state === 'half-open' ? state : 'closed',
    remainingMs: numberOf(remainingMs, longestMs),
    cooldownMs: longestMs,
    openings: numberOf(openings),
    byHand: Number(byHand) === 1,
    by: String(by),
    why: String(why),
    question: numberOf(withinMs) > 0 ? questionOf(withinMs, windowMs, sinceMs) : undefined,
    isMuted: Number(muted) === 1,
    at: numberOf(at),
  };
}

const questionOf = (...fields: (string | number | undefined)[]): Question => ({
  withinMs: numberOf(fields[0], MAX_TIMER_MS),
  windowMs: numberOf(fields[1]),
  sinceMs: numberOf(fields[2]),
});

function reportReplyOf(reply: Reply): ReportReply {
  const [failures, total, judgeInMs, otherRules] = reply.slice(VIEW_FIELDS);
  return {
    ...viewOf(reply),
    failures: numberOf(failures),
    total: numberOf(total),
    judgeInMs: numberOf(judgeInMs, MAX_TIMER_MS),
    otherRules: String(otherRules),
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
