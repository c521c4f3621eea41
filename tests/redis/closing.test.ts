import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientSpec } from '../support/fleet/protocol.js';
import { type RedisCluster, startRedisCluster } from '../support/redis/cluster.js';
import { startRedis } from '../support/redis/server.js';
import { bring, countOf, eventually, everywhere, openFleet, warmUp } from './bed.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

/** The users' own clients let go at once, so that what keeps a process alive is ours. */
const ioredis = { kind: 'ioredis', options: { disconnectTimeout: 1 } } as const;
const nodeRedis = { kind: 'node-redis', options: { socket: { reconnectStrategy: 20 } } } as const;

const NOBODY = 'redis://127.0.0.1:1';

describe.each([ioredis, nodeRedis])(
  'a process with $kind ends by itself and leaves no rejection unhandled',
  (client) => {
    const clientsOf = (url: string): ClientSpec => ({ ...client, url });

    test('when its store is closed', async () => {
      const redis = await bring(startRedis());
      const { service, fleet } = await openFleet({ processes: 2, clients: clientsOf(redis.url), breaker: {} });
      await warmUp(fleet, service);
      expect(await fleet.all((worker) => worker.close())).toEqual(everywhere(fleet, []));
      await eventually(async () => expect((await redis.cli('CLIENT', 'LIST')).split('\n')).toHaveLength(1));
    });

    test('when it listens with a client of its own', async () => {
      const redis = await bring(startRedis());
      const { service, fleet } = await openFleet({
        processes: 1,
        clients: clientsOf(redis.url),
        breaker: { store: { subscribe: clientsOf(redis.url) } },
      });
      await warmUp(fleet, service);
      expect(await fleet.workers[0]!.close()).toEqual([]);
    });

    test('on a cluster', async () => {
      const [node] = cluster.nodes;
      const { service, fleet } = await openFleet({
        processes: 1,
        clients: { ...client, url: node!.url, cluster: true, options: client === ioredis ? client.options : {} },
        breaker: {},
      });
      await warmUp(fleet, service);
      expect(await fleet.workers[0]!.close()).toEqual([]);
    });

    test('when there has never been a Redis', async () => {
      const { service, fleet } = await openFleet({
        processes: 1,
        clients: clientsOf(NOBODY),
        awaitReady: false,
        breaker: { detector: ['consecutiveFailures', 1_000_000], store: { resyncMs: 100 } },
      });
      service.answer({ status: 503 });
      const [worker] = fleet.workers;
      await eventually(async () => {
        await worker!.call(1);
        expect(await countOf(worker!, 'degraded')).toBe(1);
      });
      expect(await worker!.close()).toEqual([]);
    });

    test.each(['freeze', 'kill'] as const)('with reports under way when Redis meets a %s', async (fate) => {
      const redis = await bring(startRedis());
      const { service, fleet } = await openFleet({ processes: 1, clients: clientsOf(redis.url), breaker: {} });
      await warmUp(fleet, service);
      await redis[fate]();
      service.answer({ status: 503 });
      await fleet.workers[0]!.call(4, { concurrency: 1 });
      expect(await fleet.workers[0]!.close()).toEqual([]);
    });
  },
);
