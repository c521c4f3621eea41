import { milliseconds } from '../report/numbers.js';
import { type Cell, cellName, MAIN } from './cells.js';
import { type Measured, medianOf, percentAnswered, pointsAhead, requestsPerCall } from './measuring.js';
import { LONG_OUTAGE, type Row } from './rows.js';

/** Something that was asked, and what came of it. */
export interface Finding {
  readonly what: string;
  readonly measured: number;
  readonly atLeast: number;
}

/** Points behind bare axios where a row says nothing else. */
const BEHIND_BARE = 1;

/** At longer timeouts the figures are stated, but nothing is asked. */
const LONGEST_TIMEOUT_MS = 1_000;

/** A long outage: requests per call by the number of processes, where something is asked. */
const MOST_REQUESTS: Readonly<Record<number, number>> = { 1: 0.12, 20: 0.5 };

export const isMet = ({ measured, atLeast }: Finding): boolean => measured >= atLeast;

const isMain = ({ timeoutMs, workMs, processes }: Cell): boolean =>
  timeoutMs === MAIN.timeoutMs && workMs === MAIN.workMs && processes === MAIN.processes;

/** What the goals of the rows come to in one cell. */
export function findingsOf(
  { cell, rows, client, bare }: { cell: Cell; rows: readonly Row[]; client: string; bare: string },
  measured: Measured,
): Finding[] {
  if (cell.timeoutMs > LONGEST_TIMEOUT_MS) return [];
  return rows.flatMap(({ name, goal = {} }) => {
    const runs = measured(name, client);
    const answered = medianOf(runs, percentAnswered);
    const where = `${name} (${cellName(cell)})`;
    return [
      {
        what: `${where}: points ahead of bare axios`,
        measured: pointsAhead(runs, measured(name, bare)),
        atLeast: -(goal.behindBare ?? BEHIND_BARE),
      },
      ...(goal.floor === undefined ? [] : [{ what: `${where}: % answered`, measured: answered, atLeast: goal.floor }]),
      ...(goal.least === undefined || !isMain(cell)
        ? []
        : [{ what: `${where}: % answered`, measured: answered, atLeast: goal.least }]),
    ];
  });
}

/** What is asked of a long outage at a timeout of 1,000 ms, with signs such that more is better. */
export function sparingOf({ cell, client }: { cell: Cell; client: string }, measured: Measured): Finding[] {
  const most = MOST_REQUESTS[cell.processes];
  if (cell.timeoutMs !== MAIN.timeoutMs || cell.workMs !== MAIN.workMs || most === undefined) return [];
  const runs = measured(LONG_OUTAGE.name, client);
  const where = `${LONG_OUTAGE.name} (${cellName(cell)})`;
  return [
    { what: `${where}: requests per call, negative`, measured: -medianOf(runs, requestsPerCall), atLeast: -most },
    {
      what: `${where}: wait of failing calls at the median, ${milliseconds(0)}, negative`,
      measured: -medianOf(runs, ({ failingMs }) => failingMs.median),
      atLeast: 0,
    },
  ];
}
