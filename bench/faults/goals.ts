import type { Verdict } from '../report/section.js';
import { type Cell, cellName, isMain, MAIN } from './cells.js';
import { type Measured, medianOf, percentAnswered, pointsAhead, requestsPerCall } from './measuring.js';
import { LONG_OUTAGE, type Row } from './rows.js';

/** Something that is asked of a client in one row of one cell, and what it came to. */
export interface Finding {
  readonly where: string;
  readonly what:
    | 'points ahead of bare axios'
    | '% answered'
    | 'requests per call'
    | 'ms that failing calls wait, median';
  readonly measured: number;
  readonly bound: { readonly least: number } | { readonly most: number };
}

/** Points behind bare axios where a row says nothing else. */
const BEHIND_BARE = 1;

/** At longer timeouts the figures are stated, but nothing is asked. */
const LONGEST_TIMEOUT_MS = 1_000;

/** Requests per call in a long outage, by the number of processes; of others nothing is asked. */
const MOST_REQUESTS: Readonly<Record<number, number>> = { 1: 0.12, 20: 0.5 };

export const isMet = ({ measured, bound }: Finding): boolean =>
  'least' in bound ? measured >= bound.least : measured <= bound.most;

const textOf = (value: number): string => String(Math.round(100 * value) / 100);

/** As one line. */
export const findingText = ({ where, what, measured, bound }: Finding): string =>
  `${where}: ${textOf(measured)} ${what}, ${'least' in bound ? `at least ${bound.least}` : `at most ${bound.most}`}`;

export const verdictOf = (finding: Finding, client: string): Verdict => ({
  goal: `${client}, ${finding.where}: ${'least' in finding.bound ? `at least ${finding.bound.least}` : `at most ${finding.bound.most}`} ${finding.what}`,
  measured: textOf(finding.measured),
  isMet: isMet(finding),
});

interface Judged {
  readonly cell: Cell;
  readonly rows: readonly Row[];
  readonly client: string;
}

/** What the goals of the rows come to in one cell: against bare axios, and in the main cell in figures. */
export function findingsOf({ cell, rows, client, bare }: Judged & { bare: string }, measured: Measured): Finding[] {
  if (cell.timeoutMs > LONGEST_TIMEOUT_MS) return [];
  return rows.flatMap(({ name, goal = {} }) => {
    const runs = measured(name, client);
    const where = `${name} (${cellName(cell)})`;
    const answered = (least: number | undefined): Finding[] =>
      least === undefined
        ? []
        : [{ where, what: '% answered', measured: medianOf(runs, percentAnswered), bound: { least } }];
    const behind = goal.behindBare ?? BEHIND_BARE;
    const ahead: Finding = {
      where,
      what: 'points ahead of bare axios',
      measured: pointsAhead(runs, measured(name, bare)),
      bound: { least: -behind },
    };
    return [
      ...(behind < Number.POSITIVE_INFINITY ? [ahead] : []),
      ...answered(goal.floor),
      ...answered(isMain(cell) ? goal.least : undefined),
    ];
  });
}

/** In how many cells and rows a client is as far ahead of bare axios as is asked. */
export function sweepVerdict(
  { cells, ...judged }: Omit<Judged, 'cell'> & { readonly cells: readonly Cell[]; readonly bare: string },
  measured: readonly Measured[],
): Verdict {
  const findings = cells.flatMap((cell, index) =>
    findingsOf({ ...judged, cell }, measured[index] as Measured).filter(
      ({ what }) => what === 'points ahead of bare axios',
    ),
  );
  const missed = findings.filter((finding) => !isMet(finding));
  const list = missed.length === 0 ? '' : `, all but these: ${missed.map(findingText).join('; ')}`;
  return {
    goal: 'timeouts of 300 and 1,000 ms: in every cell as many calls are answered as with bare axios, less what is allowed',
    measured: `${findings.length - missed.length} of ${findings.length}${list}`,
    isMet: missed.length === 0,
  };
}

/** How far the service is spared in a long outage, and that nobody waits for it. */
export function sparingOf({ cell, rows, client }: Judged, measured: Measured): Finding[] {
  const most = MOST_REQUESTS[cell.processes];
  const isAsked = isMain({ ...cell, processes: MAIN.processes }) && rows.includes(LONG_OUTAGE);
  if (most === undefined || !isAsked) return [];
  const runs = measured(LONG_OUTAGE.name, client);
  const where = `${LONG_OUTAGE.name} (${cellName(cell)})`;
  return [
    { where, what: 'requests per call', measured: medianOf(runs, requestsPerCall), bound: { most } },
    {
      where,
      what: 'ms that failing calls wait, median',
      measured: medianOf(runs, ({ failingMs }) => failingMs.median),
      bound: { most: 0 },
    },
  ];
}
