import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import axios from 'axios';
import promClient, { Registry } from 'prom-client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { attach, BreakerRegistry, type ResilienceEvent, type Sink } from '../../src/index.js';
import { INSTRUMENTS } from '../../src/metrics/instruments.js';
import { prometheusName, prometheusSink } from '../../src/prometheus/prometheus.js';
import { manualClock } from '../circuit/support.js';
import { samplesOf, sumOf } from '../support/exposed-metrics.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';

afterEach(() => promClient.register.clear());

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const KEY = 'GET https://api.example.com';
const base = { key: KEY, at: 1 };
const attempt = (durationMs: number, key = KEY): ResilienceEvent => ({
  ...base,
  key,
  type: 'attempt',
  attempt: 1,
  outcome: 'success',
  status: 200,
  code: undefined,
  durationMs,
  guarded: true,
});
const registered = (key = KEY): ResilienceEvent => ({ ...base, key, type: 'breakerAdded', state: 'closed' });
const evicted = (key = KEY): ResilienceEvent => ({ ...base, key, type: 'breakerRemoved', state: 'closed' });

function start(options: Parameters<typeof prometheusSink>[1] = {}) {
  const register = new Registry();
  const sink = prometheusSink(promClient, { register, ...options });
  return { register, sink, samples: () => samplesOf(register) };
}

/** The keys of the circuits and other keys that anything is exposed for. */
const keysIn = async (register: Registry) =>
  [...new Set((await samplesOf(register)).flatMap(({ labels }) => labels['key'] ?? []))].sort();

