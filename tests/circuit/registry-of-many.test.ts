import { expect, test } from 'vitest';
import { BreakerRegistry, consecutiveFailures } from '../../src/index.js';
import { fail } from './support.js';

test('100,000 keys keep to 256, also when every circuit is open', () => {
  const idle = new BreakerRegistry();
  for (let i = 0; i < 100_000; i++) idle.ensure(`key ${i}`);
  expect(idle.size).toBe(256);

  const open = new BreakerRegistry({ detector: consecutiveFailures(1) });
  for (let i = 0; i < 100_000; i++) {
    const breaker = open.ensure(`key ${i % 5_000}`);
    if (breaker.state === 'closed') fail(breaker);
  }
  expect(open.size).toBe(256);
});

test('100,000 restored circuits are counted in CPU milliseconds, not in seconds', () => {
  const remembered = new BreakerRegistry({ detector: consecutiveFailures(1) });
  fail(remembered.ensure('key'));
  const { version, breakers } = remembered.snapshot();
  const saved = breakers[0];
  if (saved === undefined) throw new Error('no breaker was saved');
  const many = Array.from({ length: 100_000 }, (_, i) => ({ ...saved, key: `key ${i}` }));
  const registry = new BreakerRegistry();
  const before = process.cpuUsage();
  registry.restore({ version, breakers: many });
  const { user, system } = process.cpuUsage(before);
  expect(registry.size).toBe(256);
  expect((user + system) / 1_000).toBeLessThan(1_500);
});
