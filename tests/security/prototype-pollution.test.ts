import axios, { type InternalAxiosRequestConfig } from 'axios';
import * as promClient from 'prom-client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  BreakerRegistry,
  CircuitBreaker,
  consecutiveFailures,
  exponential,
  failureRate,
  logSink,
  RetryBudget,
  reportOf,
  retry,
  slowCallRate,
} from '../../src/index.js';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { redisStore } from '../../src/redis/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';

/** Every name of an option that we read, wherever it stands; but `rate`, which is a field of detectors as well. */
const OPTIONS = [
  'resilience', 'retry', 'breaker', 'fallback', 'fallbackOn', 'registry', 'sinks', 'random', 'retries', 'methods', 'statusCodes', 'codes',
  'backoff', 'retryAfter', 'maxMs', 'deadlineMs', 'budget', 'ratio', 'minPerSecond', 'idempotencyKey', 'generate', 'quoted',
  'attemptHeader', 'shouldRetry', 'shouldRetryResponse', 'beforeRetry', 'detector', 'cooldownMs', 'opens',
  'halfOpen', 'permits', 'successThreshold', 'failureRate', 'leaseMs', 'probeTimeoutMs', 'classify', 'createError', 'mode', 'store',
  'maxBreakers', 'perKey', 'size', 'minAttempts', 'maxAgeMs', 'windowMs', 'slowMs', 'baseMs', 'factor', 'jitter', 'cooldownMs',
  'level', 'share', 'lingerMs', 'commandTimeoutMs', 'resyncMs', 'quorum', 'prefix', 'subscribe', 'buckets', 'meter', 'clock',
]; // biome-ignore format: one name after the other

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
    const permit = breaker.tryAcquire();
    if (permit.admitted) permit.settle('success');
  },
  retry: () => retry(() => 1, {}),
  'retry after a failure': () =>
    retry(({ attempt }) => (attempt === 1 ? Promise.reject(new Error('no')) : 1), { backoff: () => 0 }),
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
