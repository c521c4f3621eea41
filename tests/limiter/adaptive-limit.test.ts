import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { adaptiveLimit, Limiter } from '../../src/index.js';
import type { AdaptiveLimitOptions } from '../../src/limiter/limits/adaptive-limit.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const timeout = () => {
  throw new DOMException('late', 'TimeoutError');
};
const unavailable = () => {
  throw Object.assign(new Error('Service Unavailable'), { status: 503 });
};

/** Numbers in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/** Calls through a limiter whose service answers as the test says. */
class Calls {
  readonly limiter: Limiter;
  answered = 0;
  failed = 0;

  constructor(options?: AdaptiveLimitOptions) {
    this.limiter = new Limiter('service', { limit: adaptiveLimit(options), maxWaitMs: 60_000, random: () => 0.5 });
  }

  get limit(): number {
    return this.limiter.stats().limit as number;
  }

  /** Makes so many calls at once. */
  start(count: number, takesMs: number | (() => number), end: () => unknown = () => 'answered'): void {
    for (let call = 0; call < count; call++) {
      const answer = async () => {
        await new Promise((resolve) => setTimeout(resolve, typeof takesMs === 'number' ? takesMs : takesMs()));
        return end();
      };
      this.limiter.execute(answer).then(
        () => this.answered++,
        () => this.failed++,
      );
    }
  }

  /** Makes calls, one after the other, until the limit knows the service. */
  async warmUp(takesMs = 100, count = 20): Promise<void> {
    for (let call = 0; call < count; call++) {
      this.start(1, takesMs);
      await vi.advanceTimersByTimeAsync(takesMs);
    }
  }
}

describe('while nothing is known of the service', () => {
  test('it begins with 10, and five times as many in each round of quick answers', async () => {
    const calls = new Calls();
    calls.start(300, 100);
    const rounds: number[] = [];
    for (let round = 0; round < 3; round++) {
      rounds.push(calls.limiter.stats().inFlight);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(rounds).toEqual([10, 50, 240]);
    expect(calls.answered).toBe(300);
  });

  test('calls that leave room show that it is not needed: then it is twice what is in flight, and 2 at least', async () => {
    const calls = new Calls();
    calls.start(3, 100);
    await vi.advanceTimersByTimeAsync(100);
    expect(calls.limit).toBe(6);
    const one = new Calls();
    await one.warmUp(100, 1);
    expect(one.limit).toBe(2);
  });

  test('after 10 s without calls nothing is known again, if all was well', async () => {
    const calls = new Calls();
    await calls.warmUp();
    expect(calls.limit).toBe(2);
    await vi.advanceTimersByTimeAsync(13_000);
    calls.start(20, 100);
    expect(calls.limiter.stats().inFlight).toBe(10);
  });

  test('after a timeout it stays as it is over an idle time', async () => {
    const calls = new Calls();
    await calls.warmUp();
    calls.start(2, 1_000, timeout);
    await vi.advanceTimersByTimeAsync(1_000);
    await vi.advanceTimersByTimeAsync(13_000);
    calls.start(20, 100);
    expect(calls.limiter.stats().inFlight).toBe(1);
  });
});

test('grows by one for each quick answer to a call that used it up', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(30, 100);
  const limits = [calls.limit];
  for (let round = 0; round < 3; round++) {
    await vi.advanceTimersByTimeAsync(100);
    limits.push(calls.limit);
  }
  expect(limits).toEqual([2, 3, 6, 12]);
});

test('grows by little while answers are slow', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(100, 400);
  await vi.advanceTimersByTimeAsync(400);
  expect(calls.limit).toBeCloseTo(2.1);
  await vi.advanceTimersByTimeAsync(400);
  expect(calls.limit).toBeCloseTo(2.3);
});

test('a timeout cuts it once per round trip, by what was in flight when it began', async () => {
  const calls = new Calls();
  calls.start(20, 100);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls.limit).toBe(33);
  calls.start(10, 1_000, timeout);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls.limit).toBeCloseTo(7, 5);
});

test('pauses after no timeout while later calls were answered quickly: one endpoint hangs, and not the service', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(1, 10_000, timeout);
  for (let call = 0; call < 100; call++) {
    calls.start(1, 50);
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(calls.failed).toBe(1);
  calls.start(1, 50);
  await vi.advanceTimersByTimeAsync(200);
  expect(calls.answered).toBe(121);
});

test('below one it sends one at a time, with gaps that a quick answer ends', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(1, 1_000, timeout);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls.limit).toBeCloseTo(0.35);
  calls.start(3, 100);
  expect(calls.limiter.stats()).toMatchObject({ inFlight: 0, queued: 3 });
  await vi.advanceTimersByTimeAsync(749);
  expect(calls.limiter.stats().inFlight).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(calls.limiter.stats()).toMatchObject({ inFlight: 1, queued: 2 });
  await vi.advanceTimersByTimeAsync(100);
  expect(calls.limit).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(calls.answered).toBe(23);
});

