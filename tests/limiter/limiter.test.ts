import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  adaptiveLimit,
  CircuitBreaker,
  concurrencyLimit,
  customLimit,
  isRejectedError,
  Limiter,
  type LimitRule,
  rateLimit,
} from '../../src/index.js';
import type { LimitedAttempt } from '../../src/limiter/rule.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const after = <T>(ms: number, end: () => T) =>
  new Promise<T>((resolve, reject) => {
    setTimeout(() => {
      try {
        resolve(end());
      } catch (error) {
        reject(error);
      }
    }, ms);
  });

const fail = (error: unknown) => (): never => {
  throw error;
};

/** A limiter of one seat that keeps what its rule is told. */
function oneSeat(options: { maxQueue?: number; maxWaitMs?: number } = {}): {
  limiter: Limiter;
  ended: LimitedAttempt[];
} {
  const ended: LimitedAttempt[] = [];
  const limit = customLimit(() => ({
    waitMs: (_now, inFlight) => (inFlight < 1 ? 0 : Number.POSITIVE_INFINITY),
    ended: (attempt) => {
      ended.push(attempt);
    },
  }));
  return { limiter: new Limiter('db', { limit, ...options }), ended };
}

test('runs one after the other, and returns what each came to', async () => {
  const limiter = new Limiter('db', concurrencyLimit(1));
  const log: string[] = [];
  const run = (name: string) =>
    limiter.execute(async () => {
      log.push(`${name} begins`);
      await after(100, () => log.push(`${name} ends`));
      return name;
    });
  const all = Promise.all([run('a'), run('b')]);
  await vi.advanceTimersByTimeAsync(200);
  expect(await all).toEqual(['a', 'b']);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  expect(limiter.stats()).toEqual({
    limit: 1,
    inFlight: 0,
    queued: 0,
    counts: { started: 2, queued: 1, rejected: 0, cancelled: 0, success: 2, failure: 0, neutral: 0 },
    lastError: undefined,
  });
});

test('the rule is told how long the function took, not how long it waited', async () => {
  const { limiter, ended } = oneSeat();
  const all = Promise.all([limiter.execute(() => after(30, () => 1)), limiter.execute(() => after(50, () => 2))]);
  await vi.advanceTimersByTimeAsync(80);
  await all;
  expect(ended).toMatchObject([
    { durationMs: 30, inFlight: 1, wasFull: true, outcome: 'success' },
    { durationMs: 50, inFlight: 1, wasFull: true, outcome: 'success' },
  ]);
});

test.each<[string, unknown, Partial<LimitedAttempt>]>([
  ['an error', new Error('broken'), { outcome: 'failure', reason: undefined }],
  ['a TimeoutError', new DOMException('late', 'TimeoutError'), { outcome: 'failure', reason: 'timeout' }],
  ['the timeout of axios', { code: 'ECONNABORTED' }, { outcome: 'failure', reason: 'timeout' }],
  ['a 503', { response: { status: 503 } }, { outcome: 'failure', reason: 'overload', status: 503 }],
  ['a 429', { status: 429 }, { outcome: 'failure', reason: 'overload', status: 429 }],
  ['an abort', new DOMException('no more', 'AbortError'), { outcome: 'neutral' }],
  ['nothing at all', undefined, { outcome: 'failure', reason: undefined }],
])('what is thrown says how it ended: %s', async (_name, thrown, expected) => {
  const { limiter, ended } = oneSeat();
  await expect(limiter.execute(fail(thrown))).rejects.toBe(thrown);
  expect(ended).toMatchObject([expected]);
  expect(limiter.stats().inFlight).toBe(0);
});

/** As `AbortSignal.timeout`, by the fake timers. */
function signalOf(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException('late', 'TimeoutError')), ms);
  return controller.signal;
}

/** Fails when the signal aborts. */
const hanging = ({ signal }: { signal: AbortSignal | undefined }) =>
  new Promise<never>((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error));
  });

