import type { Spread } from '../measure/spread.js';

/** A ratio to something else of the same run, and the middle half of its rounds. */
export const ratioCells = ({ lower, median, upper }: Spread, digits = 2): string[] => [
  median.toFixed(digits),
  `${lower.toFixed(digits)} – ${upper.toFixed(digits)}`,
];

export const milliseconds = (ms: number): string =>
  Number.isNaN(ms) ? '–' : ms < 10 ? `${ms.toFixed(2)} ms` : `${Math.round(ms).toLocaleString('en')} ms`;

export const integer = (value: number): string => Math.round(value).toLocaleString('en');

export const kilobytes = (bytes: number): string =>
  `${(bytes / 1000).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} kB`;
