import axios, { AxiosError, type AxiosResponse } from 'axios';
import { describe, expect, test } from 'vitest';
import {
  adaptiveLimit,
  attach,
  BreakerRegistry,
  CircuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  customLimit,
  decorrelatedJitter,
  exponential,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  fullJitter,
  Limiter,
  logSink,
  memorySink,
  RetryBudget,
  rateLimit,
  resilienceOf,
  retry,
  slowCallRate,
} from '../../src/index.js';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { redisStore } from '../../src/redis/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { scripted } from '../support/scripted-adapter.js';

const create = (steps: number[] = [200]) =>
  axios.create({ baseURL: 'https://api.example.com', adapter: scripted(...steps) });

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('Nothing was refused');
}

const ofAttach = (options: unknown) => messageOf(() => attach(create(), options as never));

const rejection = async (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => Promise.reject(new Error('Nothing was refused')),
    (error: unknown) => error as Error,
  );

const DETECTOR = '`breaker.detector`, such as failureRateInWindow({ rate, windowMs, minAttempts })';
const TIMEOUT = "`deadlineMs`, or axios's `timeout` for each attempt";

describe('the name of an option', () => {
  test.each<[string, unknown, string]>([
    ['of another group', { retry: { cooldownMs: 1 } }, '`retry.cooldownMs`; `cooldownMs` belongs in `breaker`'],
    ['of a group', { cooldownMs: 1 }, '`cooldownMs`; `cooldownMs` belongs in `breaker`'],
    ['of a group', { retries: 3 }, '`retries`; `retries` belongs in `retry`'],
    ['of a group', { statusCodes: [503] }, '`statusCodes`; `statusCodes` belongs in `retry`'],
    ['of a group', { registry: {} }, '`registry`; `registry` belongs in `breaker`'],
    ['of a group in a group', { breaker: { probes: 2 } }, '`breaker.probes`; `probes` belongs in `breaker.halfOpen`'],
    ['of a group in a group', { retry: { ratio: 1 } }, '`retry.ratio`; `ratio` belongs in `retry.budget`'],
    ['of two groups', { maxWaitMs: 1 }, '`maxWaitMs`; `maxWaitMs` belongs in `breaker` or in `limiter`'],
    ['of the call', { retry: { deadlineMs: 1 } }, '`retry.deadlineMs`; `deadlineMs` belongs at the top level'],
    [
      'of the call',
      { retry: { idempotencyKey: 1 } },
      '`retry.idempotencyKey`; `idempotencyKey` belongs at the top level',
    ],
    ['of the call', { breaker: { classify: 1 } }, '`breaker.classify`; `classify` belongs at the top level'],
    ['of the call', { breaker: { key: 1 } }, '`breaker.key`; `key` belongs at the top level or in `limiter`'],
    ['of the call', { breaker: { fallback: 1 } }, '`breaker.fallback`; `fallback` belongs at the top level'],
    ['of axios-retry', { retryDelay: 1 }, '`retryDelay`; use `retry.backoff`'],
    ['of axios-retry', { retry: { retryDelay: 1 } }, '`retry.retryDelay`; use `retry.backoff`'],
    ['of axios-retry', { retry: { retryCondition: 1 } }, '`retry.retryCondition`; use `retry.shouldRetry`'],
    ['of axios-retry', { retry: { onRetry: 1 } }, '`retry.onRetry`; use the event `retry`'],
    ['of axios-retry', { retry: { shouldResetTimeout: true } }, `\`retry.shouldResetTimeout\`; use ${TIMEOUT}`],
    ['of axios-retry', { retry: { validateResponse: 1 } }, '`retry.validateResponse`; use `retry.shouldRetryResponse`'],
    ['of retry-axios', { retry: { retry: 3 } }, '`retry.retry`; use `retry.retries`'],
    ['of retry-axios', { retry: { statusCodesToRetry: [] } }, '`retry.statusCodesToRetry`; use `retry.statusCodes`'],
    ['of retry-axios', { retry: { httpMethodsToRetry: [] } }, '`retry.httpMethodsToRetry`; use `retry.methods`'],
    ['of opossum', { breaker: { resetTimeout: 1 } }, '`breaker.resetTimeout`; use `breaker.cooldownMs`'],
    ['of opossum', { breaker: { timeout: 1 } }, `\`breaker.timeout\`; use ${TIMEOUT}`],
    [
      'of opossum',
      { breaker: { errorThresholdPercentage: 50 } },
      `\`breaker.errorThresholdPercentage\`; use ${DETECTOR}`,
    ],
    ['of opossum', { breaker: { volumeThreshold: 5 } }, `\`breaker.volumeThreshold\`; use ${DETECTOR}`],
    ['of opossum', { breaker: { errorFilter: 1 } }, '`breaker.errorFilter`; use `classify`'],
    ['of opossum', { breaker: { capacity: 1 } }, '`breaker.capacity`; use `limiter`, such as concurrencyLimit(10)'],
    ['of opossum', { breaker: { enabled: false } }, '`breaker.enabled`; use `false` in the place of options'],
    ['of cockatiel', { breaker: { halfOpenAfter: 1 } }, '`breaker.halfOpenAfter`; use `breaker.cooldownMs`'],
    ['of cockatiel', { retry: { maxAttempts: 3 } }, '`retry.maxAttempts`; use `retry.retries`'],
    ['of got and ky', { retry: { limit: 3 } }, '`retry.limit`; use `retry.retries`'],
    ['of a detector', { breaker: { failureRate: 0.5 } }, `\`breaker.failureRate\`; use ${DETECTOR}`],
    ['of others', { breaker: { failureThreshold: 5 } }, `\`breaker.failureThreshold\`; use ${DETECTOR}`],
    ['of others', { timeoutMs: 5 }, `\`timeoutMs\`; use ${TIMEOUT}`],
    ['of a delay', { retry: { baseMs: 100 } }, '`retry.baseMs`; use `retry.backoff`'],
    ['that we once had', { retry: { statuses: [503] } }, '`retry.statuses`; use `retry.statusCodes`'],
    ['that we once had', { retry: { codes: [] } }, '`retry.codes`; use `retry.errorCodes`'],
    ['that is cut off', { retry: { status: [503] } }, '`retry.status`; use `retry.statusCodes`'],
    ['that is misspelt', { retry: { retires: 3 } }, '`retry.retires`: did you mean `retries`?'],
    ['that is misspelt', { breaker: { coolDown: 3 } }, '`breaker.coolDown`: did you mean `cooldownMs`?'],
    [
      'that is misspelt',
      { limiter: { limit: adaptiveLimit(), maxwait: 3 } },
      '`limiter.maxwait`: did you mean `maxWaitMs`?',
    ],
    [
      'like none',
      { cache: true },
      '`cache`; the options are `key`, `classify`, `deadlineMs`, `idempotencyKey`, `fallback`, `fallbackOn`, `sinks`, `clock`, `random`, `retry`, `breaker`, `limiter`',
    ],
    [
      'like none',
      { breaker: { halfOpen: { timeout: 1 } } },
      '`breaker.halfOpen.timeout`; the options are `probes`, `successThreshold`, `failureRate`, `leaseMs`, `probeTimeoutMs`',
    ],
    ['like none', { retry: { budget: { max: 1 } } }, '`retry.budget.max`; the options are `ratio`, `minPerSecond`'],
  ])('%s: %j', (_what, options, message) => {
    expect(ofAttach(options)).toBe(`Unknown option ${message}`);
  });

  test('of a breaker alone is guessed, or listed', () => {
    expect(messageOf(() => new CircuitBreaker('x', { cooldown: 1 } as never))).toBe(
      'Unknown option `cooldown`: did you mean `cooldownMs`?',
    );
    expect(messageOf(() => new CircuitBreaker('x', { halfOpen: { permits: 1 } } as never))).toMatch(
      /^Unknown option `halfOpen\.permits`: did you mean|^Unknown option `halfOpen\.permits`; the options are `probes`/,
    );
  });

  test('of a request that belongs to the instance is said to, and is not offered', async () => {
    const api = create();
    attach(api);
    const refused = async (resilience: object) => (await rejection(api.get('/', { resilience }))).message;
    const alone = 'to be given to attach alone';
    expect(await refused({ sinks: [] })).toBe(`Expected \`resilience.sinks\` ${alone}`);
    expect(await refused({ breaker: { detector: 1 } })).toBe(`Expected \`resilience.breaker.detector\` ${alone}`);
    expect(await refused({ limiter: { maxQueue: 1 } })).toBe(`Expected \`resilience.limiter.maxQueue\` ${alone}`);
    expect(await refused({ breaker: { foo: 1 } })).toBe(
      'Unknown option `resilience.breaker.foo`; the options are `createError`, `maxWaitMs`',
    );
    expect(await refused({ retryDelay: 1 })).toBe('Unknown option `resilience.retryDelay`; use `retry.backoff`');
  });
});