describe('a signal whose time is over', () => {
  test('is a timeout', async () => {
    const { limiter, ended } = oneSeat();
    const call = limiter.execute(hanging, { signal: signalOf(1_000) }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await call).toMatchObject({ name: 'TimeoutError' });
    expect(ended).toMatchObject([{ outcome: 'failure', reason: 'timeout', durationMs: 1_000 }]);
  });

  test.each<[string, number, Partial<LimitedAttempt>]>([
    ['nothing where the most of it was a wait', 100, { outcome: 'neutral' }],
    ['a timeout where what was left was as long as successes take', 30, { outcome: 'failure', reason: 'timeout' }],
  ])('is %s', async (_what, usualMs, expected) => {
    const { limiter, ended } = oneSeat();
    const quick = limiter.execute(() => after(usualMs, () => 1), { signal: signalOf(60_000) });
    await vi.advanceTimersByTimeAsync(usualMs);
    await quick;
    void limiter.execute(() => after(950, () => 1));
    const call = limiter.execute(hanging, { signal: signalOf(1_000) }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await call).toMatchObject({ name: 'TimeoutError' });
    expect(ended[2]).toMatchObject({ durationMs: 50, ...expected });
  });

  test('cuts the adaptive limit', async () => {
    const limiter = new Limiter('service', { limit: adaptiveLimit({ initial: 20 }), maxWaitMs: 60_000 });
    const calls = Array.from({ length: 20 }, () => limiter.execute(hanging, { signal: signalOf(1_000) }));
    const all = Promise.allSettled(calls);
    await vi.advanceTimersByTimeAsync(1_000);
    await all;
    expect(limiter.stats().limit).toBeCloseTo(14);
  });
});

test('an error that cannot be read is a failure, costs no slot and reaches the caller as it is', async () => {
  const { limiter } = oneSeat();
  const unreadable = Object.defineProperty(new Error('strange'), 'code', { get: fail(new Error('no code')) });
  await expect(limiter.execute(fail(unreadable))).rejects.toBe(unreadable);
  expect(limiter.stats()).toMatchObject({ inFlight: 0, counts: { failure: 1 } });
});

test('headers of what is thrown reach the rule, by fetch and by axios', async () => {
  const { limiter, ended } = oneSeat();
  const headers = [new Headers({ 'Retry-After': '1' }), { 'retry-after': '2' }];
  for (const given of headers) {
    await limiter.execute(fail({ response: { status: 429, headers: given } })).catch(() => undefined);
  }
  expect(ended.map(({ header }) => header?.('retry-after'))).toEqual(['1', '2']);
});

test('an open circuit inside says nothing of the service', async () => {
  const { limiter, ended } = oneSeat();
  const breaker = new CircuitBreaker('db');
  breaker.trip();
  await expect(limiter.execute(() => breaker.execute(() => 1))).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  expect(ended).toMatchObject([{ outcome: 'neutral' }]);
});

test('whoever finds the queue full is rejected at once, unless somebody stands behind: then that one goes over board', async () => {
  const { limiter } = oneSeat({ maxQueue: 2 });
  const served: string[] = [];
  const run = (name: string, priority: 'high' | 'normal' | 'low') =>
    limiter
      .execute(() => after(10, () => served.push(name)), { priority })
      .catch((error: unknown) =>
        isRejectedError(error) && error.rejectedBy === 'limiter'
          ? served.push(`${name}: ${error.why}`)
          : served.push('?'),
      );
  const all = Promise.all([
    run('first', 'low'),
    run('low', 'low'),
    run('normal', 'normal'),
    run('another low', 'low'),
    run('high', 'high'),
  ]);
  await vi.advanceTimersByTimeAsync(100);
  await all;
  expect(served).toEqual(['another low: queue', 'low: queue', 'first', 'high', 'normal']);
});

