import { describe, expect, test, vi } from 'vitest';
import type { DelayContext } from '../src/delay.js';
import { DEFAULTS, type Delay, decorrelatedJitter, equalJitter, exponential, fullJitter } from '../src/index.js';

const contextOf = (given: Partial<DelayContext>): DelayContext => ({
  key: 'GET https://api.example.com',
  attempt: 1,
  previousMs: undefined,
  error: undefined,
  response: undefined,
  retryAfterMs: undefined,
  random: () => 0,
  ...given,
});

/** The delays one after the other, each knowing the one before. */
function delaysOf(delay: number | Delay, count: number, random = () => 0): number[] {
  const delays: number[] = [];
  for (let attempt = 1; attempt <= count; attempt++) {
    delays.push(typeof delay === 'number' ? delay : delay(contextOf({ attempt, previousMs: delays.at(-1), random })));
  }
  return delays;
}

const linear: Delay = ({ attempt }) => 100 * attempt;

describe('delays', () => {
  test('exponential() waits 100 ms and doubles up to 30 s', () => {
    expect(delaysOf(exponential(), 11)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ]);
  });

  test('exponential({ baseMs: 50, factor: 3, maxMs: 1000 }) waits 50, 150, 450 and then 1000 ms', () => {
    expect(delaysOf(exponential({ baseMs: 50, factor: 3, maxMs: 1_000 }), 5)).toEqual([50, 150, 450, 1_000, 1_000]);
  });

  test('exponential takes an option that is undefined as not given', () => {
    expect(delaysOf(exponential({ baseMs: undefined, factor: undefined, maxMs: undefined }), 2)).toEqual([100, 200]);
  });

  test('exponential keeps to its maximum at the 5000th attempt', () => {
    expect(exponential()(contextOf({ attempt: 5_000, previousMs: 30_000 }))).toBe(30_000);
  });

  test.each([
    { random: 0, delays: [0, 0, 0] },
    { random: 0.25, delays: [25, 50, 100] },
    { random: 0.5, delays: [50, 100, 200] },
  ])('fullJitter(exponential()) waits $delays ms at random $random', ({ random, delays }) => {
    expect(delaysOf(fullJitter(exponential()), 3, () => random)).toEqual(delays);
  });

  test.each([
    { random: 0, delays: [50, 100, 200] },
    { random: 0.5, delays: [75, 150, 300] },
  ])('equalJitter(exponential()) waits $delays ms at random $random', ({ random, delays }) => {
    expect(delaysOf(equalJitter(exponential()), 3, () => random)).toEqual(delays);
  });

  test.each([
    { random: 0, delays: [100, 100, 100] },
    { random: 0.5, delays: [200, 350, 575] },
  ])('decorrelatedJitter() waits $delays ms at random $random', ({ random, delays }) => {
    expect(delaysOf(decorrelatedJitter(), 3, () => random)).toEqual(delays);
  });

  test('decorrelatedJitter({ baseMs: 10, maxMs: 40 }) never waits longer than 40 ms', () => {
    expect(delaysOf(decorrelatedJitter({ baseMs: 10, maxMs: 40 }), 4, () => 0.5)).toEqual([20, 35, 40, 40]);
  });

  test('they compose: equalJitter(fullJitter(linear)) waits 37.5, 75, 112.5 ms at random 0.5', () => {
    expect(delaysOf(equalJitter(fullJitter(linear)), 3, () => 0.5)).toEqual([37.5, 75, 112.5]);
  });

  test('a number of milliseconds composes, too', () => {
    expect(delaysOf(fullJitter(1_000), 2, () => 0.25)).toEqual([250, 250]);
  });

  test.each([
    { random: 0, delays: [1_000, 2_000, 4_000] },
    { random: 0.5, delays: [900, 1_800, 3_600] },
  ])('exponential with jitter 0.2 waits $delays ms at random $random', ({ random, delays }) => {
    expect(delaysOf(exponential({ baseMs: 1_000, jitter: 0.2 }), 3, () => random)).toEqual(delays);
  });

  test('exponential with jitter 1 yields anything from 0 to the whole, and never more than maxMs', () => {
    const ninth = (random: number) =>
      exponential({ baseMs: 10_000, maxMs: 20_000, jitter: 1 })(contextOf({ attempt: 9, random: () => random }));
    expect([0, 0.25, 0.75].map(ninth)).toEqual([20_000, 15_000, 5_000]);
  });

  test.each([undefined, false] as const)('exponential with jitter %s asks for no random number', (jitter) => {
    const random = vi.fn(() => 0.9);
    expect(exponential({ jitter })(contextOf({ attempt: 2, random }))).toBe(200);
    expect(random).not.toHaveBeenCalled();
  });

  test('exponential of baseMs 0 stays 0 at any attempt', () => {
    const atOnce = exponential({ baseMs: 0 });
    expect([1, 2, 5_000].map((attempt) => atOnce(contextOf({ attempt })))).toEqual([0, 0, 0]);
  });

  test('the default waits between 0 and 100, 200, 400 ms', () => {
    expect(delaysOf(DEFAULTS.retry.backoff, 3, () => 0.5)).toEqual([50, 100, 200]);
  });
});

