import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import {
  BreakerRegistry,
  type CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  failureRateInWindow,
  failuresInWindow,
  type ResilienceEvent,
} from '../../src/index.js';
import { redisCircuits } from '../../src/redis/circuits.js';
import { type RedisStoreOptions, redisStore } from '../../src/redis/index.js';
import { keysOf } from '../../src/redis/names.js';
import { fail, succeed } from '../circuit/support.js';
import { makeClient, type OwnedClient } from '../support/fleet/clients.js';
import { request, tryAcquire } from '../support/permits.js';
import { startRedisCluster } from '../support/redis/cluster.js';
import { commandCalls, resetCommandCalls } from '../support/redis/command-calls.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';
import { bring, eventually } from './bed.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const running: (() => unknown)[] = [];
beforeEach(() => redis.cli('FLUSHALL'));
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

const KEY = 'GET https://api.example.com';
const PREFIX = 'axios-resilience';
/** As `docs/fleet-operations.md` has them. */
const RIGHTS =
  '+@read +@write +@scripting +subscribe +unsubscribe +publish +time +ping +info +cluster|slots +cluster|shards'.split(
    ' ',
  );
const { state, leases } = keysOf(PREFIX, KEY);

interface Member {
  readonly breaker: CircuitBreaker;
  readonly events: ResilienceEvent[];
}

async function connect(url: string, options: object = {}): Promise<OwnedClient['client']> {
  const owned = await makeClient({ kind: 'ioredis', url, options: { ...options } });
  running.push(() => owned.end());
  return owned.client;
}

/** One process of a fleet, as far as Redis can tell. */
async function join(
  client: OwnedClient['client'],
  options: CircuitBreakerOptions = {},
  storeOptions: RedisStoreOptions = {},
  key = KEY,
): Promise<Member> {
  const store = redisStore(client, { commandTimeoutMs: 2_000, ...storeOptions });
  running.push(() => store.close());
  const detector = failuresInWindow({ failures: 3 });
  const registry = new BreakerRegistry({ store, detector, cooldownMs: 300, ...options });
  const events: ResilienceEvent[] = [];
  registry.pipe({ record: (event) => void events.push(event) });
  const breaker = registry.ensure(key);
  await store.ready(1_000);
  return { breaker, events };
}

const typesOf = ({ events }: Member): string[] =>
  events.map((event) => (event.type === 'store' ? event.status : event.type));

async function probed(member: Member): Promise<void> {
  const answer = await eventuallyAdmitted(member.breaker);
  answer.settle('success');
  await eventually(() => expect(member.breaker.state).toBe('closed'));
}

async function eventuallyAdmitted(breaker: CircuitBreaker): Promise<Permit> {
  for (;;) {
    const answer = await request(breaker);
    if (answer.admitted) return answer;
    await delay(20);
  }
}

