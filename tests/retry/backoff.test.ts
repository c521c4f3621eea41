import axios, { type AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  type Backoff,
  type BackoffContext,
  capped,
  constant,
  DEFAULTS,
  decorrelatedJitter,
  equalJitter,
  exponential,
  fullJitter,
  linear,
  reportOf,
} from '../../src/index.js';
import { scripted } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';

/** The delays that a backoff yields one after the other, each knowing the one before. */
function delaysOf(backoff: Backoff, count: number, random = () => 0): number[] {
  const delays: number[] = [];
  for (let attempt = 1; attempt <= count; attempt++) {
    delays.push(backoff({ attempt, previousDelayMs: delays.at(-1), random }));
  }
  return delays;
}

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('the backoffs', () => {
  test('constant(250) waits 250 ms each time', () => {
    expect(delaysOf(constant(250), 3)).toEqual([250, 250, 250]);
  });

  test('linear(100) waits 100, 200, 300 ms', () => {
    expect(delaysOf(linear(100), 3)).toEqual([100, 200, 300]);
  });

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
    expect(exponential()({ attempt: 5_000, previousDelayMs: 30_000, random: () => 0 })).toBe(30_000);
  });

  test('capped(linear(100), 250) waits 100, 200 and then 250 ms', () => {
    expect(delaysOf(capped(linear(100), 250), 4)).toEqual([100, 200, 250, 250]);
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

  test('they compose: equalJitter(capped(linear(100), 250)) waits 75, 150, 187.5 ms at random 0.5', () => {
    expect(delaysOf(equalJitter(capped(linear(100), 250)), 3, () => 0.5)).toEqual([75, 150, 187.5]);
  });

  test('a backoff of the user composes like ours', () => {
    const squares: Backoff = ({ attempt }) => attempt ** 2;
    expect(delaysOf(capped(squares, 8), 4)).toEqual([1, 4, 8, 8]);
  });

  test('the default waits between 0 and 100, 200, 400 ms', () => {
    expect(delaysOf(DEFAULTS.retry.backoff, 3, () => 0.5)).toEqual([50, 100, 200]);
  });
});

describe('what they refuse', () => {
  const unknownOption = (options: object) => options as never;

  test.each<[string, () => unknown, ErrorConstructor, string]>([
    [
      'constant(-1)',
      () => constant(-1),
      RangeError,
      'Expected `constant(delayMs)` to be a number of milliseconds >= 0, got -1',
    ],
    [
      'constant(NaN)',
      () => constant(Number.NaN),
      RangeError,
      'Expected `constant(delayMs)` to be a number of milliseconds >= 0, got NaN',
    ],
    [
      'constant("5")',
      () => constant('5' as never),
      TypeError,
      'Expected `constant(delayMs)` to be a number of milliseconds >= 0, got "5"',
    ],
    [
      'linear(Infinity)',
      () => linear(Number.POSITIVE_INFINITY),
      RangeError,
      'Expected `linear(baseMs)` to be a number of milliseconds >= 0, got Infinity',
    ],
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
      'capped(100, 10)',
      () => capped(100 as never, 10),
      TypeError,
      'Expected `capped(backoff)` to be a function, got 100',
    ],
    [
      'capped(linear(1), -1)',
      () => capped(linear(1), -1),
      RangeError,
      'Expected `capped(maxMs)` to be a number of milliseconds >= 0, got -1',
    ],
    [
      'fullJitter(100)',
      () => fullJitter(100 as never),
      TypeError,
      'Expected `fullJitter(backoff)` to be a function, got 100',
    ],
    [
      'equalJitter()',
      () => equalJitter(undefined as never),
      TypeError,
      'Expected `equalJitter(backoff)` to be a function, got undefined',
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

describe('the waits of a call', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('waits 100, 200 and 400 ms when jitter is off', async () => {
    const times: number[] = [];
    const startedAt = performance.now();
    const adapter = scripted(() => {
      times.push(performance.now() - startedAt);
      return 503;
    });
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, { retry: { backoff: exponential() } });
    const failure = failureOf(api.get('/'));
    await vi.advanceTimersByTimeAsync(700);
    expect(times).toEqual([0, 100, 300, 700]);
    expect(reportOf(await failure)).toMatchObject({ delaysMs: [100, 200, 400], stopped: 'exhausted' });
  });

  test('takes jitter from `random`', async () => {
    const random = vi.fn().mockReturnValueOnce(0.5).mockReturnValueOnce(0.25).mockReturnValueOnce(0);
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
    attach(api, { random });
    const failure = failureOf(api.get('/'));
    await vi.runAllTimersAsync();
    expect(reportOf(await failure)?.delaysMs).toEqual([50, 50, 0]);
  });

  test('tells a backoff the attempt that failed, the delay before it, and `random`, and nothing else', async () => {
    const random = () => 0.5;
    const contexts: BackoffContext[] = [];
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
    attach(api, {
      random,
      retry: {
        backoff: (context) => {
          contexts.push({ ...context });
          return context.attempt * 10;
        },
      },
    });
    const failure = failureOf(api.get('/'));
    await vi.runAllTimersAsync();
    await failure;
    expect(contexts).toEqual([
      { attempt: 1, previousDelayMs: undefined, random },
      { attempt: 2, previousDelayMs: 10, random },
      { attempt: 3, previousDelayMs: 20, random },
    ]);
  });

  test('a backoff for one request beats that of the instance', async () => {
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503, 200) });
    attach(api, { retry: { backoff: constant(1_000) } });
    const response = api.get('/', { resilience: { retry: { backoff: constant(3) } } });
    await vi.advanceTimersByTimeAsync(3);
    expect(reportOf(await response)?.delaysMs).toEqual([3]);
  });

  describe('case 29', () => {
    test.each([
      [Number.NaN, 'NaN'],
      [-1, '-1'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      [Number.NEGATIVE_INFINITY, '-Infinity'],
      ['100', '"100"'],
      [undefined, 'undefined'],
    ])('a backoff that yields %s is refused, never taken as "immediately"', async (delay, shown) => {
      const adapter = scripted(503);
      const api = axios.create({ baseURL: BASE_URL, adapter });
      attach(api, { retry: { backoff: () => delay as number } });
      const error = await failureOf(api.get('/'));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toBe(
        `Expected \`retry.backoff(context)\` to be a finite number of milliseconds >= 0, got ${shown}`,
      );
      expect((error.cause as AxiosError).response?.status).toBe(503);
      expect(adapter.attempts).toHaveLength(1);
      expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'vetoed' });
    });

    test('a backoff that throws rejects with its error, the last failure as the cause', async () => {
      const thrown = new Error('no idea');
      const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
      attach(api, {
        retry: {
          backoff: () => {
            throw thrown;
          },
        },
      });
      const error = await failureOf(api.get('/'));
      expect(error).toBe(thrown);
      expect(error.cause.response.status).toBe(503);
    });
  });
});
