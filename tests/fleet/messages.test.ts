import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Permit } from '../../src/circuit/contract.js';
import type { SharedView } from '../../src/circuit/link.js';
import { retry } from '../../src/index.js';
import type { StoreEngine } from '../../src/store/index.js';
import { memoryEngine } from '../../src/store/index.js';
import { acquire, fail, ofStatus, transitions } from '../circuit/support.js';
import { request } from '../support/permits.js';
import { Access, closeAll, flush, KEY, type Process, start } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

let store: StoreEngine;
let one: Process;
let other: Process;
let heard: SharedView[];

/** Two processes, and what is told to all. */
beforeEach(async () => {
  store = memoryEngine();
  one = await start(store);
  other = await start(store);
  heard = [];
  await store.subscribe?.({
    changed: (_key, view) => void heard.push(view),
    resumed: () => undefined,
    interrupted: () => undefined,
  });
});

const force = async (process: Process, state: 'open' | 'closed'): Promise<void> => {
  const { applied } = state === 'open' ? process.breaker.trip() : process.breaker.reset();
  expect(await applied).toBe('fleet');
  await flush();
};

describe('a message', () => {
  test('that comes twice has one effect', async () => {
    fail(one.breaker, 5);
    await flush();
    await vi.advanceTimersByTimeAsync(3_000);
    for (const view of heard) other.access.say(KEY, view);
    expect(other.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 7_000 });
    expect(transitions(other.events)).toEqual(['closed -> open (shared)']);
  });

  test('that comes after a later one has no effect', async () => {
    other.access.mute();
    await force(one, 'open');
    await force(one, 'closed');
    const [opened, closed] = heard.slice(-2);
    other.access.say(KEY, closed!);
    await flush();
    other.access.say(KEY, opened!);
    await flush();
    expect(other.breaker.stats()).toMatchObject({ state: 'closed', shared: { generation: 2 } });
    expect(other.events).toEqual([]);
  });

  test('of another epoch is not believed, but looked into', async () => {
    fail(other.breaker);
    await flush();
    other.access.calls.length = 0;
    const forged = { ...heard.at(-1)!, epoch: 'forged', generation: 9, state: 'open' as const, remainingMs: 5_000 };
    other.access.say(KEY, forged);
    await flush();
    expect(other.access.calls).toMatchObject([{ operation: 'read' }]);
    expect(other.breaker.stats()).toMatchObject({ state: 'closed', shared: { generation: 0 } });
  });

  test.each([
    ['a generation that is far off', { generation: 1_000_000_000, remainingMs: 1e15, cooldownMs: 1e15 }],
    ['a cooldown that is longer than any', { generation: 1, remainingMs: 1e15, cooldownMs: 1e15 }],
    ['more time than the cooldown', { generation: 1, remainingMs: 9_000, cooldownMs: 10 }],
  ])('with %s is not believed, but looked into', async (_what, forged) => {
    fail(other.breaker);
    await flush();
    other.access.calls.length = 0;
    const { epoch } = await store.read(KEY);
    other.access.say(KEY, { ...(await store.read(KEY)), epoch, state: 'open', ...forged });
    await flush();
    expect(other.access.calls).toMatchObject([{ operation: 'read' }]);
    expect(other.breaker.state).toBe('closed');
    fail(one.breaker, 4);
    await vi.advanceTimersByTimeAsync(25);
    expect(other.breaker.state).toBe('open');
  });

  test('about a circuit that this process has not is ignored', async () => {
    other.access.calls.length = 0;
    other.access.say(`${KEY}/other`, { ...(await store.read(KEY)), epoch: 'e', generation: 3, state: 'open' });
    await flush();
    expect(other.access.calls).toEqual([]);
  });

  test('that is late makes no later command void', async () => {
    await force(one, 'open');
    await force(one, 'closed');
    const late = heard.at(-1)!;
    await vi.advanceTimersByTimeAsync(60_000);
    other.access.say(KEY, late);
    fail(other.breaker, 5);
    await vi.advanceTimersByTimeAsync(25);
    expect(one.breaker.state).toBe('open');
  });

  test('that was lost is made up for within resyncMs', async () => {
    other.access.mute();
    acquire(other.breaker).settle('success');
    await force(one, 'open');
    expect(other.breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(other.breaker.state).toBe('open');
  });

  test('that was lost is made up for as soon as messages arrive again', async () => {
    other.access.mute();
    other.access.interrupt();
    await force(one, 'open');
    other.access.resume();
    await flush();
    expect(other.breaker.state).toBe('open');
    expect(ofStatus(other.events, 'resync')).toMatchObject([{ key: null, circuits: 1 }]);
  });
});

