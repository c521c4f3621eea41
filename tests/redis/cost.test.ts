import { expect, test } from 'vitest';
import { commandCalls, resetCommandCalls, scriptCalls } from '../support/redis/command-calls.js';
import { startRedis } from '../support/redis/server.js';
import { bothClients, bring, openFleet, warmUp } from './bed.js';

test('10,000 healthy calls of two processes send no command', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { store: { resyncMs: 600_000 } },
  });
  await warmUp(fleet, service);
  await resetCommandCalls(redis);
  await fleet.all((worker) => worker.call(5_000, { concurrency: 50 }));
  expect(service.received()).toBe(10_000);
  expect(await commandCalls(redis)).toEqual({});
});

test('however many failures a process has, it reports at most 40 times a second', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 1,
    clients: bothClients(redis.url),
    breaker: { detector: ['consecutiveFailures', 1_000_000], store: { resyncMs: 600_000 } },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  await resetCommandCalls(redis);
  const startedAt = performance.now();
  await fleet.workers[0]!.call(4_000, { concurrency: 20 });
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(service.received()).toBe(4_000);
  expect(await scriptCalls(redis)).toBeLessThanOrEqual(40 * seconds + 2);
});
