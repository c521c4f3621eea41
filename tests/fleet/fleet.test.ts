import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SharedStoreOptions } from '../../src/fleet/options.js';
import { BreakerRegistry, CircuitBreaker } from '../../src/index.js';
import type { StoreEngine } from '../../src/store/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { fail, listen, ofStatus, ofType, succeed } from '../circuit/support.js';
import { request } from '../support/permits.js';
import { Access, closeAll, flush, KEY, SUMMED, start, startAll } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

describe('options', () => {
  test.each<[SharedStoreOptions, string]>([
    [{ share: 'all' as never }, 'Expected `sharedStore(options).share` to be "counts" or "state", got "all"'],
    [
      { lingerMs: 0 },
      'Expected `sharedStore(options).lingerMs` to be a number of milliseconds from 1 to 2147483647, got 0',
    ],
    [
      { commandTimeoutMs: 0.5 },
      'Expected `sharedStore(options).commandTimeoutMs` to be a number of milliseconds from 1 to 2147483647, got 0.5',
    ],
    [
      { resyncMs: 99 },
      'Expected `sharedStore(options).resyncMs` to be a number of milliseconds from 100 to 2147483647, got 99',
    ],
    [{ quorum: 1.5 }, 'Expected `sharedStore(options).quorum` to be an integer >= 1, got 1.5'],
    [{ random: 1 as never }, 'Expected `sharedStore(options).random` to be a function, got 1'],
    [{ linger: 1 } as never, 'Unknown option `sharedStore(options).linger`: did you mean `lingerMs`?'],
  ])('%j is refused', (options, message) => {
    expect(() => sharedStore(memoryEngine(), options)).toThrow(message);
  });

  test.each([undefined, {}, { ...memoryEngine(), settle: undefined }])('%s is no store', (store) => {
    expect(() => sharedStore(store as never)).toThrow(
      'Expected `sharedStore(engine)` to be a StoreEngine with read, report, acquire, settle and force, got',
    );
  });

  test('a store has to be made a fleet before a breaker takes it', () => {
    expect(() => new CircuitBreaker(KEY, { ...SUMMED, store: memoryEngine() as never })).toThrow(
      'Expected `store` to be a store made by redisStore(client) or sharedStore(engine), got an object',
    );
  });

  test.each(['lingerMs', 'commandTimeoutMs', 'resyncMs'] as const)(
    '%s longer than a timer takes is refused',
    (name) => {
      expect(() => sharedStore(memoryEngine(), { [name]: 2_147_483_648 })).toThrow(RangeError);
    },
  );
});

