import axios, { type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  BreakerRegistry,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitOpenError,
  consecutiveFailures,
  type ResilienceOptions,
  RetryBudget,
  reportOf,
  resilienceOf,
} from '../src/index.js';
import { memoryEngine, sharedStore } from '../src/store/index.js';
import { type Step, scripted } from './support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;

function start(options: ResilienceOptions, ...steps: Step[]) {
  const adapter = scripted(...steps);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const resilience = attach(api, options);
  const failing = async (config: AxiosRequestConfig = {}): Promise<any> =>
    api.request({ url: '/', ...config }).catch((error: unknown) => error);
  return { adapter, api, resilience, failing };
}

describe('options of a call hold whether or not there are retries and circuits', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('deadlineMs, with retry: false, and of a request without turning retries on', async () => {
    const { adapter, failing } = start({ retry: false, deadlineMs: 200 }, () => new Promise(() => undefined));
    const [ours, of] = [failing(), failing({ resilience: { deadlineMs: 50 } })];
    await vi.advanceTimersByTimeAsync(50);
    expect(reportOf(await of)).toMatchObject({ attempts: 1, stopped: 'deadline', elapsedMs: 50 });
    await vi.advanceTimersByTimeAsync(150);
    expect(reportOf(await ours)).toMatchObject({ attempts: 1, stopped: 'deadline', elapsedMs: 200 });
    adapter.script(503);
    expect(reportOf(await failing({ resilience: { deadlineMs: 50 } }))).toMatchObject({
      attempts: 1,
      stopped: 'disabled',
    });
  });

  test('idempotencyKey, with retry: false', async () => {
    const { adapter, api } = start({ retry: false, idempotencyKey: { generate: () => 'one' } }, 200);
    await api.post('/', {});
    expect(adapter.attempts[0]?.headers.get('Idempotency-Key')).toBe('one');
  });

  test('key, with breaker: false: report, events and the retry budget go by it', async () => {
    const budget = { ratio: 0.01, minPerSecond: 0.1 };
    const { failing, resilience } = start(
      { breaker: false, key: ({ url }) => `of ${url}`, retry: { retries: 9, backoff: 0, budget } },
      503,
    );
    const keys = new Set<string | null>();
    resilience.on('*', ({ key }) => keys.add(key));
    const settled = failing({ url: '/a' });
    await vi.runAllTimersAsync();
    expect(reportOf(await settled)).toMatchObject({ key: 'of /a', stopped: 'budget', attempts: 2 });
    const other = failing({ url: '/b' });
    await vi.runAllTimersAsync();
    expect(reportOf(await other)).toMatchObject({ key: 'of /b', attempts: 2 });
    expect(keys).toEqual(new Set(['of /a', 'of /b']));
    expect(resilience.breakers.size).toBe(0);
  });

  test('classify, with breaker: false: the fallback goes by it', async () => {
    const classify: ResilienceOptions['classify'] = ({ status }) => (status === 404 ? 'failure' : undefined);
    const { failing } = start({ breaker: false, retry: false, classify, fallback: 'kept', fallbackOn: 'failure' }, 404);
    expect((await failing()).data).toBe('kept');
  });

  test('a key that is null is reported as null', async () => {
    const { api, failing } = start({ key: () => null, retry: false }, 200);
    expect(reportOf(await api.get('/'))?.key).toBeNull();
    expect(reportOf(await failing({ validateStatus: () => false }))?.key).toBeNull();
  });
});

describe('one rule for switches: true, false or options', () => {
  const fields = { retries: 1, backoff: 0 };

  test('retry: false, true and options, for instance, update and request; off keeps what there was', async () => {
    const { failing, resilience } = start({ retry: { ...fields } }, 503);
    const attempts = async (config?: AxiosRequestConfig) => reportOf(await failing(config))?.attempts;
    expect(await attempts()).toBe(2);
    resilience.update({ retry: false });
    expect(await attempts()).toBe(1);
    expect(await attempts({ resilience: { retry: true } })).toBe(2);
    expect(await attempts({ resilience: { retry: 2 } })).toBe(3);
    resilience.update({ retry: true });
    expect(await attempts()).toBe(2);
    expect(await attempts({ resilience: { retry: false } })).toBe(1);
    resilience.update({ retry: false });
    resilience.update({ retry: { retries: 2 } });
    expect(await attempts()).toBe(3);
  });

  test('breaker: off is turned on again by true, by a mode and by any other option', async () => {
    for (const on of [true, { mode: 'enforce' }, { maxWaitMs: 0 }] as const) {
      const { failing, resilience } = start({ retry: false, breaker: { detector: consecutiveFailures(1) } }, 503);
      resilience.update({ breaker: false });
      await failing();
      expect(resilience.breakers.size).toBe(0);
      resilience.update({ breaker: on });
      await failing();
      expect(resilience.breakers.get(KEY)?.state).toBe('open');
    }
  });

  test('idempotencyKey: true after options has those options', async () => {
    const { adapter, api, resilience } = start({ idempotencyKey: { header: 'X-Key', generate: () => 'one' } }, 200);
    resilience.update({ idempotencyKey: false });
    await api.post('/', {});
    await api.post('/', {}, { resilience: { idempotencyKey: true } });
    expect(adapter.attempts.map(({ headers }) => headers.get('X-Key') ?? undefined)).toEqual([undefined, 'one']);
  });

  test('retryAfter, of retry and of the breaker', async () => {
    const asked = { status: 503, headers: { 'retry-after': '3600' } };
    const breaker = { detector: consecutiveFailures(1), cooldownMs: 10, maxWaitMs: 0 };
    const { failing, resilience } = start(
      { retry: { retries: 1, backoff: 0, retryAfter: false }, breaker: false },
      asked,
    );
    expect(reportOf(await failing())).toMatchObject({ attempts: 2, stopped: 'exhausted' });
    resilience.update({ retry: { retryAfter: true } });
    expect(reportOf(await failing())).toMatchObject({ attempts: 1, stopped: 'retry-after' });
    const cooldownOf = async (retryAfter: boolean | { maxMs: number }) => {
      const guarded = start({ retry: false, clock: { now: () => 0 }, breaker: { ...breaker, retryAfter } }, asked);
      await guarded.failing();
      return Math.ceil(guarded.resilience.breakers.get(KEY)?.stats().remainingCooldownMs ?? 0);
    };
    expect(await cooldownOf(false)).toBe(10);
    expect(await cooldownOf(true)).toBe(60_000);
    expect(await cooldownOf({ maxMs: 500 })).toBe(500);
  });

  test('update of a registry: retryAfter is turned on again with its defaults', () => {
    const { resilience } = start({ breaker: { retryAfter: false } });
    expect(() => resilience.breakers.update({ retryAfter: { opens: true } })).not.toThrow();
  });
});

