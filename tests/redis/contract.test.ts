import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { redisCircuits } from '../../src/redis/circuits.js';
import type { RedisClient } from '../../src/redis/client.js';
import { keysOf } from '../../src/redis/names.js';
import { type ContractStore, storeContract } from '../fleet/store-contract.js';
import { makeClient } from '../support/fleet/clients.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';

const PREFIX = 'contract';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function makeStore(kind: 'ioredis' | 'node-redis'): Promise<ContractStore> {
  await server.cli('FLUSHALL');
  const { client: connecting, end } = await makeClient({ kind, url: server.url });
  const client = connecting as RedisClient;
  const store = redisCircuits({
    client,
    kind,
    prefix: PREFIX,
    commandTimeoutMs: 10_000,
    subscriber: { client, kind, isOwn: true },
  });
  return {
    store,
    // Timers may fire a little early, and the server counts whole milliseconds.
    pass: (milliseconds) => delay(milliseconds + 2),
    forget: async (key) => {
      const { state, leases, votes } = keysOf(PREFIX, key);
      await server.cli('DEL', state, leases, votes);
    },
    forgetsWithin: async (key, milliseconds) =>
      Number(await server.cli('PTTL', keysOf(PREFIX, key).state)) <= milliseconds,
    close: async () => {
      await store.close?.();
      end();
    },
  };
}

storeContract('redisStore over ioredis', () => makeStore('ioredis'));
storeContract('redisStore over node-redis', () => makeStore('node-redis'));
