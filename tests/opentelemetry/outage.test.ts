import * as api from '@opentelemetry/api';
import type { Histogram, MetricData } from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { type Outage, surviveOutage } from '../support/outage.js';
import { byAttribute, exportToMemory, pointsOf } from './support.js';

describe('a whole outage, as an exporter receives it', () => {
  const { provider, collect } = exportToMemory();
  let outage: Outage;
  let metrics: Map<string, MetricData>;

  beforeAll(async () => {
    outage = await surviveOutage(openTelemetrySink(api, { meter: provider.getMeter('shop') }));
    metrics = await collect();
  });
  afterAll(() => provider.shutdown());

  const sum = (name: string) => pointsOf(metrics, name).reduce((total, { value }) => total + Number(value), 0);
  const histogramsOf = (name: string) => pointsOf(metrics, name).map(({ value }) => value as Histogram);

  test('every attempt is counted by what the service did', () => {
    const { service, callers } = outage;
    expect(byAttribute(metrics, 'circuit.calls', 'outcome')).toEqual({
      success: service.healthy,
      failure: service.ill,
      neutral: service.cut,
      rejected: callers.rejected,
      late: 0,
    });
  });

  test('every attempt is timed', () => {
    const { service, attemptSeconds } = outage;
    const counts = pointsOf(metrics, 'attempt.duration').map(({ attributes, value }) => [
      attributes['outcome'],
      (value as Histogram).count,
    ]);
    expect(Object.fromEntries(counts)).toEqual({
      success: service.healthy,
      failure: service.ill,
      neutral: service.cut,
    });
    const seconds = histogramsOf('attempt.duration').reduce((total, histogram) => total + (histogram.sum ?? 0), 0);
    expect(seconds).toBeCloseTo(attemptSeconds, 9);
  });

  test('every call is counted with its attempts', () => {
    const { service, callers } = outage;
    const [attempts, ...none] = histogramsOf('call.attempts');
    expect(none).toEqual([]);
    expect(attempts).toMatchObject({ count: callers.calls, sum: service.requests, min: 0, max: 3 });
    expect(attempts?.buckets.boundaries.slice(0, 4)).toEqual([0, 1, 2, 3]);
    expect(attempts?.buckets.counts[0]).toBe(callers.rejected);
  });

  test('retries are what the service was asked beyond the first attempts, by their reasons', () => {
    const { service, callers } = outage;
    expect(sum('retries')).toBe(service.requests - (callers.calls - callers.rejected));
    expect(byAttribute(metrics, 'retries', 'reason')).toEqual({ 503: 4, ECONNRESET: 1, ECONNABORTED: 1 });
  });

  test('what was given up failed, and what a fallback answered is not of it', () => {
    const { callers } = outage;
    expect(sum('retries.given_up')).toBe(callers.failed);
    expect(byAttribute(metrics, 'retries.given_up', 'stopped')).toEqual({
      'not-retryable': 1,
      aborted: 1,
      exhausted: 1,
      'circuit-open': callers.rejected + 2 - callers.fallbacks,
    });
    expect(byAttribute(metrics, 'fallbacks', 'stopped')).toEqual({ 'circuit-open': callers.fallbacks });
  });

  test('the circuit changed as it should, and is closed', () => {
    const changes = pointsOf(metrics, 'circuit.transitions').map(
      ({ attributes: { from, to, reason }, value }) =>
        `${String(from)} -> ${String(to)} (${String(reason)}): ${String(value)}`,
    );
    expect(changes).toEqual([
      'closed -> open (threshold): 1',
      'open -> half-open (cooldown-elapsed): 2',
      'half-open -> open (probe-failed): 1',
      'half-open -> closed (probe-succeeded): 1',
    ]);
    expect(byAttribute(metrics, 'circuit.state', 'state')).toEqual({ closed: 1, open: 0, 'half-open': 0 });
    expect([sum('registry.size'), sum('registry.evictions')]).toEqual([1, 0]);
  });

  test('shows the key of the circuit and nothing of a query', () => {
    const text = JSON.stringify([...metrics]);
    expect(text).toContain(outage.key);
    expect(text).not.toContain('secret');
  });
});
