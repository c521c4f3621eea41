import type { FinishedCall } from '../load/calls.js';

/** How many things happened in each second. */
export function perSecond(times: readonly number[], from: number, seconds: number): number[] {
  const counts = new Array<number>(seconds).fill(0);
  for (const time of times) {
    const second = Math.floor((time - from) / 1_000);
    if (second >= 0 && second < seconds) counts[second] = (counts[second] ?? 0) + 1;
  }
  return counts;
}

/** Calls that were answered, by the second in which they were. */
export const goodput = (calls: readonly FinishedCall[], from: number, seconds: number): number[] =>
  perSecond(
    calls.filter(({ answered }) => answered).map(({ endedAt }) => endedAt),
    from,
    seconds,
  );

/** A call that ends on the other side of a second, on either end, is no failure. */
const SHARE = 0.95;

/**
 * From which second on the goodput stays at what it was before the spike, until the end; `undefined` where it does not for
 * the last five. Seconds are taken two at a time, so that a call on the border between two does not matter.
 */
export function recoveredAt(goodputs: readonly number[], before: number): number | undefined {
  const isGood = (second: number) =>
    ((goodputs[second] ?? 0) + (goodputs[second + 1] ?? goodputs[second] ?? 0)) / 2 >= SHARE * before;
  let second = goodputs.length;
  while (second > 0 && isGood(second - 1)) second--;
  return goodputs.length - second >= 5 ? second : undefined;
}
