import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { expect, test } from 'vitest';
import { BreakerRegistry } from '../../src/index.js';
import { type RedisClient, type RedisStoreOptions, redisStore } from '../../src/redis/index.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { commandCalls, resetCommandCalls } from '../support/redis/command-calls.js';
import { startRedis } from '../support/redis/server.js';
import { bring } from './bed.js';

interface Client {
  readonly client: RedisClient;
  connect(): Promise<unknown>;
  end(): void;
}

const CLIENTS: Record<'ioredis' | 'node-redis', (url: string) => Client> = {
  ioredis: (url) => {
    const client = new Redis(url, { lazyConnect: true });
    client.on('error', () => undefined);
    return { client, connect: () => client.connect(), end: () => client.disconnect() };
  },
  'node-redis': (url) => {
    const client = createClient({ url });
    client.on('error', () => undefined);
    return { client, connect: () => client.connect(), end: () => client.destroy() };
  },
};
const KINDS = ['ioredis', 'node-redis'] as const;

/** So many circuits that come to be at once, and what was said of their store. */
async function make({ client, end }: Client, circuits: number, options: RedisStoreOptions) {
  const store = redisStore(client, options);
  await bring(Promise.resolve({ stop: () => store.close().then(end) }));
  const registry = new BreakerRegistry({ store });
  const said: string[] = [];
  registry.on('store', (event) => {
    if (event.status === 'degraded') said.push(String(event.error));
    if (event.status === 'dropped') said.push(`${event.outcomes} dropped`);
  });
  for (let i = 0; i < circuits; i++) registry.ensure(`service-${i}`);
  return { store, said };
}

test.each(KINDS)('256 circuits at once send the script at most 16 times, with %s', async (kind) => {
  const redis = await bring(startRedis());
  const one = CLIENTS[kind](redis.url);
  await one.connect();
  await resetCommandCalls(redis);
  const { store, said } = await make(one, 256, { commandTimeoutMs: 5_000 });
  expect(await store.ready(20_000)).toBe(true);
  expect((await commandCalls(redis))['eval']).toBeLessThanOrEqual(16);
  expect(said).toEqual([]);
});

test.each(KINDS)('circuits are there while %s is still connecting, which is no fault of the store', async (kind) => {
  const redis = await bring(startRedis());
  const proxy = await bring(startFaultProxy(redis.port));
  await proxy.refuse();
  const one = CLIENTS[kind](`redis://127.0.0.1:${proxy.port}`);
  one.connect().catch(() => undefined);
  const { store, said } = await make(one, 8, { commandTimeoutMs: 20 });
  setTimeout(() => void proxy.pass(), 100);
  expect(await store.ready(20_000)).toBe(true);
  expect(said).toEqual([]);
});

test.each(KINDS)('a store that never answers is told with its deadline, with %s', async (kind) => {
  const redis = await bring(startRedis());
  const one = CLIENTS[kind](redis.url);
  await one.connect();
  await redis.freeze();
  const { store, said } = await make(one, 8, { commandTimeoutMs: 20 });
  expect(await store.ready(1_500)).toBe(false);
  expect(said).toEqual(['Error: The store did not answer within 1000 ms']);
});
