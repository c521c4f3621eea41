import { beforeEach, describe, expect, test } from 'vitest';
import type { DelayContext } from '../../src/delay.js';
import { CircuitBreaker, consecutiveFailures } from '../../src/index.js';
import { acquire, fail, type ManualClock, manualClock, succeed } from './support.js';

let clock: ManualClock;
let seen: (boolean | undefined)[];
let breaker: CircuitBreaker;

const detector = consecutiveFailures(5);

beforeEach(() => {
  clock = manualClock(1_000_000);
  seen = [];
  const cooldownMs = ({ isPartial }: DelayContext) => {
    seen.push(isPartial);
    return 1_000;
  };
  breaker = new CircuitBreaker('GET https://api.example.com', { clock, cooldownMs, detector });
});

describe('a cooldown function learns whether only a part of the service fails', () => {
  test('not where no call succeeds any more', () => {
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('where a call that began after the first of three failures in a row succeeded', () => {
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([true]);
  });

  test('not after two failures in a row', () => {
    fail(breaker, 2);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by the success of an attempt that began before the failures: it says nothing of an outage', () => {
    const before = acquire(breaker);
    fail(breaker);
    clock.advance(5_000);
    fail(breaker, 3);
    before.settle('success');
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('for 20 s after the last of those failures', () => {
    fail(breaker, 3);
    clock.advance(5);
    succeed(breaker);
    clock.advance(20_000 - 5);
    fail(breaker, 5);
    clock.advance(1_001);
    fail(breaker);
    expect(seen).toEqual([true, false]);
  });

  test('not by failures that are more than 20 s apart', () => {
    fail(breaker, 2);
    clock.advance(20_001);
    fail(breaker);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by failures before an opening and after it', () => {
    fail(breaker, 4);
    clock.advance(1);
    breaker.restore({ ...breaker.snapshot(), state: 'open', remainingCooldownMs: 0 });
    succeed(breaker);
    expect(breaker.state).toBe('closed');
    fail(breaker, 2);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('not by what was before somebody closed it', () => {
    fail(breaker, 3);
    succeed(breaker);
    breaker.reset();
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });
});

describe('the default cooldown', () => {
  const opened = (random: number) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, detector, random: () => random });
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    return breaker.stats().remainingCooldownMs;
  };

  test('is 200 ms, less up to 20 %, while only a part of the service fails', () => {
    expect(opened(0)).toBe(200);
    expect(opened(0.5)).toBe(180);
  });

  test('does not grow meanwhile, and grows to where it would be once no call succeeds for 20 s', () => {
    const cooldowns: number[] = [opened(0)];
    while (clock.now() <= 1_000_000 + 21_000) {
      clock.advance(breaker.stats().remainingCooldownMs);
      fail(breaker);
      cooldowns.push(breaker.stats().remainingCooldownMs);
    }
    expect(new Set(cooldowns.slice(0, 100))).toEqual(new Set([200]));
    expect(new Set(cooldowns.slice(102))).toEqual(new Set([1_200]));
  });

  test('a number is taken as it is', () => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, detector, cooldownMs: 10_000 });
    fail(breaker, 3);
    succeed(breaker);
    fail(breaker, 5);
    expect(breaker.stats().remainingCooldownMs).toBe(10_000);
  });
});
