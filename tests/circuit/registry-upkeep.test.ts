import { beforeEach, describe, expect, test } from 'vitest';
import type { BreakerRegistryOptions } from '../../src/circuit/options.js';
import { BreakerRegistry, consecutiveFailures, failureRate, slowCallRate } from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType } from './support.js';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const CLASSIC = { detector: consecutiveFailures(5), cooldownMs: 10_000 };
const create = (options: BreakerRegistryOptions = {}) => new BreakerRegistry({ clock, ...CLASSIC, ...options });

describe('a full registry', () => {
  test('lets circuits go whose cooldown is over and that nobody asked for again: a living one can trip', () => {
    const registry = create({ maxBreakers: 4 });
    for (const key of ['a', 'b', 'c', 'd']) fail(registry.ensure(key), 5);
    clock.advance(10_000);
    for (let i = 0; i < 5; i++) {
      for (const key of ['x', 'y']) acquire(registry.ensure(key)).settle('failure');
    }
    expect(['x', 'y'].map((key) => registry.get(key)?.state)).toEqual(['open', 'open']);
  });

  test('lets an empty circuit go before one with failures, and that before an open one, and last what was set by hand', () => {
    const registry = create({ maxBreakers: 4 });
    registry.ensure('isolated').isolate();
    fail(registry.ensure('open'), 5);
    fail(registry.ensure('failing'), 1);
    registry.ensure('empty');
    const gone: unknown[] = [];
    registry.on('breakerRemoved', ({ key, byHand }) => gone.push([key, byHand]));
    for (const key of ['1', '2', '3', '4']) acquire(registry.ensure(key));
    expect(gone).toEqual([
      ['empty', false],
      ['failing', false],
      ['open', false],
      ['1', false],
    ]);
  });

  test('lets a circuit go whose cooldown is over, before one with failures', () => {
    const registry = create({ maxBreakers: 2 });
    fail(registry.ensure('dead'), 5);
    clock.advance(10_000);
    fail(registry.ensure('failing'), 1);
    expect(registry.get('dead')?.state).toBe('half-open');
    registry.ensure('failing');
    registry.ensure('new');
    expect([...registry].map(({ key }) => key)).toEqual(['failing', 'new']);
  });

  test('delete drops a breaker, which begins anew', () => {
    const registry = create();
    fail(registry.ensure('a'), 5);
    expect([registry.delete('a'), registry.delete('a')]).toEqual([true, false]);
    expect(registry.size).toBe(0);
    expect(registry.ensure('a').state).toBe('closed');
  });
});

test('clear drops all breakers, which begin anew', () => {
  const registry = create();
  const gone: unknown[] = [];
  registry.on('breakerRemoved', ({ key, state }) => gone.push([key, state]));
  fail(registry.ensure('a'), 5);
  registry.ensure('b');
  registry.clear();
  expect(registry.size).toBe(0);
  expect(gone).toEqual([
    ['a', 'open'],
    ['b', 'closed'],
  ]);
  expect(registry.ensure('b')).toBe(registry.get('b'));
  expect(registry.ensure('a').stats()).toMatchObject({ state: 'closed', failures: 0, openings: 0 });
});

describe('setMode', () => {
  test('observe and back to enforce leaves those on observe that perKey had put there', () => {
    const perKey = (key: string) => (key === 'watched' ? { mode: 'observe' as const } : undefined);
    const registry = create({ perKey });
    const modes = () => ['watched', 'other'].map((key) => registry.ensure(key).mode);
    modes();
    registry.setMode('observe');
    expect(modes()).toEqual(['observe', 'observe']);
    registry.setMode('enforce');
    expect(modes()).toEqual(['observe', 'enforce']);
  });

  test.each(['before', 'during'])(
    'is no setting of a single breaker: one of %s `observe` goes like any other',
    (when) => {
      const registry = create({ maxBreakers: 3 });
      const gone: unknown[] = [];
      registry.on('breakerRemoved', ({ key, byHand }) => gone.push([key, byHand]));
      if (when === 'before') registry.ensure('a');
      registry.setMode('observe');
      registry.ensure('a');
      if (when === 'during') registry.setMode('enforce');
      for (const key of ['b', 'c', 'd']) registry.ensure(key);
      expect(gone).toEqual([['a', false]]);
    },
  );

  test('observe goes for breakers that are made later, too, also where perKey says enforce', () => {
    const registry = create({ perKey: (key) => (key === 'strict' ? { mode: 'enforce' } : undefined) });
    registry.setMode('observe');
    expect(['strict', 'other'].map((key) => registry.ensure(key).mode)).toEqual(['observe', 'observe']);
    registry.setMode('enforce');
    expect(['strict', 'other', 'new'].map((key) => registry.ensure(key).mode)).toEqual([
      'enforce',
      'enforce',
      'enforce',
    ]);
  });
});