describe('what Redis says is believed for its own length at most', () => {
  test('a cooldown whose end is far away, since the clock was set back', async () => {
    const [one, other] = [await join(await connect(redis.url)), await join(await connect(redis.url))];
    fail(one.breaker, 3);
    await eventually(() => expect(other.breaker.state).toBe('open'));
    await redis.cli('HSET', state, 'until', Date.now() + 3_600_000);
    const startedAt = performance.now();
    await probed(other);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  test.each([9e15, 1e15, 'nonsense'])('an end of %s, read by a process that has just started', async (until) => {
    const one = await join(await connect(redis.url));
    fail(one.breaker, 3);
    await eventually(async () => expect(await redis.cli('HGET', state, 'state')).toBe('open'));
    await redis.cli('HSET', state, 'until', until);
    const late = await join(await connect(redis.url));
    expect(late.breaker.stats().remainingCooldownMs).toBeLessThanOrEqual(300);
    await probed(late);
  });

  test('a lease whose end is far away', async () => {
    const one = await join(await connect(redis.url), { halfOpen: { leaseMs: 400 } });
    fail(one.breaker, 3);
    await eventually(() => expect(one.breaker.state).toBe('half-open'));
    await redis.cli('ZADD', leases, 9e15, 'ghost');
    const startedAt = performance.now();
    (await eventuallyAdmitted(one.breaker)).settle('success');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('a message that anybody has published', async () => {
    const one = await join(await connect(redis.url));
    fail(one.breaker, 1);
    await eventually(async () => expect(await redis.cli('HGET', state, 'epoch')).not.toBe(''));
    const epoch = await redis.cli('HGET', state, 'epoch');
    const view = [epoch, 1e9, 'open', 1e15, 1e15, 1, 0, 'x', 'y', 0, 0, 0, 0, '1'];
    await redis.cli('PUBLISH', `${PREFIX}:events:2`, JSON.stringify([KEY, view]));
    await delay(50);
    expect(one.breaker.state).toBe('closed');
    expect(one.breaker.stats().shared?.generation).toBe(0);
  });
});

test('a report costs Redis at most 100 µs, whether there is one process or 1,000', async () => {
  const client = (await connect(redis.url)) as Redis;
  const circuits = redisCircuits({
    client,
    kind: 'ioredis',
    prefix: PREFIX,
    commandTimeoutMs: 60_000,
    subscriber: undefined,
  });
  let sequence = 0;
  let known = { epoch: '', generation: 0 };
  const reportAll = async (processes: number, reports: number): Promise<number> => {
    await resetCommandCalls(redis);
    for (let count = 0; count < reports; count++) {
      const { epoch, generation } = await circuits.report(KEY, {
        known,
        rememberMs: 600_000,
        expiresAt: Number.MAX_SAFE_INTEGER,
        by: `pod-${count % processes}`,
        reporter: `pod-${count % processes}`,
        sequence: ++sequence,
        outcomes: Array.from({ length: 10 }, (_, age) => [age, 1, 100] as const),
        run: { failures: 1, firstAgeMs: 0, lastAgeMs: 0, successAgeMs: 5 },
        served: 99,
        threshold: { windowMs: 60_000, failures: 1, rate: 0.5, minAttempts: 5 },
        tripped: false,
        quorum: 1,
        gatherMs: 250,
        rules: 'rules',
        opening: { cooldownMs: 10_000, openings: 1 },
        why: 'threshold',
      });
      known = { epoch, generation };
    }
    const [, usec] = /cmdstat_evalsha:.*?usec_per_call=([\d.]+)/.exec(await redis.cli('INFO', 'commandstats')) ?? [];
    return Number(usec);
  };
  await reportAll(1, 200);
  const costs = [];
  for (let round = 0; round < 3; round++) {
    const alone = await reportAll(1, 1_000);
    costs.push({ alone, together: await reportAll(1_000, 2_000) });
  }
  console.info(`usec per report, one process and 1,000: ${JSON.stringify(costs)}`);
  expect(Math.min(...costs.map(({ alone }) => alone))).toBeLessThanOrEqual(100);
  expect(Math.min(...costs.map(({ together }) => together))).toBeLessThanOrEqual(100);
  expect(Number(await redis.cli('HLEN', state))).toBeLessThanOrEqual(22);
}, 120_000);

test('ten processes of which one in ten of the calls fails open nothing, and each sends at most one command a second', async () => {
  const detector = failureRateInWindow();
  const members = await Promise.all(
    Array.from({ length: 10 }, async () => join(await connect(redis.url), { detector })),
  );
  await resetCommandCalls(redis);
  const seconds = 5;
  for (let call = 0; call < seconds * 50; call++) {
    for (const [index, { breaker }] of members.entries()) {
      if ((call + index * 7) % 10 === 0) fail(breaker);
      else succeed(breaker);
    }
    await delay(20);
  }
  expect(members.flatMap(typesOf).filter((type) => type === 'stateChange')).toEqual([]);
  const { evalsha = 0 } = await commandCalls(redis);
  // And a read of each every five seconds, the gathering at the beginning, and a slower clock on a busy machine.
  expect(evalsha / members.length).toBeLessThanOrEqual(seconds * 1.5 + 4);
});

test('processes with windows of different lengths do not wipe the counts of each other, and are told', async () => {
  const [one, other] = [60_000, 30_000].map((windowMs) => failuresInWindow({ failures: 6, windowMs }));
  const first = await join(await connect(redis.url), { detector: one! });
  const second = await join(await connect(redis.url), { detector: other! });
  const third = await join(await connect(redis.url), { detector: one! });
  for (let round = 0; round < 3; round++) {
    fail(first.breaker, 1);
    fail(second.breaker, 1);
    fail(third.breaker, 1);
    await delay(60);
  }
  await eventually(() => expect([first, second, third].map(({ breaker }) => breaker.state)).not.toContain('closed'));
  expect(typesOf(second)).toContain('mismatch');
});

test('a Redis that reads and takes no writes stays degraded, and is back when it takes them', async () => {
  const member = await join(await connect(redis.url), { detector: failuresInWindow({ failures: 1_000 }) });
  await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
  try {
    for (let count = 0; count < 40; count++) {
      fail(member.breaker);
      await delay(50);
    }
    await delay(2_000);
    expect(typesOf(member).filter((type) => type.startsWith('deg'))).toEqual(['degraded']);
    expect(typesOf(member)).not.toContain('recovered');
  } finally {
    await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
  }
  await eventually(() => expect(typesOf(member)).toContain('recovered'));
});

test('without rights to the channel the circuits are shared by reading alone, which is told, and no lease is lost', async () => {
  await redis.cli('ACL', 'SETUSER', 'mute', 'on', '>secret', `~{${PREFIX}:*`, ...RIGHTS, 'resetchannels');
  const options = { username: 'mute', password: 'secret' };
  const one = await join(await connect(redis.url, options), {}, { resyncMs: 200 });
  const other = await join(await connect(redis.url, options), {}, { resyncMs: 200 });
  await eventually(() => expect(typesOf(one)).toContain('unsubscribed'));
  expect(one.breaker.stats().shared?.subscribed).toBe(false);
  fail(one.breaker, 3);
  await eventually(() => {
    const asked = tryAcquire(other.breaker);
    if (asked.admitted) asked.settle('neutral');
    expect(other.breaker.state).not.toBe('closed');
  });
  await eventually(() => expect(other.breaker.state).toBe('half-open'));
  const answer = await eventuallyAdmitted(other.breaker);
  expect(await redis.cli('ZCARD', leases)).toBe('1');
  answer.settle('success');
  await eventually(() => expect(one.breaker.state).toBe('closed'));
  expect(typesOf(one)).not.toContain('degraded');
});

test('a circuit whose key is no valid text is opened by message, too, and is another one than that of a like key', async () => {
  const [key, like] = ['GET \ud800', 'GET \ud801'];
  const one = await join(await connect(redis.url), {}, { resyncMs: 60_000 }, key);
  const other = await join(await connect(redis.url), {}, { resyncMs: 60_000 }, key);
  const third = await join(await connect(redis.url), {}, { resyncMs: 60_000 }, like);
  fail(one.breaker, 3);
  await eventually(() => expect(other.breaker.state).not.toBe('closed'));
  expect(third.breaker.state).toBe('closed');
});

test('stats tell who opened the circuit and why', async () => {
  const one = await join(await connect(redis.url), {}, { name: 'pod-7' });
  const other = await join(await connect(redis.url));
  fail(one.breaker, 3);
  await eventually(() => expect(other.breaker.stats().shared).toMatchObject({ by: 'pod-7', why: 'detector' }));
});

test('more keys than there is room for send few reads and keep none waiting', async () => {
  const store = redisStore(await connect(redis.url));
  running.push(() => store.close());
  const registry = new BreakerRegistry({ store, maxBreakers: 256 });
  const events: string[] = [];
  registry.pipe({ record: ({ type }) => (type.startsWith('store') ? void events.push(type) : undefined) });
  // A script that Redis does not know yet is sent twice.
  succeed(registry.ensure('GET https://first.example.com'));
  await eventually(() => expect(registry.get('GET https://first.example.com')?.stats().shared?.live).toBe(true));
  await delay(100);
  await resetCommandCalls(redis);
  const startedAt = performance.now();
  for (let call = 0; call < 6_000; call++) {
    succeed(registry.ensure(`GET https://tenant-${call % 3_000}.example.com`));
    if (call % 20 === 0) await delay(1);
  }
  await delay(200);
  const seconds = (performance.now() - startedAt) / 1_000;
  const { evalsha = 0, eval: whole = 0 } = await commandCalls(redis);
  expect(evalsha + whole).toBeLessThanOrEqual(256 + 64 + 20 * seconds + 20);
  expect(events).not.toContain('degraded');
});

test('a cluster with a password is listened to with the password', async () => {
  const cluster = await bring(startRedisCluster());
  for (const node of cluster.nodes) await node.cli('CONFIG', 'SET', 'requirepass', 'secret');
  const [url] = cluster.nodes.map((node) => node.url);
  const clients = await Promise.all(
    [1, 2].map(async () => {
      const owned = await makeClient({ kind: 'ioredis', url: url!, cluster: true, options: { password: 'secret' } });
      running.push(() => owned.end());
      return owned.client;
    }),
  );
  const [one, other] = await Promise.all(clients.map((client) => join(client, {}, { resyncMs: 60_000 })));
  await eventually(() => expect(other!.breaker.stats().shared).toMatchObject({ live: true, subscribed: true }));
  fail(one!.breaker, 3);
  await eventually(() => expect(other!.breaker.state).not.toBe('closed'));
});

test('ten runs of failures with successes elsewhere open the fleet not once', async () => {
  const detector = consecutiveFailures(5);
  const [ill, well] = [
    await join(await connect(redis.url), { detector }),
    await join(await connect(redis.url), { detector }),
  ];
  for (let round = 0; round < 10; round++) {
    if (ill.breaker.state === 'closed') fail(ill.breaker, 1);
    succeed(well.breaker);
    await delay(50);
  }
  await delay(400);
  expect(typesOf(well)).not.toContain('stateChange');
});