test('a wait that is over ends with an error that says so', async () => {
  const { limiter } = oneSeat({ maxWaitMs: 50 });
  const first = limiter.execute(() => after(1_000, () => 'slow'));
  const second = limiter.execute(() => 'never').catch((error: unknown) => error);
  const third = limiter.execute(() => 'never', { maxWaitMs: 0 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(50);
  expect(await second).toMatchObject({
    name: 'LimitError',
    code: 'ERR_LIMITED',
    why: 'wait',
    status: 503,
    retryAfterMs: 0,
    headers: {},
    message: 'The limiter "db" let no attempt pass: its wait is over',
  });
  expect(await third).toMatchObject({ why: 'wait' });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await first).toBe('slow');
  expect(vi.getTimerCount()).toBe(0);
});

test('an abort ends the wait with its reason, and leaves no listener', async () => {
  const { limiter } = oneSeat();
  const controller = new AbortController();
  const { signal } = controller;
  const remove = vi.spyOn(signal, 'removeEventListener');
  const first = limiter.execute(() => after(100, () => 1));
  const second = limiter.execute(() => 2, { signal });
  const reason = new Error('the user has left');
  controller.abort(reason);
  await expect(second).rejects.toBe(reason);
  expect(remove).toHaveBeenCalledTimes(1);
  expect(limiter.stats()).toMatchObject({ inFlight: 1, queued: 0 });
  await vi.advanceTimersByTimeAsync(100);
  expect(await first).toBe(1);
  expect(limiter.stats().counts).toMatchObject({ started: 1, cancelled: 1, success: 1 });
});

test('an abort in the moment in which a slot is given gives the slot back', async () => {
  const { limiter } = oneSeat();
  const controller = new AbortController();
  const slot = await limiter.enter();
  const waiting = limiter.enter({ signal: controller.signal });
  slot.end({ outcome: 'success' });
  controller.abort(new Error('too late'));
  await expect(waiting).rejects.toThrow('too late');
  expect(limiter.stats().inFlight).toBe(0);
});

test('what was aborted before is not called', async () => {
  const { limiter } = oneSeat();
  const fn = vi.fn();
  await expect(limiter.execute(fn, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  expect(fn).not.toHaveBeenCalled();
});

test.each<[string, Partial<LimitRule>, Error | undefined]>([
  ['that throws in waitMs', { waitMs: fail(new Error('bug')) }, new Error('bug')],
  [
    'that answers NaN',
    { waitMs: () => Number.NaN },
    new TypeError('Expected `waitMs()` to be a number of ms, got NaN'),
  ],
  ['that throws in started', { started: fail(new Error('bug')) }, new Error('bug')],
  ['that throws in ended', { ended: fail(new Error('bug')) }, new Error('bug')],
  [
    'that throws in heldMs',
    { waitMs: (_now, inFlight) => (inFlight < 1 ? 0 : 10), heldMs: fail(new Error('bug')) },
    new Error('bug'),
  ],
])('a rule %s lets attempts pass, and no slot is lost', async (_name, broken, lastError) => {
  const limiter = new Limiter(
    'db',
    customLimit(() => ({ waitMs: () => 0, ...broken })),
  );
  const all = Promise.all([limiter.execute(() => after(5, () => 1)), limiter.execute(() => after(5, () => 2))]);
  await vi.advanceTimersByTimeAsync(20);
  expect(await all).toEqual([1, 2]);
  expect(limiter.stats()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(limiter.stats().lastError).toEqual(lastError);
});

let from = 0;
const rejecting: () => never = (() => Promise.reject(new Error('bug'))) as never;

test.each<[string, Partial<LimitRule>, string]>([
  [
    '`waitMs` is asynchronous',
    { waitMs: (async () => 60_000) as never },
    'Expected `waitMs()` to be a number of ms, got',
  ],
  [
    '`heldMs` says `NaN`',
    { heldMs: () => Number.NaN, waitMs: (now) => (now < from + 5 ? 5 : 0) },
    'Expected `heldMs()` to be a number of ms, got NaN',
  ],
  ['`waitMs` rejects', { waitMs: (() => Promise.reject(new Error('bug'))) as never }, 'Expected `waitMs()`'],
  [
    '`heldMs` says a text',
    { heldMs: () => '5' as never, waitMs: (now) => (now < from + 5 ? 5 : 0) },
    'Expected `heldMs()` to be a number of ms',
  ],
  ['`started` rejects', { started: rejecting }, 'bug'],
  ['`ended` rejects', { ended: rejecting }, 'bug'],
  ['`limit` throws', Object.defineProperty({}, 'limit', { get: fail(new Error('bug')), enumerable: true }), 'bug'],
])('a rule of which %s lets attempts pass', async (_name, broken, message) => {
  from = performance.now();
  const rule: LimitRule = Object.defineProperties({ waitMs: () => 0 }, Object.getOwnPropertyDescriptors(broken));
  const limiter = new Limiter('db', { limit: customLimit(() => rule), maxWaitMs: 100 });
  const call = limiter.execute(() => after(5, () => 1)).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10);
  expect(await call).toBe(1);
  expect(limiter.stats()).toMatchObject({ limit: undefined, inFlight: 0 });
  expect(String(limiter.stats().lastError)).toContain(message);
});

test('a rule may say a negative time: the attempt starts', async () => {
  const limiter = new Limiter(
    'db',
    customLimit(() => ({ waitMs: () => -5, heldMs: () => -5 })),
  );
  expect(await limiter.execute(() => 1)).toBe(1);
  expect(limiter.stats().lastError).toBeUndefined();
});

test.each([
  [50, 'asked again in that time', 100],
  [Number.POSITIVE_INFINITY, 'not asked again while nothing else happens', 'wait'],
])('with nothing in flight, a rule that says %s is %s', async (said, _what, result) => {
  const from = performance.now();
  const limiter = new Limiter('db', {
    limit: customLimit(() => ({ waitMs: (now) => (now - from >= 100 ? 0 : said) })),
    maxWaitMs: 1_000,
  });
  const call = limiter
    .execute(() => performance.now() - from)
    .catch((error: unknown) => (error as { why?: string }).why);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await call).toBe(result);
});

test('who is held for ever is told no time to come again', async () => {
  const limiter = new Limiter(
    'db',
    customLimit(() => ({ waitMs: () => Number.POSITIVE_INFINITY, heldMs: () => Number.POSITIVE_INFINITY })),
  );
  const error: unknown = await limiter.execute(() => 1).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ why: 'held', retryAfterMs: Number.POSITIVE_INFINITY });
  expect(error).toHaveProperty('headers', {});
});

