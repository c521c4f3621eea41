import axios, { type InternalAxiosRequestConfig } from 'axios';
import { describe, expect, test } from 'vitest';
import {
  attach,
  BreakerRegistry,
  byMethodAndOrigin,
  consecutiveFailures,
  DEFAULTS,
  type ResilienceOptions,
  type ResilienceRequestOptions,
  reportOf,
  type UpdateOptions,
} from '../src/index.js';
import { scripted } from './support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

const failureOf = async (call: Promise<unknown>): Promise<any> =>
  call.then(() => undefined).catch((error: unknown) => error);

/** Options with this value at the path: `nested('retry.retries', -1)`. */
const nested = (path: string, value: unknown): never =>
  path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as never;

const create = () => axios.create({ baseURL: BASE_URL, adapter: scripted(503) });

/** What attach throws for these options. */
function refusal(options: unknown): Error {
  try {
    attach(create(), options as ResilienceOptions);
  } catch (error) {
    return error as Error;
  }
  throw new Error('attach took the options');
}

/** After attach there is no registry to give. */
const SWITCH_OF_BREAKER =
  /^true, false(?:, a BreakerRegistry)? or an object such as \{ (?:detector: consecutiveFailures\(5\)|maxWaitMs: 0) \}(?:, since registries are given to attach alone)?$/;
const MILLISECONDS = 'a number of milliseconds >= 0';
const HEADER_NAME = 'the name of a header';
const INTEGER_FROM_0 = 'an integer >= 0';
const INTEGER_FROM_1 = 'an integer >= 1';

interface Refused {
  readonly path: string;
  readonly expected: string | RegExp;
  /** Values of another kind: a TypeError. */
  readonly kinds: readonly unknown[];
  /** Values of the right kind that are out of range: a RangeError. */
  readonly ranges?: readonly unknown[];
}

