import axios from 'axios';
import { beforeEach, describe, expect, test } from 'vitest';
import type { BreakerRegistryOptions } from '../../src/circuit/options.js';
import {
  attach,
  BreakerRegistry,
  CircuitBreaker,
  type CircuitState,
  consecutiveFailures,
  memorySink,
  type ResilienceEvent,
  type SharedStore,
} from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';
import { fail, type ManualClock, manualClock, ofType, succeed } from './support.js';

const SHARED = { generation: 0, live: true, subscribed: true, by: '', why: '' };

const CLASSIC = { detector: consecutiveFailures(5), cooldownMs: 10_000 };

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const create = (options: BreakerRegistryOptions = {}) => new BreakerRegistry({ clock, ...CLASSIC, ...options });

type Arrow = `${CircuitState} -> ${CircuitState}`;

/** What a receiver that was added last hears of the states. */
function hear(source: Pick<CircuitBreaker, 'on'>): Arrow[] {
  const heard: Arrow[] = [];
  source.on('stateChange', ({ from, to }) => heard.push(`${from} -> ${to}`));
  return heard;
}

describe('whoever listens hears of changes in the order in which they were made', () => {
  test('also when a listener before it answers an opening with a reset', () => {
    const breaker = new CircuitBreaker('a', { clock, ...CLASSIC });
    breaker.on('stateChange', ({ to }) => (to === 'open' ? breaker.reset() : undefined));
    const heard = hear(breaker);
    fail(breaker, 5);
    expect(heard).toEqual(['closed -> open', 'open -> closed']);
  });

  test('also when a listener of the breaker answers, and others listen to the registry or are sinks', () => {
    const registry = create();
    const breaker = registry.ensure('a');
    const before = hear(registry);
    breaker.on('stateChange', ({ to }) => (to === 'open' ? breaker.reset() : undefined));
    const after = hear(registry);
    const sinkHeard: string[] = [];
    registry.pipe({
      record: (event) =>
        event.type === 'stateChange' ? void sinkHeard.push(`${event.from} -> ${event.to}`) : undefined,
    });
    fail(breaker, 5);
    for (const heard of [before, after, sinkHeard]) expect(heard).toEqual(['closed -> open', 'open -> closed']);
  });

  test('also across the instances that share a registry', () => {
    const registry = create();
    const [first, second] = [0, 1].map(() => attach(axios.create({ adapter: scripted(200) }), { breaker: registry }));
    first!.on('stateChange', ({ key, to }) => (to === 'open' ? registry.get(key)?.reset() : undefined));
    const heard = hear(second!);
    fail(registry.ensure('a'), 5);
    expect(heard).toEqual(['closed -> open', 'open -> closed']);
  });

  test('a change of another circuit that a listener makes is told after the one that it heard of', () => {
    const registry = create();
    registry.on('stateChange', ({ key }) => (key === 'a' ? registry.ensure('b').trip() : undefined));
    const heard: string[] = [];
    registry.on('stateChange', ({ key }) => heard.push(key));
    fail(registry.ensure('a'), 5);
    expect(heard).toEqual(['a', 'b']);
  });

  test('a trip that a listener answers with a reset reaches the fleet as trip and reset', () => {
    const told: string[] = [];
    const link = { shared: SHARED, touch() {}, close() {}, admit: () => 0, settle() {} };
    const store = {
      link: () => ({
        ...link,
        record: (outcome: string, { tripped = '' } = {}) => void told.push(`${outcome} ${tripped}`.trim()),
        force: async (state: string) => told.push(state) > 0,
      }),
      close: async () => undefined,
    } as unknown as SharedStore;
    const breaker = new CircuitBreaker('a', { clock, ...CLASSIC, detector: consecutiveFailures(2), store });
    breaker.on('stateChange', ({ to }) => (to === 'open' ? breaker.reset() : undefined));
    breaker.trip();
    expect(told).toEqual(['open', 'closed']);
    fail(breaker, 2);
    expect(told.slice(2)).toEqual(['failure', 'failure detector', 'closed']);
  });

  test('a listener error is told after the event that caused it', () => {
    const breaker = new CircuitBreaker('a', { clock, ...CLASSIC });
    const types: string[] = [];
    breaker.on('stateChange', () => {
      throw new Error('oops');
    });
    breaker.on('callbackError', ({ type }) => types.push(type));
    breaker.on('stateChange', ({ type }) => types.push(type));
    breaker.trip();
    expect(types).toEqual(['stateChange', 'callbackError']);
  });

  test('listeners that answer one another without end are stopped, and it is said', () => {
    const breaker = new CircuitBreaker('a', { clock, ...CLASSIC });
    const errors: unknown[] = [];
    let changes = 0;
    breaker.on('stateChange', ({ to }) => {
      changes++;
      if (to === 'open') breaker.reset();
      else breaker.trip();
    });
    breaker.on('callbackError', ({ error }) => {
      errors.push(error);
      breaker.trip();
    });
    breaker.trip();
    expect(changes).toBe(100);
    expect(errors).toEqual([new Error('Events that listeners caused were dropped after 100 rounds')]);
    breaker.reset();
    expect(changes).toBeGreaterThan(100);
  });

  test('a thousand changes that one listener makes are all told', () => {
    const registry = create({ maxBreakers: 2_000 });
    registry.on('stateChange', ({ key }) => {
      if (key === 'first') for (let i = 0; i < 1_000; i++) registry.ensure(`${i}`).trip();
    });
    const heard = hear(registry);
    registry.ensure('first').trip();
    expect(heard).toHaveLength(1_001);
  });
});