describe('what is exposed', () => {
  test('every instrument of the table under its name, type and help, and none else', async () => {
    const { register } = start();
    const metrics = await register.getMetricsAsJSON();
    expect(metrics.map(({ name, type, help }) => [name, type, help])).toEqual(
      Object.values(INSTRUMENTS).map((instrument) => [
        prometheusName(instrument),
        instrument.kind,
        instrument.description,
      ]),
    );
    expect(metrics.map(({ name }) => name)).toEqual([
      'axios_resilience_circuit_state',
      'axios_resilience_circuit_calls_total',
      'axios_resilience_circuit_waits_total',
      'axios_resilience_circuit_transitions_total',
      'axios_resilience_attempt_duration_seconds',
      'axios_resilience_call_attempts',
      'axios_resilience_retries_total',
      'axios_resilience_retries_given_up_total',
      'axios_resilience_fallbacks_total',
      'axios_resilience_budget_exhausted_total',
      'axios_resilience_registry_size',
      'axios_resilience_registry_evictions_total',
      'axios_resilience_limiter_limit',
      'axios_resilience_limiter_in_flight',
      'axios_resilience_limiter_queue',
      'axios_resilience_limiter_waits_total',
      'axios_resilience_limiter_rejections_total',
      'axios_resilience_store_status',
      'axios_resilience_store_events_total',
    ]);
  });

  test('a limiter by its key: what it is, who waited, who was rejected and why', async () => {
    const { sink, samples } = start();
    const key = 'https://api.example.com';
    const limiter = { type: 'limiter', key, at: 1 } as const;
    sink.record({ type: 'queued', by: 'limiter', key, at: 1, queued: 1 });
    sink.record({ ...limiter, limit: 2, inFlight: 2, queued: 1 });
    sink.record({ type: 'rejected', by: 'limiter', key, at: 2, why: 'queue', retryAfterMs: 0 });
    sink.record({ ...limiter, limit: 2.5, inFlight: 0, queued: 0 });
    sink.record({ ...limiter, key: 'by rate', limit: undefined, inFlight: 1, queued: 0 });
    const all = await samples();
    const sum = (name: string, labels = {}) => sumOf(all, `axios_resilience_limiter_${name}`, { key, ...labels });
    expect([sum('limit'), sum('in_flight'), sum('queue'), sum('waits_total')]).toEqual([2.5, 0, 0, 1]);
    expect(sum('rejections_total', { reason: 'queue' })).toBe(1);
    expect(all.filter(({ labels }) => labels['key'] === 'by rate')).toHaveLength(2);
  });

  test('attempts that wait for a circuit, apart from those that wait for a limiter', async () => {
    const { sink, samples } = start();
    for (const queued of [1, 2]) sink.record({ type: 'queued', by: 'circuit', key: KEY, at: 1, queued });
    const all = await samples();
    const waits = (of: string) => sumOf(all, `axios_resilience_${of}_waits_total`, { key: KEY });
    expect([waits('circuit'), waits('limiter')]).toEqual([2, undefined]);
  });

  test('a histogram in the text format: cumulative buckets, sum and count', async () => {
    const { register, sink } = start({ buckets: [0.1, 0.5] });
    for (const durationMs of [50, 100, 400, 2_000]) sink.record(attempt(durationMs));
    const name = 'axios_resilience_attempt_duration_seconds';
    const labels = `key="${KEY}",outcome="success"`;
    expect((await register.getSingleMetricAsString(name)).split('\n')).toEqual([
      `# HELP ${name} How long attempts took`,
      `# TYPE ${name} histogram`,
      `${name}_bucket{${labels},le="0.1"} 2`,
      `${name}_bucket{${labels},le="0.5"} 3`,
      `${name}_bucket{${labels},le="+Inf"} 4`,
      `${name}_sum{${labels}} 2.55`,
      `${name}_count{${labels}} 4`,
    ]);
  });

  test('a counter goes on from reading to reading', async () => {
    const { register, sink, samples } = start();
    const retry: ResilienceEvent = {
      ...base,
      type: 'retry',
      attempt: 1,
      delayMs: 1,
      reason: '503',
      method: 'GET',
      url: '',
    };
    const retries = async () => sumOf(await samples(), 'axios_resilience_retries_total', { key: KEY, reason: '503' });
    sink.record(retry);
    sink.record(retry);
    expect(await retries()).toBe(2);
    sink.record(retry);
    expect([await retries(), await retries()]).toEqual([3, 3]);
    register.resetMetrics();
    sink.record(retry);
    expect(await retries()).toBe(1);
  });

  test('a reset of the registry forgets what was counted, also what was never read, and leaves circuits as they are', async () => {
    const { register, sink, samples } = start();
    sink.record(registered());
    sink.record(attempt(5));
    register.resetMetrics();
    expect(sumOf(await samples(), 'axios_resilience_circuit_calls_total', { outcome: 'success' })).toBe(0);
    expect(sumOf(await samples(), 'axios_resilience_attempt_duration_seconds_count')).toBe(0);
    expect(sumOf(await samples(), 'axios_resilience_circuit_state', { state: 'closed' })).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_registry_size')).toBe(1);
  });

  test('the labels that the user gives to all metrics', async () => {
    const { register, sink } = start();
    register.setDefaultLabels({ app: 'shop' });
    sink.record(attempt(50));
    const labels = `key="${KEY}",outcome="success"`;
    expect(await register.metrics()).toContain(
      `axios_resilience_attempt_duration_seconds_count{${labels},app="shop"} 1`,
    );
  });

  test('the numbers of several processes can be added up, as a cluster does', async () => {
    const workers = [start(), start()];
    for (const { sink } of workers) sink.record(registered());
    for (const { sink } of workers) sink.record(attempt(50));
    const exposed = await Promise.all(workers.map(({ register }) => register.getMetricsAsJSON()));
    const samples = await samplesOf(
      promClient.AggregatorRegistry.aggregate<'text/plain; version=0.0.4; charset=utf-8'>(exposed),
    );
    const outcome = { outcome: 'success' };
    expect(sumOf(samples, 'axios_resilience_attempt_duration_seconds_count', outcome)).toBe(2);
    expect(sumOf(samples, 'axios_resilience_attempt_duration_seconds_bucket', { le: 0.025 })).toBe(0);
    expect(sumOf(samples, 'axios_resilience_attempt_duration_seconds_bucket', { le: 0.05 })).toBe(2);
    expect(sumOf(samples, 'axios_resilience_circuit_calls_total', outcome)).toBe(2);
  });
});