describe('ready', () => {
  test('is true once messages arrive and the circuits have been read', async () => {
    const access = new Access(memoryEngine());
    access.behaviour = 10;
    const one = sharedStore(access);
    const breaker = new CircuitBreaker(KEY, { ...SUMMED, store: one });
    const ready = one.ready();
    const seen = vi.fn();
    void ready.then(seen);
    await vi.advanceTimersByTimeAsync(9);
    expect(seen).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(breaker.stats().shared?.live).toBe(true);
    expect(seen).toHaveBeenCalledExactlyOnceWith(true);
    expect(await one.ready()).toBe(true);
    await one.close();
  });

  test('waits for a circuit that came later', async () => {
    const access = new Access(memoryEngine());
    const one = sharedStore(access);
    expect(await one.ready()).toBe(true);
    access.behaviour = 10;
    const breaker = new CircuitBreaker(KEY, { ...SUMMED, store: one });
    const ready = one.ready();
    await vi.advanceTimersByTimeAsync(10);
    expect(await ready).toBe(true);
    expect(breaker.stats().shared).toMatchObject({ generation: 0, live: true });
    await one.close();
  });

  test.each([
    ['has messages', (access: Access) => access],
    ['has none', (access: Access) => Object.assign(access, { subscribe: undefined }) as unknown as StoreEngine],
  ])('is false after its time where the store never answers and %s', async (_what, given) => {
    const access = new Access(memoryEngine());
    access.behaviour = 'hang';
    const one = sharedStore(given(access));
    const breaker = new CircuitBreaker(KEY, { ...SUMMED, store: one });
    const ready = one.ready(2_000);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await ready).toBe(false);
    expect(breaker.stats().shared?.live).toBe(false);
    await one.close();
  });

  test('is false while messages do not arrive, and true again when they do', async () => {
    const { fleet: one, access } = await start(memoryEngine());
    access.interrupt();
    const ready = one.ready(100);
    await vi.advanceTimersByTimeAsync(100);
    expect(await ready).toBe(false);
    access.resume();
    expect(await one.ready()).toBe(true);
  });

  test('is false at once after close', async () => {
    const { fleet: one } = await start(memoryEngine());
    await one.close();
    expect(await one.ready()).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('close', () => {
  test('leaves no timer, whatever is under way', async () => {
    const access = new Access(memoryEngine());
    const { fleet: one, breaker, events } = await start(access);
    void one.ready();
    fail(breaker, 2);
    access.behaviour = 'hang';
    fail(breaker, 1);
    await vi.advanceTimersByTimeAsync(25);
    breaker.trip();
    breaker.reset();
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await one.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(ofStatus(events, 'degraded')).toEqual([]);
  });

  test('leaves no timer of a degraded store', async () => {
    const access = new Access(memoryEngine());
    const { fleet: one, breaker, events } = await start(access);
    access.behaviour = 'reject';
    for (let i = 0; i < 4; i++) {
      fail(breaker);
      await vi.advanceTimersByTimeAsync(30);
    }
    expect(ofStatus(events, 'degraded')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    await one.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends the wait for a lease, and the circuit goes on by itself', async () => {
    const access = new Access(memoryEngine());
    const { fleet: one, breaker } = await start(access);
    fail(breaker, 5);
    await vi.advanceTimersByTimeAsync(10_000);
    access.behaviour = 'hang';
    access.calls.length = 0;
    const answer = request(breaker);
    await one.close();
    expect(await answer).toMatchObject({ admitted: true });
    fail(new CircuitBreaker('another', { ...SUMMED, store: one }), 5);
    expect(access.of()).toHaveLength(1);
  });

  test('can be called twice, and calls the store once', async () => {
    const close = vi.fn(async () => undefined);
    const one = sharedStore({ ...memoryEngine(), close });
    await Promise.all([one.close(), one.close()]);
    expect(close).toHaveBeenCalledTimes(1);
  });

  test('rejects nothing when commands fail afterwards', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const access = new Access(memoryEngine());
    const { fleet: one, breaker } = await start(access);
    access.behaviour = 5;
    fail(breaker, 5);
    access.replace({ ...memoryEngine(), report: () => Promise.reject(new Error('gone')) });
    await one.close();
    await vi.advanceTimersByTimeAsync(100);
    expect(breaker.state).toBe('open');
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 0));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('what is done by hand', () => {
  test('trip opens all, reset closes all', async () => {
    const [one, other] = await startAll(2);
    expect(await one!.breaker.trip({ cooldownMs: 3_000 }).applied).toBe('fleet');
    await flush();
    expect(other!.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 3_000 });
    expect(other!.events).toMatchObject([{ type: 'stateChange', reason: 'manual' }]);
    expect(await other!.breaker.reset().applied).toBe('fleet');
    await flush();
    expect(one!.breaker.stats()).toMatchObject({ state: 'closed', openings: 0 });
  });

  test('trip and then reset ends closed, for all', async () => {
    const [one, other] = await startAll(2);
    const applied = [one!.breaker.trip().applied, one!.breaker.reset().applied];
    expect(await Promise.all(applied)).toEqual(['fleet', 'fleet']);
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
  });

  test.each([
    ['trip', 'reset', 'closed'],
    ['reset', 'trip', 'open'],
  ] as const)('%s and then %s is seen once each, in this order', async (first, second, end) => {
    const [one, other] = await startAll(2);
    if (first === 'reset') await one!.breaker.trip().applied;
    await flush();
    for (const { events, access } of [one!, other!]) {
      events.length = 0;
      access.behaviour = 10;
    }
    one!.breaker[first]();
    one!.breaker[second]();
    expect(one!.breaker.state).toBe(end);
    await vi.advanceTimersByTimeAsync(20);
    expect(one!.events).toMatchObject([{ reason: 'manual' }, { reason: 'manual', to: end }]);
    expect([one!.breaker.state, other!.breaker.state]).toEqual([end, end]);
  });

  test('of two in succession the first is not told again after the second', async () => {
    const [one, other] = await startAll(2);
    one!.access.behaviour = 'hang';
    const tripped = one!.breaker.trip();
    one!.access.behaviour = 'answer';
    const reset = one!.breaker.reset();
    expect(await reset.applied).toBe('fleet');
    await vi.advanceTimersByTimeAsync(60);
    expect(await tripped.applied).toBe('local');
    expect(one!.access.of('force').map(({ request }) => request?.['state'])).toEqual(['open', 'closed']);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
  });

  test('failures that follow a reset before the store has answered it count, and open the circuit for all', async () => {
    const [one, other] = await startAll(2);
    await one!.breaker.trip().applied;
    await flush();
    one!.events.length = 0;
    one!.access.behaviour = 10;
    const { applied } = one!.breaker.reset();
    fail(one!.breaker, 5);
    await vi.advanceTimersByTimeAsync(100);
    expect(await applied).toBe('fleet');
    expect(one!.events).toMatchObject([
      { to: 'closed', reason: 'manual' },
      { to: 'open', reason: 'threshold' },
    ]);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
  });

  test('failures that follow it and are too few for one process count for all', async () => {
    const [one, other] = await startAll(2);
    await one!.breaker.trip().applied;
    one!.access.behaviour = 10;
    one!.breaker.reset();
    fail(one!.breaker, 4);
    await vi.advanceTimersByTimeAsync(100);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
    fail(other!.breaker, 1);
    await vi.advanceTimersByTimeAsync(100);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
  });

  test('news that overtake its answer are taken in after it', async () => {
    const store = memoryEngine();
    const [one, other] = [await start(store), await start(store)];
    await one.breaker.trip().applied;
    one.access.behaviour = 10;
    one.breaker.reset();
    const view = await store.read(KEY);
    one.access.say(KEY, { ...view, generation: view.generation + 2, remainingMs: 3_000 });
    one.access.say(KEY, view);
    expect(one.breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(10);
    expect(one.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 3_000 });
    expect(other.breaker.state).toBe('closed');
  });

  test('that the store did not answer is told it once more', async () => {
    const [one, other] = await startAll(2);
    one!.access.behaviour = 'hang';
    const { applied } = one!.breaker.trip();
    one!.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(60);
    expect(await applied).toBe('fleet');
    expect(other!.breaker.state).toBe('open');
  });

  test('and did not reach the store leaves what others bring about meanwhile to be seen', async () => {
    const [one, other] = await startAll(2);
    one!.access.behaviour = 'hang';
    const { applied } = one!.breaker.reset();
    await other!.breaker.trip().applied;
    await vi.advanceTimersByTimeAsync(110);
    expect(await applied).toBe('local');
    one!.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(5_000);
    expect(one!.breaker.state).toBe('open');
  });

  test("a store that does not answer makes it 'local', and it has its effect here", async () => {
    const { breaker, access } = await start(memoryEngine());
    access.behaviour = 'hang';
    const { applied } = breaker.trip();
    expect(breaker.state).toBe('open');
    await vi.advanceTimersByTimeAsync(110);
    expect(await applied).toBe('local');
  });

  test("without a store it is 'local'", async () => {
    expect(await new CircuitBreaker(KEY, SUMMED).trip().applied).toBe('local');
  });

  test('isolate is of one process alone', async () => {
    const [one, other] = await startAll(2);
    const isolation = one!.breaker.isolate();
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'closed']);
    expect(one!.access.of()).toEqual([]);
    fail(other!.breaker, 5);
    await flush();
    isolation.release();
    expect(one!.breaker.state).toBe('open');
    expect(one!.breaker.stats().remainingCooldownMs).toBe(10_000);
  });

  test('restore is of one process alone', async () => {
    const [one, other] = await startAll(2);
    fail(one!.breaker, 5);
    await flush();
    const snapshot = one!.breaker.snapshot();
    expect(await one!.breaker.reset().applied).toBe('fleet');
    await flush();
    one!.breaker.restore(snapshot);
    one!.access.calls.length = 0;
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'closed']);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(request(one!.breaker)).toMatchObject({ admitted: true });
    expect(one!.access.of()).toEqual([]);
  });

  test('a process that starts from a snapshot takes over what the fleet has, if that is newer', async () => {
    const store = memoryEngine();
    const one = await start(store);
    fail(one.breaker, 5);
    await flush();
    const late = await start(store);
    expect(late.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 10_000, openings: 1 });
  });
});

