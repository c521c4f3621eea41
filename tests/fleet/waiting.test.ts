import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isRejectedError } from '../../src/index.js';
import { fail } from '../circuit/support.js';
import { closeAll, flush, type Process, startAll } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const COOLDOWN_MS = 1_000;

/** A call that waits; `calls` tells in which process and when each began. */
function callers(processes: readonly Process[]) {
  const calls: { readonly process: number; readonly at: number; readonly end: (isAnswered: boolean) => void }[] = [];
  const startedAt = performance.now();
  const call = (process: number, maxWaitMs: number): Promise<unknown> =>
    processes[process]!.breaker.execute(
      () =>
        new Promise<string>((resolve, reject) => {
          const end = (isAnswered: boolean) => (isAnswered ? resolve('answered') : reject(new Error('down')));
          calls.push({ process, at: performance.now() - startedAt, end });
        }),
      { maxWaitMs },
    ).catch((error: unknown) => (isRejectedError(error) ? 'rejected' : 'failed'));
  return { calls, call };
}

const openAll = async (processes: readonly Process[]): Promise<void> => {
  fail(processes[0]!.breaker, 5);
  await flush();
  expect(processes.map(({ breaker }) => breaker.state)).toEqual(processes.map(() => 'open'));
};

test('one of those who wait in all processes is the probe, and the others go on when it has succeeded', async () => {
  const processes = await startAll(2, { cooldownMs: COOLDOWN_MS, random: () => 0.5 });
  await openAll(processes);
  const { calls, call } = callers(processes);
  const results = [call(0, 2_000), call(0, 2_000), call(1, 2_000), call(1, 2_000)];
  await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
  expect(calls).toHaveLength(1);
  expect(processes.map(({ breaker }) => breaker.stats().queued).reduce((sum, waiting) => sum + waiting)).toBe(3);
  await vi.advanceTimersByTimeAsync(100);
  calls[0]!.end(true);
  await vi.advanceTimersByTimeAsync(49);
  expect(calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(calls.slice(1).map(({ process, at }) => [process, at])).toEqual([
    [0, 1_150],
    [1, 1_150],
  ]);
  for (const { end } of calls) end(true);
  await flush();
  calls[3]!.end(true);
  expect(await Promise.all(results)).toEqual(Array(4).fill('answered'));
});

test('the failure of the probe of another process rejects those for whom the next cooldown does not fit', async () => {
  const processes = await startAll(2, { cooldownMs: COOLDOWN_MS });
  await openAll(processes);
  const { calls, call } = callers(processes);
  const first = call(0, 1_200);
  const patient = call(1, 2_500);
  const impatient = call(1, 1_500);
  await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
  expect(calls.map(({ process }) => process)).toEqual([0]);
  calls[0]!.end(false);
  await flush();
  expect(await first).toBe('failed');
  expect(await impatient).toBe('rejected');
  expect(processes[1]!.breaker.stats().queued).toBe(1);
  await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
  calls[1]!.end(true);
  expect(await patient).toBe('answered');
});

test('whoever waits holds no lease: one is asked for when the cooldown has ended', async () => {
  const processes = await startAll(2, { cooldownMs: COOLDOWN_MS });
  await openAll(processes);
  for (const { access } of processes) access.calls.length = 0;
  const { calls, call } = callers(processes);
  const results = Array.from({ length: 20 }, (_, index) => call(index % 2, 1_500));
  await vi.advanceTimersByTimeAsync(COOLDOWN_MS - 1);
  expect(processes.map(({ access }) => access.of('acquire').length)).toEqual([0, 0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(processes.map(({ access }) => access.of('acquire').length)).toEqual([1, 1]);
  expect(calls).toHaveLength(1);
  calls[0]!.end(false);
  await flush();
  expect((await Promise.all(results)).toSorted()).toEqual(['failed', ...Array(19).fill('rejected')]);
});