describe('what events move', () => {
  test('a circuit is closed, and all of its counters are 0, before anything happens to it', async () => {
    const { sink, samples } = start();
    sink.record(registered());
    const found = (await samples()).filter(({ name }) => /circuit|registry|budget/.test(name));
    expect(found.map(({ name, labels, value }) => [name.slice(17), Object.values(labels).at(1), value])).toEqual([
      ['circuit_state', 'closed', 1],
      ['circuit_state', 'open', 0],
      ['circuit_state', 'half-open', 0],
      ['circuit_calls_total', 'success', 0],
      ['circuit_calls_total', 'failure', 0],
      ['circuit_calls_total', 'neutral', 0],
      ['circuit_calls_total', 'rejected', 0],
      ['circuit_calls_total', 'late', 0],
      ['budget_exhausted_total', undefined, 0],
      ['registry_size', undefined, 1],
      ['registry_evictions_total', undefined, 0],
    ]);
  });

  test('a circuit of a registry that was there before shows the state that it is in', async () => {
    const { sink, samples } = start();
    const registry = new BreakerRegistry();
    registry.ensure(KEY).trip();
    attach(axios.create(), { breaker: registry, sinks: [sink] });
    expect(sumOf(await samples(), 'axios_resilience_circuit_state', { key: KEY, state: 'open' })).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_circuit_state', { key: KEY, state: 'closed' })).toBe(0);
  });

  test('attempts without a circuit are timed and count for no circuit', async () => {
    const { sink, samples } = start();
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(200) });
    attach(api, { breaker: false, sinks: [sink] });
    await api.get('/');
    expect(sumOf(await samples(), 'axios_resilience_attempt_duration_seconds_count', { key: KEY })).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_circuit_calls_total')).toBeUndefined();
    expect(sumOf(await samples(), 'axios_resilience_circuit_state')).toBeUndefined();
  });

  test('attempts that go past a circuit of the same key are timed, and count for calls but not for the circuit', async () => {
    const { sink, samples } = start();
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(200) });
    const resilience = attach(api, { sinks: [sink] });
    await api.get('/');
    await api.get('/', { resilience: { breaker: false } });
    expect(resilience.breakers.get(KEY)?.stats().counts.success).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_circuit_calls_total')).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_attempt_duration_seconds_count')).toBe(2);
    expect(sumOf(await samples(), 'axios_resilience_call_attempts_count')).toBe(2);
  });

  test('a rejection that is only observed is none: its attempt was made', async () => {
    const { sink, samples } = start();
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(200) });
    const resilience = attach(api, { breaker: { mode: 'observe' }, sinks: [sink] });
    resilience.breakers.ensure(KEY).trip();
    await api.get('/');
    const calls = async (outcome: string) =>
      sumOf(await samples(), 'axios_resilience_circuit_calls_total', { outcome });
    expect([await calls('success'), await calls('rejected'), await calls('observed')]).toEqual([1, 0, 1]);
  });

  test('an attempt that ends after its circuit has opened is late on top of its outcome', async () => {
    const { sink, samples } = start();
    const adapter = scripted(() => {
      resilience.breakers.get(KEY)?.trip();
      return 200;
    });
    const api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const resilience = attach(api, { sinks: [sink] });
    await api.get('/');
    const calls = async (outcome: string) =>
      sumOf(await samples(), 'axios_resilience_circuit_calls_total', { outcome });
    expect([await calls('success'), await calls('late')]).toEqual([1, 1]);
  });

  test('a call whose retry the budget forbids', async () => {
    const { sink, samples } = start();
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(503) });
    const budget = { ratio: 0.001, minPerSecond: 0.1 };
    attach(api, { retry: { retries: 1, backoff: () => 0, budget }, breaker: false, sinks: [sink] });
    for (let count = 0; count < 3; count++) await api.get('/').catch(() => undefined);
    expect(sumOf(await samples(), 'axios_resilience_budget_exhausted_total', { key: KEY })).toBe(2);
    expect(sumOf(await samples(), 'axios_resilience_retries_given_up_total', { stopped: 'budget' })).toBe(2);
    expect(sumOf(await samples(), 'axios_resilience_retries_total')).toBe(1);
  });

  test('what happens to the store, each kind from 0 on, so that a degradation stands out from its recovery', async () => {
    const { sink, samples } = start();
    const events = async () =>
      ['degraded', 'recovered', 'dropped', 'resync', 'unsubscribed', 'subscribed', 'mismatch'].map(async (event) =>
        sumOf(await samples(), 'axios_resilience_store_events_total', { event }),
      );
    expect(await Promise.all(await events())).toEqual(Array(7).fill(undefined));
    sink.record({ type: 'store', status: 'degraded', key: null, at: 1, error: new Error('ECONNREFUSED') });
    expect(await Promise.all(await events())).toEqual([1, 0, 0, 0, 0, 0, 0]);
    sink.record({ type: 'store', status: 'dropped', key: KEY, at: 2, outcomes: 12 });
    sink.record({ type: 'store', status: 'recovered', key: null, at: 3, degradedMs: 2 });
    sink.record({ type: 'store', status: 'resync', key: null, at: 3, circuits: 5 });
    sink.record({ type: 'store', status: 'degraded', key: null, at: 4, error: new Error('ECONNREFUSED') });
    sink.record({ type: 'store', status: 'unsubscribed', key: null, at: 5, error: new Error('NOPERM') });
    sink.record({ type: 'store', status: 'subscribed', key: null, at: 6 });
    sink.record({ type: 'store', status: 'mismatch', key: KEY, at: 7, ours: 'a', theirs: 'b' });
    expect(await Promise.all(await events())).toEqual([2, 1, 1, 1, 1, 1, 1]);
    const exposed = (await samples()).filter(({ name }) => name.includes('store_events'));
    expect(exposed.map(({ labels }) => Object.keys(labels))).toEqual(Array(7).fill(['event']));
  });

  test('whether the store answers and is listened to, from its first event on', async () => {
    const { sink, samples } = start();
    const shown = async () => {
      const all = await samples();
      return ['live', 'subscribed'].map((status) => sumOf(all, 'axios_resilience_store_status', { status }));
    };
    const error = new Error('ECONNREFUSED');
    expect(await shown()).toEqual([undefined, undefined]);
    sink.record({ type: 'store', status: 'resync', key: null, at: 1, circuits: 5 });
    expect(await shown()).toEqual([1, 1]);
    sink.record({ type: 'store', status: 'degraded', key: KEY, at: 2, error });
    expect(await shown()).toEqual([1, 1]);
    sink.record({ type: 'store', status: 'degraded', key: null, at: 3, error });
    sink.record({ type: 'store', status: 'unsubscribed', key: null, at: 3, error });
    expect(await shown()).toEqual([0, 0]);
    sink.record({ type: 'store', status: 'recovered', key: KEY, at: 4, degradedMs: 2 });
    sink.record({ type: 'store', status: 'subscribed', key: null, at: 4 });
    expect(await shown()).toEqual([0, 1]);
    sink.record({ type: 'store', status: 'recovered', key: null, at: 5, degradedMs: 2 });
    expect(await shown()).toEqual([1, 1]);
  });

  test('a transition that another process made', async () => {
    const { sink, samples } = start();
    sink.record({
      ...base,
      type: 'stateChange',
      from: 'closed',
      to: 'open',
      reason: 'shared',
      failures: 0,
      cooldownMs: 1,
    });
    expect(sumOf(await samples(), 'axios_resilience_circuit_transitions_total', { reason: 'shared' })).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_circuit_state', { state: 'open' })).toBe(1);
  });

  test('two instances with one sink and one registry: each call counts once, each transition once', async () => {
    const { sink, samples } = start();
    const registry = new BreakerRegistry();
    const adapter = scripted(200);
    for (let count = 0; count < 2; count++) {
      const api = axios.create({ baseURL: 'https://api.example.com', adapter });
      attach(api, { breaker: registry, sinks: [sink] });
      await api.get('/');
    }
    registry.ensure(KEY).trip();
    expect(sumOf(await samples(), 'axios_resilience_call_attempts_count')).toBe(2);
    expect(sumOf(await samples(), 'axios_resilience_circuit_transitions_total')).toBe(1);
  });
});

