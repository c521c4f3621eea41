import type { Caller, Result } from './callers.js';
import type { Arrival } from './service.js';
import { paint } from './terminal.js';
import { count, inItsColour } from './words.js';

const LABEL_WIDTH = 36;
const COLUMN_WIDTH = 15;

/** What it came to, side by side. */
export function tableOf(callers: readonly Caller[], arrivals: readonly Arrival[], recoveredAt: number): string[] {
  const requests = ({ name }: Caller) => arrivals.filter(({ from }) => from === name);
  const row = (label: string, cell: (caller: Caller) => number | string) =>
    `  ${label.padEnd(LABEL_WIDTH)}${callers.map((caller) => String(cell(caller)).padStart(COLUMN_WIDTH)).join('')}`;
  const results = (label: string, result: Result) =>
    inItsColour(
      result,
      row(label, ({ finished }) => count(finished, result)),
    );
  const header = row('', ({ name }) => name);
  return [
    paint('bold', header),
    row('calls', ({ finished }) => finished.length),
    results('answered', 'answered'),
    results('failed', 'failed'),
    row('requests that reached the service', (caller) => requests(caller).length),
    row('  of these, while it was ill', (caller) => requests(caller).filter(({ phase }) => phase !== 'healthy').length),
    row('calls failed until, after its return', (caller) => `${lastFailedAfter(caller, recoveredAt).toFixed(0)} ms`),
    row('median wait', (caller) => wait(caller, 0.5)),
    row('p99 wait', (caller) => wait(caller, 0.99)),
  ];
}

/** How long after that moment the last call failed, ms; 0 where none did. */
const lastFailedAfter = ({ finished }: Caller, moment: number): number =>
  Math.max(0, ...finished.filter(({ result }) => result === 'failed').map(({ endedAt }) => endedAt - moment));

/** The wait that a share of the calls did not exceed (nearest rank). */
function wait({ finished }: Caller, share: number): string {
  const sorted = finished.map(({ waitedMs }) => waitedMs).toSorted((a, b) => a - b);
  const waitedMs = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  return `${waitedMs < 10 ? waitedMs.toFixed(1) : waitedMs.toFixed(0)} ms`;
}