const EVERYWHERE: readonly Refused[] = [
  { path: 'retry', expected: INTEGER_FROM_0, kinds: [], ranges: [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY] },
  {
    path: 'retry',
    expected: 'a number of retries, true, false or an object such as { retries: 3 }',
    kinds: ['3', null, []],
  },
  {
    path: 'retry.retries',
    expected: INTEGER_FROM_0,
    kinds: ['3', null, {}],
    ranges: [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
  },
  { path: 'retry.methods', expected: "an array such as ['GET', 'PUT']", kinds: ['GET', null, 1] },
  {
    path: 'retry.statusCodes',
    expected: 'an array such as [429, [500, 599]], or a function',
    kinds: [503, '503', null],
  },
  { path: 'retry.errorCodes', expected: "an array such as ['ECONNRESET']", kinds: ['ECONNRESET', null] },
  {
    path: 'retry.backoff',
    expected: 'a number of milliseconds >= 0, or a function such as exponential()',
    kinds: ['exponential', null],
  },
  {
    path: 'retry.retryAfter',
    expected: 'true, false or an object such as { maxMs: 60_000 }',
    kinds: ['60s', 60_000, null],
  },
  {
    path: 'retry.retryAfter.maxMs',
    expected: MILLISECONDS,
    kinds: ['60', null],
    ranges: [-1, Number.NaN],
  },
  { path: 'retry.retryAfter.mode', expected: '"add" or "larger" or "alone"', kinds: ['sum', 'Add', 1, null] },
  {
    path: 'deadlineMs',
    expected: 'a number of milliseconds from 1 to 2147483647',
    kinds: ['5000', null, false],
    ranges: [0, -1, 2_147_483_648, Number.NaN, Number.POSITIVE_INFINITY],
  },
  {
    path: 'idempotencyKey',
    expected: "true, false or an object such as { header: 'Idempotency-Key' }",
    kinds: ['Idempotency-Key', 1, null],
  },
  {
    path: 'idempotencyKey.header',
    expected: HEADER_NAME,
    kinds: [1, null],
    ranges: ['', 'X Attempt', 'X-Attempt:', 'Schlüssel'],
  },
  { path: 'idempotencyKey.generate', expected: 'a function', kinds: ['uuid', null] },
  { path: 'idempotencyKey.quoted', expected: 'a boolean', kinds: ['yes', null] },
  {
    path: 'retry.attemptHeader',
    expected: HEADER_NAME,
    kinds: [true, 1, null],
    ranges: ['', 'X Attempt', 'X-Attempt:', 'Schlüssel'],
  },
  { path: 'retry.shouldRetry', expected: 'a function', kinds: [true, null] },
  { path: 'retry.shouldRetryResponse', expected: 'a function', kinds: [true, null] },
  { path: 'retry.beforeRetry', expected: 'a function', kinds: [true, null] },
  { path: 'breaker', expected: SWITCH_OF_BREAKER, kinds: [5, null, 'closed'] },
  { path: 'key', expected: 'a function', kinds: ['origin', null] },
  { path: 'classify', expected: 'a function', kinds: [{}, null] },
  { path: 'breaker.createError', expected: 'a function', kinds: ['Error', null] },
  { path: 'fallbackOn', expected: '"rejected", "failure" or a function', kinds: ['never', true, null] },
];

const AT_ATTACH: readonly Refused[] = [
  {
    path: 'retry.budget',
    expected: 'true, false, a RetryBudget or an object such as { ratio: 0.2 }',
    kinds: ['none', 0.2, null],
  },
  {
    path: 'retry.budget.ratio',
    expected: 'a number in (0, 1]',
    kinds: ['20%', null],
    ranges: [0, -0.2, 1.1, Number.NaN],
  },
  {
    path: 'retry.budget.minPerSecond',
    expected: 'a finite number > 0',
    kinds: ['10', null],
    ranges: [0, -1, Number.NaN, Number.POSITIVE_INFINITY],
  },
];

const CIRCUIT: readonly Refused[] = [
  {
    path: 'breaker.detector',
    expected: 'a detector such as consecutiveFailures(5) or failureRate()',
    kinds: [5, null],
  },
  {
    path: 'breaker.cooldownMs',
    expected: 'a number of milliseconds >= 0, or a function such as exponential()',
    kinds: ['10s', null],
    ranges: [-1, Number.NaN, Number.POSITIVE_INFINITY],
  },
  { path: 'breaker.halfOpen', expected: 'an object such as { probes: 2 }', kinds: [1, null] },
  { path: 'breaker.halfOpen.probes', expected: INTEGER_FROM_1, kinds: ['1', null], ranges: [0, 1.5, Number.NaN] },
  { path: 'breaker.halfOpen.successThreshold', expected: INTEGER_FROM_1, kinds: ['1', null], ranges: [0, -1, 0.5] },
  {
    path: 'breaker.halfOpen.leaseMs',
    expected: 'a number of milliseconds >= 1',
    kinds: ['1s', null],
    ranges: [0, -1, Number.NaN],
  },
  { path: 'breaker.maxBreakers', expected: INTEGER_FROM_1, kinds: ['256', null], ranges: [0, 2.5, Number.NaN] },
  { path: 'breaker.mode', expected: '"enforce" or "observe"', kinds: ['off', true, null] },
  { path: 'breaker.perKey', expected: 'a function', kinds: [{ 'GET x': {} }, null] },
];

const INSTANCE: readonly Refused[] = [
  { path: 'breaker.registry', expected: 'a BreakerRegistry', kinds: [{}, true, null] },
  { path: 'sinks', expected: 'an array', kinds: [{ record: () => undefined }, null] },
  { path: 'clock', expected: 'a clock with a method now()', kinds: [Date.now, {}, null] },
  { path: 'random', expected: 'a function', kinds: [0.5, null] },
];

const shown = (value: unknown) => (typeof value === 'string' ? `"${value}"` : String(value));
const isScalar = (value: unknown) => value === null || !['object', 'function'].includes(typeof value);

function expectRefused(error: Error, { path, expected }: Refused, value: unknown, Kind: ErrorConstructor): void {
  expect(error).toBeInstanceOf(Kind);
  expect(error.name).toBe(Kind.name);
  const [, at, what, got] = /^Expected `(.*?)` to be (.*), got (.*)$/.exec(error.message) ?? [];
  expect(at).toBe(path);
  if (expected instanceof RegExp) expect(what).toMatch(expected);
  else expect(what).toBe(expected);
  if (isScalar(value)) expect(got).toBe(shown(value));
}

interface Case {
  readonly option: Refused;
  readonly value: unknown;
  readonly Kind: ErrorConstructor;
  readonly name: string;
}

const casesOf = (...options: readonly Refused[]): Case[] =>
  options.flatMap((option) => [
    ...option.kinds.map((value) => ({
      option,
      value,
      Kind: TypeError,
      name: `${option.path}: ${JSON.stringify(value)}`,
    })),
    ...(option.ranges ?? []).map((value) => ({
      option,
      value,
      Kind: RangeError,
      name: `${option.path}: ${shown(value)}`,
    })),
  ]);

describe('attach refuses', () => {
  test.each(casesOf(...EVERYWHERE, ...AT_ATTACH, ...CIRCUIT, ...INSTANCE))('$name', ({ option, value, Kind }) => {
    expectRefused(refusal(nested(option.path, value)), option, value, Kind);
  });

  test('the message names path, expectation and value', () => {
    expect(refusal({ retry: { retries: -1 } }).message).toBe('Expected `retry.retries` to be an integer >= 0, got -1');
  });

  test.each<[string, unknown, ErrorConstructor, string]>([
    ['retry.methods', ['GET', 3], TypeError, 'Expected `retry.methods[1]` to be a method such as GET, got 3'],
    ['retry.methods', [''], RangeError, 'Expected `retry.methods[0]` to be a method such as GET, got ""'],
    [
      'retry.statusCodes',
      [503, 99],
      RangeError,
      'Expected `retry.statusCodes[1]` to be an integer from 100 to 999, got 99',
    ],
    [
      'retry.statusCodes',
      [[99, 599]],
      RangeError,
      'Expected `retry.statusCodes[0][0]` to be an integer from 100 to 999, got 99',
    ],
    [
      'retry.statusCodes',
      [1000],
      RangeError,
      'Expected `retry.statusCodes[0]` to be an integer from 100 to 999, got 1000',
    ],
    [
      'retry.statusCodes',
      ['503'],
      TypeError,
      'Expected `retry.statusCodes[0]` to be a status or a range [from, to], got "503"',
    ],
    [
      'retry.statusCodes',
      [[500]],
      TypeError,
      'Expected `retry.statusCodes[0]` to be a status or a range [from, to], got [500]',
    ],
    [
      'retry.statusCodes',
      [[500, 99]],
      RangeError,
      'Expected `retry.statusCodes[0][1]` to be an integer from 100 to 999, got 99',
    ],
    [
      'retry.statusCodes',
      [[599, 500]],
      RangeError,
      'Expected `retry.statusCodes[0]` to be a range [from, to], got [599, 500]',
    ],
    [
      'retry.errorCodes',
      [''],
      RangeError,
      'Expected `retry.errorCodes[0]` to be an error code such as ECONNRESET, got ""',
    ],
    [
      'retry.errorCodes',
      [7],
      TypeError,
      'Expected `retry.errorCodes[0]` to be an error code such as ECONNRESET, got 7',
    ],
    [
      'sinks',
      [null],
      TypeError,
      'Expected `sinks[0]` to be a function, or a sink with a method record(event), got null',
    ],
  ])('%s: %j, naming the item', (path, value, Kind, message) => {
    const error = refusal(nested(path, value));
    expect(error).toBeInstanceOf(Kind);
    expect(error.message).toBe(message);
  });

  test.each([[null], [3], ['retry'], [true], [[]]])('%j in place of options, naming them', (options) => {
    const error = refusal(options);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^Expected `options` to be an object, got /);
  });

  test.each([
    ['retires', 'retries', { retry: { retires: 3 } }, 'retry.retires'],
    ['backof', 'backoff', { retry: { backof: () => 1 } }, 'retry.backof'],
    ['deadline', 'deadlineMs', { deadline: 1_000 }, 'deadline'],
    ['maxms', 'maxMs', { retry: { retryAfter: { maxms: 1 } } }, 'retry.retryAfter.maxms'],
    ['cooldown', 'cooldownMs', { breaker: { cooldown: 1_000 } }, 'breaker.cooldown'],
    ['halfopen', 'halfOpen', { breaker: { halfopen: {} } }, 'breaker.halfopen'],
    [
      'sucessThreshold',
      'successThreshold',
      { breaker: { halfOpen: { sucessThreshold: 1 } } },
      'breaker.halfOpen.sucessThreshold',
    ],
    ['retrys', 'retry', { retrys: 3 }, 'retrys'],
    ['braeker', 'breaker', { braeker: {} }, 'braeker'],
    ['fallbackon', 'fallbackOn', { fallbackon: 'rejected' }, 'fallbackon'],
    ['sink', 'sinks', { sink: [] }, 'sink'],
  ])('`%s` and suggests `%s`', (_written, meant, options, path) => {
    const error = refusal(options);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe(`Unknown option \`${path}\`: did you mean \`${meant}\`?`);
  });

  test('names of Object.prototype as options', () => {
    expect(refusal({ toString: 1 }).message).toMatch(/^Unknown option `toString`/);
    expect(refusal({ retry: { constructor: 1 } }).message).toMatch(/^Unknown option `retry\.constructor`/);
  });

  test.each([
    ['detector', consecutiveFailures(3)],
    ['cooldownMs', 5_000],
    ['halfOpen', { probes: 2 }],
    ['maxBreakers', 10],
    ['mode', 'observe'],
    ['perKey', () => undefined],
  ])('a registry together with breaker.%s', (name, value) => {
    const error = refusal({ breaker: { registry: new BreakerRegistry(), [name]: value } });
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe(`Expected \`breaker.${name}\` to be left to the \`registry\`, got both`);
  });

  test('nothing, where a registry comes with what is not of the circuits, or with undefined', () => {
    const call = { key: byMethodAndOrigin, classify: () => undefined };
    const registry = new BreakerRegistry();
    const breaker = { registry, createError: () => new Error('mine'), maxWaitMs: 0 };
    expect(attach(create(), { ...call, breaker }).breakers).toBe(registry);
    expect(attach(create(), { ...call, breaker: registry }).breakers).toBe(registry);
    expect(attach(create(), { breaker: { registry, cooldownMs: undefined } }).breakers).toBe(registry);
  });

  test('and leaves the instance as it was', async () => {
    const api = create();
    expect(() => attach(api, { retry: -1 })).toThrow(RangeError);
    expect(reportOf(await failureOf(api.get('/')))).toBeUndefined();
    expect(() => attach(api)).not.toThrow();
  });

  test.each([undefined, null, {}, () => undefined])('what is no instance: %j', (instance) => {
    expect(() => attach(instance as never)).toThrow(TypeError);
    expect(() => attach(instance as never)).toThrow(/^Expected `instance` to be an axios instance/);
  });
});