describe('a circuit that nobody reads', () => {
  const STATE = 'axios_resilience_circuit_state';
  const DAY_MS = 86_400_000;
  const statesIn = async (register: Registry, key = KEY) =>
    Object.fromEntries(
      (await samplesOf(register))
        .filter(({ name, labels }) => name === STATE && labels['key'] === key)
        .map(({ labels, value }) => [labels['state'], value]),
    );
  const open = (sinks: Sink[], clock = manualClock()) => {
    const registry = new BreakerRegistry({ clock, cooldownMs: 1_000 });
    const { detach } = attach(axios.create(), { breaker: registry, sinks });
    registry.ensure(KEY).trip();
    return { clock, registry, detach };
  };

  test('is exposed as half-open once its cooldown is over, with the transition', async () => {
    const { register, sink, samples } = start();
    const { clock } = open([sink]);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 1, 'half-open': 0 });
    clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
    const labels = { from: 'open', to: 'half-open', reason: 'cooldown-elapsed' };
    expect(sumOf(await samples(), 'axios_resilience_circuit_transitions_total', labels)).toBe(1);
  });

  test('is exposed in the same reading with the transition that the reading brought about', async () => {
    const { sink, samples } = start();
    const { clock } = open([sink]);
    clock.advance(DAY_MS);
    const read = await samples();
    expect(sumOf(read, STATE, { state: 'half-open' })).toBe(1);
    expect(sumOf(read, 'axios_resilience_circuit_transitions_total', { to: 'half-open' })).toBe(1);
  });

  test('is exposed as half-open where it was open before the instance was attached', async () => {
    const { register, sink } = start();
    const { clock, registry } = open([]);
    attach(axios.create(), { breaker: registry, sinks: [sink] });
    clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
  });

  test('is exposed as open again where its probe was lost', async () => {
    const { register, sink } = start();
    const { clock, registry } = open([sink]);
    clock.advance(1_000);
    expect(tryAcquire(registry.ensure(KEY), undefined, 5_000)).toMatchObject({ admitted: true, isProbe: true });
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
    clock.advance(5_500);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 1, 'half-open': 0 });
  });

  test('stays open in what is exposed while it is isolated', async () => {
    const { register, sink } = start();
    const { clock, registry } = open([sink]);
    const isolation = registry.ensure(KEY).isolate();
    clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 1, 'half-open': 0 });
    isolation.release();
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
  });

  test('is exposed by the registry whose circuit of that key changed last', async () => {
    const { register, sink } = start();
    const first = open([sink]);
    const second = open([sink]);
    first.clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 1, 'half-open': 0 });
    second.clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
  });

  test('is read also after its instance was detached', async () => {
    const { register, sink } = start();
    const { clock, registry, detach } = open([sink]);
    detach();
    clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 1 });
    registry.ensure(KEY).reset();
    expect(await statesIn(register)).toEqual({ closed: 1, open: 0, 'half-open': 0 });
  });

  test('is not read once it was evicted', async () => {
    const { register, sink } = start();
    const { clock, registry } = open([sink]);
    const evictedOne = registry.ensure(KEY);
    registry.delete(KEY);
    clock.advance(DAY_MS);
    expect(await statesIn(register)).toEqual({});
    expect(evictedOne.stats().stateAgeMs).toBe(0);
  });

  test('is not held in memory: it is in no state once it is gone with its registry', async () => {
    const { register, sink } = start();
    const gone = (() => {
      const { registry, detach } = open([sink]);
      detach();
      return new WeakRef(registry.ensure(KEY));
    })();
    await vi.waitFor(
      () => {
        collectGarbage();
        expect(gone.deref() === undefined).toBe(true);
      },
      { timeout: 10_000 },
    );
    expect(await statesIn(register)).toEqual({ closed: 0, open: 0, 'half-open': 0 });
  }, 15_000);
});

