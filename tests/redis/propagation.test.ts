import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { startFaultProxy } from '../support/fault-proxy.js';
import { tally } from '../support/fleet/fleet.js';
import { startRedis } from '../support/redis/server.js';
import {
  bothClients,
  bring,
  callsUntilRejected,
  countOf,
  eventually,
  everywhere,
  openFleet,
  reaches,
  statesOf,
  warmUp,
} from './bed.js';

test('failures that are spread over four processes open all of them', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 4,
    clients: bothClients(redis.url),
    breaker: { detector: ['consecutiveFailures', 8], store: { commandTimeoutMs: 5_000 } },
  });
  await warmUp(fleet, service);
  // A success that was no longer ago than a report takes may have come after the first failure.
  await delay(500);
  service.answer({ status: 503 });
  for (const worker of fleet.workers) await worker.call(2, { concurrency: 1 });
  await reaches(fleet, 'open');
  expect(service.received()).toBe(8);
  service.answer({});
  const outcomes = await fleet.all((worker) => worker.call(5));
  expect(outcomes.map(tally)).toEqual(everywhere(fleet, { answered: 0, failed: 0, rejected: 5 }));
  expect(service.received()).toBe(8);
});

test('the report that trips goes without linger', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { store: { lingerMs: 20_000, resyncMs: 600_000 } },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  const [tripping, other] = fleet.workers;
  const startedAt = performance.now();
  await tripping!.call(3, { concurrency: 1 });
  expect(await other!.happened('stateChange', { to: 'open' })).toMatchObject({ reason: 'shared' });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('a process that hears no messages learns of the opening by polling', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { store: { subscribe: false, resyncMs: 100 } },
  });
  await warmUp(fleet, service);
  service.answerTo('worker-1', { status: 503 });
  await fleet.workers[0]!.call(3, { concurrency: 1 });
  await callsUntilRejected(fleet.workers[1]!);
});

test.each(['ioredis', 'node-redis'] as const)(
  'a %s subscriber whose messages get lost on the way is bound by the resync interval',
  async (kind) => {
    const redis = await bring(startRedis());
    const proxy = await bring(startFaultProxy(redis.port));
    const { service, fleet } = await openFleet({
      processes: 2,
      clients: bothClients(redis.url),
      breaker: { store: { subscribe: { kind, url: `redis://127.0.0.1:${proxy.port}` }, resyncMs: 500 } },
    });
    await warmUp(fleet, service);
    await proxy.blackhole();
    service.answerTo('worker-1', { status: 503 });
    await fleet.workers[0]!.call(3, { concurrency: 1 });
    await callsUntilRejected(fleet.workers[1]!);
    expect(proxy.swallowed).toBeGreaterThan(0);
  },
);

test.each(['ioredis', 'node-redis'] as const)(
  'a %s subscriber that was cut off reads what it missed when it is back',
  async (kind) => {
    const redis = await bring(startRedis());
    const proxy = await bring(startFaultProxy(redis.port));
    const { service, fleet } = await openFleet({
      processes: 2,
      clients: bothClients(redis.url),
      breaker: { store: { subscribe: { kind, url: `redis://127.0.0.1:${proxy.port}` }, resyncMs: 600_000 } },
    });
    await warmUp(fleet, service);
    await proxy.refuse();
    service.answerTo('worker-1', { status: 503 });
    const [tripping, other] = fleet.workers;
    await tripping!.call(3, { concurrency: 1 });
    await eventually(async () => expect((await tripping!.stats())!.shared!.generation).toBe(1));
    expect(await other!.state()).toBe('closed');
    expect(await countOf(other!, 'resync')).toBe(0);
    await proxy.pass();
    await other!.happened('resync');
    await other!.happened('stateChange', { to: 'open', reason: 'shared' });
    service.answerTo('worker-1', {});
    await tripping!.control('reset');
    await reaches(fleet, 'closed');
  },
);

