import * as api from '@opentelemetry/api';
import {
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import axios from 'axios';
import { afterEach, describe, expect, test } from 'vitest';
import { attach, BreakerRegistry, type ResilienceEvent } from '../../src/index.js';
import { INSTRUMENTS } from '../../src/metrics/instruments.js';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { manualClock } from '../circuit/support.js';
import { tryAcquire } from '../support/permits.js';
import { scripted } from '../support/scripted-adapter.js';
import { byAttribute, exportToMemory, pointsOf } from './support.js';

afterEach(() => api.metrics.disable());

const KEY = 'GET https://api.example.com';
const base = { key: KEY, at: 1 };

/** One event of each kind that moves an instrument. */
const EVENTS: readonly ResilienceEvent[] = [
  { ...base, type: 'breakerAdded', state: 'closed' },
  {
    ...base,
    type: 'attempt',
    attempt: 1,
    outcome: 'failure',
    status: 503,
    code: undefined,
    durationMs: 250,
    guarded: true,
  },
  { ...base, type: 'stateChange', from: 'closed', to: 'open', reason: 'threshold', failures: 5, cooldownMs: 1 },
  { ...base, type: 'retry', attempt: 1, delayMs: 1, reason: '503', method: 'GET', url: 'https://api.example.com/' },
  { ...base, type: 'call', attempts: 2, stopped: 'budget', elapsedMs: 1, fallback: false },
  { ...base, type: 'call', attempts: 2, stopped: 'budget', elapsedMs: 1, fallback: true },
  { ...base, type: 'queued', by: 'circuit', queued: 1 },
  { ...base, type: 'queued', by: 'limiter', queued: 1 },
  { ...base, type: 'rejected', by: 'limiter', why: 'wait', retryAfterMs: 0 },
  { ...base, type: 'limiter', limit: 4.5, inFlight: 4, queued: 1 },
  { type: 'store', status: 'degraded', key: null, at: 1, error: new Error('gone') },
];

test('exports every instrument of the table under its name, with unit and description', async () => {
  const { provider, collect } = exportToMemory();
  const sink = openTelemetrySink(api, { meter: provider.getMeter('shop') });
  for (const event of EVENTS) sink.record(event);
  const metrics = await collect();
  for (const { name, unit, description } of Object.values(INSTRUMENTS)) {
    expect(metrics.get(name)?.descriptor).toMatchObject({ name, unit, description });
  }
  expect([...metrics.keys()].sort()).toEqual(
    Object.values(INSTRUMENTS)
      .map(({ name }) => name)
      .sort(),
  );
  expect(pointsOf(metrics, 'attempt.duration')[0]?.value).toMatchObject({ count: 1, sum: 0.25 });
  expect(byAttribute(metrics, 'limiter.rejections', 'reason')).toEqual({ wait: 1 });
  expect(pointsOf(metrics, 'limiter.limit')[0]?.value).toBe(4.5);
  expect(byAttribute(metrics, 'store.events', 'event')).toEqual({
    degraded: 1,
    recovered: 0,
    dropped: 0,
    unsubscribed: 0,
    subscribed: 0,
    mismatch: 0,
    resync: 0,
  });
});

test('names exactly the labels of the table', async () => {
  const { provider, collect } = exportToMemory();
  const sink = openTelemetrySink(api, { meter: provider.getMeter('shop') });
  for (const event of EVENTS) sink.record(event);
  const metrics = await collect();
  for (const { name, labels } of Object.values(INSTRUMENTS)) {
    for (const { attributes } of metrics.get(name)?.dataPoints ?? []) {
      expect([name, Object.keys(attributes)]).toEqual([name, [...labels]]);
    }
  }
});

test('without a meter takes that of the provider which is registered when something is first measured', async () => {
  const { provider, collect } = exportToMemory();
  const sink = openTelemetrySink(api);
  api.metrics.setGlobalMeterProvider(provider);
  for (const event of EVENTS) sink.record(event);
  expect((await collect()).size).toBe(19);
});

test('without any provider it does nothing', () => {
  const sink = openTelemetrySink(api);
  expect(() => {
    for (const event of EVENTS) sink.record(event);
  }).not.toThrow();
});

describe('a circuit that nobody reads', () => {
  const startOpen = (temporality?: AggregationTemporality) => {
    const { provider, collect } = exportToMemory(temporality);
    const clock = manualClock();
    const registry = new BreakerRegistry({ clock, cooldownMs: 1_000 });
    attach(axios.create(), {
      breaker: registry,
      sinks: [openTelemetrySink(api, { meter: provider.getMeter('shop') })],
    });
    registry.ensure(KEY).trip();
    return { clock, registry, collect };
  };

  test.each([
    ['sums', AggregationTemporality.CUMULATIVE],
    ['deltas', AggregationTemporality.DELTA],
  ])('is exported as half-open once its cooldown is over, where the exporter takes %s', async (_name, temporality) => {
    const { clock, collect } = startOpen(temporality);
    expect(byAttribute(await collect(), 'circuit.state', 'state')).toEqual({ closed: 0, open: 1, 'half-open': 0 });
    clock.advance(86_400_000);
    const metrics = await collect();
    expect(byAttribute(metrics, 'circuit.state', 'state')).toEqual({ closed: 0, open: 0, 'half-open': 1 });
    expect(byAttribute(metrics, 'circuit.transitions', 'to')).toMatchObject({ 'half-open': 1 });
  });

  test('is exported as open again where its probe was lost, and as closed once it was reset', async () => {
    const { clock, registry, collect } = startOpen();
    clock.advance(1_000);
    expect(tryAcquire(registry.ensure(KEY), undefined, 5_000)).toMatchObject({ admitted: true });
    clock.advance(5_500);
    expect(byAttribute(await collect(), 'circuit.state', 'state')).toEqual({ closed: 0, open: 1, 'half-open': 0 });
    registry.ensure(KEY).reset();
    expect(byAttribute(await collect(), 'circuit.state', 'state')).toEqual({ closed: 1, open: 0, 'half-open': 0 });
  });
});

describe('a circuit that is evicted', () => {
  const startWith = (temporality: AggregationTemporality) => {
    const { provider, collect } = exportToMemory(temporality);
    const adapter = scripted(200);
    const api1 = axios.create({ adapter });
    const sink = openTelemetrySink(api, { meter: provider.getMeter('shop') });
    attach(api1, { breaker: { maxBreakers: 1 }, sinks: [sink] });
    return { collect, call: (name: string) => api1.get(`https://${name}.example.com/`) };
  };

  test('is in no state any more, and is told of no longer where the exporter takes deltas', async () => {
    const { call, collect } = startWith(AggregationTemporality.DELTA);
    await call('a');
    await collect();
    await call('b');
    const metrics = await collect();
    const states = pointsOf(metrics, 'circuit.state').map(({ attributes, value }) => [attributes['key'], value]);
    expect(states.filter(([key]) => key === 'GET https://a.example.com').map(([, value]) => value)).toEqual([0, 0, 0]);
    expect(pointsOf(metrics, 'circuit.calls').map(({ attributes }) => attributes['key'])).toEqual(
      Array(5).fill('GET https://b.example.com'),
    );
    await call('b');
    const keys = [...(await collect()).values()].flatMap(({ dataPoints }) =>
      dataPoints.map(({ attributes }) => attributes['key']),
    );
    expect(new Set(keys)).toEqual(new Set([undefined, 'GET https://b.example.com']));
  });

  test('begins at 0 when it comes back, where the exporter takes sums', async () => {
    const { call, collect } = startWith(AggregationTemporality.CUMULATIVE);
    await call('a');
    await call('a');
    await collect();
    await call('b');
    await collect();
    await call('a');
    const calls = pointsOf(await collect(), 'circuit.calls').find(
      ({ attributes }) => attributes['key'] === 'GET https://a.example.com' && attributes['outcome'] === 'success',
    );
    expect(calls?.value).toBe(1);
  });
});

test('an exporter that blocks delays and fails no call', async () => {
  let exports = 0;
  const exporter: PushMetricExporter = {
    export: () => {
      exports++;
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: 20,
    exportTimeoutMillis: 20,
  });
  const provider = new MeterProvider({ readers: [reader] });
  const instance = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(200) });
  const resilience = attach(instance, { sinks: [openTelemetrySink(api, { meter: provider.getMeter('shop') })] });
  const errors: unknown[] = [];
  resilience.on('callbackError', ({ error }) => errors.push(error));
  while (exports < 1) {
    expect((await instance.get('/')).status).toBe(200);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let count = 0; count < 20; count++) expect((await instance.get('/')).status).toBe(200);
  expect(errors).toEqual([]);
  await provider.shutdown().catch(() => undefined);
});

test.each<[string, unknown, unknown, string]>([
  [
    'no module',
    undefined,
    {},
    'Expected `openTelemetrySink(api)` to be the module @opentelemetry/api, from version 1.9',
  ],
  ['another module', axios, {}, 'Expected `openTelemetrySink(api)` to be the module @opentelemetry/api'],
  ['a meter that is none', api, { meter: {} }, 'Expected `openTelemetrySink(options).meter` to be a Meter'],
  ['an unknown option', api, { metre: {} }, 'Unknown option `openTelemetrySink(options).metre`: did you mean `meter`?'],
])('%s is refused', (_what, module, options, message) => {
  const make = () => openTelemetrySink(module as never, options as never);
  expect(make).toThrow(message);
  expect(make).toThrow(TypeError);
});
