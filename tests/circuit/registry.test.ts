import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { BreakerRegistryOptions } from '../../src/circuit/options.js';
import { BreakerRegistry, type CircuitBreakerOptions, consecutiveFailures } from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType, succeed, transitions } from './support.js';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const create = (options: BreakerRegistryOptions = {}) => new BreakerRegistry({ ...CLASSIC, clock, ...options });
const keysOf = (registry: BreakerRegistry) => [...registry].map(({ key }) => key);

describe('get, ensure, iteration and size', () => {
  test('get yields nothing for a key that nobody asked for, and makes nothing', () => {
    const registry = create();
    expect(registry.get('a')).toBeUndefined();
    expect([registry.size, keysOf(registry)]).toEqual([0, []]);
  });

  test('ensure makes the breaker of a key once, and get finds it', () => {
    const registry = create();
    const breaker = registry.ensure('a');
    expect(breaker.key).toBe('a');
    expect(registry.ensure('b')).not.toBe(breaker);
    expect(registry.ensure('a')).toBe(breaker);
    expect(registry.get('a')).toBe(breaker);
    expect(registry.size).toBe(2);
  });

  test('is iterated over breaker by breaker, again and again', () => {
    const registry = create();
    for (const key of ['a', 'b', 'c']) registry.ensure(key);
    expect(keysOf(registry).sort()).toEqual(['a', 'b', 'c']);
    expect(keysOf(registry).sort()).toEqual(['a', 'b', 'c']);
  });

  test.each(['', '__proto__', 'constructor'])('any string is a key, also %j', (key) => {
    const registry = create();
    expect(registry.get(key)).toBeUndefined();
    expect(registry.ensure(key).key).toBe(key);
    expect(registry.get(key)?.key).toBe(key);
  });

  test.each([undefined, null, 5])('%j is no key', (key) => {
    const registry = create();
    expect(() => registry.ensure(key as never)).toThrow('Expected `key` to be a string, got ');
    expect(registry.size).toBe(0);
  });

  test('breakers are made from its options', () => {
    const registry = create({ detector: consecutiveFailures(2), cooldownMs: 1_234 });
    fail(registry.ensure('a'), 2);
    expect(ask(registry.ensure('a'))).toBe(1_234);
    expect(registry.ensure('b').state).toBe('closed');
  });
});

describe('at the cap', () => {
  test('keeps 256 breakers by default', () => {
    const registry = create();
    for (let i = 0; i < 257; i++) registry.ensure(`key ${i}`);
    expect(registry.size).toBe(256);
    expect(registry.get('key 0')).toBeUndefined();
    expect(registry.get('key 1')).toBeDefined();
  });

  test('the least recently used closed circuit goes first; ensure is use, looking is not', () => {
    const registry = create({ maxBreakers: 3 });
    for (const key of ['a', 'b', 'c']) registry.ensure(key);
    registry.ensure('a');
    registry.get('b');
    expect([...registry]).toHaveLength(3);
    registry.ensure('d');
    expect(keysOf(registry).sort()).toEqual(['a', 'c', 'd']);
    registry.ensure('e');
    expect(keysOf(registry).sort()).toEqual(['a', 'd', 'e']);
  });

  test('circuits that are open or probed stay while a closed one can go', () => {
    const registry = create({ maxBreakers: 3 });
    registry.ensure('open').trip({ cooldownMs: 60_000 });
    registry.ensure('half-open').trip({ cooldownMs: 0 });
    acquire(registry.ensure('half-open'));
    for (const key of ['a', 'b', 'c']) registry.ensure(key);
    expect(keysOf(registry).sort()).toEqual(['c', 'half-open', 'open']);
  });

  test('circuits with permits out stay while an idle one can go', () => {
    const registry = create({ maxBreakers: 2 });
    const permit = acquire(registry.ensure('busy'));
    registry.ensure('idle');
    registry.ensure('new');
    expect(keysOf(registry).sort()).toEqual(['busy', 'new']);
    permit.settle('success');
    registry.ensure('newer');
    expect(keysOf(registry).sort()).toEqual(['new', 'newer']);
  });

  test('where none is closed and idle the least recently used goes, never the one asked for', () => {
    const registry = create({ maxBreakers: 2 });
    registry.ensure('a').trip();
    registry.ensure('b').trip();
    registry.ensure('a');
    const breaker = registry.ensure('c');
    expect(keysOf(registry).sort()).toEqual(['a', 'c']);
    expect(registry.get('c')).toBe(breaker);
  });

  test('with maxBreakers 1 it holds the latest', () => {
    const registry = create({ maxBreakers: 1 });
    for (const key of ['a', 'b', 'a', 'c']) registry.ensure(key);
    expect(keysOf(registry)).toEqual(['c']);
  });

  test('emits one evicted event for each circuit that goes, with its state', () => {
    const registry = create({ maxBreakers: 1 });
    const events = listen(registry);
    registry.ensure('a').trip();
    registry.ensure('b');
    registry.ensure('c');
    expect(ofType(events, 'breakerRemoved')).toEqual([
      { type: 'breakerRemoved', key: 'a', state: 'open', byHand: true, at: expect.any(Number) },
      { type: 'breakerRemoved', key: 'b', state: 'closed', byHand: false, at: expect.any(Number) },
    ]);
  });

  test('an attempt of a circuit that went ends without a mark on its successor', () => {
    const registry = create({ maxBreakers: 1, detector: consecutiveFailures(1) });
    const permit = acquire(registry.ensure('a'));
    registry.ensure('b');
    const successor = registry.ensure('a');
    permit.settle('failure');
    expect(successor.stats()).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
  });
});