test('messages that come twice, late or out of order change nothing', async () => {
  const redis = await bring(startRedis());
  const messages: [channel: string, text: string][] = [];
  const eavesdropper = new Redis(redis.url);
  await bring(Promise.resolve({ stop: async () => eavesdropper.disconnect() }));
  eavesdropper.on('pmessage', (_pattern: string, channel: string, text: string) => messages.push([channel, text]));
  await eavesdropper.psubscribe('*');
  const { service, fleet } = await openFleet({ processes: 2, clients: bothClients(redis.url), breaker: {} });
  await warmUp(fleet, service);
  for (const action of ['trip', 'reset', 'trip', 'reset'] as const) {
    await fleet.workers[0]!.control(action);
    await reaches(fleet, action === 'trip' ? 'open' : 'closed');
  }
  await eventually(() => expect(messages.length).toBeGreaterThanOrEqual(4));
  await fleet.all((worker) => worker.forgetEvents());

  const publisher = new Redis(redis.url);
  await bring(Promise.resolve({ stop: async () => publisher.disconnect() }));
  const replay = [...messages, ...[...messages].reverse(), ...messages];
  for (const [channel, text] of replay) expect(await publisher.publish(channel, text)).toBeGreaterThanOrEqual(2);
  for (const garbage of ['', 'null', '[]', '["GET x"]', '{', '["GET x",[1,2]]'])
    await publisher.publish(messages[0]![0], garbage);
  await fleet.workers[0]!.control('trip');
  await reaches(fleet, 'open');
  const changes = await fleet.all(async (worker) => countOf(worker, 'stateChange'));
  expect(changes).toEqual([1, 1]);
  expect(await fleet.all((worker) => worker.call(1).then(tally))).toEqual(
    everywhere(fleet, { answered: 0, failed: 0, rejected: 1 }),
  );
});

test('wall clocks an hour off, to either side, make no difference', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 1,
    clients: bothClients(redis.url),
    breaker: { cooldownMs: 1_000 },
  });
  await fleet.add({ wallClockOffMs: 3_600_000 });
  await fleet.add({ wallClockOffMs: -3_600_000 });
  await warmUp(fleet, service);
  for (const worker of fleet.workers) {
    service.answer({ status: 503 });
    await worker.call(3, { concurrency: 1 });
    await Promise.all(fleet.workers.map((each) => each.happened('stateChange', { to: 'open' })));
    const remaining = await fleet.all(async (each) => (await each.stats())!.remainingCooldownMs);
    for (const ms of remaining) expect(ms).toBeLessThanOrEqual(1_000);
    await reaches(fleet, 'half-open');
    service.answer({});
    expect(tally(await worker.call(1))).toEqual({ answered: 1, failed: 0, rejected: 0 });
    await reaches(fleet, 'closed');
    await fleet.all((each) => each.forgetEvents());
  }
});

test('one process alone does not stop the fleet where two have to report failures', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 3,
    clients: bothClients(redis.url),
    breaker: { store: { quorum: 2 } },
  });
  await warmUp(fleet, service);
  const [first, second] = fleet.workers;
  service.answerTo('worker-1', { status: 503 });
  expect(tally(await first!.call(5, { concurrency: 1 }))).toEqual({ answered: 0, failed: 3, rejected: 2 });
  expect(await statesOf(fleet)).toEqual(['open', 'closed', 'closed']);
  service.answerTo('worker-2', { status: 503 });
  await second!.call(1);
  await reaches(fleet, 'open');
});

test('a detector that only the process itself can judge by still opens the whole fleet', async () => {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes: 2,
    clients: bothClients(redis.url),
    breaker: { detector: ['failureRate', { rate: 0.5, size: 8, minAttempts: 4 }] },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  await fleet.workers[0]!.call(2, { concurrency: 1 });
  await fleet.workers[1]!.call(2, { concurrency: 1 });
  expect(await statesOf(fleet)).toEqual(['closed', 'closed']);
  await fleet.workers[0]!.call(1);
  await reaches(fleet, 'open');
});