const MS_OR_FUNCTION = 'a number of milliseconds >= 0, or a function such as exponential()';
const A_DETECTOR = 'a detector such as consecutiveFailures(5) or failureRate()';
const A_RETRY = 'a number of retries, true, false or an object such as { retries: 3 }';
const A_BREAKER = 'true, false, a BreakerRegistry or an object such as { detector: consecutiveFailures(5) }';
const A_LIMITER =
  'false, a limit such as concurrencyLimit(10), a Limiter or an object such as { limit: adaptiveLimit() }';

describe('a value', () => {
  test.each<[string, unknown, string]>([
    ["retry: '3'", { retry: '3' }, `\`retry\` to be ${A_RETRY}, got "3"`],
    ['retry: () => true', { retry: () => true }, `\`retry\` to be ${A_RETRY}, got the function retry`],
    ['retry: -1', { retry: -1 }, '`retry` to be an integer >= 0, got -1'],
    ['breaker: 5', { breaker: 5 }, `\`breaker\` to be ${A_BREAKER}, got 5`],
    ['breaker: a detector', { breaker: consecutiveFailures(5) }, `\`breaker\` to be ${A_BREAKER}, got a function`],
    ['limiter: 10', { limiter: 10 }, `\`limiter\` to be ${A_LIMITER}, got 10`],
    ['limiter: true', { limiter: true }, `\`limiter\` to be ${A_LIMITER}, got true`],
    [
      'limiter: adaptiveLimit',
      { limiter: adaptiveLimit },
      `\`limiter\` to be ${A_LIMITER}, got the function adaptiveLimit: call it`,
    ],
    [
      "detector: 'failureRate'",
      { breaker: { detector: 'failureRate' } },
      `\`breaker.detector\` to be ${A_DETECTOR}, got "failureRate"`,
    ],
    ['detector: 5', { breaker: { detector: 5 } }, `\`breaker.detector\` to be ${A_DETECTOR}, got 5`],
    [
      'detector: made',
      { breaker: { detector: consecutiveFailures(5)() } },
      `\`breaker.detector\` to be ${A_DETECTOR}, got an instance of ConsecutiveFailures`,
    ],
    [
      'detector: failureRate',
      { breaker: { detector: failureRate } },
      `\`detector\` to be ${A_DETECTOR}, got the function failureRate: call it`,
    ],
    [
      'detector: slowCallRate',
      { breaker: { detector: slowCallRate } },
      '`slowCallRate(options)` to be an object, got undefined',
    ],
    ["backoff: '1s'", { retry: { backoff: '1s' } }, `\`retry.backoff\` to be ${MS_OR_FUNCTION}, got "1s"`],
    [
      'backoff: options',
      { retry: { backoff: { baseMs: 1 } } },
      `\`retry.backoff\` to be ${MS_OR_FUNCTION}, got an object`,
    ],
    [
      "cooldownMs: '10s'",
      { breaker: { cooldownMs: '10s' } },
      `\`breaker.cooldownMs\` to be ${MS_OR_FUNCTION}, got "10s"`,
    ],
    [
      'retryAfter: 60_000',
      { retry: { retryAfter: 60_000 } },
      '`retry.retryAfter` to be true, false or an object such as { maxMs: 60_000 }, got 60000',
    ],
    [
      'budget: 0.2',
      { retry: { budget: 0.2 } },
      '`retry.budget` to be true, false, a RetryBudget or an object such as { ratio: 0.2 }, got 0.2',
    ],
    [
      "methods: 'POST'",
      { retry: { methods: 'POST' } },
      "`retry.methods` to be an array such as ['GET', 'PUT'], got \"POST\"",
    ],
    [
      "methods: ['GETT']",
      { retry: { methods: ['GETT'] } },
      '`retry.methods[0]` to be a method such as GET, got "GETT"',
    ],
    [
      "methods: ['get', 'delet']",
      { retry: { methods: ['get', 'delet'] } },
      '`retry.methods[1]` to be a method such as DELETE, got "delet"',
    ],
    [
      "methods: ['GET, PUT']",
      { retry: { methods: ['GET, PUT'] } },
      '`retry.methods[0]` to be a method such as GET, got "GET, PUT"',
    ],
    [
      'statusCodes: 503',
      { retry: { statusCodes: 503 } },
      '`retry.statusCodes` to be an array such as [429, [500, 599]], or a function, got 503',
    ],
    [
      "statusCodes: ['5xx']",
      { retry: { statusCodes: ['5xx'] } },
      '`retry.statusCodes[0]` to be a status or a range [from, to], got "5xx"',
    ],
    [
      'errorCodes: [503]',
      { retry: { errorCodes: [503] } },
      '`retry.errorCodes[0]` to be an error code such as ECONNRESET, got 503',
    ],
    [
      "idempotencyKey: 'X-Key'",
      { idempotencyKey: 'X-Key' },
      '`idempotencyKey` to be true, false or an object such as { header: \'Idempotency-Key\' }, got "X-Key"',
    ],
    [
      "fallbackOn: 'open'",
      { fallbackOn: 'open' },
      '`fallbackOn` to be "rejected", "failure" or a function, got "open"',
    ],
    ["key: 'origin'", { key: 'origin' }, '`key` to be a function, got "origin"'],
    [
      "deadlineMs: '5s'",
      { deadlineMs: '5s' },
      '`deadlineMs` to be a number of milliseconds from 1 to 2147483647, got "5s"',
    ],
    ['sinks: a sink', { sinks: memorySink() }, '`sinks` to be an array, got an object'],
    ['halfOpen: 2', { breaker: { halfOpen: 2 } }, '`breaker.halfOpen` to be an object such as { probes: 2 }, got 2'],
    [
      'successThreshold beside failureRate',
      { breaker: { halfOpen: { probes: 4, successThreshold: 3, failureRate: 0.5 } } },
      '`breaker.halfOpen.successThreshold` to be left out where there is a `failureRate`, got both',
    ],
  ])('%s', (_what, options, message) => {
    expect(ofAttach(options)).toBe(`Expected ${message}`);
  });

  test('any method that has a name of its own may be retried', () => {
    const registered =
      'ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY LABEL LINK LIST LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SET TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL';
    expect(() => attach(create(), { retry: { methods: registered.split(' ') } })).not.toThrow();
  });

  test('error codes are compared in any case', async () => {
    const reset = new AxiosError('connection reset', 'ECONNRESET');
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(reset as never, 200) });
    attach(api, { retry: { errorCodes: ['econnreset'], backoff: 0 } });
    expect((await api.get('/')).status).toBe(200);
  });

  test('a fallback that is a promise is refused, of attach, update and a request, and rejects nowhere', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', onUnhandled);
    const message = (path: string) =>
      `Expected \`${path}\` to be data, or a function that yields it or a promise of it, got a promise`;
    const fallback = async () => Promise.reject(new Error('cache is away'));
    expect(ofAttach({ fallback: fallback() })).toBe(message('fallback'));
    const api = create();
    const resilience = attach(api);
    expect(messageOf(() => resilience.update({ fallback: fallback() }))).toBe(message('fallback'));
    const refused = await rejection(api.get('/', { resilience: { fallback: fallback() } }));
    expect(refused.message).toBe(message('resilience.fallback'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });
});

