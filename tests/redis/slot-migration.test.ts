import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keysOf } from '../../src/redis/names.js';
import type { Fleet } from '../support/fleet/fleet.js';
import type { ClientSpec } from '../support/fleet/protocol.js';
import { type RedisCluster, startRedisCluster } from '../support/redis/cluster.js';
import type { RedisServer } from '../support/redis/server.js';
import { bring, countOf, eventually, everywhere, openFleet, reaches, warmUp } from './bed.js';

const KEY = 'GET https://api.example.com/moving';

/** The steps in which `redis-cli --cluster reshard` moves a slot, with a pause after each; keys go one by one. */
async function migrate(cluster: RedisCluster, key: string, pauseMs: number): Promise<RedisServer> {
  const { state } = keysOf('axios-resilience', key);
  const from = await cluster.nodeOf(state);
  const to = cluster.nodes.find((node) => node !== from)!;
  const slot = (await from.cli('CLUSTER', 'KEYSLOT', state)).trim();
  const [fromId, toId] = await Promise.all([from, to].map(async (node) => (await node.cli('CLUSTER', 'MYID')).trim()));
  await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!);
  await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!);
  await delay(pauseMs);
  for (;;) {
    const names = (await from.cli('CLUSTER', 'GETKEYSINSLOT', slot, 1))
      .split('\n')
      .filter((name) => name.trim() !== '');
    if (names.length === 0) break;
    await from.cli('MIGRATE', '127.0.0.1', to.port, names[0]!.trim(), 0, 5_000);
    await delay(pauseMs);
  }
  for (const node of [to, from, ...cluster.nodes]) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', toId!);
  return to;
}

/** Two processes report failures of a circuit all the time while its slot moves. */
async function callWhileItMoves(kind: ClientSpec['kind']): Promise<Fleet> {
  const cluster = await bring(startRedisCluster());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: { kind, url: cluster.nodes[0]!.url, cluster: true },
    breaker: { key: KEY, detector: ['failuresInWindow', { failures: 100_000 }], store: { lingerMs: 10 } },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  let isMoving = true;
  const calling = fleet.all(async (worker) => {
    while (isMoving) await worker.call(2);
  });
  const to = await migrate(cluster, KEY, 400);
  await delay(300);
  isMoving = false;
  await calling;
  expect(await cluster.nodeOf(keysOf('axios-resilience', KEY).state)).toBe(to);
  return fleet;
}

test('while the slot of a circuit moves to another node of the cluster, node-redis misses nothing that degrades the store', async () => {
  const fleet = await callWhileItMoves('node-redis');
  expect(await fleet.all((worker) => countOf(worker, 'degraded'))).toEqual(everywhere(fleet, 0));
  expect(await fleet.workers[0]!.control('trip')).toBe('fleet');
  await reaches(fleet, 'open');
});

test('ioredis repeats what meets a moving slot by itself, for longer than a command may take; the store recovers afterwards', async () => {
  const fleet = await callWhileItMoves('ioredis');
  await eventually(async () => {
    for (const worker of fleet.workers) {
      expect(await countOf(worker, 'recovered')).toBe(await countOf(worker, 'degraded'));
    }
  });
  await eventually(async () => expect(await fleet.workers[0]!.control('trip')).toBe('fleet'));
  await reaches(fleet, 'open');
});
