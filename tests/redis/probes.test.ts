import { describe, expect, test } from 'vitest';
import { type Fleet, tally } from '../support/fleet/fleet.js';
import { resetCommandCalls, scriptCalls } from '../support/redis/command-calls.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';
import type { Service } from '../support/service.js';
import { bothClients, bring, eventually, gate, openFleet, reaches, warmUp } from './bed.js';

/** Generous, so that a busy machine does not make a process decide by itself. */
const PATIENT = { commandTimeoutMs: 10_000 } as const;

/** A fleet whose circuit has opened, and whose cooldown is over. */
async function elapsed(
  processes: number,
  halfOpen: object,
  cooldownMs = 300,
): Promise<{ redis: RedisServer; service: Service; fleet: Fleet }> {
  const redis = await bring(startRedis());
  const { service, fleet } = await openFleet({
    processes,
    clients: bothClients(redis.url),
    breaker: { cooldownMs, halfOpen, store: PATIENT },
  });
  await warmUp(fleet, service);
  service.answer({ status: 503 });
  await fleet.workers[0]!.call(3, { concurrency: 1 });
  await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
  await reaches(fleet, 'half-open');
  service.answer({});
  service.forget();
  return { redis, service, fleet };
}

const rejectedBy = async (fleet: Fleet): Promise<number> => {
  const stats = await fleet.all((worker) => worker.stats());
  return stats.reduce((sum, each) => sum + each!.counts.rejected, 0);
};

describe.each([1, 3])('with %i probes at a time', (probes) => {
  test(`eight processes with 50 callers each at the end of the cooldown send exactly ${probes} probes`, async () => {
    const { service, fleet } = await elapsed(8, { probes, successThreshold: probes });
    const { closed, open } = gate();
    service.answer({ until: closed });
    const before = await rejectedBy(fleet);
    const calls = fleet.all((worker) => worker.call(50));
    await eventually(async () => expect((await rejectedBy(fleet)) - before).toBe(400 - probes));
    await eventually(() => expect(service.received()).toBe(probes));
    open();
    const outcomes = (await calls).flat();
    expect(service.received()).toBe(probes);
    expect(tally(outcomes)).toEqual({ answered: probes, failed: 0, rejected: 400 - probes });
    await reaches(fleet, 'closed');
  });
});

test('a probe that fails opens the circuit of every process again', async () => {
  const { service, fleet } = await elapsed(3, {}, 1_000);
  await fleet.all((worker) => worker.forgetEvents());
  service.answer({ status: 503 });
  expect(tally(await fleet.workers[2]!.call(1))).toEqual({ answered: 0, failed: 1, rejected: 0 });
  await Promise.all(fleet.workers.map((worker) => worker.happened('stateChange', { to: 'open' })));
  expect(service.received()).toBe(1);
});

test('a rejected crowd asks the store once, not once per caller', async () => {
  const { redis, service, fleet } = await elapsed(2, { leaseMs: 60_000 });
  const { closed, open } = gate();
  service.answer({ until: closed });
  const [prober, other] = fleet.workers;
  const probe = prober!.call(1);
  await eventually(() => expect(service.received()).toBe(1));
  await resetCommandCalls(redis);
  expect(tally(await other!.call(200))).toEqual({ answered: 0, failed: 0, rejected: 200 });
  expect(await scriptCalls(redis)).toBe(1);
  open();
  expect(tally(await probe)).toEqual({ answered: 1, failed: 0, rejected: 0 });
});

test('when a prober is killed there is another probe after its lease, not before', async () => {
  const leaseMs = 1_500;
  const { service, fleet } = await elapsed(3, { leaseMs });
  service.answer({ hang: true });
  const [prober, ...others] = fleet.workers;
  const askedAt = performance.now();
  const lost = expect(prober!.call(1)).rejects.toThrow('the worker has ended');
  await eventually(() => expect(service.received()).toBe(1));
  await prober!.crash();
  await lost;
  service.answer({});
  await eventually(async () => {
    const [outcome] = await others[0]!.call(1);
    expect(outcome!.result).toBe('answered');
  });
  expect(performance.now() - askedAt).toBeGreaterThanOrEqual(leaseMs);
  expect(service.received()).toBe(2);
  await Promise.all(others.map((worker) => worker.happened('stateChange', { to: 'closed' })));
});

/** `worker-1` probes beyond its lease, so that `worker-2` is allowed to probe as well; neither is answered yet. */
async function twoProbes(first: number, second: number) {
  const { service, fleet } = await elapsed(2, { leaseMs: 300 });
  const gates = [gate(), gate()] as const;
  service.answerTo('worker-1', { until: gates[0].closed, status: first });
  service.answerTo('worker-2', { until: gates[1].closed, status: second });
  const [slow, next] = fleet.workers;
  const late = slow!.call(1);
  await eventually(() => expect(service.received('worker-1')).toBe(1));
  const fresh = (async () => {
    for (;;) {
      const [outcome] = await next!.call(1);
      if (outcome!.result !== 'rejected') return outcome!;
    }
  })();
  await eventually(() => expect(service.received('worker-2')).toBe(1));
  await fleet.all((worker) => worker.forgetEvents());
  return { fleet, late, fresh, gates };
}

test('the late success of a probe that outlived its lease closes the circuit', async () => {
  const { fleet, late, fresh, gates } = await twoProbes(200, 503);
  gates[0].open();
  expect(tally(await late)).toEqual({ answered: 1, failed: 0, rejected: 0 });
  await reaches(fleet, 'closed');
  gates[1].open();
  expect((await fresh).result).toBe('failed');
  expect(await fleet.workers[1]!.happened('late')).toMatchObject({ outcome: 'failure' });
  await reaches(fleet, 'closed');
});

test('a probe that outlived its lease has failed by then: its failure opens nothing more, and the next probe closes the circuit', async () => {
  const { fleet, late, fresh, gates } = await twoProbes(503, 200);
  gates[0].open();
  expect(tally(await late)).toEqual({ answered: 0, failed: 1, rejected: 0 });
  expect(await fleet.workers[0]!.happened('late')).toMatchObject({ outcome: 'failure' });
  gates[1].open();
  expect((await fresh).result).toBe('answered');
  await reaches(fleet, 'closed');
  const openings = await fleet.all(async (worker) => (await worker.events()).filter(({ to }) => to === 'open'));
  expect(openings.flat()).toEqual([]);
});