describe('a function that is not called where what it makes is expected', () => {
  const A_SINK = 'a function, or a sink with a method record(event)';

  test.each([logSink, memorySink, prometheusSink, openTelemetrySink])('the sink %o', (sink) => {
    const message = `${A_SINK}, got the function ${sink.name}: call it`;
    expect(ofAttach({ sinks: [() => undefined, sink] })).toBe(`Expected \`sinks[1]\` to be ${message}`);
    const resilience = attach(create());
    expect(messageOf(() => resilience.on('*', sink as never))).toBe(`Expected \`on('*', listener)\` to be ${message}`);
  });

  test("a sink of somebody's own may have the name of one of ours", () => {
    const heard: string[] = [];
    const named = {
      logSink: ({ type }: { type: string }) => void heard.push(type),
      memorySink: ({ type }: { type: string }) => void heard.push(type),
      auditSink: (...events: { type: string }[]) => void heard.push(...events.map(({ type }) => type)),
    };
    const resilience = attach(create(), { sinks: Object.values(named) });
    resilience.breakers.ensure('GET https://api.example.com');
    expect(heard).toEqual(['breakerAdded', 'breakerAdded', 'breakerAdded']);
  });

  test.each([adaptiveLimit, concurrencyLimit, rateLimit, customLimit])('the limit %o', (limit) => {
    const got = `got the function ${limit.name}: call it`;
    expect(ofAttach({ limiter: limit })).toBe(`Expected \`limiter\` to be ${A_LIMITER}, ${got}`);
    expect(ofAttach({ limiter: { limit } })).toBe(
      `Expected \`limiter.limit\` to be a limit, such as adaptiveLimit(), ${got}`,
    );
  });

  test.each([failureRate, failureRateInWindow, failuresInWindow])('the detector %o', (detector) => {
    const message = `Expected \`detector\` to be ${A_DETECTOR}, got the function ${detector.name}: call it`;
    expect(ofAttach({ breaker: { detector } })).toBe(message);
    expect(messageOf(() => new CircuitBreaker('x', { detector: detector as never }))).toBe(message);
  });

  test.each([redisStore, sharedStore, memoryEngine])('the store %o', (store) => {
    expect(ofAttach({ breaker: { store } })).toBe(
      `Expected \`breaker.store\` to be a store made by redisStore(client) or sharedStore(engine), got the function ${store.name}: call it`,
    );
  });

  test('the engine of a store, and a jitter', () => {
    expect(messageOf(() => sharedStore(memoryEngine as never))).toBe(
      'Expected `sharedStore(engine)` to be a StoreEngine with read, report, acquire, settle and force, got the function memoryEngine: call it',
    );
    expect(ofAttach({ retry: { backoff: decorrelatedJitter } })).toBe(
      `Expected \`retry.backoff\` to be ${MS_OR_FUNCTION}, got the function decorrelatedJitter: call it`,
    );
  });
});