describe('a resync', () => {
  test('reads circuits in use, and those that are open, but not those that rest', async () => {
    other.access.calls.length = 0;
    await vi.advanceTimersByTimeAsync(5_000);
    other.access.calls.length = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(other.access.calls).toEqual([]);
    acquire(other.breaker).settle('success');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(other.access.of('read')).toHaveLength(1);
    await force(one, 'open');
    other.access.calls.length = 0;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(other.access.of('read')).toHaveLength(4);
  });

  test('takes a circuit for used by attempts that went well, however they were made', async () => {
    const uses = [
      () => other.breaker.execute(async () => 1),
      async () => (await other.breaker.acquire()).settle('success'),
      () => retry(async () => 1, { breaker: other.breaker }),
    ];
    await vi.advanceTimersByTimeAsync(60_000);
    for (const use of uses) {
      other.access.calls.length = 0;
      await use();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(other.access.of('read')).toHaveLength(1);
    }
  });

  test('reads a circuit once more that could not be read, also one that rests', async () => {
    await vi.advanceTimersByTimeAsync(5_000);
    other.access.mute();
    other.access.interrupt();
    await force(one, 'open');
    other.access.behaviour = 'hang';
    other.access.resume();
    await vi.advanceTimersByTimeAsync(60);
    other.access.behaviour = 'answer';
    expect(other.breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(other.breaker.state).toBe('open');
  });

  test('of a store without messages is all there is, and enough', async () => {
    const { read, report, acquire: lease, settle, force: apply } = store;
    const mute: StoreEngine = { read, report, acquire: lease, settle, force: apply };
    const access = Object.assign(new Access(mute), { subscribe: undefined }) as unknown as Access;
    const polling = await start(access);
    acquire(polling.breaker).settle('success');
    await force(one, 'open');
    expect(polling.breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(polling.breaker.state).toBe('open');
  });
});

describe('a store that has forgotten an open circuit', () => {
  /** Both processes go on with an empty store. */
  const forget = (): void => {
    store = memoryEngine();
    one.access.replace(store);
    other.access.replace(store);
  };

  test('does not close it: each process keeps its deadline, and then one of them probes', async () => {
    fail(one.breaker, 5);
    await flush();
    forget();
    await vi.advanceTimersByTimeAsync(9_999);
    expect([one.breaker.state, other.breaker.state]).toEqual(['open', 'open']);
    await vi.advanceTimersByTimeAsync(1);
    const answers = Promise.all([request(one.breaker), request(other.breaker)]);
    await flush();
    expect((await answers).map(({ admitted }) => admitted)).toEqual([true, false]);
    ((await answers)[0] as Permit).settle('success');
    await vi.advanceTimersByTimeAsync(5_000);
    expect([one.breaker.state, other.breaker.state]).toEqual(['closed', 'closed']);
    expect(await store.read(KEY)).toMatchObject({ state: 'closed', generation: 2 });
  });

  test('nor when failures are reported to it by a process that knows nothing', async () => {
    fail(one.breaker, 5);
    await flush();
    forget();
    const late = await start(store);
    fail(late.breaker);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(one.breaker.state).toBe('open');
    await vi.advanceTimersByTimeAsync(5_000);
    const answer = request(one.breaker);
    await flush();
    expect(await answer).toMatchObject({ admitted: true });
    expect(await store.read(KEY)).toMatchObject({ state: 'half-open', generation: 1 });
  });

  test('and a closed one is counted anew', async () => {
    fail(one.breaker, 4);
    await vi.advanceTimersByTimeAsync(25);
    forget();
    fail(other.breaker, 4);
    await vi.advanceTimersByTimeAsync(25);
    expect([one.breaker.state, other.breaker.state]).toEqual(['closed', 'closed']);
    fail(one.breaker, 1);
    await flush();
    expect(await store.read(KEY)).toMatchObject({ state: 'open', generation: 1 });
  });
});
