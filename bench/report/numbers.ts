import type { Spread } from '../measure/spread.js';

/** A ratio to something else of the same run, and what single processes came to. */
export const ratioCells = ({ least, median, greatest }: Spread, digits = 2): string[] => [
  median.toFixed(digits),
  `${least.toFixed(digits)} – ${greatest.toFixed(digits)}`,
];

export const milliseconds = (ms: number): string =>
  Number.isNaN(ms) ? '–' : ms < 10 ? `${ms.toFixed(2)} ms` : `${Math.round(ms).toLocaleString('en')} ms`;

export const integer = (value: number): string => Math.round(value).toLocaleString('en');

export const kilobytes = (bytes: number): string =>
  `${(bytes / 1000).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} kB`;
