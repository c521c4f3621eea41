import { BARE, OURS } from '../clients.js';
import type { Section, Table } from '../report/section.js';
import { type Cell, MAIN } from './cells.js';
import { seedsUpTo } from './flags.js';
import { type Measured, measure } from './measuring.js';
import { ROWS } from './rows.js';
import { answeredTable } from './tables.js';
import { VARIANTS } from './variants.js';

/** Where settings differ most. */
const TRIED_IN: readonly Cell[] = [MAIN, { ...MAIN, timeoutMs: 300, processes: 20 }];

const DIFFERING = /503 for (2|5|20) s|hangs for (1|5) s|60 %|paths? |3 of 10|4 x the calls for 5 s$|flapping/;

const TRIED_ROWS = ROWS.filter(({ name }) => DIFFERING.test(name));

const SEEDS = seedsUpTo(3);

/** A line for each client: there are many. */
const turned = ({ title, head, rows }: Table): Table => ({
  title,
  head: ['', ...rows.map(([row = '']) => row)],
  rows: head.slice(1).map((client, index) => [client, ...rows.map((cells) => cells[index + 1] ?? '')]),
});

/** What was tried before the defaults were chosen, and can be tried again. */
export async function tried(): Promise<Section> {
  const clients = [BARE, OURS, ...Object.keys(VARIANTS)];
  const measured = await measure(
    TRIED_IN.map((cell) => ({ cell, rows: TRIED_ROWS, clients, seeds: SEEDS, endsEarly: true })),
  );
  return {
    title: 'Faults: what was tried',
    intro: `The simulation of the section Faults with other settings of this package (bench/faults/variants.ts); ${SEEDS.length} seeds, medians.`,
    verdicts: [],
    tables: TRIED_IN.map((cell, index) =>
      turned(answeredTable({ cell, rows: TRIED_ROWS, clients }, measured[index] as Measured)),
    ),
  };
}
