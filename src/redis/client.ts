import { MAX_TIMER_MS } from '../clock.js';
import { unexpected } from '../validation.js';

/** What is needed of an ioredis `Redis` or `Cluster`. */
export interface IoredisClient {
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  duplicate(...args: never[]): unknown;
  readonly options?: object | undefined;
}

/** What is needed of a client of node-redis, or of its cluster. */
export interface NodeRedisClient {
  sendCommand(...args: never[]): Promise<unknown>;
  duplicate(...args: never[]): unknown;
}

/** A client as users have it: an ioredis `Redis` or `Cluster`, a node-redis client or cluster. */
export type RedisClient = IoredisClient | NodeRedisClient;

export type ClientKind = 'ioredis' | 'ioredis-cluster' | 'node-redis' | 'node-redis-cluster';

interface AnyClient {
  readonly call?: (...args: string[]) => Promise<unknown>;
  readonly sendCommand?: (...args: unknown[]) => Promise<unknown>;
  readonly duplicate?: unknown;
  readonly isCluster?: boolean;
  readonly masters?: unknown;
  readonly options?: { readonly keyPrefix?: string; readonly redisOptions?: { readonly keyPrefix?: string } };
}

/** Tells which client it is, by its methods: the package may be there in several copies. */
export function kindOf(client: RedisClient, path: string): ClientKind {
  const { call, sendCommand, duplicate, isCluster, masters, options } = ((client as unknown) ?? {}) as AnyClient;
  if (typeof duplicate === 'function' && typeof call === 'function') return isCluster ? 'ioredis-cluster' : 'ioredis';
  if (typeof duplicate === 'function' && typeof sendCommand === 'function') {
    if (Array.isArray(masters)) return 'node-redis-cluster';
    if (typeof options === 'object') return 'node-redis';
  }
  throw unexpected(path, 'an ioredis Redis or Cluster, or a node-redis client or cluster', client);
}

/** What the client puts before each key; it does not do so for channels. */
export function keyPrefixOf(client: RedisClient): string {
  const { options } = client as AnyClient;
  return options?.keyPrefix ?? options?.redisOptions?.keyPrefix ?? '';
}

/** Where the keys begin in `EVALSHA sha 3 key key key …`; how many there are stands before them. */
const FIRST_KEY = 3;

/** How much later than the fleet a client gives a command up: the fleet's error says more. */
const GRACE_MS = 50;

/** Sends a script call, `EVALSHA sha 3 key key key …` or the same with `EVAL`, that nobody waits for beyond `timeoutMs`. */
type Send = (args: string[], timeoutMs: number) => Promise<unknown>;

export function sender(client: RedisClient, kind: ClientKind): Send {
  const { call, sendCommand } = client as AnyClient;
  if (kind === 'ioredis' || kind === 'ioredis-cluster') return async (args) => call?.apply(client, args);
  // Takes a command that was not yet written out of the queue, and replies as they come whatever the client maps them to.
  const optionsOf = (timeoutMs: number) => ({ timeout: Math.min(MAX_TIMER_MS, timeoutMs + GRACE_MS), typeMapping: {} });
  if (kind === 'node-redis-cluster') {
    return async (args, timeoutMs) => sendCommand?.apply(client, [args[FIRST_KEY], false, args, optionsOf(timeoutMs)]);
  }
  // Raw commands do not get the prefix by themselves.
  const prefix = keyPrefixOf(client);
  return async (args, timeoutMs) => {
    const afterKeys = FIRST_KEY + Number(args[FIRST_KEY - 1]);
    const prefixed = args.map((argument, index) =>
      index >= FIRST_KEY && index < afterKeys ? prefix + argument : argument,
    );
    return sendCommand?.apply(client, [prefixed, optionsOf(timeoutMs)]);
  };
}
