import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { concurrencyLimit, customLimit, Limiter, type Outcome } from '../../src/index.js';
import type { Slot } from '../../src/limiter/turnstile.js';
import type { Priority } from '../../src/limiter/waiting-line.js';

const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 1_500);
const MOST_STEPS = 60;

/** One thing that happens to a limiter. Indices are taken modulo what there is. */
type Step =
  | { readonly do: 'ask'; readonly priority: Priority; readonly isRetry: boolean; readonly maxWaitMs: number }
  | { readonly do: 'end'; readonly index: number; readonly outcome: Outcome; readonly times: number }
  | { readonly do: 'cancel'; readonly index: number }
  | { readonly do: 'leave'; readonly index: number }
  | { readonly do: 'wait'; readonly ms: number };

interface Asked {
  readonly lane: number;
  readonly expiresAt: number;
  state: 'in flight' | 'queued' | 'ended' | 'cancelled' | 'left' | 'queue' | 'wait';
}

/** What a limiter of so many seats and places is to do. */
class Model {
  readonly all: Asked[] = [];
  readonly counts = { started: 0, queued: 0, rejected: 0, cancelled: 0, success: 0, failure: 0, neutral: 0 };
  now = 0;

  constructor(
    readonly seats: number,
    readonly places: number,
  ) {}

  of(state: Asked['state']): Asked[] {
    return this.all.filter((asked) => asked.state === state);
  }

  get line(): Asked[] {
    return this.of('queued').sort((one, other) => one.lane - other.lane);
  }

  ask(lane: number, maxWaitMs: number): void {
    const asked: Asked = { lane, expiresAt: this.now + maxWaitMs, state: 'queued' };
    this.all.push(asked);
    if (this.of('in flight').length < this.seats) this.start(asked);
    else if (maxWaitMs === 0) this.reject(asked, 'wait');
    else {
      if (this.line.length <= this.places) this.counts.queued++;
      else {
        const last = this.line.at(-1) as Asked;
        this.reject(last, 'queue');
        if (last !== asked) this.counts.queued++;
      }
    }
  }

  start(asked: Asked): void {
    asked.state = 'in flight';
    this.counts.started++;
  }

  reject(asked: Asked, why: 'queue' | 'wait'): void {
    asked.state = why;
    this.counts.rejected++;
  }

  leave(asked: Asked, state: 'ended' | 'cancelled' | 'left'): void {
    asked.state = state;
    const [first] = this.line;
    if (first && this.of('in flight').length < this.seats) this.start(first);
  }

  wait(ms: number): void {
    this.now += ms;
    for (const asked of this.of('queued')) if (asked.expiresAt <= this.now) this.reject(asked, 'wait');
  }
}

/** A limiter, with what became of each who asked it. */
class Real {
  readonly limiter: Limiter;
  readonly states: string[] = [];
  readonly slots = new Map<number, Slot>();
  readonly leaves = new Map<number, () => void>();
  /** The most that were in flight at once, as the rule was told. */
  most = 0;

  constructor(seats: number, maxQueue: number) {
    const counted = customLimit(() => ({
      limit: seats,
      waitMs: (_now, inFlight) => (inFlight < seats ? 0 : Number.POSITIVE_INFINITY),
      started: (_now, inFlight) => {
        this.most = Math.max(this.most, inFlight);
      },
    }));
    this.limiter = new Limiter('service', { limit: counted, maxQueue });
  }

  ask(priority: Priority, isRetry: boolean, maxWaitMs: number): void {
    const index = this.states.push('queued') - 1;
    const enter = (slot: Slot) => {
      this.slots.set(index, slot);
      this.states[index] = 'in flight';
    };
    const given = this.limiter.ask({ priority, isRetry, maxWaitMs });
    if ('answer' in given) {
      this.leaves.set(index, given.leave);
      void given.answer.then((answer) => {
        if ('why' in answer) this.states[index] = answer.why;
        else enter(answer);
      });
    } else enter(given);
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      priority: fc.constantFrom(...PRIORITIES),
      isRetry: fc.boolean(),
      maxWaitMs: fc.constantFrom(0, 10, 50, 50, 1_000, Number.POSITIVE_INFINITY),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      index: fc.nat(20),
      outcome: fc.constantFrom<Outcome>('success', 'failure', 'neutral'),
      times: fc.constantFrom(1, 1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), index: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), index: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 9, 10, 50, 1_000) }) },
);