test.each<[string, number, number]>([
  ['begins at a quarter of the recent peak when the circuit of the service has closed', 10, 2.5],
  ['begins at one at least', 3, 1],
])('%s', async (_, inFlight, begun) => {
  const calls = new Calls();
  calls.start(inFlight, 100);
  await vi.advanceTimersByTimeAsync(200);
  const grown = calls.limit;
  calls.limiter.recovered();
  expect(calls.limit).toBe(grown);
  for (let round = 0; round < 8; round++) {
    calls.start(1, 1_000, timeout);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(calls.limit).toBeLessThan(1);
  calls.limiter.recovered();
  expect(calls.limit).toBe(begun);
});

test('after an outage that was seen by a circuit it grows by one for each quick answer: that was no shedding', async () => {
  const calls = new Calls();
  await calls.warmUp();
  for (let call = 0; call < 30; call++) {
    calls.start(1, 2, unavailable);
    await vi.advanceTimersByTimeAsync(2);
  }
  expect(calls.limit).toBe(1);
  calls.limiter.recovered();
  calls.start(30, 100);
  const limits: number[] = [];
  for (let round = 0; round < 3; round++) {
    await vi.advanceTimersByTimeAsync(100);
    limits.push(calls.limit);
  }
  expect(limits).toEqual([2, 4, 8]);
});

test('cancelled calls say nothing', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(2, 5_000, () => {
    throw new DOMException('left', 'AbortError');
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(calls.limit).toBe(2);
});

test('where all are slow, and as slow with more in flight, that is the distance and not a queue: it grows quickly again', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(1_000, 800);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(calls.answered).toBe(1_020);
});

test('where calls are slower the more are in flight, it stays small', async () => {
  const calls = new Calls();
  await calls.warmUp();
  calls.start(1_000, () => 150 * calls.limiter.stats().inFlight);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(calls.limit).toBeLessThan(9);
});

describe('a service that answers 503', () => {
  test('beyond what it can take is held at what it answers', async () => {
    const calls = new Calls({ max: 40 });
    let running = 0;
    let refused = 0;
    const send = async () => {
      const isRefused = running >= 8;
      if (isRefused) refused++;
      else running++;
      await new Promise((resolve) => setTimeout(resolve, isRefused ? 2 : 100));
      if (isRefused) return unavailable();
      running--;
      return 'answered';
    };
    const timer = setInterval(() => {
      calls.limiter.execute(send).catch(() => undefined);
    }, 5);
    await vi.advanceTimersByTimeAsync(2_000);
    const refusedBefore = refused;
    await vi.advanceTimersByTimeAsync(8_000);
    clearInterval(timer);
    expect(calls.limit).toBeGreaterThanOrEqual(7);
    expect(calls.limit).toBeLessThan(12);
    expect(refused - refusedBefore).toBeLessThan(80);
  });

  test('for 30 % of the calls, whatever the load, does not hold it down', async () => {
    const calls = new Calls();
    const random = randomOf(7);
    const timer = setInterval(() => {
      const isRefused = random() < 0.3;
      calls.start(1, isRefused ? 2 : 100, isRefused ? unavailable : undefined);
    }, 20);
    await vi.advanceTimersByTimeAsync(10_000);
    const inFlight: number[] = [];
    const look = setInterval(() => inFlight.push(calls.limiter.stats().queued), 20);
    await vi.advanceTimersByTimeAsync(10_000);
    clearInterval(timer);
    clearInterval(look);
    expect(calls.limit).toBeGreaterThanOrEqual(6);
    expect(Math.max(...inFlight)).toBe(0);
  });
});

test('stays within min and max', async () => {
  const calls = new Calls({ min: 1, max: 4, initial: 2 });
  calls.start(20, 100);
  await vi.advanceTimersByTimeAsync(300);
  expect(calls.limit).toBe(4);
  await vi.advanceTimersByTimeAsync(1_000);
  calls.start(4, 1_000, timeout);
  await vi.advanceTimersByTimeAsync(1_000);
  calls.start(1, 1_000, timeout);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(calls.limit).toBe(1);
});

test.each<[AdaptiveLimitOptions, string]>([
  [{ min: 0 }, 'Expected `adaptiveLimit(options).min` to be a finite number > 0, got 0'],
  [{ max: 0.5 }, 'Expected `adaptiveLimit(options).max` to be a number >= 1 and >= `min`, got 0.5'],
  [{ min: 5, max: 4 }, 'Expected `adaptiveLimit(options).max` to be a number >= 1 and >= `min`, got 4'],
  [{ max: 5, initial: 6 }, 'Expected `adaptiveLimit(options).initial` to be a number from `min` to `max`, got 6'],
  [{ initial: '3' as never }, 'Expected `adaptiveLimit(options).initial` to be a number from `min` to `max`, got "3"'],
  [{ start: 3 } as never, 'Unknown option `adaptiveLimit(options).start`; the options are `'],
])('refuses bounds that make no sense', (options, message) => {
  expect(() => adaptiveLimit(options)).toThrow(message);
});