describe('what a class has made, in the place of options, is named', () => {
  test.each<[string, unknown, string]>([
    [
      'a breaker',
      { breaker: new CircuitBreaker('x') },
      `\`breaker\` to be ${A_BREAKER}, got an instance of CircuitBreaker`,
    ],
    [
      'a registry',
      { breaker: { halfOpen: new BreakerRegistry() } },
      '`breaker.halfOpen` to be an object such as { probes: 2 }, got an instance of BreakerRegistry',
    ],
    [
      'a registry as limiter',
      { limiter: new BreakerRegistry() },
      `\`limiter\` to be ${A_LIMITER}, got an instance of BreakerRegistry`,
    ],
  ])('%s, to attach', (_what, options, message) => {
    expect(ofAttach(options)).toBe(`Expected ${message}`);
  });

  test.each<[string, string, unknown]>([
    ['a Map', 'Map', new Map([['retries', 3]])],
    ['a Set', 'Set', new Set()],
    ['a date', 'Date', new Date(0)],
    ['a typed array', 'Uint8Array', new Uint8Array(2)],
    ['a budget', 'RetryBudget', new RetryBudget()],
    [
      'what has no option as a field of its own',
      'Getters',
      new (class Getters {
        get retries(): number {
          return 3;
        }
      })(),
    ],
  ])('%s, in the place of any options', async (_what, name, made) => {
    const got = `, got an instance of ${name}`;
    const retries = 'a number of retries, true, false or an object such as { retries: 3 }';
    expect(ofAttach(made)).toBe(`Expected \`options\` to be an object${got}`);
    expect(ofAttach({ retry: made })).toBe(`Expected \`retry\` to be ${retries}${got}`);
    expect(ofAttach({ retry: { retryAfter: made } })).toContain(got);
    expect(ofAttach({ breaker: made })).toBe(`Expected \`breaker\` to be ${A_BREAKER}${got}`);
    expect(ofAttach({ breaker: { retryAfter: made } })).toContain(got);
    expect(ofAttach({ breaker: { halfOpen: made } })).toContain(got);
    expect(ofAttach({ limiter: made })).toBe(`Expected \`limiter\` to be ${A_LIMITER}${got}`);
    expect(ofAttach({ idempotencyKey: made })).toContain(got);
    const api = create();
    const resilience = attach(api);
    expect(messageOf(() => resilience.update(made as never))).toBe(`Expected \`options\` to be an object${got}`);
    expect((await rejection(api.get('/', { resilience: made as never }))).message).toBe(
      `Expected \`resilience\` to be false or an object${got}`,
    );
    expect((await rejection(api.get('/', { resilience: { breaker: made as never } }))).message).toContain(got);
    expect((await rejection(retry(() => 1, made as never))).message).toContain(got);
    expect(messageOf(() => new Limiter('x', made as never))).toContain(got);
    expect(messageOf(() => new BreakerRegistry(made as never))).toContain(got);
    expect(messageOf(() => exponential(made as never))).toContain(got);
  });

  test('a Map or a list in the place of a budget', () => {
    const A_BUDGET = 'true, false, a RetryBudget or an object such as { ratio: 0.2 }';
    expect(ofAttach({ retry: { budget: new Map() } })).toBe(
      `Expected \`retry.budget\` to be ${A_BUDGET}, got an instance of Map`,
    );
    expect(ofAttach({ retry: { budget: [1] } })).toBe(`Expected \`retry.budget\` to be ${A_BUDGET}, got [1]`);
  });

  test('a registry in the place of all options', async () => {
    const got = ', got an instance of BreakerRegistry';
    expect(ofAttach(new BreakerRegistry())).toBe(`Expected \`options\` to be an object${got}`);
    expect((await rejection(retry(() => 1, new BreakerRegistry() as never))).message).toContain(got);
  });

  const LATER = "true, false or an object such as { priority: 'high' }, since limits are given to attach alone";

  test('a limit or a registry, to update and to a request', async () => {
    const api = create();
    const resilience = attach(api);
    for (const [options, message] of [
      [{ limiter: concurrencyLimit(1) }, `limiter\` to be ${LATER}, got an instance of Limit`],
      [
        { limiter: new Limiter('x', { limit: concurrencyLimit(1) }) },
        `limiter\` to be ${LATER}, got an instance of Limiter`,
      ],
      [
        { breaker: new BreakerRegistry() },
        'breaker` to be true, false or an object such as { maxWaitMs: 0 }, since registries are given to attach alone, got an instance of BreakerRegistry',
      ],
    ] as const) {
      expect(messageOf(() => resilience.update(options as never))).toBe(`Expected \`${message}`);
      expect((await rejection(api.get('/', { resilience: options as never }))).message).toBe(
        `Expected \`resilience.${message}`,
      );
    }
  });

  test('to retry(fn)', async () => {
    expect((await rejection(retry(() => 1, { breaker: new BreakerRegistry() as never }))).message).toBe(
      'Expected `retry(options).breaker` to be a CircuitBreaker, got an instance of BreakerRegistry',
    );
    expect((await rejection(retry(() => 1, { limiter: concurrencyLimit(1) as never }))).message).toBe(
      'Expected `retry(options).limiter` to be a Limiter, got an instance of Limit',
    );
  });

  test('and options may be of a class', async () => {
    class Settings {
      readonly retries = 1;
      readonly backoff = 0;
      describe(): string {
        return `${this.retries} retries`;
      }
    }
    const api = create([503, 503, 200]);
    attach(api, { retry: new Settings() });
    expect((await rejection(api.get('/'))).message).toBe('Request failed with status code 503');
    expect(ofAttach({ retry: Object.assign(new Settings(), { retrys: 1 }) })).toBe(
      'Unknown option `retry.retrys`: did you mean `retries`?',
    );
    expect(ofAttach({ retry: Object.assign(new Settings(), { logger: console }) })).toMatch(
      /^Unknown option `retry.logger`; the options are `retries`, `methods`, /,
    );
  });
});

