/** The median of what was measured in several processes, and the least and the greatest of theirs. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly greatest: number;
}

/** The value that a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param runs What was measured in each process. */
export function spreadOf(runs: readonly (readonly number[])[]): Spread {
  const medians = runs.map(median);
  return { least: Math.min(...medians), median: median(runs.flat()), greatest: Math.max(...medians) };
}
