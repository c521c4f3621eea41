import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LimitError, Limiter, rateLimit } from '../../src/index.js';
import type { Slot } from '../../src/limiter/turnstile.js';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});

afterEach(() => {
  vi.useRealTimers();
});

const limiterOf = (perSecond: number, burst?: number) =>
  new Limiter('https://api.example.com', rateLimit(burst === undefined ? { perSecond } : { perSecond, burst }));

/** When each of so many calls is let pass, ms from now. */
async function startsOf(limiter: Limiter, count: number): Promise<number[]> {
  const from = performance.now();
  const starts: number[] = [];
  const calls = Array.from({ length: count }, () =>
    limiter.execute(
      () => {
        starts.push(performance.now() - from);
      },
      { maxWaitMs: 60_000 },
    ),
  );
  await vi.advanceTimersByTimeAsync(60_000);
  await Promise.all(calls);
  return starts;
}

function slotOf(limiter: Limiter): Slot {
  const given = limiter.ask({});
  if ('answer' in given) throw new Error('there is no slot');
  return given;
}

/** How long the limiter holds back after an answer, ms. */
async function heldAfter(status: number, headers: Record<string, string>): Promise<number> {
  const limiter = limiterOf(1_000);
  slotOf(limiter).end({ outcome: status < 400 ? 'success' : 'failure', status, header: (name) => headers[name] });
  const [start] = await startsOf(limiter, 1);
  return start as number;
}

test('lets so many start at once and then one after the other', async () => {
  expect(await startsOf(limiterOf(10, 3), 6)).toEqual([0, 0, 0, 100, 200, 300]);
});

test('by default as many start at once as in a second', async () => {
  expect(await startsOf(limiterOf(4), 6)).toEqual([0, 0, 0, 0, 250, 500]);
  expect(await startsOf(limiterOf(0.5), 2)).toEqual([0, 2_000]);
});

test('what was saved in a pause is no more than a burst', async () => {
  const limiter = limiterOf(10, 3);
  await startsOf(limiter, 3);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(await startsOf(limiter, 5)).toEqual([0, 0, 0, 100, 200]);
});

test('an attempt that was not made gives its turn back', async () => {
  const limiter = limiterOf(1, 1);
  slotOf(limiter).cancel();
  expect(await startsOf(limiter, 1)).toEqual([0]);
});

describe('what the service says of its quota holds attempts back', () => {
  test.each<[string, number, Record<string, string>, number]>([
    ['a 429 with Retry-After in seconds', 429, { 'retry-after': '3' }, 3_000],
    [
      'a 429 with Retry-After as a date',
      429,
      { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT', date: 'Thu, 01 Jan 2026 00:00:02 GMT' },
      5_000,
    ],
    ['a 503 with Retry-After: the retry waits, not everybody', 503, { 'retry-after': '3' }, 0],
    ['RateLimit without anything left', 200, { ratelimit: '"default";r=0;t=4' }, 4_000],
    ['RateLimit with something left', 200, { ratelimit: '"default";r=10;t=4' }, 0],
    ['the tightest of several policies', 200, { ratelimit: '"minute";r=40;t=20, "day";r=0;t=30' }, 30_000],
    ['the form of earlier drafts', 200, { ratelimit: 'limit=100, remaining=0, reset=6' }, 6_000],
    ['RateLimit-Remaining and -Reset', 200, { 'ratelimit-remaining': '0', 'ratelimit-reset': '2' }, 2_000],
    ['X-RateLimit with seconds', 200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9' }, 9_000],
    [
      'X-RateLimit with a time in seconds, as GitHub has it',
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1767225608' },
      8_000,
    ],
    [
      'X-RateLimit with a time in milliseconds',
      200,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1767225601500' },
      1_500,
    ],
    [
      'by the clock of the service',
      200,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1767225608', date: 'Thu, 01 Jan 2026 00:00:05 GMT' },
      3_000,
    ],
    ['the longest of what is said', 429, { 'retry-after': '1', ratelimit: '"default";r=0;t=2' }, 2_000],
    [
      'what makes no sense is ignored',
      200,
      { ratelimit: '???', 'x-ratelimit-remaining': 'none', 'x-ratelimit-reset': '-1' },
      0,
    ],
  ])('%s', async (_name, status, headers, heldMs) => {
    expect(await heldAfter(status, headers)).toBe(heldMs);
  });

  test('what is left bounds the burst', async () => {
    const limiter = limiterOf(10, 8);
    slotOf(limiter).end({
      outcome: 'success',
      status: 200,
      header: (name) => ({ ratelimit: '"default";r=2;t=60' })[name],
    });
    expect(await startsOf(limiter, 4)).toEqual([0, 0, 100, 200]);
  });
});

test.each<[string, number, Record<string, string>]>([
  ['Retry-After', 429, { 'retry-after': '9'.repeat(20) }],
  ['Retry-After beyond all numbers', 429, { 'retry-after': '9'.repeat(400) }],
  ['RateLimit', 200, { ratelimit: `"default";r=0;t=${'9'.repeat(20)}` }],
  ['X-RateLimit-Reset', 200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9'.repeat(20) }],
])('%s that makes no sense holds for a day and not for ever', async (_name, status, headers) => {
  const limiter = limiterOf(1_000);
  slotOf(limiter).end({ outcome: 'failure', status, header: (name) => headers[name] });
  const error: unknown = await limiter.execute(() => 'sent').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ why: 'held', retryAfterMs: 86_400_000, headers: { 'Retry-After': '86400' } });
  await vi.advanceTimersByTimeAsync(86_400_000);
  expect(await limiter.execute(() => 'sent')).toBe('sent');
});

test('whoever cannot wait for so long is rejected at once, and told for how long it is no use', async () => {
  const limiter = limiterOf(10);
  slotOf(limiter).end({ outcome: 'failure', status: 429, header: (name) => ({ 'retry-after': '30' })[name] });
  const error: unknown = await limiter.execute(() => 'sent').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LimitError);
  expect(error).toMatchObject({
    code: 'ERR_LIMITED',
    status: 503,
    statusCode: 503,
    key: 'https://api.example.com',
    why: 'held',
    retryAfterMs: 30_000,
    headers: { 'Retry-After': '30' },
    message: 'The limiter "https://api.example.com" let no attempt pass: it would have to wait for too long',
  });
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [() => rateLimit({} as never), 'Expected `rateLimit(options).perSecond` to be a finite number > 0, got undefined'],
  [() => rateLimit({ perSecond: 0 }), 'Expected `rateLimit(options).perSecond` to be a finite number > 0, got 0'],
  [() => rateLimit({ perSecond: 1, burst: 0 }), 'Expected `rateLimit(options).burst` to be an integer >= 1, got 0'],
])('refuses what is no rate', (make, message) => {
  expect(make).toThrow(message);
});
