import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { consecutiveFailures } from '../../src/index.js';
import { fail, succeed } from '../circuit/support.js';
import { closeAll, flush, MOST_JUDGING_MS, type Process, startAll, states } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

describe('the cooldown of the fleet', () => {
  test('has begun with that of the process that opened by itself', async () => {
    const processes = await startAll(3, { detector: consecutiveFailures(5), cooldownMs: 1_000 });
    fail(processes[0]!.breaker, 5);
    await vi.advanceTimersByTimeAsync(MOST_JUDGING_MS);
    expect(states(processes)).toEqual(['open', 'open', 'open']);
    await vi.advanceTimersByTimeAsync(1_000 - MOST_JUDGING_MS - 1);
    expect(states(processes)).toEqual(['open', 'open', 'open']);
    await vi.advanceTimersByTimeAsync(1);
    expect(states(processes)).toEqual(['half-open', 'half-open', 'half-open']);
  });

  test('begins when the fleet opens, where no process had enough failures of its own', async () => {
    const processes = await startAll(3, { detector: consecutiveFailures(5), cooldownMs: 1_000 });
    for (const { breaker } of processes) fail(breaker, 2);
    let waitedMs = 0;
    for (; processes[0]!.breaker.state === 'closed'; waitedMs++) await vi.advanceTimersByTimeAsync(1);
    expect(waitedMs).toBeGreaterThan(250);
    await vi.advanceTimersByTimeAsync(999);
    expect(states(processes)).toEqual(['open', 'open', 'open']);
    await vi.advanceTimersByTimeAsync(1);
    expect(states(processes)).toEqual(['half-open', 'half-open', 'half-open']);
  });
});

describe('cooldowns of the fleet that have grown', () => {
  const GROWING = {
    detector: consecutiveFailures(5),
    cooldownMs: ({ attempt }: { attempt: number }) => 1_000 * 2 ** (attempt - 1),
  };

  /** Opens all, lets a probe fail and the next succeed. */
  const openTwice = async (processes: readonly Process[]): Promise<void> => {
    fail(processes[0]!.breaker, 5);
    await vi.advanceTimersByTimeAsync(1_000);
    await processes[0]!.breaker.acquire().then((permit) => permit.settle('failure'));
    await vi.advanceTimersByTimeAsync(2_000);
    await processes[0]!.breaker.acquire().then((permit) => permit.settle('success'));
    await flush();
    expect(states(processes)).toEqual(processes.map(() => 'closed'));
  };

  const nextCooldownMs = async (processes: readonly Process[]): Promise<number | undefined> => {
    await vi.advanceTimersByTimeAsync(10);
    fail(processes[1]!.breaker);
    for (let i = 0; i < 5; i++) {
      fail(processes[0]!.breaker);
      await vi.advanceTimersByTimeAsync(50);
    }
    await vi.advanceTimersByTimeAsync(25);
    await vi.advanceTimersByTimeAsync(MOST_JUDGING_MS);
    expect(states(processes)).toEqual(processes.map(() => 'open'));
    return processes[0]!.events
      .filter((event) => event.type === 'stateChange')
      .findLast(({ to, reason }) => to === 'open' && reason === 'threshold')?.cooldownMs;
  };

  test.each([
    ['start anew after ten successes of all processes together', 5, 1_000],
    ['go on where all together have had nine', 4, 4_000],
  ])('%s', async (_what, ofTheOther, expected) => {
    const processes = await startAll(2, GROWING);
    await openTwice(processes);
    for (let i = 0; i < 5; i++) succeed(processes[0]!.breaker);
    for (let i = 0; i < ofTheOther; i++) succeed(processes[1]!.breaker);
    expect(await nextCooldownMs(processes)).toBe(expected);
  });

  test('grow on in a process that opens by itself, whatever the store says of the fleet', async () => {
    const processes = await startAll(2, GROWING, { quorum: 2 });
    const { breaker, events } = processes[0]!;
    for (const cooldownMs of [1_000, 2_000, 4_000]) {
      fail(breaker, 5);
      await vi.advanceTimersByTimeAsync(cooldownMs);
      await breaker.acquire().then((permit) => permit.settle('success'));
      fail(breaker);
      await vi.advanceTimersByTimeAsync(100);
      succeed(breaker);
    }
    const openings = events.filter((event) => event.type === 'stateChange').filter(({ to }) => to === 'open');
    expect(openings.map(({ cooldownMs }) => cooldownMs)).toEqual([1_000, 2_000, 4_000]);
    expect(processes[1]!.breaker.state).toBe('closed');
  });
});