describe('messages', () => {
  test('are asked for again after resyncMs where the store refused, or threw', async () => {
    const subscribe = vi
      .fn<NonNullable<StoreEngine['subscribe']>>()
      .mockRejectedValueOnce(new Error('not yet'))
      .mockImplementationOnce(() => {
        throw new Error('not yet');
      })
      .mockImplementation(async (listener) => listener.resumed());
    const one = sharedStore({ ...memoryEngine(), subscribe }, { resyncMs: 1_000 });
    const ready = vi.fn();
    void one.ready(60_000).then(ready);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(subscribe).toHaveBeenCalledTimes(2);
    expect(ready).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(10_001);
    expect(subscribe).toHaveBeenCalledTimes(3);
    expect(ready).toHaveBeenCalledExactlyOnceWith(true);
    await one.close();
  });
});

describe('that messages do not arrive', () => {
  test('is told of each registry once, also of one that comes later', async () => {
    const access = new Access({ ...memoryEngine(), subscribe: () => Promise.reject(new Error('NOPERM')) });
    const store = sharedStore(access);
    await flush();
    const registries = [1, 2].map(() => new BreakerRegistry({ ...SUMMED, store }));
    const heard = registries.map((registry) => {
      const errors: unknown[] = [];
      registry.on('store', (event) => {
        if (event.status === 'unsubscribed') errors.push(event.error);
      });
      return errors;
    });
    for (const registry of registries) for (const key of ['a', 'b']) registry.ensure(key);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(heard).toMatchObject([[{ message: 'NOPERM' }], [{ message: 'NOPERM' }]]);
    await store.close();
  });

  test('is heard by whoever listens to one circuit of a registry', async () => {
    const access = new Access(memoryEngine());
    const store = sharedStore(access);
    const breaker = new BreakerRegistry({ ...SUMMED, store }).ensure('a');
    const heard: string[] = [];
    breaker.on('store', ({ status }) => heard.push(status));
    access.interrupt();
    access.resume();
    expect(heard).toEqual(['unsubscribed', 'subscribed']);
    await store.close();
  });
});

