import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CIRCUIT_DEFAULTS } from '../../src/circuit/options.js';
import { consecutiveFailures } from '../../src/index.js';
import { acquire, fail } from '../circuit/support.js';
import { closeAll, flush, MOST_JUDGING_MS, type Process, startAll, states } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const OPTIONS = { detector: consecutiveFailures(5), cooldownMs: CIRCUIT_DEFAULTS.cooldownMs };
const reasons = ({ events }: Process) =>
  events.filter((event) => event.type === 'stateChange').map(({ to, reason }) => `${to}: ${reason}`);

/** Failures of one process open the circuit for all, while an attempt from among them is under way. */
const openAll = async (processes: readonly Process[]) => {
  fail(processes[0]!.breaker, 4);
  const underWay = acquire(processes[0]!.breaker);
  fail(processes[0]!.breaker);
  await vi.advanceTimersByTimeAsync(MOST_JUDGING_MS);
  expect(states(processes)).toEqual(processes.map(() => 'open'));
  return underWay;
};

describe('the success of an attempt from among the failures', () => {
  test('closes the circuit in all processes', async () => {
    const processes = await startAll(3, OPTIONS);
    const underWay = await openAll(processes);
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['closed', 'closed', 'closed']);
    expect(processes.map(reasons)).toEqual([
      ['open: threshold', 'closed: late-success'],
      ['open: shared', 'closed: shared'],
      ['open: shared', 'closed: shared'],
    ]);
  });

  test('does so where the failures of another process opened it', async () => {
    const processes = await startAll(2, OPTIONS);
    fail(processes[1]!.breaker, 3);
    const underWay = acquire(processes[1]!.breaker);
    await vi.advanceTimersByTimeAsync(1);
    await openAll(processes);
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['closed', 'closed']);
  });

  test('does not close what was opened by hand meanwhile', async () => {
    const processes = await startAll(2, OPTIONS);
    const underWay = await openAll(processes);
    await processes[1]!.breaker.trip().applied;
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['open', 'open']);
  });

  test('does not close what a server asked to wait for', async () => {
    const processes = await startAll(2, OPTIONS);
    fail(processes[0]!.breaker, 3);
    const underWay = acquire(processes[0]!.breaker);
    fail(processes[1]!.breaker, 4);
    acquire(processes[1]!.breaker).settle('failure', undefined, { status: 503, retryAfterMs: 2_000 });
    await vi.advanceTimersByTimeAsync(MOST_JUDGING_MS);
    expect(states(processes)).toEqual(['open', 'open']);
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['open', 'open']);
  });

  test('does not close what a server asked the probe of another process to wait for', async () => {
    const processes = await startAll(2, OPTIONS);
    fail(processes[1]!.breaker, 3);
    const underWay = acquire(processes[1]!.breaker);
    await vi.advanceTimersByTimeAsync(1);
    await openAll(processes);
    await vi.advanceTimersByTimeAsync(2_000);
    const probe = await processes[0]!.breaker.acquire();
    const response = { status: 503, headers: { 'retry-after': '30' } };
    probe.settle('failure', Object.assign(new Error('busy'), { response }));
    await flush();
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['open', 'open']);
  });

  test('does not close it where the number of probes is given', async () => {
    const processes = await startAll(2, { ...OPTIONS, halfOpen: { probes: 1 } });
    const underWay = await openAll(processes);
    underWay.settle('success');
    await flush();
    expect(states(processes)).toEqual(['open', 'open']);
  });
});

describe('after a sign that only a part of the service fails', () => {
  /** An opening that is refuted, and another. */
  const sign = async (processes: readonly Process[]) => {
    (await openAll(processes)).settle('success');
    await vi.advanceTimersByTimeAsync(1_000);
    fail(processes[0]!.breaker, 5);
    await vi.advanceTimersByTimeAsync(150);
    expect(processes[0]!.breaker.state).toBe('open');
    await vi.advanceTimersByTimeAsync(MOST_JUDGING_MS - 150);
  };

  test('four probes are made at a time, after 200 ms', async () => {
    const processes = await startAll(2, { ...OPTIONS, random: () => 0.5 });
    await sign(processes);
    expect(states(processes)).toEqual(['half-open', 'half-open']);
    const { breaker } = processes[0]!;
    for (let probe = 0; probe < 4; probe++) await breaker.acquire();
    await expect(breaker.acquire()).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  });

  test('the fourth probe that fails opens it again, and the first that succeeds closes it', async () => {
    const processes = await startAll(2, { ...OPTIONS, random: () => 0.5 });
    await sign(processes);
    const { breaker } = processes[0]!;
    for (let probe = 1; probe <= 4; probe++) {
      expect(states(processes)).toEqual(['half-open', 'half-open']);
      (await breaker.acquire()).settle('failure');
      await flush();
    }
    expect(states(processes)).toEqual(['open', 'open']);
    await vi.advanceTimersByTimeAsync(200);
    (await breaker.acquire()).settle('failure');
    (await breaker.acquire()).settle('success');
    await flush();
    expect(states(processes)).toEqual(['closed', 'closed']);
  });

  test.each([
    ['another process that has seen no sign', 1, 0],
    ['one whose sign has passed meanwhile', 0, 20_001],
  ])('a probe of %s closes it though one of those before has failed', async (_whose, prober, waitMs) => {
    const processes = await startAll(2, { ...OPTIONS, random: () => 0.5 });
    await sign(processes);
    (await processes[0]!.breaker.acquire()).settle('failure');
    await flush();
    const probe = await processes[prober]!.breaker.acquire();
    await vi.advanceTimersByTimeAsync(waitMs);
    probe.settle('success');
    await flush();
    expect(states(processes)).toEqual(['closed', 'closed']);
    expect(processes.map(({ breaker }) => breaker.stats().shared?.why)).toEqual(['probe-succeeded', 'probe-succeeded']);
  });
});
