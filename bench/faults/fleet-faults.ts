import { BARE, OURS } from '../clients.js';
import type { Section } from '../report/section.js';
import { CELLS, type Cell, MAIN } from './cells.js';
import { seedsUpTo } from './flags.js';
import { FLEET } from './fleet-client.js';
import { sparingOf, sweepVerdict, verdictOf } from './goals.js';
import { type Measured, measure } from './measuring.js';
import { ROWS } from './rows.js';
import { answeredTable, comparisonTable } from './tables.js';

const SEEDS = seedsUpTo(5);

const MANY: Cell = { ...MAIN, processes: 20 };

/** All of which something is asked, with more than one process. */
const SWEPT = CELLS.filter(({ processes, timeoutMs }) => processes > 1 && timeoutMs <= MAIN.timeoutMs);

/** The faults with circuits that are shared. It takes 5 minutes of two processors. */
export async function fleetFaults(): Promise<Section> {
  const common = { rows: ROWS, seeds: SEEDS, endsEarly: true };
  const [many, ...swept] = (await measure([
    { ...common, cell: MANY, clients: [BARE, OURS, FLEET] },
    ...SWEPT.map((cell) => ({ ...common, cell, clients: [BARE, FLEET] })),
  ])) as [Measured, ...Measured[]];
  return {
    title: 'Faults: shared circuits',
    intro: `The simulation of the section Faults with circuits that 5 or 20 processes share over a store, which is 2 to 4 ms away; ${SEEDS.length} seeds, medians.`,
    verdicts: [
      sweepVerdict({ cells: SWEPT, rows: ROWS, client: FLEET, bare: BARE }, swept),
      ...sparingOf({ cell: MANY, rows: ROWS, client: FLEET }, many).map((finding) => verdictOf(finding, FLEET)),
    ],
    tables: [
      answeredTable({ cell: MANY, rows: ROWS, clients: [BARE, OURS, FLEET] }, many),
      ...[300, 1_000].map((timeoutMs) => {
        const chosen = SWEPT.flatMap((cell, index) =>
          cell.timeoutMs === timeoutMs ? [{ cell, of: swept[index] as Measured }] : [],
        );
        return comparisonTable(
          `Calls answered, %, and in brackets how many points ahead of bare axios: timeout ${timeoutMs.toLocaleString('en')} ms`,
          { rows: ROWS, cells: chosen.map(({ cell }) => cell), client: FLEET, other: BARE },
          chosen.map(({ of }) => of),
        );
      }),
    ],
  };
}
