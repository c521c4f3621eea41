import { describe, expect, test } from 'vitest';
import { tally } from '../support/fleet/fleet.js';
import { commandCalls, resetCommandCalls, scriptCalls } from '../support/redis/command-calls.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';
import { bothClients, bring, eventually, everywhere, gate, openFleet, reaches, warmUp } from './bed.js';

test('a flushed script is loaded again by the next command', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { store: { resyncMs: 600_000 } },
  });
  await warmUp(fleet, service);
  for (const worker of fleet.workers) {
    await redis.cli('SCRIPT', 'FLUSH', 'SYNC');
    await resetCommandCalls(redis);
    expect(await worker.control('trip')).toBe('fleet');
    await reaches(fleet, 'open');
    expect(await worker.control('reset')).toBe('fleet');
    await reaches(fleet, 'closed');
    expect((await commandCalls(redis))['eval']).toBe(1);
  }
  expect(
    await fleet.all(async (worker) => (await worker.events()).filter(({ type }) => type.startsWith('store'))),
  ).toEqual(everywhere(fleet, []));
});

describe.each(['everything', 'the circuit', 'the leases'] as const)('when Redis forgets %s', (what) => {
  const forget = async (redis: RedisServer): Promise<void> => {
    const suffix = { everything: '', 'the circuit': ':2:s', 'the leases': ':2:p' }[what];
    const names = (await redis.cli('KEYS', `{axios-resilience:*}*${suffix}`)).split('\n').filter(Boolean);
    for (const name of names) await redis.cli('DEL', name);
  };

  test('while a circuit is open, nobody floods the service, and one probe goes out at the end', async () => {
    const redis = await bring(startRedis());
    const { service, fleet } = await openFleet({
      processes: 4,
      clients: bothClients(redis.url),
      breaker: { cooldownMs: 4_000, store: { resyncMs: 100, commandTimeoutMs: 10_000 } },
    });
    await warmUp(fleet, service);
    service.answer({ status: 503 });
    await fleet.workers[0]!.call(3, { concurrency: 1 });
    await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
    await forget(redis);
    service.answer({});
    service.forget();
    const resynced = async () => {
      await resetCommandCalls(redis);
      await eventually(async () => expect(await scriptCalls(redis)).toBeGreaterThanOrEqual(8));
    };
    for (let round = 0; round < 3; round++) {
      const outcomes = (await fleet.all((worker) => worker.call(5))).flat();
      expect(tally(outcomes)).toEqual({ answered: 0, failed: 0, rejected: 20 });
      await resynced();
    }
    expect(service.received()).toBe(0);
    const { closed, open } = gate();
    service.answer({ until: closed });
    await reaches(fleet, 'half-open');
    const rejected = async () => {
      const stats = await fleet.all((worker) => worker.stats());
      return stats.reduce((sum, each) => sum + each!.counts.rejected, 0);
    };
    const before = await rejected();
    const calls = fleet.all((worker) => worker.call(20));
    await eventually(async () => expect((await rejected()) - before).toBeGreaterThanOrEqual(79));
    await eventually(() => expect(service.received()).toBe(1));
    open();
    await calls;
    expect(service.received()).toBe(1);
    await reaches(fleet, 'closed');
  });
});

test('the circuit is remembered for longer than its cooldown, a lease and the window take together', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: {
      detector: ['failuresInWindow', { failures: 2, windowMs: 120_000 }],
      cooldownMs: 300_000,
      halfOpen: { leaseMs: 40_000 },
    },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  await fleet.workers[0]!.call(2, { concurrency: 1 });
  await reaches(fleet, 'open');
  const name = (await redis.cli('KEYS', '*')).split('\n').find((key) => key.endsWith(':s'));
  expect(Number(await redis.cli('PTTL', name!))).toBeGreaterThan(2 * (300_000 + 40_000 + 120_000));
});

test('a denied lease renews nothing', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { cooldownMs: 100, halfOpen: { leaseMs: 30_000 }, store: { commandTimeoutMs: 10_000, resyncMs: 600_000 } },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  await fleet.workers[0]!.call(3, { concurrency: 1 });
  await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
  await reaches(fleet, 'half-open');
  service.forget();
  service.answer({ hang: true });
  const [prober, other] = fleet.workers;
  prober!.call(1).catch(() => undefined);
  await eventually(() => expect(service.received()).toBe(1));
  const names = (await redis.cli('KEYS', '*:[sp]')).split('\n').sort();
  expect(names).toHaveLength(2);
  const lifetimes = () => Promise.all(names.map(async (name) => Number(await redis.cli('PTTL', name))));
  const before = await lifetimes();
  await resetCommandCalls(redis);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(tally(await other!.call(10))).toEqual({ answered: 0, failed: 0, rejected: 10 });
  const { evalsha } = await commandCalls(redis);
  expect(evalsha).toBe(1);
  const after = await lifetimes();
  for (const [index, ms] of after.entries()) expect(ms).toBeLessThanOrEqual(before[index]! - 20);
});