describe('bounds that are allowed', () => {
  test.each([
    ['retry', 0],
    ['retry', false],
    ['retry.retries', 0],
    ['retry.methods', []],
    ['retry.statusCodes', [100, 999]],
    ['retry.statusCodes', [429, [500, 599]]],
    ['retry.statusCodes', (status: number) => status >= 500],
    ['retry.errorCodes', []],
    ['retry.retryAfter.maxMs', 0],
    ['retry.retryAfter.maxMs', Number.POSITIVE_INFINITY],
    ['deadlineMs', 1],
    ['deadlineMs', 2_147_483_647],
    ['retry.budget', false],
    ['retry.budget.ratio', 1],
    ['retry.budget.ratio', 0.001],
    ['retry.budget.minPerSecond', 0.001],
    ['idempotencyKey', true],
    ['idempotencyKey', false],
    ['retry.attemptHeader', false],
    ['breaker', false],
    ['breaker.cooldownMs', 0],
    ['breaker.cooldownMs', () => 5],
    ['breaker.halfOpen.probes', 1],
    ['breaker.halfOpen.leaseMs', 1],
    ['breaker.maxBreakers', 1],
    ['fallback', null],
    ['fallbackOn', () => true],
    ['sinks', []],
  ])('%s: %s', (path, value) => {
    expect(() => attach(create(), nested(path, value))).not.toThrow();
  });

  test.each([...EVERYWHERE, ...AT_ATTACH, ...CIRCUIT, ...INSTANCE].map(({ path }) => path))(
    '%s: undefined means not given',
    (path) => {
      expect(() => attach(create(), nested(path, undefined))).not.toThrow();
    },
  );
});