describe('bounds', () => {
  test('a circuit that is evicted takes all of its series along', async () => {
    const { register, sink, samples } = start();
    const api = axios.create({ adapter: scripted(503) });
    const resilience = attach(api, {
      breaker: { maxBreakers: 2 },
      retry: { retries: 1, backoff: () => 0 },
      fallback: 'kept',
      fallbackOn: 'failure',
      sinks: [sink],
    });
    const call = (name: string) => api.get(`https://${name}.example.com/`);
    await call('a');
    resilience.breakers.get('GET https://a.example.com')?.trip();
    await call('a');
    resilience.breakers.get('GET https://a.example.com')?.reset();
    expect(await keysIn(register)).toEqual(['GET https://a.example.com']);
    await call('b');
    await call('c');
    expect(await keysIn(register)).toEqual(['GET https://b.example.com', 'GET https://c.example.com']);
    expect(sumOf(await samples(), 'axios_resilience_registry_size')).toBe(2);
    expect(sumOf(await samples(), 'axios_resilience_registry_evictions_total')).toBe(1);
    expect((await register.metrics()).includes('//a.example.com')).toBe(false);
  });

  test('what is still under way on an evicted circuit brings none of its series back', async () => {
    const { register, sink } = start();
    const api = axios.create({ adapter: scripted(async () => Promise.resolve(503)) });
    attach(api, { breaker: { maxBreakers: 3 }, retry: { retries: 1, backoff: () => 0 }, sinks: [sink] });
    const names = Array.from({ length: 40 }, (_, index) => `https://host-${index}.example.com`);
    await Promise.allSettled(names.map((name) => api.get(name)));
    expect(await keysIn(register)).toHaveLength(3);
  });

  test('an evicted circuit that comes back begins at 0', async () => {
    const { sink, samples } = start();
    for (const event of [registered(), attempt(5), evicted(), attempt(5), registered(), attempt(5)]) sink.record(event);
    expect(sumOf(await samples(), 'axios_resilience_circuit_calls_total', { outcome: 'success' })).toBe(1);
    expect(sumOf(await samples(), 'axios_resilience_attempt_duration_seconds_count')).toBe(1);
  });

  test('of keys without a circuit 1,024 are exposed, those that came last', async () => {
    const { register, sink } = start();
    for (let index = 0; index < 1_030; index++) sink.record(attempt(5, `key ${String(index).padStart(4, '0')}`));
    const keys = await keysIn(register);
    expect([keys.length, keys[0], keys.at(-1)]).toEqual([1_024, 'key 0006', 'key 1029']);
  });

  test('of reasons that an adapter makes up 64 are told apart', async () => {
    const { sink, samples } = start();
    for (let index = 0; index < 100; index++) {
      const reason = `E${index}`;
      sink.record({ ...base, type: 'retry', attempt: 1, delayMs: 1, reason, method: 'GET', url: '' });
    }
    const found = (await samples()).filter(({ name }) => name === 'axios_resilience_retries_total');
    expect(found).toHaveLength(65);
    expect(found.at(-1)).toMatchObject({ labels: { reason: 'other' }, value: 36 });
  });
});