describe('listeners of one breaker', () => {
  test.each(['', 'b'])('hear nothing of a breaker whose key is %j', (key) => {
    const registry = create();
    const heard = hear(registry.ensure('a'));
    registry.ensure(key).trip();
    expect(heard).toEqual([]);
  });

  test('hear the events of a breaker whose key is empty when they listen to that', () => {
    const registry = create();
    const heard = hear(registry.ensure(''));
    registry.ensure('').trip();
    expect(heard).toEqual(['closed -> open']);
  });

  test('hear before those of the registry, and each event once', () => {
    const registry = create();
    const heard: string[] = [];
    registry.on('stateChange', () => heard.push('registry'));
    registry.ensure('a').on('stateChange', () => heard.push('breaker'));
    registry.ensure('a').trip();
    expect(heard).toEqual(['breaker', 'registry']);
  });

  test('end when they are taken out', () => {
    const breaker = create().ensure('a');
    const heard: ResilienceEvent[] = [];
    const off = breaker.on('stateChange', (event) => heard.push(event));
    breaker.trip();
    off();
    breaker.reset();
    expect(ofType(heard, 'stateChange').map(({ to }) => to)).toEqual(['open']);
  });

  test('go with their breaker: the next one of the key begins without', () => {
    const registry = create({ maxBreakers: 1 });
    const heard = hear(registry.ensure('a'));
    registry.ensure('b');
    registry.ensure('a').trip();
    expect(heard).toEqual([]);
  });

  test('20,000 evicted keys leave no listener behind: an event costs as much as with none', () => {
    const registry = create({ maxBreakers: 1, store: storeOf([]) });
    for (let i = 0; i < 20_000; i++) {
      const breaker = registry.ensure(`key ${i}`);
      breaker.on('rejected', () => undefined);
      breaker.on('store', () => undefined);
    }
    const breaker = registry.ensure('living');
    registry.pipe(memorySink());
    breaker.trip();
    const began = performance.now();
    for (let i = 0; i < 2_000; i++) tryAcquire(breaker);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

interface LinkedEvents {
  readonly events: { emit(event: object): void };
}

/** A store that tells nothing, and through whose links the test can speak. */
function storeOf(linked: LinkedEvents[]): SharedStore {
  return {
    link: (_key: string, _circuit: object, events: LinkedEvents['events']) => {
      linked.push({ events });
      const link = {
        shared: SHARED,
        touch() {},
        record() {},
        admit: () => 0,
        settle() {},
        close() {},
      };
      return { ...link, force: async () => true };
    },
    ready: async () => true,
    close: async () => undefined,
  };
}

describe('listeners of a breaker with a store', () => {
  test('hear what the store says of itself, and what it dropped of this circuit alone', () => {
    const linked: LinkedEvents[] = [];
    const registry = create({ store: storeOf(linked) });
    const heard: string[] = [];
    const breaker = registry.ensure('a');
    registry.ensure('b');
    const off = breaker.on('store', ({ key, status }) => heard.push(`${status} of ${key}`));
    const { events } = linked[0]!;
    events.emit({ type: 'store', status: 'degraded', key: null, error: new Error('away') });
    events.emit({ type: 'store', status: 'dropped', key: 'b', outcomes: 2 });
    events.emit({ type: 'store', status: 'dropped', key: 'a', outcomes: 3 });
    off();
    events.emit({ type: 'store', status: 'degraded', key: null, error: new Error('away') });
    expect(heard).toEqual(['degraded of null', 'dropped of a']);
  });

  test('hear no more of it once the breaker is evicted', () => {
    const linked: LinkedEvents[] = [];
    const registry = create({ store: storeOf(linked), maxBreakers: 1 });
    const heard: string[] = [];
    registry.ensure('a').on('store', ({ status }) => heard.push(status));
    registry.ensure('b');
    linked[0]!.events.emit({ type: 'store', status: 'degraded', key: null, error: new Error('away') });
    expect(heard).toEqual([]);
  });
});

test('a call without a circuit goes on though a breaker with an empty key is open', async () => {
  const registry = create();
  registry.ensure('').trip();
  const adapter = scripted(503, 200);
  const api = axios.create({ adapter });
  attach(api, { breaker: registry, retry: { backoff: () => 0 } });
  const { status } = await api.get('/', { resilience: { key: () => null } });
  expect(status).toBe(200);
});

test('listeners hear of a success in half-open as of any other change', () => {
  const breaker = create().ensure('a');
  const heard = hear(breaker);
  fail(breaker, 5);
  clock.advance(10_000);
  succeed(breaker);
  expect(heard).toEqual(['closed -> open', 'open -> half-open', 'half-open -> closed']);
});