describe('perKey', () => {
  test('that are async are refused, since nobody would wait for them', () => {
    const registry = create({ perKey: (async () => ({ cooldownMs: 5 })) as never });
    expect(() => registry.ensure('a')).toThrow(new TypeError('Expected `perKey("a")` to be an object, got a promise'));
    expect(registry.size).toBe(0);
  });

  test('are asked once for each breaker that is made, with its key', () => {
    const perKey = vi.fn(() => undefined);
    const registry = create({ perKey, maxBreakers: 2 });
    for (const key of ['a', 'b', 'a', 'a', 'b']) registry.ensure(key);
    registry.get('c');
    expect(perKey.mock.calls).toEqual([['a'], ['b']]);
    registry.ensure('c');
    registry.ensure('a');
    expect(perKey.mock.calls).toEqual([['a'], ['b'], ['c'], ['a']]);
  });

  test('are merged by field over the options of the registry', () => {
    const registry = create({
      cooldownMs: 1_000,
      halfOpen: { probes: 2, leaseMs: 500 },
      perKey: (key) =>
        key.startsWith('POST ') ? { cooldownMs: 30_000, halfOpen: { probes: 1 }, detector: undefined } : undefined,
    });
    const [get, post] = [registry.ensure('GET x'), registry.ensure('POST x')];
    fail(get, 5);
    fail(post, 5);
    expect([ask(get), ask(post)]).toEqual([1_000, 30_000]);
    clock.advance(30_000);
    acquire(get);
    acquire(get);
    acquire(post);
    expect([ask(get), ask(post)]).toEqual([500, 500]);
  });

  test('that are wrong are refused with the key and the path, and no breaker is made', () => {
    const registry = create({ perKey: () => ({ cooldownMs: -1 }) });
    expect(() => registry.ensure('a')).toThrow(RangeError);
    expect(() => registry.ensure('a')).toThrow(
      'Expected `perKey("a").cooldownMs` to be a number of milliseconds >= 0, or a function such as exponential(), got -1',
    );
    expect(registry.size).toBe(0);
  });
});

