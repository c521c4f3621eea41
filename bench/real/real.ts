import { setTimeout as delay } from 'node:timers/promises';
import { BARE, OURS } from '../clients.js';
import { MAIN, scaleOf } from '../faults/cells.js';
import { seedsUpTo } from '../faults/flags.js';
import { WITH_LIMITER } from '../faults/limiter-variants.js';
import { type Measured, measure, medianOf, percentAnswered } from '../faults/measuring.js';
import { ROWS, type Row, WINDOW_MS } from '../faults/rows.js';
import { PUNCTUALITY } from '../load/experiment.js';
import { compiled } from '../measure/compile.js';
import { messageOf, start } from '../measure/processes.js';
import { quantile } from '../measure/spread.js';
import { milliseconds } from '../report/numbers.js';
import type { Section, Table } from '../report/section.js';
import type { ClientReport, ClientTask } from './client.js';
import type { ServiceReport, ServiceTask } from './service.js';

const NAMES = [
  '503 for 2 s',
  'connection refused for 2 s',
  'hangs for 5 s',
  '4 x the calls for 5 s',
  '3 of 10 workers left for 10 s',
];

const CLIENTS = [BARE, 'axios-retry', OURS, WITH_LIMITER];

const BEFORE_MS = 2_000;
const AT_A_TIME = 4;
const APART_MS = 250;

const FAULTS: readonly Row[] = NAMES.map((name) => {
  const row = ROWS.find((known) => known.name === name);
  if (!row) throw new Error(`There is no row "${name}"`);
  return row;
});

interface Scripts {
  readonly client: string;
  readonly service: string;
}

interface Subject {
  readonly row: Row;
  readonly client: string;
}

interface Result extends Subject {
  readonly answered: number;
  readonly requestsPerCall: number;
  readonly failingMs: number;
  readonly mostSockets: number;
  readonly cpuMs: number;
  readonly lagMs: number;
  readonly latestMs: number;
}

async function observe(scripts: Scripts, { row, client }: Subject, index: number): Promise<Result> {
  const { workers, callsPerSecond } = scaleOf(MAIN);
  const { steps, endMs, loadFactor = 1 } = row;
  const task: ServiceTask = { workers, workMs: MAIN.workMs, steps, endMs, beforeMs: BEFORE_MS };
  const service = start(scripts.service, task);
  const url = await messageOf<string>(service);
  const stretches = [
    { lastsMs: BEFORE_MS, callsPerSecond },
    { lastsMs: endMs, callsPerSecond: callsPerSecond * loadFactor },
    { lastsMs: WINDOW_MS - endMs, callsPerSecond },
  ];
  const clientTask: ClientTask = { client, url, timeoutMs: MAIN.timeoutMs, stretches };
  const caller = start(scripts.client, clientTask);
  await messageOf(caller);
  await delay(index * APART_MS);
  service.send('begin');
  caller.send('begin');
  const { finished, latestMs, cpuMs, lagMs } = await messageOf<ClientReport>(caller);
  caller.kill();
  service.send('report');
  const { requests, mostSockets } = await messageOf<ServiceReport>(service);
  service.kill();
  const calls = finished.slice((BEFORE_MS / 1_000) * callsPerSecond);
  const failed = calls.filter(({ answered }) => !answered);
  return {
    row,
    client,
    answered: (100 * (calls.length - failed.length)) / calls.length,
    requestsPerCall: requests / calls.length,
    failingMs: quantile(
      failed.map(({ startedAt, endedAt }) => endedAt - startedAt),
      0.5,
    ),
    mostSockets,
    cpuMs,
    lagMs,
    latestMs,
  };
}

async function observeAll(): Promise<Result[]> {
  const scripts = {
    client: await compiled(new URL('client.ts', import.meta.url)),
    service: await compiled(new URL('service.ts', import.meta.url)),
  };
  const subjects = FAULTS.flatMap((row) => CLIENTS.map((client) => ({ row, client })));
  const results: Result[] = [];
  for (let first = 0; first < subjects.length; first += AT_A_TIME) {
    const some = subjects.slice(first, first + AT_A_TIME);
    results.push(...(await Promise.all(some.map((subject, index) => observe(scripts, subject, index)))));
  }
  return results;
}

const answeredTable = (results: readonly Result[], simulated: Measured): Table => ({
  title: 'Calls answered, %, and in brackets what the simulation says',
  head: ['', ...CLIENTS],
  rows: FAULTS.map((row) => [
    row.name,
    ...CLIENTS.map((client) => {
      const result = results.find((known) => known.row === row && known.client === client);
      return `${result?.answered.toFixed(0)} (${medianOf(simulated(row.name, client), percentAnswered).toFixed(0)})`;
    }),
  ]),
});

const costTable = (results: readonly Result[]): Table => ({
  title: 'What it costs',
  head: [
    '',
    'client',
    'requests per call',
    'wait of failing calls, median',
    'sockets at most',
    "caller's processor time per call",
    'event loop late by (p99)',
    'latest call',
  ],
  rows: results.map(({ row, client, requestsPerCall, failingMs, mostSockets, cpuMs, lagMs, latestMs }) => [
    row.name,
    client,
    requestsPerCall.toFixed(2),
    milliseconds(failingMs),
    String(mostSockets),
    milliseconds(cpuMs),
    milliseconds(lagMs),
    milliseconds(latestMs),
  ]),
});

/** Whether the simulation tells the truth: some of its faults on real HTTP. */
export async function real(): Promise<Section> {
  const [simulated] = (await measure([
    { cell: MAIN, rows: FAULTS, clients: CLIENTS, seeds: seedsUpTo(3), endsEarly: true },
  ])) as [Measured];
  const results = await observeAll();
  return {
    title: 'Faults: on real HTTP',
    intro: `Faults of the section Faults with real servers, keep-alive sockets and real time: ${scaleOf(MAIN).workers} workers, each busy for ${MAIN.workMs} ms per request, a queue without a bound, ${scaleOf(MAIN).callsPerSecond} calls per second at even intervals, timeout ${MAIN.timeoutMs} ms. Each client and each service is a process of its own; ${AT_A_TIME} pairs run at a time. One run of each: a difference of a point or two says nothing. The calls of the 20 s from the beginning of the fault count. ${PUNCTUALITY}`,
    verdicts: [],
    tables: [answeredTable(results, simulated), costTable(results)],
  };
}
