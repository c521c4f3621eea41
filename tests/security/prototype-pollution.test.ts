import axios, { type InternalAxiosRequestConfig } from 'axios';
import * as promClient from 'prom-client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  adaptiveLimit,
  attach,
  BreakerRegistry,
  CircuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  exponential,
  failureRate,
  Limiter,
  logSink,
  RetryBudget,
  rateLimit,
  reportOf,
  retry,
  slowCallRate,
} from '../../src/index.js';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { redisStore } from '../../src/redis/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { OPTION_NAMES } from './option-names.js';

/** `rate` is a field of detectors as well, `name` of errors, and `signal` of requests, where axios itself reads what is inherited. */
const OPTIONS = OPTION_NAMES.filter((name) => !['rate', 'name', 'signal'].includes(name));

test('the names of the options are found', () => {
  expect(OPTIONS).toEqual(
    expect.arrayContaining(['retry', 'errorCodes', 'maxQueue', 'burst', 'commandTimeoutMs', 'ratio']),
  );
  expect(OPTIONS.length).toBeGreaterThan(70);
});

const END = { type: 'call', attempts: 1, stopped: 'exhausted', elapsedMs: 1, fallback: false } as const;
const pollution = Object.prototype as unknown as Record<string, unknown>;
afterEach(() => {
  for (const name of [...OPTIONS, 'baseURL', 'params', 'data', 'resilienceState']) delete pollution[name];
});

/** Runs it while each of the names is on every object, and gives those that code of ours has read there. */
async function readBy(run: () => unknown): Promise<string[]> {
  const read = new Set<string>();
  for (const name of OPTIONS) {
    Object.defineProperty(Object.prototype, name, {
      configurable: true,
      get() {
        const [, , caller = ''] = (new Error().stack ?? '').split('\n');
        if (/[\\/]src[\\/]/.test(caller)) read.add(name);
        return undefined;
      },
      set(value: unknown) {
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      },
    });
  }
  try {
    await run();
  } finally {
    for (const name of OPTIONS) delete pollution[name];
  }
  return [...read];
}

const status =
  (code: number) =>
  async (config: InternalAxiosRequestConfig): Promise<never> =>
    ({ data: '', status: code, statusText: '', headers: {}, config }) as never;

const call = async (adapter: ReturnType<typeof status>, request: object = {}, options: object = {}) => {
  const api = axios.create({ adapter, validateStatus: () => true });
  // As many interceptors do: from here on the config inherits from Object.prototype, whatever axios made it of.
  api.interceptors.request.use((config) => ({ ...config }));
  const resilience = attach(api, options);
  resilience.update({});
  resilience.update({ retry: {}, breaker: { mode: 'enforce' } });
  return api.request({ method: 'post', url: 'http://h/', data: {}, ...request });
};

const redis = {
  call: () => new Promise(() => undefined),
  duplicate: () => redis,
  on: () => redis,
  off: () => redis,
  subscribe: () => new Promise(() => undefined),
  options: {},
};