describe('an option of one request', () => {
  const request = async (resilience: unknown) => {
    const adapter = scripted(200);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    const handle = attach(api);
    const error = await failureOf(api.get('/', { resilience: resilience as ResilienceRequestOptions }));
    return { adapter, error, handle };
  };

  test.each(casesOf(...EVERYWHERE))('$name rejects the call before any attempt', async ({ option, value, Kind }) => {
    const { adapter, error, handle } = await request(nested(option.path, value));
    expectRefused(error, { ...option, path: `resilience.${option.path}` }, value, Kind);
    expect(adapter.attempts).toHaveLength(0);
    expect(handle.breakers.get(KEY)?.inFlight ?? 0).toBe(0);
  });

  test.each([[true], ['off'], [[]]])('resilience: %j rejects the call', async (value) => {
    const { adapter, error } = await request(value);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^Expected `resilience` to be false or an object, got /);
    expect(adapter.attempts).toHaveLength(0);
  });

  test.each(['detector', 'cooldownMs', 'halfOpen', 'maxBreakers', 'mode', 'perKey'])(
    'breaker.%s is refused: it is of the circuit',
    async (name) => {
      const values: Record<string, unknown> = {
        detector: consecutiveFailures(1),
        cooldownMs: 1,
        halfOpen: { probes: 1 },
        maxBreakers: 1,
        mode: 'observe',
        perKey: () => undefined,
      };
      const { adapter, error } = await request({ breaker: { [name]: values[name] } });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(`\`resilience.breaker.${name}\``);
      expect(adapter.attempts).toHaveLength(0);
    },
  );

  test.each(['sinks', 'clock', 'random'])('%s is refused: it is of the instance', async (name) => {
    const { adapter, error } = await request({ [name]: [] });
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe(`Expected \`resilience.${name}\` to be given to attach alone`);
    expect(adapter.attempts).toHaveLength(0);
  });

  test('a budget is refused, but for true and false', async () => {
    const { adapter, error } = await request({ retry: { budget: { ratio: 0.5 } } });
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^Expected `resilience\.retry\.budget` to be a boolean, got /);
    expect(adapter.attempts).toHaveLength(0);
    expect((await request({ retry: { budget: false } })).error).toBeUndefined();
  });

  test('a misspelt one is refused and suggests the right name', async () => {
    const { adapter, error } = await request({ retry: { retires: 1 } });
    expect(error.message).toBe('Unknown option `resilience.retry.retires`: did you mean `retries`?');
    expect(adapter.attempts).toHaveLength(0);
  });

  test('the next call of the instance is not affected', async () => {
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(200) });
    attach(api);
    await failureOf(api.get('/', { resilience: { retry: -1 } }));
    expect(reportOf(await api.get('/'))).toMatchObject({ attempts: 1, stopped: 'success' });
  });

  test('one that a request interceptor sets is checked as well', async () => {
    const adapter = scripted(200);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api);
    api.interceptors.request.use((config) => {
      config.resilience = { retry: -1 };
      return config;
    });
    expect((await failureOf(api.get('/'))).message).toBe('Expected `resilience.retry` to be an integer >= 0, got -1');
    expect(adapter.attempts).toHaveLength(0);
  });
});