describe('a function for a delay is tried at attach', () => {
  const GOOD = 'a number of milliseconds >= 0, as of exponential() or ({ attempt }) => 100 * attempt';

  test.each<[string, unknown, string]>([
    ['(n) => n * 1000, as of axios-retry', (n: never) => n * 1_000, 'NaN'],
    ['() => undefined', () => undefined, 'undefined'],
    ["() => '100'", () => '100', '"100"'],
    ['async () => 100', async () => 100, 'a promise'],
    [
      'one that throws',
      () => {
        throw new Error('no rate');
      },
      'Error: no rate',
    ],
  ])('%s', (_what, delay, got) => {
    for (const [path, options] of [
      ['retry.backoff(context)', { retry: { backoff: delay } }],
      ['breaker.cooldownMs(context)', { breaker: { cooldownMs: delay } }],
    ] as const) {
      expect(() => attach(create(), options as never)).toThrow(
        new TypeError(`Expected \`${path}\` to be ${GOOD}, got ${got}`),
      );
    }
  });

  test('exponential and fullJitter without parentheses', () => {
    const refused = (path: string) =>
      `Expected \`${path}\` to be a number of milliseconds >= 0, or a function such as exponential(), got the function exponential: call it`;
    expect(ofAttach({ retry: { backoff: exponential } })).toBe(refused('retry.backoff'));
    expect(ofAttach({ breaker: { cooldownMs: exponential } })).toBe(refused('breaker.cooldownMs'));
    const cooldownMs = exponential as never;
    expect(messageOf(() => new CircuitBreaker('db', { cooldownMs }))).toBe(refused('cooldownMs'));
    expect(messageOf(() => new BreakerRegistry().update({ cooldownMs }))).toBe(refused('update(options).cooldownMs'));
    expect(messageOf(() => fullJitter(exponential as never))).toBe(refused('fullJitter(delay)'));
    expect(ofAttach({ retry: { backoff: fullJitter } })).toMatch(
      /^Expected `retry\.backoff\(context\)` to be .*exponential\(\).*, got TypeError: Expected `fullJitter\(delay\)` to be /,
    );
  });

  test('by update, too, which then changes nothing', () => {
    const resilience = attach(create());
    const backoff = (() => undefined) as never;
    expect(messageOf(() => resilience.update({ retry: { backoff } }))).toContain('`retry.backoff(context)`');
  });

  test('once each, with a 503 that has all that axios gives, and without a draw of `random`', () => {
    const contexts: any[] = [];
    const delay = (context: object) => contexts.push(context);
    const random = () => {
      throw new Error('not to be drawn from');
    };
    const api = create();
    attach(api, { retry: { backoff: delay }, breaker: { cooldownMs: delay }, random });
    expect(contexts).toHaveLength(2);
    for (const { error, response, ...context } of contexts) {
      expect(context).toEqual({
        key: 'GET https://api.example.com',
        attempt: 1,
        previousMs: undefined,
        retryAfterMs: undefined,
        random: expect.any(Function) as unknown,
      });
      expect(axios.isAxiosError(error)).toBe(true);
      expect(error).toMatchObject({ message: 'Request failed with status code 503', code: 'ERR_BAD_RESPONSE' });
      expect(error.response).toBe(response);
      expect(response).toMatchObject({ status: 503, data: '', config: { method: 'get', url: '/' } });
      expect(response.headers.get('x-ratelimit-reset') ?? undefined).toBeUndefined();
      expect(error.config.baseURL).toBe('https://api.example.com');
      expect(context.random()).toBe(0.5);
    }
  });

  test('with the key of some host, where the instance has no base URL', () => {
    const keys: unknown[] = [];
    const backoff = ({ key }: { key: string | null }) => keys.push(key);
    attach(axios.create(), { retry: { backoff } });
    attach(axios.create({ baseURL: 'https://me:secret@orders.example.com/v1' }), { retry: { backoff } });
    expect(keys).toEqual(['GET https://api.example.com', 'GET https://orders.example.com/v1']);
  });

  test('what reads the failure as axios gives it passes', () => {
    const backoff = ({ error, response, retryAfterMs = 0 }: any): number => {
      const { status, config } = error.response as AxiosResponse;
      const waits = [response.headers.get('x-wait'), response.headers['x-wait'], config.headers.get('Accept')];
      return status + waits.filter(Boolean).length + Number(retryAfterMs);
    };
    expect(() => attach(create(), { retry: { backoff }, breaker: { cooldownMs: backoff } })).not.toThrow();
  });
});