const READERS: Readonly<Record<string, () => unknown>> = {
  'attach, update and a call': () => call(status(200)),
  'a call that is retried': () => call(status(503), { method: 'get' }, { retry: { backoff: () => 0 }, breaker: {} }),
  'a call with options of its own': () =>
    call(status(503), { resilience: { retry: { backoff: () => 0, retryAfter: {} }, idempotencyKey: {}, breaker: {} } }),
  'a call that is rejected': () =>
    call(status(503), { method: 'get' }, { breaker: { detector: consecutiveFailures(1) } }),
  'a registry': () => new BreakerRegistry({ perKey: () => ({ halfOpen: {} }) }).ensure('key').trip(),
  'a breaker': async () => {
    const breaker = new CircuitBreaker('key', {});
    breaker.trip({});
    breaker.reset();
    await breaker.execute(() => 1, {});
    breaker.stats();
  },
  'a half-open breaker': () => {
    const breaker = new CircuitBreaker('key', { cooldownMs: 0 });
    breaker.trip();
    return breaker.acquire().then((permit) => permit.settle('success'));
  },
  'a call that waits for its circuit': async () => {
    const breaker = new CircuitBreaker('key', { detector: consecutiveFailures(1), cooldownMs: 5 });
    await breaker.execute(() => Promise.reject(new Error('no'))).catch(() => undefined);
    await breaker.execute(() => 1, { maxWaitMs: 50 });
  },
  retry: () => retry(() => 1, {}),
  'retry after a failure': () =>
    retry(({ attempt }) => (attempt === 1 ? Promise.reject(new Error('no')) : 1), { backoff: () => 0 }),
  'a call through a limiter, with options of its own': () =>
    call(status(200), { resilience: { limiter: {} } }, { limiter: { limit: adaptiveLimit({}) } }),
  'a call through a quota': () => call(status(200), {}, { limiter: rateLimit({ perSecond: 10 }) }),
  'a limiter': async () => {
    const limiter = new Limiter('key', { limit: concurrencyLimit(1) });
    await Promise.all([limiter.execute(() => 1, {}), retry(() => 1, { limiter, breaker: new CircuitBreaker('key') })]);
    limiter.stats();
  },
  'a switch of each group': () =>
    call(
      status(503),
      {},
      { retry: { backoff: () => 0, retryAfter: {}, budget: {} }, breaker: { retryAfter: {}, halfOpen: {} } },
    ),
  detectors: () => [failureRate({})(), slowCallRate({ slowMs: 1 })()],
  delays: () => [exponential({}), exponential({ jitter: 0.1 })],
  'a budget': () => new RetryBudget({}).withdraw(0),
  'a fleet': () => sharedStore(memoryEngine(), {}).close(),
  'a store on Redis': () => redisStore(redis, {}).close(),
  'the log': () => logSink(console, {}).record({ ...END, key: '', at: 1 }),
  'metrics of Prometheus': () => prometheusSink(promClient, { register: new promClient.Registry() }),
  'metrics of OpenTelemetry': () =>
    openTelemetrySink(
      { metrics: { getMeter: () => undefined }, trace: { getActiveSpan: () => undefined } } as never,
      {},
    ),
};

test.each(Object.keys(READERS))('%s reads no option from Object.prototype', async (name) => {
  const silent = vi.spyOn(console, 'info').mockReturnValue();
  expect(await readBy(READERS[name] as () => unknown)).toEqual([]);
  silent.mockRestore();
});

describe("what somebody else's hole puts on Object.prototype", () => {
  test('is not asked for a fallback, nor to change a request', async () => {
    const stolen: unknown[] = [];
    pollution['fallback'] = () => ({ stolen: true });
    pollution['fallbackOn'] = 'failure';
    pollution['beforeRetry'] = ({ config }: { config: unknown }) => void stolen.push(config);
    pollution['createError'] = () => 'stolen';
    const response = await call(status(503), { method: 'get' }, { retry: { backoff: () => 0 } });
    expect([response.status, response.data, stolen]).toEqual([503, '', []]);
    expect(reportOf(response)).toMatchObject({ attempts: 4, stopped: 'exhausted', fallback: false });
  });

  test('does not turn a request off, or its retries', async () => {
    pollution['resilience'] = false;
    pollution['retry'] = false;
    const response = await call(status(503), { method: 'get' }, { breaker: {} });
    expect(reportOf(response)?.attempts).toBe(4);
  });

  test('does not become the base URL of a retry that axios itself would not take', async () => {
    const urls: unknown[] = [];
    pollution['baseURL'] = 'http://evil.example.com';
    const adapter = async (config: InternalAxiosRequestConfig) => {
      urls.push(Object.hasOwn(config, 'baseURL'));
      return status(503)(config);
    };
    await call(adapter, { method: 'get' }, { retry: { backoff: () => 0 } });
    expect(urls).toEqual([false, false, false, false]);
  });

  test('is no report', () => {
    pollution['resilienceState'] = { key: 'stolen', delaysMs: [], history: [] };
    expect(reportOf({ config: {} })).toBeUndefined();
    expect(reportOf({ config: { resilienceState: { key: 'made up' } } })).toBeUndefined();
  });
});
