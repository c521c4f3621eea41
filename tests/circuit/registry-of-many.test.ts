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