describe('events', () => {
  test('of all breakers reach the registry, each with its key', () => {
    const registry = create();
    const events = listen(registry);
    registry.ensure('a').trip();
    registry.ensure('b').trip();
    ask(registry.ensure('a'));
    expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual(['stateChange a', 'stateChange b', 'rejected a']);
  });

  test('of one breaker reach its own listeners alone', () => {
    const registry = create();
    const events = listen(registry.ensure('a'));
    registry.ensure('b').trip();
    expect(events).toEqual([]);
    registry.ensure('a').trip();
    expect(transitions(events)).toEqual(['closed -> open (manual)']);
  });

  test('go to every sink that is piped until it is taken out', () => {
    const registry = create();
    const record = vi.fn();
    const unpipe = registry.pipe({ record });
    registry.ensure('a').trip();
    unpipe();
    registry.ensure('a').reset();
    expect(record.mock.calls).toMatchObject([
      [{ type: 'breakerAdded', key: 'a', state: 'closed' }],
      [{ type: 'stateChange', key: 'a', to: 'open' }],
    ]);
  });
});

describe('mode', () => {
  test('setMode changes the breakers that are there and those made later, and back', () => {
    const registry = create();
    registry.ensure('a').trip();
    registry.setMode('observe');
    registry.ensure('b').trip();
    expect([ask(registry.ensure('a')), ask(registry.ensure('b'))]).toEqual(['admitted', 'admitted']);
    registry.setMode('enforce');
    registry.ensure('c').trip();
    expect(['a', 'b', 'c'].map((key) => ask(registry.ensure(key)))).toEqual([10_000, 10_000, 10_000]);
  });

  test('setMode goes before the mode of options', () => {
    const registry = create({ mode: 'observe', perKey: () => ({ cooldownMs: 5 }) });
    registry.setMode('enforce');
    expect(registry.ensure('a').mode).toBe('enforce');
  });

  test('a mode that does not exist is refused and changes nothing', () => {
    const registry = create();
    const breaker = registry.ensure('a');
    expect(() => registry.setMode('watch' as never)).toThrow(TypeError);
    expect([breaker.mode, registry.ensure('b').mode]).toEqual(['enforce', 'enforce']);
  });

  test('observe as an option holds for every breaker', () => {
    const registry = create({ mode: 'observe' });
    registry.ensure('a').trip();
    expect(ask(registry.ensure('a'))).toBe('admitted');
  });
});

describe('options', () => {
  test.each<[unknown, ErrorConstructor, string]>([
    [{ maxBreakers: 0 }, RangeError, 'Expected `maxBreakers` to be an integer >= 1, got 0'],
    [{ maxBreakers: 2.5 }, RangeError, 'Expected `maxBreakers` to be an integer >= 1, got 2.5'],
    [{ maxBreakers: '9' }, TypeError, 'Expected `maxBreakers` to be an integer >= 1, got "9"'],
    [{ perKey: {} }, TypeError, 'Expected `perKey` to be a function, got '],
    [
      { cooldownMs: -1 },
      RangeError,
      'Expected `cooldownMs` to be a number of milliseconds >= 0, or a function such as exponential(), got -1',
    ],
    [{ maxBreaker: 9 }, TypeError, 'Unknown option `maxBreaker`: did you mean `maxBreakers`?'],
    [{ perkey: null }, TypeError, 'Unknown option `perkey`: did you mean `perKey`?'],
  ])('%j is refused', (options, kind, message) => {
    const make = () => new BreakerRegistry(options as BreakerRegistryOptions);
    expect(make).toThrow(kind);
    expect(make).toThrow(message);
  });

  test('those that are undefined count as not given', () => {
    const registry = create({ maxBreakers: undefined, perKey: undefined, cooldownMs: undefined });
    for (let i = 0; i < 300; i++) registry.ensure(`key ${i}`);
    expect(registry.size).toBe(256);
    const breaker = registry.ensure('key 299');
    vi.spyOn(Math, 'random').mockReturnValue(0);
    breaker.trip();
    vi.restoreAllMocks();
    expect(ask(breaker)).toBe(500);
  });

  test('its own objects are not changed', () => {
    const options: CircuitBreakerOptions = Object.freeze({ halfOpen: Object.freeze({ probes: 2 }) });
    const registry = create(options);
    succeed(registry.ensure('a'));
    expect(options).toEqual({ halfOpen: { probes: 2 } });
  });
});
