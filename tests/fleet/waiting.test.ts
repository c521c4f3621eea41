import axios from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, CircuitBreaker, isRejectedError, reportOf, retry } from '../../src/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { fail } from '../circuit/support.js';
import { scripted } from '../support/scripted-adapter.js';
import { Access, closeAll, flush, KEY, type Process, SUMMED, start, startAll } from './support.js';

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

describe('whoever is aborted while the store is asked for a probe that is taken', () => {
  const OPTIONS = { cooldownMs: COOLDOWN_MS, random: () => 0.5 };

  /** A way to a store whose circuit is half-open, its probe under way in another process; the store takes 20 ms to answer. */
  async function halfOpen(join: (access: Access) => CircuitBreaker) {
    const engine = memoryEngine();
    const other = await start(engine, OPTIONS);
    const access = new Access(engine);
    const breaker = join(access);
    await flush();
    fail(other.breaker, 5);
    await flush();
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    await other.breaker.acquire();
    expect(breaker.state).toBe('half-open');
    const told: string[] = [];
    breaker.on('queued', () => told.push('queued'));
    breaker.on('rejected', () => told.push('rejected'));
    access.calls.length = 0;
    access.behaviour = 20;
    return { access, breaker, told };
  }

  async function abortedIn10ms(ask: (signal: AbortSignal) => Promise<unknown>) {
    const controller = new AbortController();
    const startedAt = performance.now();
    const ended = ask(controller.signal).catch((error: unknown) => ({ error, afterMs: performance.now() - startedAt }));
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    await vi.advanceTimersByTimeAsync(50);
    return ended;
  }

  test('does not queue afterwards: a call of an instance', async () => {
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(200) });
    const { access, breaker, told } = await halfOpen((given) => {
      const store = sharedStore(given);
      return attach(api, {
        random: () => 0.5,
        breaker: { ...SUMMED, cooldownMs: COOLDOWN_MS, store, maxWaitMs: 5_000 },
      }).breakers.ensure(KEY);
    });
    const ended = await abortedIn10ms((signal) => api.get('/', { signal }));
    const { error } = ended as { error: unknown };
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'aborted', elapsedMs: 10, waitedMs: { circuit: 0 } });
    expect(access.of()).toMatchObject([{ operation: 'acquire' }]);
    expect([breaker.queued, breaker.inFlight, told]).toEqual([0, 0, []]);
  });

  test.each<[string, (breaker: CircuitBreaker, signal: AbortSignal) => Promise<unknown>]>([
    ['execute', (breaker, signal) => breaker.execute(() => 'done', { signal, maxWaitMs: 5_000 })],
    ['acquire', (breaker, signal) => breaker.acquire({ signal, maxWaitMs: 5_000 })],
    ['retry', (breaker, signal) => retry(() => 'done', { breaker, signal, maxWaitMs: 5_000 })],
  ])('hears of it at once, and does not queue afterwards: %s', async (_name, ask) => {
    const process = await halfOpen(
      (given) => new CircuitBreaker(KEY, { ...SUMMED, ...OPTIONS, store: sharedStore(given) }),
    );
    const ended = await abortedIn10ms((signal) => ask(process.breaker, signal));
    expect(ended).toMatchObject({ error: { name: 'AbortError' }, afterMs: 10 });
    expect(process.access.of()).toMatchObject([{ operation: 'acquire' }]);
    expect([process.breaker.queued, process.breaker.inFlight, process.told]).toEqual([0, 0, []]);
  });
});
