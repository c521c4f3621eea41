import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fleet, tally } from '../support/fleet/fleet.js';
import type { ClientSpec } from '../support/fleet/protocol.js';
import { type RedisCluster, startRedisCluster } from '../support/redis/cluster.js';
import { startRedis } from '../support/redis/server.js';
import type { Service } from '../support/service.js';
import { bring, countOf, eventually, everywhere, openFleet, reaches, warmUp } from './bed.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

const PATIENT = { commandTimeoutMs: 10_000 } as const;

/** Each process in turn reports the failures that open the circuit of all, and makes the probe that closes it. */
async function takesTurns(fleet: Fleet, service: Service): Promise<void> {
  await warmUp(fleet, service);
  for (const worker of fleet.workers) {
    service.answer({ status: 503 });
    await worker.call(3, { concurrency: 1 });
    await Promise.all(fleet.workers.map((each) => each.happened('stateChange', { to: 'open' })));
    await reaches(fleet, 'half-open');
    service.answer({});
    expect(tally(await worker.call(1))).toEqual({ answered: 1, failed: 0, rejected: 0 });
    await reaches(fleet, 'closed');
    await fleet.all((each) => each.forgetEvents());
  }
}

const noneIsLost = async (fleet: Fleet): Promise<void> => {
  expect(await fleet.all((worker) => countOf(worker, 'degraded'))).toEqual(everywhere(fleet, 0));
};

const clientsOf = (url: string, options: object = {}): ClientSpec[] => [
  { kind: 'ioredis', url, options: { protocol: 2, ...options } },
  { kind: 'node-redis', url, options: { RESP: 2, ...options } },
  { kind: 'ioredis', url, options: { protocol: 3, ...options } },
  { kind: 'node-redis', url, options: { RESP: 3, ...options } },
];

test.each([
  ['', {}],
  [' with a key prefix', { keyPrefix: 'shop:' }],
])('ioredis and node-redis in RESP2 and RESP3%s share the same circuits', async (_how, options) => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 4,
    clients: clientsOf(redis.url, options),
    breaker: { cooldownMs: 300, store: PATIENT },
  });
  await takesTurns(fleet, service);
  const names = (await redis.cli('KEYS', '*')).split('\n');
  expect(names.every((name) => name.startsWith('keyPrefix' in options ? 'shop:{' : '{'))).toBe(true);
  await noneIsLost(fleet);
});

test('processes whose key prefixes differ do not share circuits', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: [
      { kind: 'ioredis', url: redis.url, options: { keyPrefix: 'a:' } },
      { kind: 'node-redis', url: redis.url, options: { keyPrefix: 'b:' } },
    ],
    breaker: {},
  });
  await warmUp(fleet, service);
  expect(await fleet.workers[0]!.control('trip')).toBe('fleet');
  expect(await fleet.workers[1]!.control('trip')).toBe('fleet');
  expect(await fleet.workers[0]!.control('reset')).toBe('fleet');
  expect(await fleet.all((worker) => worker.state())).toEqual(['closed', 'open']);
  expect(
    (await redis.cli('KEYS', '*:s'))
      .split('\n')
      .map((name) => name.slice(0, 2))
      .sort(),
  ).toEqual(['a:', 'b:']);
});

test('ioredis and node-redis on a cluster, in RESP2 and RESP3, share the same circuits', async () => {
  const clients = clientsOf(cluster.nodes[0]!.url).map((client) => ({ ...client, cluster: true }));
  const { service, fleet } = await openFleet({
    processes: 4,
    clients,
    breaker: { cooldownMs: 300, store: PATIENT },
  });
  await takesTurns(fleet, service);
  await noneIsLost(fleet);
});

const ODD_KEYS = [
  'GET https://api.example.com/{a}/{b}',
  '}{',
  '{}x',
  'GET https://例え.jp/übung/🚀',
  `GET https://api.example.com/${'segment/'.repeat(260)}`,
  'a "b" \r\n\t\\ \0',
];

test.each(['ioredis', 'node-redis'] as const)(
  'on a cluster, %s keeps braces, unicode and URLs of 2 KB to one slot each',
  async (kind) => {
    const prefix = `${kind}-slots`;
    const { service, fleet } = await openFleet({
      processes: 2,
      clients: { kind, url: cluster.nodes[1]!.url, cluster: true },
      breaker: { cooldownMs: 200, store: { ...PATIENT, prefix } },
    });
    const [failing, probing] = fleet.workers;
    const reachesAll = (state: string) =>
      eventually(async () => {
        for (const worker of fleet.workers) {
          expect(await Promise.all(ODD_KEYS.map((key) => worker.state(key)))).toEqual(ODD_KEYS.map(() => state));
        }
      });
    await Promise.all(ODD_KEYS.flatMap((key) => fleet.workers.map((worker) => worker.call(1, { key }))));
    service.answer({ status: 503 });
    for (const key of ODD_KEYS) await failing!.call(3, { key, concurrency: 1 });
    await Promise.all(
      ODD_KEYS.flatMap((key) => fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open', key }))),
    );
    await reachesAll('half-open');
    expect((await slotsOf(prefix)).length).toBe(ODD_KEYS.length);
    service.answer({});
    for (const key of ODD_KEYS) {
      expect(tally(await probing!.call(1, { key }))).toEqual({ answered: 1, failed: 0, rejected: 0 });
    }
    await reachesAll('closed');
    await noneIsLost(fleet);
  },
);

test('on a cluster that loses a node, circuits of the others are shared as before', async () => {
  const own = await bring(startRedisCluster());
  const lost = own.nodes[2]!;
  const key = await keyElsewhere(own, lost);
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: [
      { kind: 'ioredis', url: own.nodes[0]!.url, cluster: true },
      { kind: 'node-redis', url: own.nodes[0]!.url, cluster: true },
    ],
    breaker: { store: { resyncMs: 300 }, key },
  });
  await warmUp(fleet, service);
  await lost.kill();
  await eventually(async () => expect(await own.nodes[0]!.cli('CLUSTER', 'NODES')).toMatch(/fail(?!\?)/));
  expect(await fleet.all((worker) => worker.call(5).then(tally))).toEqual(
    everywhere(fleet, { answered: 5, failed: 0, rejected: 0 }),
  );
  await lost.restart();
  await own.whole();
  for (const worker of fleet.workers) {
    await eventually(async () => expect(await worker.control('trip')).toBe('fleet'));
    await reaches(fleet, 'open');
    await eventually(async () => expect(await worker.control('reset')).toBe('fleet'));
    await reaches(fleet, 'closed');
  }
});

/** The slots of all keys with this prefix, once for each circuit: all keys of a circuit have the same. */
async function slotsOf(prefix: string): Promise<number[]> {
  const slots: number[] = [];
  for (const node of cluster.nodes) {
    const names = (await node.cli('KEYS', `{${prefix}:*`)).split('\n').filter(Boolean);
    const circuits = new Set(names.map((name) => name.replace(/:2:.*$/s, '')));
    for (const circuit of circuits) {
      const both = await Promise.all(
        names.filter((name) => name.startsWith(circuit)).map((name) => node.cli('CLUSTER', 'KEYSLOT', name)),
      );
      expect(new Set(both).size).toBe(1);
      slots.push(Number(both[0]));
    }
  }
  return slots;
}

async function keyElsewhere(own: RedisCluster, lost: unknown): Promise<string> {
  for (let number = 0; ; number++) {
    const key = `service-${number}`;
    if ((await own.nodeOf(`{axios-resilience:${key}}:s`)) !== lost) return key;
  }
}