describe('a registry', () => {
  test('of 1,000 circuits is read a few at a time, and each has its time from when it is asked for', async () => {
    const access = new Access(memoryEngine());
    access.behaviour = 10;
    const store = sharedStore(access);
    const registry = new BreakerRegistry({ ...SUMMED, store, maxBreakers: 1_000 });
    const events = listen(registry);
    for (let i = 0; i < 1_000; i++) registry.ensure(`service-${i}`);
    expect(access.of('read')).toHaveLength(16);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(access.of('read')).toHaveLength(1_000);
    expect(await store.ready()).toBe(true);
    access.interrupt();
    access.resume();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(access.of('read')).toHaveLength(2_000);
    expect(events.filter(({ type }) => type.startsWith('store'))).toEqual([]);
    await store.close();
  });

  test('lets an evicted breaker leave the fleet: it is read and told no more', async () => {
    const access = new Access(memoryEngine());
    const store = sharedStore(access);
    const registry = new BreakerRegistry({ ...SUMMED, store, maxBreakers: 1 });
    const events = listen(registry);
    const evicted = registry.ensure('a');
    await flush();
    registry.ensure('b');
    await flush();
    expect(ofType(events, 'breakerRemoved')).toMatchObject([{ key: 'a' }]);
    access.calls.length = 0;
    succeed(evicted);
    fail(evicted, 3);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(access.calls.filter(({ key }) => key === 'a')).toEqual([]);
    await store.close();
  });

  test('of two registries that share a fleet, each has its circuit of a key', async () => {
    const access = new Access(memoryEngine());
    const store = sharedStore(access);
    const [one, other] = [1, 2].map(() => new BreakerRegistry({ ...SUMMED, store }).ensure(KEY));
    await flush();
    fail(one!, 3);
    await vi.advanceTimersByTimeAsync(25);
    fail(other!, 2);
    await vi.advanceTimersByTimeAsync(25);
    expect([one!.state, other!.state]).toEqual(['open', 'open']);
    await store.close();
  });
});
