import { hostname } from 'node:os';
import type { SharedStore } from '../circuit/link.js';
import { sharedStore } from '../fleet/fleet.js';
import { FLEET_RULES, type SharedStoreOptions } from '../fleet/options.js';
import { aBoolean, eitherOf, options, own, unexpected } from '../validation.js';
import { redisCircuits } from './circuits.js';
import { kindOf, type RedisClient } from './client.js';

/** How circuits are shared over Redis or Valkey. */
export interface RedisStoreOptions extends SharedStoreOptions {
  /**
   * Begins the names of all keys and of the channel: `{<prefix>:<circuit>}:2:*` and `<prefix>:events:2`; 2 is the version of
   * what is stored, and processes of another one share nothing with these. Give services that must not share circuits different ones. Non-empty, without braces.
   * @default 'axios-resilience'
   */
  prefix?: string | undefined;
  /**
   * Whether changes are listened for: `true`, on a duplicate of the client; a client, which is then yours to connect and to
   * close, and sends no other commands; or `false`: circuits are read every `resyncMs` alone.
   * @default true
   */
  subscribe?: boolean | RedisClient | undefined;
}

/** As long as `SharedStoreOptions.name` may be. */
const LONGEST_NAME = 100;

const checkPrefix = (prefix: unknown, path: string): void => {
  if (typeof prefix !== 'string') throw unexpected(path, 'a string', prefix);
  if (!/^[^{}]+$/.test(prefix)) throw unexpected(path, 'a non-empty string without braces', prefix, RangeError);
};

const checkOptions = options({
  ...FLEET_RULES,
  prefix: checkPrefix,
  subscribe: eitherOf({ boolean: aBoolean }, (client, path) => void kindOf(client as RedisClient, path)),
});

/**
 * Shares circuits between processes: `attach(api, { breaker: { store: redisStore(client) } })`. Nothing is sent for a call
 * that succeeds, and no call fails or is held up because Redis is slow or away.
 *
 * @param client An ioredis `Redis` or `Cluster`, a node-redis client or cluster; connected by you, and closed by you.
 * @throws a `TypeError` or `RangeError` that names the option.
 */
export function redisStore(client: RedisClient, given: RedisStoreOptions = {}): SharedStore {
  const kind = kindOf(client, 'redisStore(client)');
  checkOptions(given, 'redisStore(options)');
  const { prefix = 'axios-resilience', subscribe = true, ...shared } = own(given);
  const listening = typeof subscribe === 'object' ? subscribe : client;
  const subscriber = { client: listening, kind: kindOf(listening, 'subscribe'), isOwn: subscribe === true };
  const circuits = redisCircuits({
    client,
    kind,
    prefix,
    commandTimeoutMs: own(shared).commandTimeoutMs ?? 50,
    subscriber: subscribe === false ? undefined : subscriber,
  });
  return sharedStore(circuits, { name: `${hostname()}/${process.pid}`.slice(-LONGEST_NAME), ...shared });
}