describe('merging', () => {
  /** The attempts of a failing call and the delays between them. */
  async function outcome(
    attached: ResilienceOptions,
    requested?: ResilienceRequestOptions,
    defaults?: ResilienceRequestOptions,
    method = 'get',
  ): Promise<[number | undefined, readonly number[] | undefined]> {
    const api = create();
    if (defaults) api.defaults.resilience = defaults;
    attach(api, attached);
    const report = reportOf(
      await failureOf(api.request({ url: '/', method, ...(requested && { resilience: requested }) })),
    );
    return [report?.attempts, report?.delaysMs];
  }

  test('the request goes over defaults.resilience, over attach, over DEFAULTS, field by field', async () => {
    const attached = { retry: { retries: 1, backoff: 1 } };
    expect(await outcome(attached)).toEqual([2, [1]]);
    expect(await outcome(attached, undefined, { retry: { retries: 2 } })).toEqual([3, [1, 1]]);
    expect(await outcome(attached, { retry: { backoff: 2 } }, { retry: { retries: 2 } })).toEqual([3, [2, 2]]);
    expect(await outcome(attached, { retry: { retries: 0 } }, { retry: { retries: 2 } })).toEqual([1, []]);
    expect(await outcome({ retry: { backoff: 1 } })).toEqual([4, [1, 1, 1]]);
  });

  test('a number of retries keeps the other fields', async () => {
    expect(await outcome({ retry: { backoff: 1, methods: ['GET'] } }, { retry: 1 })).toEqual([2, [1]]);
  });

  test('undefined means not given, at every level', async () => {
    const attached = { retry: { retries: 1, backoff: 1, statusCodes: undefined } };
    const empty = {
      retry: { retries: undefined, backoff: undefined, methods: undefined, retryAfter: undefined },
      deadlineMs: undefined,
      breaker: undefined,
      fallback: undefined,
      fallbackOn: undefined,
    };
    expect(await outcome(attached, empty, empty)).toEqual([2, [1]]);
    expect(await outcome(attached, { retry: undefined })).toEqual([2, [1]]);
  });

  test('arrays replace', async () => {
    const attached = { retry: { retries: 1, backoff: 1 } };
    expect(await outcome(attached, { retry: { statusCodes: [500] } })).toEqual([1, []]);
    expect(await outcome(attached, { retry: { methods: ['PUT'] } })).toEqual([1, []]);
    expect(await outcome(attached, { retry: { methods: [] } })).toEqual([1, []]);
  });

  test('nested groups merge by field', async () => {
    const adapter = scripted({ status: 503, headers: { 'retry-after': '0.01' } });
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, { retry: { retries: 1, backoff: 1, retryAfter: { maxMs: 5 } } });
    expect(reportOf(await failureOf(api.get('/')))?.stopped).toBe('retry-after');
    const ignoring = { resilience: { retry: { retryAfter: false } } };
    expect(reportOf(await failureOf(api.get('/', ignoring)))).toMatchObject({ delaysMs: [1], stopped: 'exhausted' });
    const longer = { resilience: { retry: { retryAfter: { maxMs: 50 } } } };
    expect(reportOf(await failureOf(api.get('/', longer)))).toMatchObject({ delaysMs: [11], stopped: 'exhausted' });
  });

  test('an idempotency key merges by field', async () => {
    const adapter = scripted(200);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, { idempotencyKey: { header: 'X-Key', generate: () => 'k' } });
    await api.post('/', {}, { resilience: { idempotencyKey: { quoted: true } } });
    await api.post('/', {}, { resilience: { idempotencyKey: true } });
    await api.post('/', {}, { resilience: { idempotencyKey: false } });
    expect(adapter.attempts.map(({ headers }) => headers.get('X-Key') ?? undefined)).toEqual(['"k"', 'k', undefined]);
  });

  test.each(['get', 'GET', 'Get'])('methods are taken in any case: %s', async (method) => {
    const attached = { retry: { retries: 1, backoff: 1 } };
    expect(await outcome(attached, { retry: { methods: [method] } })).toEqual([2, [1]]);
    expect(await outcome({ retry: { ...attached.retry, methods: ['get'] } }, undefined, undefined, method)).toEqual([
      2,
      [1],
    ]);
  });

  test('defaults.resilience: false leaves all requests alone', async () => {
    const api = create();
    attach(api);
    api.defaults.resilience = false;
    expect(reportOf(await failureOf(api.get('/')))).toBeUndefined();
  });

  test('breaker: false for one request asks no circuit and counts nothing', async () => {
    const api = create();
    const { breakers } = attach(api, { retry: false });
    await failureOf(api.get('/', { resilience: { breaker: false } }));
    expect(breakers.size).toBe(0);
    breakers.ensure(KEY).trip();
    expect((await failureOf(api.get('/', { resilience: { breaker: false } }))).response.status).toBe(503);
  });

  test('key, classify and createError of one request beat those of the instance', async () => {
    const api = create();
    const { breakers } = attach(api, { retry: false, key: () => 'ours' });
    const resilience = {
      key: () => 'theirs',
      classify: () => 'success' as const,
      breaker: { createError: () => new Error('rejected by hand') },
    };
    await failureOf(api.get('/', { resilience }));
    expect([...breakers].map(({ key, ...rest }) => [key, rest])).toHaveLength(1);
    expect(breakers.get('theirs')?.stats().failures).toBe(0);
    breakers.get('theirs')?.trip();
    expect((await failureOf(api.get('/', { resilience }))).message).toBe('rejected by hand');
  });

  test('the options that were given are not changed', async () => {
    const attached: ResilienceOptions = { retry: { retries: 1, backoff: 1, methods: ['get'] } };
    const requested: ResilienceRequestOptions = { retry: { retries: 0 } };
    const before = structuredClone({ methods: ['get'], requested });
    await outcome(attached, requested);
    expect((attached.retry as { methods: string[] }).methods).toEqual(before.methods);
    expect(requested).toEqual(before.requested);
  });
});

