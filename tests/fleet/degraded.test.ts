import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import { within } from '../../src/fleet/deadline.js';
import { CircuitBreaker, failuresInWindow, type ResilienceEvent, type ResilienceEvents } from '../../src/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { fail, ofStatus, succeed } from '../circuit/support.js';
import { request } from '../support/permits.js';
import { Access, closeAll, flush, KEY, type Process, SUMMED, start } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const COOLDOWN_MS = 10_000;
const MANY = { detector: failuresInWindow({ failures: 1_000 }) };
const OFTEN = { cooldownMs: COOLDOWN_MS, detector: failuresInWindow({ failures: 5, windowMs: 20_000 }) };

const of = ({ events }: Process, status: ResilienceEvents['store']['status']) => ofStatus(events, status);

/** A failure and a success, as often as it says: nothing trips. */
async function stumble({ breaker }: Process, times: number, everyMs = 100): Promise<void> {
  for (let i = 0; i < times; i++) {
    fail(breaker);
    succeed(breaker);
    await vi.advanceTimersByTimeAsync(everyMs);
  }
}

describe('a store that never answers', () => {
  test('from the beginning on leaves each process to itself, which trips, probes and closes', async () => {
    const access = new Access(memoryEngine());
    access.behaviour = 'hang';
    const process = await start(access, OFTEN);
    const { breaker } = process;
    for (let i = 0; i < 1_000; i++) expect(request(breaker)).toMatchObject({ admitted: true });
    fail(breaker, 5);
    expect(breaker.state).toBe('open');
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    const permit = request(breaker) as Permit;
    expect(permit).toMatchObject({ admitted: true });
    permit.settle('success');
    expect(breaker.state).toBe('closed');
    expect(breaker.stats().shared).toMatchObject({ generation: 0, live: false });
  });

  test('does not make a healthy call wait', async () => {
    const process = await start(memoryEngine(), MANY);
    process.access.behaviour = 'hang';
    await stumble(process, 50);
    for (let i = 0; i < 100; i++) {
      const permit = request(process.breaker) as Permit;
      expect(permit).not.toBeInstanceOf(Promise);
      permit.settle('success');
    }
  });

  test('holds up a half-open call for commandTimeoutMs, and the next ones too until it counts as degraded', async () => {
    const process = await start(memoryEngine(), OFTEN, { commandTimeoutMs: 80 });
    const { breaker, access } = process;
    fail(breaker, 5);
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    access.behaviour = 'hang';
    const startedAt = performance.now();
    const answers: number[] = [];
    void Promise.resolve(request(breaker)).then((answer) => {
      answers.push(performance.now() - startedAt);
      expect(answer).toMatchObject({ admitted: true });
    });
    for (let i = 0; i < 20; i++) {
      void Promise.resolve(request(breaker)).then((answer) => {
        answers.push(performance.now() - startedAt);
        expect(answer).toMatchObject({ admitted: false });
      });
    }
    await vi.advanceTimersByTimeAsync(79);
    expect(answers).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(answers).toHaveLength(21);
    expect(access.of('acquire')).toHaveLength(1);
  });

  test('is degraded after three misses in succession, which is told once, and is then left alone', async () => {
    const process = await start(memoryEngine(), MANY);
    process.access.behaviour = 'hang';
    await stumble(process, 1);
    await vi.advanceTimersByTimeAsync(10);
    expect(process.access.of()).toHaveLength(2);
    expect(of(process, 'degraded')).toEqual([]);
    await stumble(process, 4);
    expect(of(process, 'degraded')).toMatchObject([
      { key: null, error: { message: 'The store did not answer within 50 ms' } },
    ]);
    expect(process.breaker.stats().shared?.live).toBe(false);
    process.access.calls.length = 0;
    await stumble(process, 9);
    expect(process.access.of()).toEqual([]);
    expect(of(process, 'degraded')).toHaveLength(1);
  });

  test('is not degraded by misses between which it answers', async () => {
    const process = await start(memoryEngine(), MANY, { resyncMs: 600_000 });
    for (let i = 0; i < 20; i++) {
      process.access.behaviour = i % 2 === 1 ? 'answer' : 'hang';
      fail(process.breaker);
      await vi.advanceTimersByTimeAsync(1_100);
    }
    expect(process.access.of('report')).toHaveLength(30);
    expect(of(process, 'degraded')).toEqual([]);
  });

  test('is asked again after one second, then less and less often, at most every 30 s', async () => {
    const process = await start(memoryEngine(), {}, { random: () => 1, commandTimeoutMs: 1 });
    process.access.behaviour = 'reject';
    await stumble(process, 4);
    expect(of(process, 'degraded')).toMatchObject([{ error: { message: 'connection refused' } }]);
    process.access.calls.length = 0;
    await vi.advanceTimersByTimeAsync(200_000);
    const times = process.access.calls.map(({ at }) => at);
    const gaps = times.slice(1).map((at, index) => Math.round((at - times[index]!) / 1_000));
    expect(gaps).toEqual([2, 4, 8, 16, 30, 30, 30, 30, 30]);
  });
});

