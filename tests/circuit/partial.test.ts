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

/** Failures in a row that last for so long from the first to the last. */
function run(failures: number, lastsMs: number): void {
  fail(breaker);
  clock.advance(lastsMs);
  fail(breaker, failures - 1);
}

/** The cooldown is over, and a probe succeeds. */
function close(): void {
  clock.advance(1_000);
  succeed(breaker);
  expect(breaker.state).toBe('closed');
}

describe('a cooldown function learns whether only a part of the service fails', () => {
  test('not where no call succeeds any more', () => {
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('where a success ended three failures in a row that lasted for 200 ms', () => {
    run(3, 200);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([true]);
  });

  test.each([
    ['two failures in a row', 2, 200],
    ['failures of a moment: attempts that began before an outage may succeed after them', 4, 199],
  ])('not by %s', (_, failures, lastsMs) => {
    run(failures, lastsMs);
    succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });

  test('for 20 s after the last of those failures', () => {
    run(3, 200);
    clock.advance(5);
    succeed(breaker);
    clock.advance(20_000 - 5);
    fail(breaker, 5);
    clock.advance(1_001);
    fail(breaker);
    expect(seen).toEqual([true, false]);
  });

  test('where it opens again before it had 10 successes', () => {
    fail(breaker, 5);
    close();
    for (let i = 0; i < 9; i++) succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false, true]);
  });

  test('not where it opens again after 10 successes', () => {
    fail(breaker, 5);
    close();
    for (let i = 0; i < 10; i++) succeed(breaker);
    fail(breaker, 5);
    expect(seen).toEqual([false, false]);
  });

  test('not by failures that go on through an opening', () => {
    run(4, 300);
    breaker.trip({ cooldownMs: 0 });
    acquire(breaker).settle('success');
    expect(breaker.state).toBe('closed');
    succeed(breaker);
    breaker.reset();
    fail(breaker, 5);
    expect(seen).toEqual([false]);
  });
});

describe('the default cooldown', () => {
  const opened = (random: number) => {
    breaker = new CircuitBreaker('GET https://api.example.com', { clock, detector, random: () => random });
    run(3, 200);
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
    run(3, 200);
    succeed(breaker);
    fail(breaker, 5);
    expect(breaker.stats().remainingCooldownMs).toBe(10_000);
  });
});
