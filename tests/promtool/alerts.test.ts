import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ALERTS_FILE } from '../support/operations.js';

const rules = fileURLToPath(ALERTS_FILE);
const KEY = 'GET https://api.example.com';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'alerts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function promtool(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Series by their selector, in promtool's notation: a sample a minute. JSON is YAML. */
type Series = Readonly<Record<string, string>>;

/** Whether the alert fires after so many minutes. */
function isFiring(alertname: string, minutes: number, series: Series): boolean {
  const file = join(folder, 'test.yml');
  const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const expr = `ALERTS{alertname="${alertname}", alertstate="firing"} * 0 or vector(-1)`;
  const promql_expr_test = [
    { expr: `count(${expr} == 0) or vector(0)`, eval_time: `${minutes}m`, exp_samples: [{ value: 1 }] },
  ];
  const test = {
    rule_files: [rules],
    evaluation_interval: '1m',
    tests: [{ interval: '1m', input_series: input, promql_expr_test }],
  };
  writeFileSync(file, JSON.stringify(test));
  const { status, output } = promtool('test', 'rules', file);
  if (status !== 0 && !output.includes('got:')) throw new Error(output);
  return status === 0;
}

const labels = `job="shop", instance="a:1", key="${KEY}"`;
const circuit = (closed: string, rejected: string): Series => ({
  [`axios_resilience_circuit_state{${labels}, state="closed"}`]: closed,
  [`axios_resilience_circuit_calls_total{${labels}, outcome="rejected"}`]: rejected,
});

test('the rules are valid', () => {
  expect(promtool('check', 'rules', rules)).toMatchObject({
    status: 0,
    output: expect.stringContaining('4 rules found'),
  });
});

describe('AxiosResilienceCircuitOpen', () => {
  const fires = (minutes: number, series: Series) => isFiring('AxiosResilienceCircuitOpen', minutes, series);

  test('fires when a circuit that is asked has not been closed for 5 minutes, not sooner', () => {
    const series = circuit('1x2 0x20', '0+60x22');
    expect([4, 7, 8, 9, 15].map((minutes) => fires(minutes, series))).toEqual([false, false, true, true, true]);
  });

  test('a circuit that was closed for a moment begins anew', () => {
    expect(fires(9, circuit('0 0 0 0 1 0x20', '0+60x25'))).toBe(false);
  });

  test('a circuit that nobody asks does not fire', () => {
    expect(fires(15, circuit('1x2 0x20', '60x22'))).toBe(false);
  });
});

describe('AxiosResilienceManyRetries', () => {
  const fires = (minutes: number, retriesAMinute: number) =>
    isFiring('AxiosResilienceManyRetries', minutes, {
      [`axios_resilience_retries_total{${labels}, reason="503"}`]: `0+${retriesAMinute}x30`,
      [`axios_resilience_call_attempts_count{${labels}}`]: '0+1000x30',
    });

  test('fires after 10 minutes of 210 retries for 1,000 calls, not of 190', () => {
    expect([9, 12].map((minutes) => fires(minutes, 210))).toEqual([false, true]);
    expect(fires(20, 190)).toBe(false);
  });
});

describe('AxiosResilienceStoreDegraded', () => {
  const fires = (minutes: number, live: string) =>
    isFiring('AxiosResilienceStoreDegraded', minutes, {
      'axios_resilience_store_status{status="live", job="shop", instance="a:1"}': live,
      'axios_resilience_store_status{status="live", job="shop", instance="b:1"}': '1x20',
    });

  test('fires from a minute after the store fell silent until it answers again', () => {
    const fired = [2, 4, 8, 12].map((minutes) => fires(minutes, '1 1 1 0x6 1x10'));
    expect(fired).toEqual([false, true, true, false]);
  });

  test('a store that answers does not fire', () => {
    expect(fires(10, '1x20')).toBe(false);
  });
});

describe('AxiosResilienceStoreUnsubscribed', () => {
  const fires = (minutes: number) =>
    isFiring('AxiosResilienceStoreUnsubscribed', minutes, {
      'axios_resilience_store_status{status="subscribed", job="shop", instance="a:1"}': '1 0x10 1x10',
    });

  test('fires from five minutes after messages ceased to arrive until they arrive again', () => {
    expect([4, 7, 12].map(fires)).toEqual([false, true, false]);
  });
});