describe('what they refuse', () => {
  const unknownOption = (options: object) => options as never;

  test.each<[string, () => unknown, ErrorConstructor, string]>([
    [
      'exponential({ baseMs: -1 })',
      () => exponential({ baseMs: -1 }),
      RangeError,
      'Expected `exponential(options).baseMs` to be a number of milliseconds >= 0, got -1',
    ],
    [
      'exponential({ factor: 0 })',
      () => exponential({ factor: 0 }),
      RangeError,
      'Expected `exponential(options).factor` to be a finite number > 0, got 0',
    ],
    [
      'exponential({ maxMs: null })',
      () => exponential(unknownOption({ maxMs: null })),
      TypeError,
      'Expected `exponential(options).maxMs` to be a number of milliseconds >= 0, got null',
    ],
    [
      'exponential({ bsaeMs: 1 })',
      () => exponential(unknownOption({ bsaeMs: 1 })),
      TypeError,
      'Unknown option `exponential(options).bsaeMs`: did you mean `baseMs`?',
    ],
    [
      'exponential(100)',
      () => exponential(unknownOption(100 as never)),
      TypeError,
      'Expected `exponential(options)` to be an object, got 100',
    ],
    [
      'fullJitter(-100)',
      () => fullJitter(-100),
      RangeError,
      'Expected `fullJitter(delay)` to be a number of milliseconds >= 0, or a function such as exponential(), got -100',
    ],
    [
      'equalJitter()',
      () => equalJitter(undefined as never),
      TypeError,
      'Expected `equalJitter(delay)` to be a number of milliseconds >= 0, or a function such as exponential(), got undefined',
    ],
    [
      'exponential({ jitter: 1.5 })',
      () => exponential({ jitter: 1.5 }),
      RangeError,
      'Expected `exponential(options).jitter` to be a number in (0, 1], got 1.5',
    ],
    [
      'exponential({ jitter: true })',
      () => exponential(unknownOption({ jitter: true })),
      TypeError,
      'Expected `exponential(options).jitter` to be a number in (0, 1], got true',
    ],
    [
      'decorrelatedJitter({ maxMs: -5 })',
      () => decorrelatedJitter({ maxMs: -5 }),
      RangeError,
      'Expected `decorrelatedJitter(options).maxMs` to be a number of milliseconds >= 0, got -5',
    ],
  ])('%s throws at once', (_name, make, Kind, message) => {
    expect(make).toThrow(new Kind(message));
    expect(make).toThrow(Kind);
  });

  test('decorrelatedJitter refuses `factor`, which it does not have', () => {
    expect(() => decorrelatedJitter(unknownOption({ factor: 2 }))).toThrow(
      /^Unknown option `decorrelatedJitter\(options\)\.factor`/,
    );
  });
});
