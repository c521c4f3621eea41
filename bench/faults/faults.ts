import { median } from '../measure/spread.js';
import { milliseconds } from '../report/numbers.js';
import type { Section, Table } from '../report/section.js';
import { type Cell, cellName } from './cells.js';
import { type Selection, selectionOf } from './flags.js';
import type { Outcome } from './simulate.js';
import { simulated } from './simulator.js';

export const percentAnswered = ({ answered, calls }: Outcome): number => (100 * answered) / calls;

const medianOf = (outcomes: readonly Outcome[], measure: (outcome: Outcome) => number): number =>
  median(outcomes.map(measure).filter((value) => !Number.isNaN(value)));

/** Outcomes of all seeds, by the place of the client in each row. */
type Results = readonly (readonly (readonly Outcome[])[])[];

async function resultsOf(cell: Cell, { rows, clients, seeds, options }: Selection): Promise<Results> {
  const outcomes = await simulated(
    rows.flatMap((row) => clients.flatMap((client) => seeds.map((seed) => ({ row, cell, client, options, seed })))),
  );
  return rows.map((_, row) =>
    clients.map((__, client) => {
      const from = (row * clients.length + client) * seeds.length;
      return outcomes.slice(from, from + seeds.length);
    }),
  );
}

function tablesOf(cell: Cell, { rows, clients }: Selection, results: Results): Table[] {
  const table = (title: string, textOf: (outcomes: readonly Outcome[]) => string): Table => ({
    title: `${cellName(cell)}: ${title}`,
    head: ['', ...clients],
    rows: rows.map(({ name }, row) => [name, ...(results[row] ?? []).map(textOf)]),
  });
  return [
    table(
      'calls answered, % (requests per call)',
      (outcomes) =>
        `${medianOf(outcomes, percentAnswered).toFixed(1)} (${medianOf(outcomes, ({ requests, calls }) => requests / calls).toFixed(2)})`,
    ),
    table(
      'wait of failing calls, median / p90 / p99',
      (outcomes) =>
        `${milliseconds(medianOf(outcomes, ({ failingMs }) => failingMs.median))} / ${milliseconds(medianOf(outcomes, ({ failingMs }) => failingMs.p90))} / ${milliseconds(medianOf(outcomes, ({ failingMs }) => failingMs.p99))}`,
    ),
    table('wait of answered calls, median / p99', (outcomes) => `${milliseconds(medianOf(outcomes, ({ answeredMs }) => answeredMs.median))} / ${milliseconds(medianOf(outcomes, ({ answeredMs }) => answeredMs.p99))}`),
    table('all is answered again after', (outcomes) =>
      milliseconds(medianOf(outcomes, ({ againMs }) => againMs ?? Number.POSITIVE_INFINITY)),
    ),
  ];
}

export async function faults(flags: readonly string[]): Promise<Section> {
  const selection = selectionOf(flags);
  const tables: Table[] = [];
  for (const cell of selection.cells) tables.push(...tablesOf(cell, selection, await resultsOf(cell, selection)));
  return { title: 'Faults', intro: '', verdicts: [], tables };
}
