import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALERTS_FILE, dashboardQueries, filledIn } from '../support/operations.js';

type Result = readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];

const children: ChildProcess[] = [];
let folder: string;
let prometheus: string;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** The demo in a process of its own; resolves when its table stands, where its metrics are. */
async function runDemo(): Promise<{ readonly url: string; readonly ended: Promise<void> }> {
  const demo = spawn(process.execPath, ['--import', 'tsx', 'examples/outage/demo.ts', '--metrics', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(demo);
  const lines = createInterface(demo.stdout);
  let ended = (): void => undefined;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const url = await new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      const found = /http:\/\/\S+\/metrics/.exec(line)?.[0];
      if (found) resolve(found);
      if (line.includes('p99 wait')) ended();
    });
  });
  return { url, ended: end };
}

async function startPrometheus(target: string): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    rule_files: [fileURLToPath(ALERTS_FILE)],
    scrape_configs: [{ job_name: 'demo', static_configs: [{ targets: [new URL(target).host] }] }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  children.push(child);
  return `http://${address}`;
}

/** Asks until the answer is as it should be: Prometheus reads when it wants. */
async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && isRight(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`Still ${JSON.stringify(answer)}`);
    await delay(100);
  }
}

async function query(expr: string): Promise<Result> {
  const response = await fetch(`${prometheus}/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`);
  const answer = (await response.json()) as { status: string; error?: string; data: { result: Result } };
  if (answer.status !== 'success') throw new Error(answer.error);
  return answer.data.result;
}

const numberOf = async (expr: string): Promise<number> => Number((await query(expr))[0]?.value[1]);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const demo = await runDemo();
  prometheus = await startPrometheus(demo.url);
  await demo.ended;
  const exposed = await (await fetch(demo.url)).text();
  const calls = Number(/^axios_resilience_call_attempts_count\{.*\} (\d+)$/m.exec(exposed)?.[1]);
  expect(calls).toBeGreaterThan(100);
  await until(
    () => numberOf('axios_resilience_call_attempts_count'),
    (scraped) => scraped === calls,
  );
});

afterAll(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

describe('a real Prometheus that scrapes the demo', () => {
  const isOfAbsent = ([title]: readonly [string, ...string[]]) => /^Limiters|^Answers by fallback$/.test(title);

  test.each(dashboardQueries().filter(isOfAbsent))(
    '%s: %s is a query that Prometheus takes, though the demo has no limiter and no fallback',
    async (_title, expr) => {
      expect(await query(filledIn(expr))).toEqual([]);
    },
  );

  test.each(dashboardQueries().filter((row) => !isOfAbsent(row)))('%s: %s', async (_title, expr) => {
    const result = await query(filledIn(expr));
    const values = result.map(({ value }) => Number(value[1]));
    expect(values.length).toBeGreaterThan(0);
    expect(values.filter((value) => !Number.isFinite(value) || value < 0)).toEqual([]);
  });

  test('the numbers tell of the outage: rejections, retries, probes, and a circuit that is closed again', async () => {
    expect(await numberOf('sum(axios_resilience_circuit_calls_total{outcome="rejected"})')).toBeGreaterThan(20);
    expect(await numberOf('sum(axios_resilience_retries_total)')).toBeGreaterThan(0);
    expect(await numberOf('axios_resilience_circuit_state{state="closed"}')).toBe(1);
    expect(await numberOf('max_over_time(axios_resilience_circuit_state{state="open"}[1m])')).toBe(1);
    const attempts = 'sum(axios_resilience_circuit_calls_total{outcome=~"success|failure|neutral"})';
    expect(await numberOf(`${attempts} - sum(axios_resilience_call_attempts_sum)`)).toBe(0);
  });

  test('it has read the alert rules, and none fires', async () => {
    const read = async () => {
      const response = await fetch(`${prometheus}/api/v1/rules`);
      const { data } = (await response.json()) as {
        data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
      };
      return data.groups.flatMap(({ rules }) => rules);
    };
    expect((await read()).map(({ name }) => name)).toHaveLength(4);
    expect((await read()).filter(({ state }) => state === 'firing')).toEqual([]);
  });
});
