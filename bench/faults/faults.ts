import { BARE, CLIENTS, OURS } from '../clients.js';
import { mean } from '../measure/spread.js';
import { linePlot } from '../report/line-plot.js';
import type { Plot, Section, Table } from '../report/section.js';
import { CELLS, type Cell, MAIN, TIMEOUTS_MS } from './cells.js';
import { COMPARED } from './clients.js';
import { seedsUpTo, selectionOf } from './flags.js';
import { findingsOf, sparingOf, sweepVerdict, verdictOf } from './goals.js';
import { type Measured, measure } from './measuring.js';
import { narrowed } from './narrowed.js';
import { BEFORE_S, ROWS } from './rows.js';
import { answeredTable, cellTables, comparisonTable } from './tables.js';

const SEEDS = seedsUpTo(5);

const MANY: Cell = { ...MAIN, processes: 20 };

/** Rows that are drawn, by the name of the plot. */
const DRAWN: Readonly<Record<string, string>> = {
  'faults-outage': '503 for 2 s',
  'faults-capacity': '3 of 10 workers left for 10 s',
  'faults-failing': '30 % of the requests fail, 20 s',
};

async function plotOf(name: string, title: string, measured: Measured): Promise<Plot> {
  const row = ROWS.find((known) => known.name === title);
  if (!row) throw new Error(`There is no row "${title}" to draw`);
  const lines = COMPARED.map((client) => {
    const runs = measured(title, client);
    const seconds = runs[0]?.answeredPerSecond ?? [];
    return {
      name: client,
      values: seconds.map((_, second) => mean(runs.map((run) => run.answeredPerSecond[second] ?? 0))),
    };
  });
  const shaded = { from: BEFORE_S, to: BEFORE_S + row.endMs / 1_000, label: 'fault' };
  return linePlot({ name, title, x: 'seconds', y: 'calls answered per second', shaded, lines });
}

const sweepTables = (measured: readonly Measured[]): Table[] =>
  TIMEOUTS_MS.map((timeoutMs) => {
    const chosen = CELLS.flatMap((cell, index) =>
      cell.timeoutMs === timeoutMs ? [{ cell, of: measured[index] as Measured }] : [],
    );
    return comparisonTable(
      `Calls answered by ${OURS}, %, and in brackets how many points ahead of bare axios: timeout ${timeoutMs.toLocaleString('en')} ms`,
      { rows: ROWS, cells: chosen.map(({ cell }) => cell), client: OURS, other: BARE },
      chosen.map(({ of }) => of),
    );
  });

const settings = (): Table => ({
  title: 'Settings',
  head: ['', 'settings'],
  rows: COMPARED.map((client) => [client, CLIENTS[client].settings]),
});

async function whole(): Promise<Section> {
  const main = [MAIN, MANY].map((cell) => ({ cell, rows: ROWS, clients: COMPARED, seeds: SEEDS }));
  const sweep = CELLS.map((cell) => ({ cell, rows: ROWS, clients: [BARE, OURS], seeds: SEEDS, endsEarly: true }));
  const [one, many, ...others] = (await measure([...main, ...sweep])) as [Measured, Measured, ...Measured[]];
  const findings = [
    ...findingsOf({ cell: MAIN, rows: ROWS, client: OURS, bare: BARE }, one).filter(
      ({ what }) => what === '% answered',
    ),
    ...sparingOf({ cell: MAIN, rows: ROWS, client: OURS }, one),
    ...sparingOf({ cell: MANY, rows: ROWS, client: OURS }, many),
  ];
  return {
    title: 'Faults',
    intro: INTRO,
    verdicts: [
      sweepVerdict({ cells: CELLS, rows: ROWS, client: OURS, bare: BARE }, others),
      ...findings.map((finding) => verdictOf(finding, OURS)),
    ],
    tables: [
      ...cellTables({ cell: MAIN, rows: ROWS, clients: COMPARED }, one),
      answeredTable({ cell: MANY, rows: ROWS, clients: COMPARED }, many),
      ...sweepTables(others),
      settings(),
    ],
    plots: await Promise.all(Object.entries(DRAWN).map(([name, title]) => plotOf(name, title, one))),
  };
}

const INTRO = `Real packages on a simulated service, in virtual time: timers, clocks and \`Math.random\` are replaced before the packages are loaded, so minutes take a second, and the same seed gives the same figures. The service has workers and a queue without a bound, works on for those who gave up, and is half busy while all is well: 4 workers and 100 calls/s at 20 ms of work, 10 and 50 at 100 ms, 70 and 50 at 700 ms, the work between 0.8 and 1.2 of that, calls at random times (Poisson). Each process has a client of its own; the calls are spread over them. A 503 or a refusal comes after 2 ms, and a service that goes down drops what it has; a request that fails at random or on a bad path takes the usual work first. Counted are the calls that begin in the 20 s from the beginning of the fault. ${SEEDS.length} seeds; medians; differences to bare axios are medians of the differences of each seed, in which both meet the same calls and the same service. Rows of 1 call/s are 20 services each. Left out are the cells in which nothing can be answered in time (timeout 300 ms, work 700 ms).`;

/** The whole takes 15 minutes of two processors; with flags (see `selectionOf`) a part of it, which is only shown. */
export const faults = (flags: readonly string[]): Promise<Section> =>
  flags.length > 0 ? narrowed(selectionOf(flags)) : whole();