describe("a user's request interceptor", () => {
  const withInterceptor = (set: (config: InternalAxiosRequestConfig) => void, order: 'before' | 'after') => {
    const api = create();
    const register = () =>
      api.interceptors.request.use((config) => {
        set(config);
        return config;
      });
    if (order === 'before') register();
    attach(api, { retry: { retries: 2, backoff: 1 } });
    if (order === 'after') register();
    return api;
  };

  test.each(['before', 'after'] as const)('registered %s attach may set config.resilience', async (order) => {
    const api = withInterceptor((config) => {
      config.resilience = { retry: 1 };
    }, order);
    expect(reportOf(await failureOf(api.get('/')))?.attempts).toBe(2);
    expect(reportOf(await failureOf(api.get('/', { resilience: { retry: 0 } })))?.attempts).toBe(2);
  });

  test.each(['before', 'after'] as const)('registered %s attach may set it to false', async (order) => {
    const api = withInterceptor((config) => {
      config.resilience = false;
    }, order);
    const error = await failureOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(reportOf(error)).toBeUndefined();
  });

  test('may turn it on again where the request said false', async () => {
    const api = withInterceptor((config) => {
      config.resilience = { retry: 1 };
    }, 'after');
    expect(reportOf(await failureOf(api.get('/', { resilience: false })))?.attempts).toBe(2);
  });
});

