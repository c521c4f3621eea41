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
const TOGETHER_S = 5;

/**
 * From which second on the goodput stays at what it was before the spike, until the end; `undefined` where it does not.
 * Five seconds are taken together, since from one to the next it varies anyway.
 */
export function recoveredAt(goodputs: readonly number[], before: number): number | undefined {
  const isGood = (second: number) => {
    const together = goodputs.slice(second, second + TOGETHER_S);
    return together.reduce((sum, goodput) => sum + goodput, 0) >= SHARE * before * TOGETHER_S;
  };
  const last = goodputs.length - TOGETHER_S;
  let second = last + 1;
  while (second > 0 && isGood(second - 1)) second--;
  return second > last ? undefined : second;
}