test('a RetryBudget is one for all keys and instances that are given it', async () => {
  const budget = new RetryBudget({ ratio: 0.01, minPerSecond: 0.1 });
  const options: ResilienceOptions = { breaker: false, retry: { retries: 9, backoff: 0, budget } };
  const [one, other] = [start(options, 503), start(options, 503)];
  expect(reportOf(await one.failing({ url: '/a' }))).toMatchObject({ attempts: 2, stopped: 'budget' });
  expect(reportOf(await other.failing({ method: 'put' }))).toMatchObject({ attempts: 1, stopped: 'budget' });
});

test('the handle of an instance can be had from it, until it is detached', () => {
  const { api, resilience } = start({});
  expect(resilienceOf(api)).toBe(resilience);
  resilience.detach();
  expect(resilienceOf(api)).toBeUndefined();
  expect(resilienceOf(axios.create())).toBeUndefined();
});

describe('the two steps of an attempt that is more than one function', () => {
  test('a permit is settled with what the attempt came to', async () => {
    const breaker = new CircuitBreaker('stream', { detector: consecutiveFailures(1), cooldownMs: 60_000 });
    const failure = new Error('reset');
    (await breaker.acquire()).settle('success');
    const permit = await breaker.acquire();
    expect(breaker.inFlight).toBe(1);
    permit.settle('failure', failure);
    permit.settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'open', inFlight: 0, lastFailure: failure });
    await expect(breaker.acquire()).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN', key: 'stream', cause: failure });
  });

  test('with maxWaitMs it waits for a permit, and a signal ends the wait', async () => {
    const breaker = new CircuitBreaker('stream', { detector: consecutiveFailures(1), cooldownMs: 30 });
    breaker.restore({ version: 1, key: 'stream', state: 'open', remainingCooldownMs: 30, openings: 1 });
    const ended = new Error('left');
    const controller = new AbortController();
    const cancelled = breaker.acquire({ maxWaitMs: 1_000, signal: controller.signal });
    controller.abort(ended);
    await expect(cancelled).rejects.toBe(ended);
    (await breaker.acquire({ maxWaitMs: 1_000 })).settle('success');
    expect(breaker.state).toBe('closed');
  });

  test('with a store it gets a probe', async () => {
    const store = sharedStore(memoryEngine());
    const breaker = new CircuitBreaker('stream', { detector: consecutiveFailures(1), cooldownMs: 20, store });
    await store.ready();
    (await breaker.acquire()).settle('failure');
    await expect.poll(() => breaker.state).toBe('half-open');
    const probe = await breaker.acquire();
    await expect(breaker.acquire()).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
    probe.settle('success');
    expect(breaker.state).toBe('closed');
    await store.close();
  });
});

describe('while a probe is out', () => {
  const probing = (options: CircuitBreakerOptions) => {
    let now = 1_000;
    const clock = { now: () => now };
    const registry = new BreakerRegistry({ ...options, clock });
    const adapter = scripted(200);
    const api = axios.create({ baseURL: BASE_URL, adapter, timeout: 5_000 });
    attach(api, { retry: false, breaker: { registry, maxWaitMs: 0 }, clock });
    const rejection = async () => api.get('/').catch((error: unknown) => error as CircuitOpenError);
    return { adapter, api, breaker: registry.ensure(KEY), rejection, advance: (ms: number) => (now += ms) };
  };

  test('others are told to come back when successes lately were over, and not when its seat is free at the latest', async () => {
    const { adapter, api, breaker, rejection, advance } = probing({ cooldownMs: 1_000 });
    adapter.script(() => {
      advance(20);
      return 200;
    });
    await api.get('/');
    breaker.trip();
    advance(1_000);
    let answer: (step: Step) => void = () => undefined;
    adapter.script(() => new Promise<Step>((resolve) => (answer = resolve)));
    const probe = api.get('/');
    advance(5);
    expect(await rejection()).toMatchObject({ retryAfterMs: 15, headers: { 'Retry-After': '1' } });
    advance(15);
    expect(await rejection()).toMatchObject({ retryAfterMs: 1_000, headers: { 'Retry-After': '1' } });
    answer(200);
    await probe;
    expect(breaker.state).toBe('closed');
  });

  test('and where no success is known, in a second', async () => {
    const breaker = new CircuitBreaker('x', { detector: consecutiveFailures(1), cooldownMs: 0 });
    breaker.trip();
    const held = await breaker.acquire();
    const error = await breaker.execute(() => 1).catch((thrown: unknown) => thrown as CircuitOpenError);
    expect(error).toMatchObject({ headers: { 'Retry-After': '1' } });
    held.settle('success');
  });
});