describe('a circuit that the store cannot serve', () => {
  test('is left alone, which is told with its key, and the others are shared as before', async () => {
    const store = memoryEngine();
    const process = await start(store, MANY);
    const well = ['a', 'b'].map((key) => new CircuitBreaker(key, { ...SUMMED, store: process.fleet }));
    await flush();
    const refuse = () => Promise.reject(new Error('WRONGTYPE'));
    process.access.replace({ ...store, read: (key) => (key === KEY ? refuse() : store.read(key)), report: refuse });
    await stumble(process, 4);
    expect(of(process, 'degraded')).toMatchObject([{ key: KEY, error: { message: 'WRONGTYPE' } }]);
    expect(process.breaker.stats().shared?.live).toBe(false);
    process.access.calls.length = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(process.access.of('report').length).toBeLessThanOrEqual(8);
    expect(of(process, 'recovered')).toEqual([]);
    process.access.replace(store);
    await vi.advanceTimersByTimeAsync(60_000);
    fail(process.breaker);
    await flush();
    expect(of(process, 'recovered')).toMatchObject([{ key: KEY }]);
    expect(process.breaker.stats().shared?.live).toBe(true);
    expect(well.map((breaker) => breaker.stats().shared?.live)).toEqual([true, true]);
  });
});

describe('a store that is back', () => {
  /** A process whose store has been degraded for so long. */
  const degrade = async (process: Process): Promise<void> => {
    process.access.behaviour = 'hang';
    await stumble(process, 4);
    expect(of(process, 'degraded')).toHaveLength(1);
  };

  test('is told once, with what was dropped, and all circuits are read', async () => {
    const process = await start(memoryEngine(), MANY);
    process.access.behaviour = 'hang';
    for (let i = 0; i < 9; i++) {
      fail(process.breaker);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(of(process, 'degraded')).toHaveLength(1);
    process.access.calls.length = 0;
    process.access.behaviour = 'answer';
    process.events.length = 0;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(process.events).toMatchObject([
      { type: 'store', status: 'recovered', key: null },
      { type: 'store', status: 'dropped', outcomes: 9 },
      { type: 'store', status: 'resync', key: null, circuits: 1 },
    ]);
    expect(process.breaker.stats().shared?.live).toBe(true);
    expect(process.access.of()).toEqual([]);
    expect(process.access.of('read').length).toBeGreaterThan(0);
  });

  test('is used again: failures count for all', async () => {
    const store = memoryEngine();
    const process = await start(store);
    const other = await start(store);
    await degrade(process);
    process.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(4_000);
    fail(other.breaker, 4);
    await vi.advanceTimersByTimeAsync(25);
    fail(process.breaker, 1);
    await flush();
    expect(other.breaker.state).toBe('open');
  });

  test('gives its newer state to the process that was cut off', async () => {
    const store = memoryEngine();
    const process = await start(store);
    const other = await start(store);
    process.access.mute();
    await degrade(process);
    fail(other.breaker, 5);
    await flush();
    expect(process.breaker.state).toBe('closed');
    process.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(4_000);
    expect(process.breaker.state).toBe('open');
    expect(process.breaker.stats().remainingCooldownMs).toBeGreaterThan(5_000);
    expect(other.breaker.stats().shared?.generation).toBe(1);
  });

  test('learns that the probes of a process have closed its circuit while the store was away', async () => {
    const store = memoryEngine();
    const process = await start(store, OFTEN);
    const other = await start(store, OFTEN);
    fail(process.breaker, 5);
    await flush();
    process.access.behaviour = 'hang';
    other.access.behaviour = 'hang';
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    for (const { breaker } of [process, other]) {
      const answer = Promise.resolve(request(breaker));
      await vi.advanceTimersByTimeAsync(60);
      ((await answer) as Permit).settle('success');
      expect(breaker.state).toBe('closed');
      await vi.advanceTimersByTimeAsync(200);
      await stumble({ breaker } as Process, 4);
    }
    expect(of(process, 'degraded')).toHaveLength(1);
    process.access.behaviour = 'answer';
    other.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await store.read(process.breaker.key)).toMatchObject({ state: 'closed' });
    fail(process.breaker, 5);
    await flush();
    expect(other.breaker.state).toBe('open');
  });

  test('learns of a probe whose success was not answered for a while, though it was never degraded', async () => {
    const store = memoryEngine();
    const process = await start(store, OFTEN);
    fail(process.breaker, 5);
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    const answer = Promise.resolve(request(process.breaker));
    await flush();
    process.access.behaviour = 'hang';
    ((await answer) as Permit).settle('success');
    await vi.advanceTimersByTimeAsync(110);
    expect(await store.read(KEY)).toMatchObject({ state: 'half-open' });
    process.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(5_000);
    expect(of(process, 'degraded')).toEqual([]);
    expect(await store.read(KEY)).toMatchObject({ state: 'closed' });
  });

  test('does not hear of a success of long ago from a process that has tripped again since', async () => {
    const store = memoryEngine();
    const process = await start(store, OFTEN);
    fail(process.breaker, 5);
    await flush();
    process.access.behaviour = 'hang';
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    const answer = Promise.resolve(request(process.breaker));
    await vi.advanceTimersByTimeAsync(60);
    ((await answer) as Permit).settle('success');
    await vi.advanceTimersByTimeAsync(200);
    fail(process.breaker, 5);
    expect(process.breaker.state).toBe('open');
    process.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(5_000);
    expect(of(process, 'recovered')).toHaveLength(1);
    expect(process.breaker.state).toBe('open');
    expect(await store.read(process.breaker.key)).toMatchObject({ state: 'open' });
  });
});