describe('what attach is given', () => {
  test.each<[string, unknown, string]>([
    ['undefined', undefined, ', which a mocked axios.create() does not return, got undefined'],
    ['null', null, ', got null'],
    ['an address', 'https://me:secret@api.example.com', ', got "https://api.example.com"'],
    ['options', { retry: 3 }, ', got an object'],
    ['a promise', Promise.resolve(axios), ', got a promise'],
    ['axios.create', axios.create, ' and not what makes one, got the function create'],
    ['axios.Axios', axios.Axios, ' and not what makes one, got the function Axios'],
    [
      'the module',
      Object.freeze({ __proto__: null, default: axios, AxiosError }),
      ', the `default` of this module, got an object',
    ],
  ])('%s', (_what, instance, rest) => {
    const message = `Expected \`instance\` to be an axios instance${rest}`;
    expect(() => attach(instance as never)).toThrow(new TypeError(message));
    expect(() => resilienceOf(instance as never)).toThrow(new TypeError(message));
  });

  test('an instance that is attached', () => {
    const api = create();
    attach(api);
    expect(messageOf(() => attach(api))).toBe(
      'axios-resilience is attached to this instance already: resilienceOf(instance) is its handle',
    );
  });

  test.each<[unknown, string]>([
    [{ resilence: { retry: 1 } }, 'Unknown option `defaults.resilence`: did you mean `resilience`?'],
    [{ resiliance: false }, 'Unknown option `defaults.resiliance`: did you mean `resilience`?'],
    [{ resilience: { retries: 1 } }, 'Unknown option `defaults.resilience.retries`; `retries` belongs in `retry`'],
    [{ resilience: true }, 'Expected `defaults.resilience` to be false or an object, got true'],
  ])('an instance with the defaults %j', (defaults, message) => {
    const api = axios.create(defaults as never);
    expect(messageOf(() => attach(api))).toBe(message);
    expect(resilienceOf(api)).toBeUndefined();
  });

  test('an instance whose defaults are none of ours, or right', () => {
    for (const defaults of [
      { raxConfig: { retry: 1 }, 'axios-retry': {} },
      { resilience: false },
      { resilience: {} },
    ]) {
      expect(() => attach(axios.create(defaults as never))).not.toThrow();
    }
  });
});