describe('update', () => {
  test('leaves `retryAfter: false` off, and so do the options of one circuit', () => {
    const registry = create({
      retryAfter: false,
      cooldownMs: 100,
      detector: consecutiveFailures(1),
      perKey: () => ({ maxQueue: 5 }),
    });
    registry.update({ cooldownMs: 200 });
    const breaker = registry.ensure('a');
    acquire(breaker).settle('failure', undefined, { status: 503, retryAfterMs: 60_000 });
    expect(breaker.stats().remainingCooldownMs).toBe(200);
    registry.update({ retryAfter: { opens: true } });
    breaker.reset();
    acquire(breaker).settle('failure', undefined, { status: 503, retryAfterMs: 5_000 });
    expect(breaker.stats().remainingCooldownMs).toBe(5_000);
  });

  test('changes cooldown and probes of circuits that there are, and of those made later', () => {
    const registry = create();
    fail(registry.ensure('a'), 5);
    registry.update({ cooldownMs: 700, halfOpen: { probes: 2 } });
    expect(ask(registry.ensure('a'))).toBe(10_000);
    fail(registry.ensure('b'), 5);
    expect(ask(registry.ensure('b'))).toBe(700);
    clock.advance(700);
    const b = registry.ensure('b');
    expect([tryAcquire(b).admitted, tryAcquire(b).admitted, tryAcquire(b).admitted]).toEqual([true, true, false]);
  });

  test('keeps what a detector of the same kind has counted, and begins anew with another', () => {
    const registry = create();
    fail(registry.ensure('a'), 2);
    registry.update({ detector: consecutiveFailures(3) });
    expect(registry.ensure('a').stats().failures).toBe(2);
    fail(registry.ensure('a'), 1);
    expect(registry.ensure('a').state).toBe('open');

    fail(registry.ensure('b'), 2);
    registry.update({ detector: failureRate({ size: 4, minAttempts: 4 }) });
    expect(registry.ensure('b').stats().failures).toBe(0);
    fail(registry.ensure('b'), 2);
    registry.update({ detector: slowCallRate({ slowMs: 50 }) });
    expect(registry.ensure('b').stats().failures).toBe(0);
  });

  test('a smaller maxBreakers drops at once what is too much, and keeps the latest', () => {
    const registry = create();
    for (const key of ['a', 'b', 'c', 'd']) registry.ensure(key);
    registry.update({ maxBreakers: 2 });
    expect([...registry].map(({ key }) => key)).toEqual(['c', 'd']);
    registry.update({ cooldownMs: 1 });
    registry.ensure('e');
    expect(registry.size).toBe(2);
  });

  test('mode is that of all, and of a breaker whose own was set it is left as it is otherwise', () => {
    const registry = create();
    registry.ensure('a').mode = 'observe';
    registry.update({ cooldownMs: 700 });
    expect(registry.ensure('a').mode).toBe('observe');
    registry.update({ mode: 'enforce' });
    expect(registry.ensure('a').mode).toBe('enforce');
    registry.update({ mode: 'observe' });
    expect(['a', 'b'].map((key) => registry.ensure(key).mode)).toEqual(['observe', 'observe']);
  });

  test('what perKey say goes before', () => {
    const registry = create({ perKey: (key) => (key === 'a' ? { cooldownMs: 5 } : undefined) });
    registry.ensure('a');
    registry.update({ cooldownMs: 700 });
    fail(registry.ensure('a'), 5);
    expect(ask(registry.ensure('a'))).toBe(5);
  });

  test('refuses what is fixed or wrong, and changes nothing then', () => {
    const registry = create();
    const events = listen(registry);
    expect(() => registry.update({ clock } as never)).toThrow('`update(options).clock`');
    expect(() => registry.update({ cooldownMs: -1 })).toThrow(RangeError);
    fail(registry.ensure('a'), 5);
    expect(ofType(events, 'stateChange')).toMatchObject([{ cooldownMs: 10_000 }]);
  });
});
