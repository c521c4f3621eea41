import { type Cell, scaleOf } from './cells.js';
import type { Row } from './rows.js';

/** A call that is to be made. */
export interface Arrival {
  readonly at: number;
  readonly path: string;
  /** Which of the processes makes it. */
  readonly process: number;
}

interface ArrivalOptions {
  readonly cell: Cell;
  readonly row: Row;
  readonly faultAt: number;
  readonly endAt: number;
  readonly random: () => number;
}

/** Calls of many callers who know nothing of each other: so many per second, at random times. */
export function arrivalsOf({ cell, row, faultAt, endAt, random }: ArrivalOptions): Arrival[] {
  const usual = row.callsPerSecond ?? scaleOf(cell).callsPerSecond;
  const stretches = [
    { from: 0, factor: 1 },
    { from: faultAt, factor: row.loadFactor ?? 1 },
    { from: faultAt + row.endMs, factor: 1 },
  ];
  const times = new Array<number>(row.burst ?? 0).fill(faultAt);
  stretches.forEach(({ from, factor }, index) => {
    const to = stretches[index + 1]?.from ?? endAt;
    if (index === 0 && row.isCold) return;
    const perSecond = (at: number) =>
      usual * factor + (index === 1 && row.rampTo ? ((row.rampTo - usual) * (at - from)) / row.endMs : 0);
    const gap = (at: number) => (-Math.log(1 - random()) * 1_000) / perSecond(at);
    for (let at = from + gap(from); at < to; at += gap(at)) times.push(at);
  });
  return times.map((at, index) => ({
    at,
    path: `/${random() < (row.badShare ?? 0) ? 'bad' : 'good'}/${index}`,
    process: Math.floor(random() * cell.processes),
  }));
}
