import { beforeEach, describe, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { type Fleet, tally } from '../support/fleet/fleet.js';
import type { ClientSpec } from '../support/fleet/protocol.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';
import type { Service } from '../support/service.js';
import {
  bothClients,
  bring,
  countOf,
  eventually,
  everywhere,
  gate,
  openFleet,
  reaches,
  statesOf,
  warmUp,
} from './bed.js';

let redis: RedisServer;
let proxy: FaultProxy;
let clients: ClientSpec[];

beforeEach(async () => {
  redis = await bring(startRedis());
  proxy = await bring(startFaultProxy(redis.port));
  clients = bothClients(`redis://127.0.0.1:${proxy.port}`);
});

/** Ways to lose Redis, and to have it again. */
const OUTAGES = {
  refused: { begin: () => proxy.refuse(), end: () => proxy.pass() },
  frozen: { begin: () => redis.freeze(), end: () => redis.thaw() },
  'black-holed': { begin: () => proxy.blackhole(), end: () => proxy.pass() },
  killed: { begin: () => redis.kill(), end: () => redis.restart() },
} as const;

/** What a call may take that waits for a lease once; far less than the clients would wait, which is for ever. */
const SOON_MS = 5_000;

/** After this a command that a client kept in its queue is void; before, it is not too late. */
const COMMANDS_EXPIRE_MS = 1_200;

const durationsOf = (outcomes: readonly { startedAt: number; endedAt: number }[]): number[] =>
  outcomes.map(({ startedAt, endedAt }) => endedAt - startedAt);

/** Every process makes three calls that fail and two that its own circuit rejects, probes in vain, and then with success. */
async function decidesByItself(fleet: Fleet, service: Service): Promise<void> {
  service.answer({ status: 503 });
  service.forget();
  const outcomes = await fleet.all((worker) => worker.call(5, { concurrency: 1 }));
  expect(outcomes.map(tally)).toEqual(everywhere(fleet, { answered: 0, failed: 3, rejected: 2 }));
  await probesByItself(fleet, service);
}

async function probesByItself(fleet: Fleet, service: Service): Promise<void> {
  await reaches(fleet, 'half-open');
  service.answer({});
  const probes = await fleet.all((worker) => worker.call(1));
  expect(probes.map(tally)).toEqual(everywhere(fleet, { answered: 1, failed: 0, rejected: 0 }));
  for (const duration of probes.flatMap(durationsOf)) expect(duration).toBeLessThan(SOON_MS);
  await reaches(fleet, 'closed');
}

/** The store is used again: what one process brings about reaches the other. */
async function isSharedAgain(fleet: Fleet): Promise<void> {
  for (const worker of fleet.workers) {
    await eventually(async () => expect(await worker.control('trip')).toBe('fleet'));
    await eventually(async () => expect(await statesOf(fleet)).not.toContain('closed'));
    await eventually(async () => expect(await worker.control('reset')).toBe('fleet'));
    await reaches(fleet, 'closed');
  }
}

const lossesOf = (fleet: Fleet) =>
  fleet.all(async (worker) => [await countOf(worker, 'degraded'), await countOf(worker, 'recovered')]);

describe.each(Object.keys(OUTAGES) as (keyof typeof OUTAGES)[])('while Redis is %s', (name) => {
  const outage = OUTAGES[name];
  const fleetOfTwo = (awaitReady = true) =>
    openFleet({
      processes: 2,
      clients,
      awaitReady,
      breaker: { cooldownMs: 500, store: { commandTimeoutMs: 250, resyncMs: 300 } },
    });

  test('from the start, each process decides by itself, and they share once it is back', async () => {
    await outage.begin();
    const { service, fleet } = await fleetOfTwo(false);
    expect(await fleet.all((worker) => worker.ready(50))).toEqual([false, false]);
    await decidesByItself(fleet, service);
    await outage.end();
    await isSharedAgain(fleet);
  });

  test('healthy calls go on as before, and one loss and one recovery are told', async () => {
    const { service, fleet } = await fleetOfTwo();
    await warmUp(fleet, service);
    await outage.begin();
    const calls = fleet.all((worker) => worker.call(200, { concurrency: 2 }));
    expect((await calls).map(tally)).toEqual(everywhere(fleet, { answered: 200, failed: 0, rejected: 0 }));
    await decidesByItself(fleet, service);
    for (const worker of fleet.workers) await worker.happened('degraded');
    expect(await fleet.all((worker) => worker.control('trip'))).toEqual(['local', 'local']);
    expect(await fleet.all((worker) => worker.control('reset'))).toEqual(['local', 'local']);
    await outage.end();
    for (const worker of fleet.workers) await worker.happened('recovered');
    await isSharedAgain(fleet);
    expect(await lossesOf(fleet)).toEqual(everywhere(fleet, [1, 1]));
  });

  test('an open circuit stays open until its cooldown is over, and is probed by each process', async () => {
    const { service, fleet } = await fleetOfTwo();
    await warmUp(fleet, service);
    service.answer({ status: 503 });
    await fleet.workers[0]!.call(3, { concurrency: 1 });
    await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
    await outage.begin();
    await probesByItself(fleet, service);
    await outage.end();
    await isSharedAgain(fleet);
  });

  test('a probe that holds a lease closes the circuit of its process', async () => {
    const { service, fleet } = await fleetOfTwo();
    await warmUp(fleet, service);
    service.answer({ status: 503 });
    await fleet.workers[0]!.call(3, { concurrency: 1 });
    await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
    await reaches(fleet, 'half-open');
    service.forget();
    const { closed, open } = gate();
    service.answer({ until: closed });
    const probe = fleet.workers[0]!.call(1);
    await eventually(() => expect(service.received()).toBe(1));
    await outage.begin();
    open();
    expect(tally(await probe)).toEqual({ answered: 1, failed: 0, rejected: 0 });
    expect(await fleet.workers[0]!.state()).toBe('closed');
    await outage.end();
    await isSharedAgain(fleet);
  });
});

test('while the circuit is closed no call waits for Redis, however long a command may take', async () => {
  const { service, fleet } = await openFleet({
    processes: 2,
    clients,
    breaker: { store: { commandTimeoutMs: 60_000 } },
  });
  await warmUp(fleet, service);
  await redis.freeze();
  service.answer({ status: 503 });
  const outcomes = await fleet.all((worker) => worker.call(5, { concurrency: 1 }));
  expect(outcomes.map(tally)).toEqual(everywhere(fleet, { answered: 0, failed: 3, rejected: 2 }));
  for (const duration of outcomes.flat().flatMap((outcome) => durationsOf([outcome]))) {
    expect(duration).toBeLessThan(SOON_MS);
  }
});

describe('a process that was cut off', () => {
  /** `worker-2` reaches Redis by the proxy, `worker-1` directly. */
  const cutOff = async (cooldownMs: number) => {
    const { service, fleet } = await openFleet({
      processes: 1,
      clients: bothClients(redis.url),
      breaker: { cooldownMs, store: { resyncMs: 300 } },
    });
    await fleet.add({ client: clients[1]! });
    await warmUp(fleet, service);
    const [connected, severed] = fleet.workers;
    return { service, fleet, connected: connected!, severed: severed! };
  };

  test('takes over that the fleet has opened meanwhile', async () => {
    const { service, fleet, connected, severed } = await cutOff(60_000);
    await proxy.refuse();
    service.answerTo(connected.name, { status: 503 });
    await connected.call(3, { concurrency: 1 });
    expect(tally(await severed.call(5))).toEqual({ answered: 5, failed: 0, rejected: 0 });
    await proxy.pass();
    await reaches(fleet, 'open');
    expect((await severed.stats())!.shared!.generation).toBe(1);
  });

  test('takes over that the fleet has closed again, and overwrites nothing', async () => {
    const { service, fleet, connected, severed } = await cutOff(60_000);
    await connected.control('trip');
    await reaches(fleet, 'open');
    await proxy.blackhole();
    await connected.control('reset');
    expect(await connected.state()).toBe('closed');
    expect(await severed.state()).toBe('open');
    await proxy.pass();
    await reaches(fleet, 'closed');
    expect(await fleet.all((worker) => worker.call(5).then(tally))).toEqual(
      everywhere(fleet, { answered: 5, failed: 0, rejected: 0 }),
    );
    expect(service.received()).toBe(10);
    expect(await fleet.all(async (worker) => (await worker.stats())!.shared!.generation)).toEqual([2, 2]);
  });

  test('that had opened by itself does not open the fleet when it is back', async () => {
    const { service, fleet, connected, severed } = await cutOff(60_000);
    await proxy.refuse();
    service.answerTo(severed.name, { status: 503 });
    expect(tally(await severed.call(5, { concurrency: 1 }))).toEqual({ answered: 0, failed: 3, rejected: 2 });
    await severed.happened('degraded');
    await new Promise((resolve) => setTimeout(resolve, COMMANDS_EXPIRE_MS));
    await proxy.pass();
    await severed.happened('recovered');
    await severed.happened('dropped');
    expect(tally(await connected.call(5))).toEqual({ answered: 5, failed: 0, rejected: 0 });
    expect(await connected.state()).toBe('closed');
    expect(await countOf(connected, 'stateChange')).toBe(0);
    expect(fleet.workers).toHaveLength(2);
  });
});

test.each(['ioredis', 'node-redis'] as const)(
  'failures whose report ran but whose reply was lost count once, with %s',
  async (kind) => {
    const { service, fleet } = await openFleet({
      processes: 1,
      clients: { kind, url: `redis://127.0.0.1:${proxy.port}` },
      breaker: { detector: ['failuresInWindow', { failures: 5 }], store: { lingerMs: 50 } },
    });
    await fleet.add({ client: { kind, url: redis.url } });
    await warmUp(fleet, service);
    const [unlucky, other] = fleet.workers;
    service.answer({ status: 503 });
    await proxy.dropReplies();
    await unlucky!.call(2);
    await eventually(() => expect(proxy.swallowed).toBeGreaterThan(0));
    await proxy.pass();
    await proxy.reset();
    await unlucky!.happened('resync');
    await other!.call(2, { concurrency: 1 });
    await eventually(async () => expect((await other!.stats())!.shared!.live).toBe(true));
    expect(await other!.state()).toBe('closed');
    await other!.call(1);
    await reaches(fleet, 'open');
  },
);
