/** The service and its callers, whatever the fault. */
export interface Cell {
  readonly timeoutMs: number;
  /** How long a worker of the service is busy with a request. */
  readonly workMs: number;
  /** Processes that share the calls, each with a client of its own. */
  readonly processes: number;
}

interface Scale {
  readonly workers: number;
  readonly callsPerSecond: number;
}

/** So many workers and calls that half of the capacity is used while all is well. */
const SCALES: Readonly<Record<number, Scale>> = {
  20: { workers: 4, callsPerSecond: 100 },
  100: { workers: 10, callsPerSecond: 50 },
  700: { workers: 70, callsPerSecond: 50 },
};

export const TIMEOUTS_MS = [300, 1_000, 5_000];
export const WORKS_MS = Object.keys(SCALES).map(Number);
export const PROCESSES = [1, 5, 20];

/** The cell that the tables show in full. */
export const MAIN: Cell = { timeoutMs: 1_000, workMs: 100, processes: 1 };

export const isMain = ({ timeoutMs, workMs, processes }: Cell): boolean =>
  timeoutMs === MAIN.timeoutMs && workMs === MAIN.workMs && processes === MAIN.processes;

export function scaleOf({ workMs }: Cell): Scale {
  const scale = SCALES[workMs];
  if (!scale) throw new Error(`Expected the work per request to be one of ${WORKS_MS.join(', ')} ms, got ${workMs}`);
  return scale;
}

/** All but those in which no request can be answered in time. */
export const CELLS: readonly Cell[] = TIMEOUTS_MS.flatMap((timeoutMs) =>
  WORKS_MS.filter((workMs) => workMs < timeoutMs).flatMap((workMs) =>
    PROCESSES.map((processes) => ({ timeoutMs, workMs, processes })),
  ),
);

export const cellName = ({ timeoutMs, workMs, processes }: Cell): string =>
  `timeout ${timeoutMs.toLocaleString('en')} ms, work ${workMs} ms, ${processes === 1 ? '1 process' : `${processes} processes`}`;