function take(given: Step, model: Model, real: Real): void {
  if (given.do === 'ask') {
    const lane = 2 * PRIORITIES.indexOf(given.priority) + (given.isRetry ? 1 : 0);
    model.ask(lane, given.maxWaitMs);
    real.ask(given.priority, given.isRetry, given.maxWaitMs);
  } else if (given.do === 'wait') {
    vi.advanceTimersByTime(given.ms);
    model.wait(given.ms);
  } else {
    const choice = model.of(given.do === 'leave' ? 'queued' : 'in flight');
    const asked = choice[given.index % choice.length];
    if (!asked) return;
    const index = model.all.indexOf(asked);
    if (given.do === 'end') {
      model.counts[given.outcome]++;
      model.leave(asked, 'ended');
      for (let time = 0; time < given.times; time++) real.slots.get(index)?.end({ outcome: given.outcome });
      real.slots.get(index)?.cancel();
      real.states[index] = 'ended';
    } else {
      model.counts.cancelled++;
      model.leave(asked, given.do === 'cancel' ? 'cancelled' : 'left');
      if (given.do === 'cancel') real.slots.get(index)?.cancel();
      else real.leaves.get(index)?.();
      real.states[index] = given.do === 'cancel' ? 'cancelled' : 'left';
    }
  }
}

const flush = async () => {
  for (let turn = 0; turn < 3; turn++) await Promise.resolve();
};

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('whatever happens: never more in flight than the limit, each slot comes back once, first come first served within a priority, and the counters add up', async () => {
  const plan = fc.tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 0, max: 5 }),
    fc.array(step, { maxLength: MOST_STEPS }),
  );
  await fc.assert(
    fc.asyncProperty(plan, async ([seats, places, steps]) => {
      vi.clearAllTimers();
      const model = new Model(seats, places);
      const real = new Real(seats, places);
      for (const given of steps) {
        take(given, model, real);
        await flush();
        expect(real.states).toEqual(model.all.map(({ state }) => state));
        const { inFlight, queued, counts } = real.limiter.stats();
        expect({ inFlight, queued, counts }).toEqual({
          inFlight: model.of('in flight').length,
          queued: model.line.length,
          counts: model.counts,
        });
        expect(vi.getTimerCount()).toBeLessThanOrEqual(model.line.length > 0 ? 1 : 0);
      }
      expect(real.most).toBeLessThanOrEqual(seats);
      const { counts, inFlight } = real.limiter.stats();
      const neverSent = model.of('left').length;
      expect(counts.started).toBe(
        counts.success + counts.failure + counts.neutral + (counts.cancelled - neverSent) + inFlight,
      );
    }),
    { numRuns: SEQUENCES },
  );
});

test('a fixed limit is the bulkhead of that many seats', async () => {
  const limiter = new Limiter('service', { limit: concurrencyLimit(2), maxQueue: 1 });
  const first = limiter.ask({});
  const second = limiter.ask({});
  const third = limiter.ask({});
  const fourth = limiter.ask({});
  expect([first, second, third, fourth].map((given) => 'answer' in given)).toEqual([false, false, true, true]);
  if (!('answer' in fourth && 'answer' in third && 'end' in first))
    throw new Error('expected two slots and two places');
  expect(await fourth.answer).toEqual({ why: 'queue', retryAfterMs: 0 });
  first.end({ outcome: 'success' });
  expect(await third.answer).toHaveProperty('moment.inFlight', 2);
  expect(limiter.stats()).toMatchObject({ limit: 2, inFlight: 2, queued: 0 });
});