describe('a store that reads but does not write', () => {
  test('stays degraded, however well it reads', async () => {
    const store = memoryEngine();
    const refuse = () => Promise.reject(new Error("READONLY You can't write against a read only replica."));
    const process = await start({ ...store, report: refuse, prove: refuse }, MANY, { random: () => 0.5 });
    for (let i = 0; i < 20; i++) {
      fail(process.breaker);
      await vi.advanceTimersByTimeAsync(100);
    }
    await vi.advanceTimersByTimeAsync(60_000);
    expect(of(process, 'degraded')).toHaveLength(1);
    expect(of(process, 'recovered')).toEqual([]);
  });

  test('is left alone for longer each time it falls ill again before it was used', async () => {
    const store = memoryEngine();
    const refuse = () => Promise.reject(new Error('OOM command not allowed'));
    const prove = () => Promise.resolve();
    const process = await start({ ...store, report: refuse, prove }, MANY, { random: () => 1 });
    for (let i = 0; i < 600; i++) {
      fail(process.breaker, 1);
      await vi.advanceTimersByTimeAsync(100);
    }
    const recovered = of(process, 'recovered').map(({ at }) => at);
    const gaps = recovered.slice(1).map((at, index) => Math.round((at - recovered[index]!) / 1_000));
    expect(gaps.slice(0, 3)).toEqual([2, 4, 8]);
  });
});

describe('an event loop of ours that is busy', () => {
  test('counts once, so that a command which it held up still has the rest of its time', async () => {
    vi.useRealTimers();
    const command = () =>
      new Promise<string>((resolve) => {
        setImmediate(() => setTimeout(() => resolve('answered'), 5));
      });
    const answer = within(80, command);
    const until = performance.now() + 120;
    while (performance.now() < until);
    expect(await answer).toBe('answered');
  });

  test('is no miss of the store, however long it was', async () => {
    vi.useRealTimers();
    const access = new Access(memoryEngine());
    access.behaviour = 5;
    const store = sharedStore(access, { commandTimeoutMs: 20 });
    const breaker = new CircuitBreaker(KEY, { ...MANY, store });
    const events: ResilienceEvent[] = [];
    breaker.on('store', (event) => events.push(event));
    expect(await store.ready()).toBe(true);
    for (let i = 0; i < 6; i++) {
      fail(breaker);
      const until = performance.now() + 80;
      while (performance.now() < until);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await store.close();
    expect(events).toEqual([]);
    expect(access.of('report')).toHaveLength(6);
  });
});