describe('update', () => {
  const attached = (options: ResilienceOptions = {}) => {
    const adapter = scripted(503);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    const resilience = attach(api, { retry: { retries: 2, backoff: 1 }, ...options });
    const attempts = async () => reportOf(await failureOf(api.get('/')))?.attempts;
    return { adapter, api, attempts, resilience };
  };

  test('turns retries off and on again, the other fields kept', async () => {
    const { attempts, resilience } = attached({ breaker: false });
    resilience.update({ retry: false });
    expect(await attempts()).toBe(1);
    resilience.update({ retry: {} });
    expect(await attempts()).toBe(3);
    resilience.update({ retry: 1 });
    expect(await attempts()).toBe(2);
  });

  test('merges by field over what is there, and undefined changes nothing', async () => {
    const { attempts, resilience } = attached({ breaker: false });
    resilience.update({ retry: { retries: undefined, attemptHeader: 'X-Attempt' } });
    resilience.update({});
    resilience.update({ retry: undefined, breaker: undefined, fallback: undefined, fallbackOn: undefined });
    expect(await attempts()).toBe(3);
  });

  test('mode observe lifts the rejections of all circuits, also of those made later', async () => {
    const { api, resilience } = attached({ retry: false });
    resilience.breakers.ensure(KEY).trip();
    expect((await failureOf(api.get('/'))).code).toBe('ERR_CIRCUIT_OPEN');
    resilience.update({ breaker: { mode: 'observe' } });
    expect((await failureOf(api.get('/'))).response.status).toBe(503);
    resilience.breakers.ensure(`PUT ${BASE_URL}`).trip();
    expect((await failureOf(api.put('/'))).response.status).toBe(503);
    resilience.update({ breaker: { mode: 'enforce' } });
    expect((await failureOf(api.get('/'))).code).toBe('ERR_CIRCUIT_OPEN');
  });

  test('breaker: false lets all requests through', async () => {
    const { api, resilience } = attached({ retry: false });
    resilience.breakers.ensure(KEY).trip();
    resilience.update({ breaker: false });
    expect((await failureOf(api.get('/'))).response.status).toBe(503);
  });

  test('changes fallback and fallbackOn', async () => {
    const { api, resilience } = attached({ retry: false });
    resilience.update({ fallback: 'data', fallbackOn: 'failure' });
    expect((await api.get('/')).data).toBe('data');
  });

  test('goes for calls that start afterwards: one under way keeps its options', async () => {
    const { api, resilience } = attached({ breaker: false });
    const off = resilience.on('retry', () => {
      off();
      resilience.update({ retry: false });
    });
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 3, stopped: 'exhausted' });
    expect(reportOf(await failureOf(api.get('/')))).toMatchObject({ attempts: 1, stopped: 'disabled' });
  });

  test.each(casesOf(...EVERYWHERE, ...AT_ATTACH, ...CIRCUIT.filter(({ path }) => path === 'breaker.mode')))(
    '$name throws',
    ({ option, value, Kind }) => {
      const { resilience } = attached();
      let thrown: unknown;
      try {
        resilience.update(nested(option.path, value));
      } catch (error) {
        thrown = error;
      }
      expectRefused(thrown as Error, option, value, Kind);
    },
  );

  test.each<[string, unknown]>([
    ['a bad value after a good one', { retry: { retries: 0 }, deadlineMs: -1 }],
    ['a bad mode beside a good fallback', { fallback: 'data', fallbackOn: 'failure', breaker: { mode: 'off' } }],
    ['a good mode beside a bad value', { breaker: { mode: 'observe' }, retry: -1 }],
    ['an unknown option', { retry: { retries: 0 }, nonsense: 1 }],
    ['an option of the circuit', { retry: { retries: 0 }, breaker: { cooldownMs: 1 } }],
    ['an option of the instance', { retry: { retries: 0 }, sinks: [] }],
  ])('that fails changes nothing: %s', async (_name, changes) => {
    const { api, attempts, resilience } = attached();
    expect(() => resilience.update(changes as UpdateOptions)).toThrow();
    expect(await attempts()).toBe(3);
    resilience.breakers.ensure(KEY).trip();
    expect((await failureOf(api.get('/'))).code).toBe('ERR_CIRCUIT_OPEN');
  });

  test('changes neither DEFAULTS nor another instance', async () => {
    const [one, other] = [attached(), attached()];
    one.resilience.update({ retry: 0 });
    expect(await other.attempts()).toBe(3);
    expect(DEFAULTS.retry.retries).toBe(3);
  });
});