describe('options', () => {
  test('without a register the metrics are on that of the module', () => {
    prometheusSink(promClient);
    expect(promClient.register.getSingleMetric('axios_resilience_retries_total')).toBeDefined();
  });

  test('a prefix stands before every name', async () => {
    const { register } = start({ prefix: 'shop_' });
    const names = (await register.getMetricsAsJSON()).map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith('shop_axios_resilience_'))).toEqual([]);
    expect(names).toHaveLength(19);
  });

  test('a second sink on one registry is refused by name, and nothing is registered; a prefix makes it fit', () => {
    const register = new Registry();
    prometheusSink(promClient, { register });
    expect(() => prometheusSink(promClient, { register })).toThrow(
      'The registry has a metric axios_resilience_circuit_state already; share one sink, or give it a `prefix`',
    );
    prometheusSink(promClient, { register, prefix: 'other_' });
    expect(register.getMetricsAsArray()).toHaveLength(38);
  });

  test.each<[string, unknown, unknown, string, ErrorConstructor]>([
    ['no module', undefined, {}, 'Expected `prometheusSink(promClient)` to be the module prom-client', TypeError],
    ['another module', axios, {}, 'Expected `prometheusSink(promClient)` to be the module prom-client', TypeError],
    ['a register that is none', promClient, { register: {} }, '`prometheusSink(options).register` to be a', TypeError],
    ['a prefix with a space', promClient, { prefix: 'my shop' }, '.prefix` to be a string of letters', RangeError],
    ['a prefix that is a number', promClient, { prefix: 1 }, '.prefix` to be a string of letters', TypeError],
    ['no buckets', promClient, { buckets: [] }, '.buckets` to be an ascending list of seconds > 0, got []', RangeError],
    ['buckets that descend', promClient, { buckets: [2, 1] }, 'seconds > 0, got [2, 1]', RangeError],
    ['a bucket at 0', promClient, { buckets: [0, 1] }, 'seconds > 0, got [0, 1]', RangeError],
    ['an endless bucket', promClient, { buckets: [1, Infinity] }, 'seconds > 0, got [1, Infinity]', RangeError],
    ['buckets of text', promClient, { buckets: ['1'] }, 'seconds > 0, got ["1"]', TypeError],
    ['a misspelt option', promClient, { registry: {} }, 'did you mean `register`?', TypeError],
  ])('%s is refused', (_what, module, options, message, kind) => {
    const register = vi.spyOn(promClient.register, 'registerMetric');
    const make = () => prometheusSink(module as never, options as never);
    expect(make).toThrow(message);
    expect(make).toThrow(kind);
    expect(register).not.toHaveBeenCalled();
  });
});

test('a gauge that throws fails no call', async () => {
  const { register, sink } = start();
  const gauge = register.getSingleMetric('axios_resilience_circuit_state') as promClient.Gauge;
  gauge.remove = () => {
    throw new Error('broken');
  };
  const api = axios.create({ adapter: scripted(200) });
  const resilience = attach(api, { breaker: { maxBreakers: 1 }, sinks: [sink] });
  const errors = vi.fn();
  resilience.on('callbackError', errors);
  expect((await api.get('https://a.example.com')).status).toBe(200);
  expect((await api.get('https://b.example.com')).status).toBe(200);
  expect(errors).toHaveBeenCalledWith(expect.objectContaining({ source: 'sink', error: new Error('broken') }));
});
