import { BARE, OURS } from '../clients.js';
import type { Section } from '../report/section.js';
import { type Cell, MAIN } from './cells.js';
import { seedsUpTo } from './flags.js';
import { type Measured, measure } from './measuring.js';
import { ROWS } from './rows.js';
import { answeredTable } from './tables.js';
import { VARIANTS } from './variants.js';

/** Where settings differ most. */
const TRIED_IN: readonly Cell[] = [
  MAIN,
  { ...MAIN, processes: 20 },
  { ...MAIN, timeoutMs: 300 },
  { ...MAIN, timeoutMs: 300, processes: 20 },
];

const SEEDS = seedsUpTo(3);

/** What was tried before the defaults were chosen, and can be tried again. */
export async function tried(): Promise<Section> {
  const clients = [BARE, OURS, ...Object.keys(VARIANTS)];
  const measured = await measure(
    TRIED_IN.map((cell) => ({ cell, rows: ROWS, clients, seeds: SEEDS, endsEarly: true })),
  );
  return {
    title: 'Faults: what was tried',
    intro: `The simulation of the section Faults with other settings of this package (bench/faults/variants.ts); ${SEEDS.length} seeds, medians.`,
    verdicts: [],
    tables: TRIED_IN.map((cell, index) => answeredTable({ cell, rows: ROWS, clients }, measured[index] as Measured)),
  };
}