describe('DEFAULTS', () => {
  test('are those of the documentation', () => {
    expect(DEFAULTS.retry).toMatchObject({
      retries: 3,
      methods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'],
      statusCodes: [429, 500, 502, 503, 504, 408, 425, 520, 521, 522, 523, 524, 529, 530],
      retryAfter: { maxMs: 60_000, mode: 'add' },
      budget: { ratio: 0.5, minPerSecond: 1 },
      attemptHeader: false,
    });
    expect(DEFAULTS).toMatchObject({ deadlineMs: undefined, idempotencyKey: false });
    expect(DEFAULTS.breaker.halfOpen).toEqual({});
    expect(DEFAULTS.breaker).toMatchObject({
      maxBreakers: 256,
      mode: 'enforce',
    });
    expect(DEFAULTS).toMatchObject({ fallbackOn: 'rejected', sinks: [] });
  });

  test('are frozen all the way down', () => {
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      expect(Object.isFrozen(value), path).toBe(true);
      for (const [name, item] of Object.entries(value)) visit(item, `${path}.${name}`);
    };
    visit(DEFAULTS, 'DEFAULTS');
  });

  test('are what an instance goes by: five failures in a row over 600 ms open the circuit for 400 to 500 ms', async () => {
    let now = 0;
    const api = create();
    const { breakers } = attach(api, { retry: false, clock: { now: () => now } });
    for (let failures = 1; failures <= 9; failures++) await failureOf(api.get('/'));
    now = 599;
    await failureOf(api.get('/'));
    expect(breakers.get(KEY)?.state).toBe('closed');
    now = 600;
    await failureOf(api.get('/'));
    expect(breakers.get(KEY)?.state).toBe('open');
    const { remainingCooldownMs } = breakers.get(KEY)!.stats();
    expect(remainingCooldownMs).toBeGreaterThan(400);
    expect(remainingCooldownMs).toBeLessThanOrEqual(500);
  });
});