describe('a listener', () => {
  const OF_CIRCUIT = '`queued`, `rejected`, `wouldReject`, `stateChange`, `late`, `store`, `callbackError`';
  const OF_REGISTRY = `${OF_CIRCUIT}, \`breakerAdded\`, \`breakerRemoved\``;
  const on = (...given: unknown[]) =>
    messageOf(() => (attach(create()).on as (...given: unknown[]) => unknown)(...given));
  const nothing = () => undefined;

  test.each<[string, unknown[], string]>([
    ['statechange', ['statechange', nothing], 'Unknown event `statechange`: did you mean `stateChange`?'],
    ['open, as of opossum', ['open', nothing], 'Unknown event `open`: did you mean `stateChange`?'],
    ['halfOpen, as of opossum', ['halfOpen', nothing], 'Unknown event `halfOpen`: did you mean `stateChange`?'],
    ['atempt', ['atempt', nothing], 'Unknown event `atempt`: did you mean `attempt`?'],
    [
      'success',
      ['success', nothing],
      `Unknown event \`success\`; the events are ${OF_REGISTRY}, \`call\`, \`attempt\`, \`retry\`, \`limiter\``,
    ],
    ['none', ['retry'], "Expected `on('retry', listener)` to be a function, got undefined"],
    ['an object', ['retry', memorySink()], "Expected `on('retry', listener)` to be a function, got an object"],
    [
      'no sink',
      ['*'],
      "Expected `on('*', listener)` to be a function, or a sink with a method record(event), got undefined",
    ],
    ['no type', [nothing], 'Expected `on(type)` to be a non-empty string, got the function nothing'],
  ])('%s', (_what, given, message) => {
    expect(on(...given)).toBe(message);
  });

  test('of a breaker or a registry, for an event of calls', () => {
    const registry = new BreakerRegistry();
    const breaker = registry.ensure('x');
    expect(messageOf(() => breaker.on('call' as never, nothing))).toBe(
      `Unknown event \`call\`; the events are ${OF_CIRCUIT}`,
    );
    expect(messageOf(() => registry.on('attempt' as never, nothing))).toBe(
      `Unknown event \`attempt\`; the events are ${OF_REGISTRY}`,
    );
    expect(messageOf(() => breaker.on('stateChange', undefined as never))).toBe(
      "Expected `on('stateChange', listener)` to be a function, got undefined",
    );
  });
});

test('a limit alone is taken, and so is every switch', () => {
  for (const options of [
    { limiter: concurrencyLimit(10) },
    { limiter: { limit: adaptiveLimit() } },
    { retry: true, breaker: true, idempotencyKey: true },
    { breaker: { halfOpen: { probes: 4, successThreshold: 1, failureRate: 0.5 } } },
    { fallback: null, fallbackOn: 'failure' as const },
  ]) {
    expect(() => attach(create(), options)).not.toThrow();
  }
});