test('has no time to wait with a `maxWaitMs` of 0, though the clock moves on meanwhile', async () => {
  let now = 0;
  const clock = { now: () => now++ };
  const limiter = new Limiter('db', { limit: concurrencyLimit(1), clock });
  await limiter.enter();
  await expect(limiter.enter({ maxWaitMs: 0 })).rejects.toMatchObject({ why: 'wait', retryAfterMs: 0 });
});

test('whoever finds the queue full while the process was busy does not go over board if those in it may go', async () => {
  const limiter = new Limiter('db', { limit: rateLimit({ perSecond: 10, burst: 1 }), maxQueue: 2, maxWaitMs: 5_000 });
  await limiter.enter();
  const waiting = [limiter.enter(), limiter.enter()];
  const { now } = performance;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 100);
  const late = limiter.enter();
  vi.restoreAllMocks();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await Promise.all([...waiting, late])).toHaveLength(3);
});

test('whose wait ended while the process slept waits on for what came meanwhile, and no longer than a second', async () => {
  const { limiter } = oneSeat({ maxWaitMs: 1_000 });
  const slot = await limiter.enter();
  const waiting = limiter.enter();
  const { now } = performance;
  let sleptMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + sleptMs);
  await vi.advanceTimersByTimeAsync(999);
  sleptMs = 60_000;
  await vi.advanceTimersByTimeAsync(1);
  slot.end({ outcome: 'success' });
  expect(await waiting).toHaveProperty('moment.inFlight', 1);
  const another = Promise.resolve(limiter.enter({ maxWaitMs: 100 })).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(99);
  sleptMs = 120_000;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(limiter.stats().queued).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await another).toMatchObject({ why: 'wait' });
  vi.restoreAllMocks();
});

test.each<[() => unknown, string]>([
  [
    () => new Limiter('db', {} as never),
    'Expected `new Limiter(key, options).limit` to be a limit, such as adaptiveLimit(), got undefined',
  ],
  [
    () => new Limiter('db', { limit: 5 as never }),
    'Expected `new Limiter(key, options).limit` to be a limit, such as adaptiveLimit(), got 5',
  ],
  [
    () => new Limiter('db', { limit: concurrencyLimit(1), maxQueue: -1 }),
    'Expected `new Limiter(key, options).maxQueue` to be an integer >= 0, got -1',
  ],
  [() => concurrencyLimit(0), 'Expected `concurrencyLimit(max)` to be an integer >= 1, got 0'],
  [() => customLimit({} as never), 'Expected `customLimit(makeRule)` to be a function'],
  [
    () =>
      new Limiter(
        'db',
        customLimit(() => undefined as never),
      ),
    'Expected `makeRule()` to be a rule with a method waitMs(), got undefined',
  ],
])('refuses what it cannot go by', (make, message) => {
  expect(make).toThrow(message);
});

test('refuses a priority that there is not', async () => {
  const { limiter } = oneSeat();
  await expect(limiter.execute(() => 1, { priority: 'urgent' as never })).rejects.toThrow(
    'Expected `execute(options).priority` to be "high" or "normal" or "low", got "urgent"',
  );
});
