import { spawnSync } from 'node:child_process';
import promClient, { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { surviveOutage } from '../support/outage.js';

const check = (text: string) => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return { status, complaints: stdout + stderr };
};

test('promtool has no complaint about what is exposed after an outage', async () => {
  const register = new Registry();
  const sink = prometheusSink(promClient, { register });
  await surviveOutage(sink);
  sink.record({ type: 'store', status: 'degraded', key: null, at: 1, error: new Error('gone') });
  sink.record({ type: 'store', status: 'recovered', key: null, at: 2, degradedMs: 1 });
  const text = await register.metrics();
  expect(text.split('\n').filter((line) => line.startsWith('# TYPE'))).toHaveLength(19);
  expect(check(text)).toEqual({ status: 0, complaints: '' });
});

test('promtool would complain', () => {
  expect(check('# TYPE a_total gauge\na_total{le="1"} x\n').status).not.toBe(0);
});

test('a key with quotes, backslashes and line breaks stays one label', async () => {
  const register = new Registry();
  const sink = prometheusSink(promClient, { register });
  const key = 'GET "quoted" \\ and\nbroken';
  sink.record({ type: 'breakerAdded', key, at: 1, state: 'closed' });
  sink.record({ type: 'call', key, at: 1, attempts: 1, stopped: 'success', elapsedMs: 1, fallback: false });
  expect(check(await register.metrics())).toEqual({ status: 0, complaints: '' });
});
