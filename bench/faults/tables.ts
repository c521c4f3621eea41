import { milliseconds } from '../report/numbers.js';
import type { Table } from '../report/section.js';
import { type Cell, cellName } from './cells.js';
import { type Measured, medianOf, percentAnswered, pointsAhead, type Runs, requestsPerCall } from './measuring.js';
import type { Row } from './rows.js';

interface Shown {
  readonly cell: Cell;
  readonly rows: readonly Row[];
  readonly clients: readonly string[];
}

const answeredText = (runs: Runs): string =>
  `${medianOf(runs, percentAnswered).toFixed(1)} (${medianOf(runs, requestsPerCall).toFixed(2)})`;

const waitText = (runs: Runs): string => {
  const median = medianOf(runs, ({ failingMs }) => failingMs.median);
  return Number.isNaN(median)
    ? '–'
    : `${milliseconds(median)}, ${milliseconds(medianOf(runs, ({ failingMs }) => failingMs.p90))}`;
};

const againText = (runs: Runs): string => {
  const againMs = medianOf(runs, ({ againMs }) => againMs ?? Number.POSITIVE_INFINITY);
  return againMs === Number.POSITIVE_INFINITY ? 'not within 15 s' : `${(againMs / 1_000).toFixed(1)} s`;
};

const retriesText = (runs: Runs): string => medianOf(runs, ({ retries, calls }) => retries / calls).toFixed(2);

const clientTable = (
  { cell, rows, clients }: Shown,
  of: Measured,
  title: string,
  textOf: (runs: Runs) => string,
): Table => ({
  title: `${title} (${cellName(cell)})`,
  head: ['', ...clients],
  rows: rows.map(({ name }) => [name, ...clients.map((client) => textOf(of(name, client)))]),
});

/** How many calls each client got answered in one cell. */
export const answeredTable = (shown: Shown, measured: Measured): Table =>
  clientTable(shown, measured, 'Calls answered, %, and in brackets requests per call', answeredText);

/** All that is told of each client in one cell, a table each. */
export const cellTables = (shown: Shown, measured: Measured): Table[] => [
  answeredTable(shown, measured),
  clientTable(shown, measured, 'Wait of the calls that fail: median, p90', waitText),
  clientTable(shown, measured, 'From the end of the fault until every call is answered', againText),
  clientTable(shown, measured, 'Retries per call', retriesText),
];

const signed = (points: number): string => `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(1)}`;

/** How far a client is ahead of another, in several cells. */
export const comparisonTable = (
  title: string,
  { rows, cells, client, other }: { rows: readonly Row[]; cells: readonly Cell[]; client: string; other: string },
  measured: readonly Measured[],
): Table => ({
  title,
  head: [
    '',
    ...cells.map(({ workMs, processes }) => `${workMs} ms, ${processes} ${processes === 1 ? 'process' : 'processes'}`),
  ],
  rows: rows.map(({ name }) => [
    name,
    ...cells.map((_, index) => {
      const of = measured[index] as Measured;
      const runs = of(name, client);
      return `${medianOf(runs, percentAnswered).toFixed(0)} (${signed(pointsAhead(runs, of(name, other)))})`;
    }),
  ]),
});
