import promClient, { Registry } from 'prom-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { type Labels, type Sample, samplesOf, sumOf } from '../support/exposed-metrics.js';
import { type Outage, surviveOutage } from '../support/outage.js';

describe('a whole outage, as a registry exposes it', () => {
  let outage: Outage;
  let samples: Sample[];
  let text: string;

  beforeAll(async () => {
    const register = new Registry();
    outage = await surviveOutage(prometheusSink(promClient, { register }));
    samples = await samplesOf(register);
    text = await register.metrics();
  });

  const sum = (name: string, labels?: Labels) => sumOf(samples, `axios_resilience_${name}`, labels);
  const byLabel = (name: string, label: string) =>
    Object.fromEntries(
      samples
        .filter((sample) => sample.name === `axios_resilience_${name}`)
        .map(({ labels, value }) => [labels[label], value]),
    );

  test('was one: 43 calls, of which 29 requests reached the service', () => {
    expect(outage.service).toEqual({ requests: 29, healthy: 19, ill: 9, cut: 1 });
    expect(outage.callers).toEqual({ calls: 43, answered: 18, failed: 19, rejected: 20, fallbacks: 6 });
  });

  test('every attempt is counted by what the service did', () => {
    const { service, callers } = outage;
    expect(byLabel('circuit_calls_total', 'outcome')).toEqual({
      success: service.healthy,
      failure: service.ill,
      neutral: service.cut,
      rejected: callers.rejected,
      late: 0,
    });
  });

  test('every attempt is timed', () => {
    const { service, attemptSeconds } = outage;
    expect(byLabel('attempt_duration_seconds_count', 'outcome')).toEqual({
      success: service.healthy,
      failure: service.ill,
      neutral: service.cut,
    });
    expect(sum('attempt_duration_seconds_bucket', { le: '+Inf' })).toBe(service.requests);
    expect(sum('attempt_duration_seconds_sum')).toBeCloseTo(attemptSeconds, 9);
    const timedOut = { outcome: 'failure', le: 0.25 };
    expect(sum('attempt_duration_seconds_bucket', timedOut)).toBe(service.ill - 1);
  });

  test('every call is counted with its attempts', () => {
    const { service, callers } = outage;
    expect(sum('call_attempts_count')).toBe(callers.calls);
    expect(sum('call_attempts_sum')).toBe(service.requests);
    expect(sum('call_attempts_bucket', { le: 0 })).toBe(callers.rejected);
  });

  test('retries are what the service was asked beyond the first attempts, by their reasons', () => {
    const { service, callers } = outage;
    expect(sum('retries_total')).toBe(service.requests - (callers.calls - callers.rejected));
    expect(byLabel('retries_total', 'reason')).toEqual({ 503: 4, ECONNRESET: 1, ECONNABORTED: 1 });
  });

  test('what was given up failed, and what a fallback answered is not of it', () => {
    const { callers } = outage;
    expect(sum('retries_given_up_total')).toBe(callers.failed);
    expect(byLabel('retries_given_up_total', 'stopped')).toEqual({
      'not-retryable': 1,
      aborted: 1,
      exhausted: 1,
      'circuit-open': callers.rejected + 2 - callers.fallbacks,
    });
    expect(byLabel('fallbacks_total', 'stopped')).toEqual({ 'circuit-open': callers.fallbacks });
  });

  test('the circuit changed as it should, and is closed', () => {
    const changes = samples
      .filter(({ name }) => name === 'axios_resilience_circuit_transitions_total')
      .map(({ labels: { from, to, reason }, value }) => `${from} -> ${to} (${reason}): ${value}`);
    expect(changes).toEqual([
      'closed -> open (threshold): 1',
      'open -> half-open (cooldown-elapsed): 2',
      'half-open -> open (probe-failed): 1',
      'half-open -> closed (probe-succeeded): 1',
    ]);
    expect(byLabel('circuit_state', 'state')).toEqual({ closed: 1, open: 0, 'half-open': 0 });
    expect([sum('registry_size'), sum('registry_evictions_total')]).toEqual([1, 0]);
  });

  test('shows the key of the circuit and nothing of a query', () => {
    const keys = new Set(samples.flatMap(({ labels }) => labels['key'] ?? []));
    expect([...keys]).toEqual([outage.key]);
    expect(text).not.toContain('secret');
  });
});
