import { BARE, OURS } from '../clients.js';
import type { Section } from '../report/section.js';
import { type Cell, MAIN } from './cells.js';
import { seedsUpTo } from './flags.js';
import { LIMITER_VARIANTS, WITH_LIMITER } from './limiter-variants.js';
import { type Measured, measure } from './measuring.js';
import { OVERLOAD_ROWS } from './overload-rows.js';
import { ROWS } from './rows.js';
import { answeredTable } from './tables.js';

/** The rows of the section Faults that are overload, or like it. */
const LIKE_OVERLOAD = /calls for|workers left|slower|hangs for 5|700 ms|300 parallel/;

const ALL_ROWS = [...ROWS.filter(({ name }) => LIKE_OVERLOAD.test(name)), ...OVERLOAD_ROWS];

const TRIED_IN: readonly Cell[] = [MAIN, { ...MAIN, processes: 20 }];

const SEEDS = seedsUpTo(5);

/** All faults with the limiter, beside without it. */
const COMPARED_IN: readonly Cell[] = [
  ...TRIED_IN,
  { ...MAIN, timeoutMs: 300 },
  { ...MAIN, timeoutMs: 300, processes: 20 },
  { ...MAIN, timeoutMs: 5_000 },
  { ...MAIN, timeoutMs: 5_000, processes: 20 },
];

/** What overload costs with limiters, and which rules were tried. */
export async function limiters(): Promise<Section> {
  const tried = [BARE, OURS, ...Object.keys(LIMITER_VARIANTS)];
  const compared = [BARE, OURS, WITH_LIMITER];
  const rows = [...ROWS, ...OVERLOAD_ROWS];
  const all = await measure([
    ...COMPARED_IN.map((cell) => ({ cell, rows, clients: compared, seeds: SEEDS, endsEarly: true })),
    ...TRIED_IN.map((cell) => ({ cell, rows: ALL_ROWS, clients: tried, seeds: SEEDS, endsEarly: true })),
  ]);
  const triedFrom = COMPARED_IN.length;
  return {
    title: 'Faults: limiters',
    intro: `The simulation of the section Faults with \`limiter: adaptiveLimit()\`, and other limits that were tried (bench/faults/limiter-variants.ts); ${SEEDS.length} seeds, medians.`,
    verdicts: [],
    tables: [
      ...COMPARED_IN.map((cell, index) => answeredTable({ cell, rows, clients: compared }, all[index] as Measured)),
      ...TRIED_IN.map((cell, index) =>
        answeredTable({ cell, rows: ALL_ROWS, clients: tried }, all[triedFrom + index] as Measured),
      ),
    ],
  };
}
