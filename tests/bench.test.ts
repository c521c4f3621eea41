import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { slopeOf } from '../bench/measure/slope.js';
import { quantile } from '../bench/measure/spread.js';
import { recoveredAt } from '../bench/storm/goodput.js';

const textOf = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

const results = textOf('bench/RESULTS.md');
const readme = textOf('README.md');

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

const rowsOf = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(cellsOf);

/** The cells of all rows about a client as it is by default; in a bundle what of it is named, and a breaker whose it is. */
const measuredOf = (client: string): string[] =>
  rowsOf(results)
    .filter(
      ([name = '']) =>
        [client, `${client}, of a registry`, `${client}, what its README shows`].includes(name) ||
        name.startsWith(`${client}:`),
    )
    .flatMap(([, ...cells]) => cells);

describe('the figures in the README', () => {
  const [, section = ''] = /^## Benchmarks\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(readme) ?? [];
  const [head = [], , ...rows] = rowsOf(section);
  const clients = head.slice(1);

  it('are of this package and of its peers', () => {
    expect(clients).toContain('axios-resilience');
    expect(clients.length).toBeGreaterThanOrEqual(3);
    expect(rows.length).toBeGreaterThanOrEqual(3);
  });

  it('stand in the results under the same name', () => {
    for (const [what, ...figures] of rows) {
      figures.forEach((figure, column) => {
        if (figure === '') return;
        expect.soft(measuredOf(clients[column] ?? ''), `${what}, ${clients[column]}`).toContain(figure);
      });
    }
  });
});

describe('the results', () => {
  it('say what was measured on which machine with which versions', () => {
    expect(results).toMatch(/^- Machine: \d+ cores \(.+\), .+, Node \d+/m);
    const pinned = JSON.parse(textOf('bench/package.json')) as { devDependencies: Record<string, string> };
    for (const peer of ['axios-retry', 'retry-axios', 'opossum', 'cockatiel']) {
      expect(results).toContain(`${peer} ${pinned.devDependencies[peer]}`);
    }
  });

  it('link to plots that exist', () => {
    const plots = [...results.matchAll(/\]\((plots\/[^)]+)\)/g)].map(([, path]) => path ?? '');
    expect(plots.length).toBeGreaterThan(0);
    const missing = plots.filter((path) => !existsSync(new URL(`../bench/${path}`, import.meta.url)));
    expect(missing).toEqual([]);
  });
});

describe('what is computed from a measurement', () => {
  it('takes the slope of least squares for growth: exact on a line, 0 where values go up and down', () => {
    const points = (...values: number[]) => values.map((y, index) => ({ x: index * 100, y }));
    expect(slopeOf(points(7, 57, 107, 157))).toBe(0.5);
    expect(slopeOf(points(10, 30, 30, 10))).toBe(0);
    expect(slopeOf(points(10, 0, 20, 10))).toBeCloseTo(0.02, 10);
  });

  it('takes the nearest value for a quantile, whatever the order', () => {
    expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
  });

  it('calls a service recovered from the second on from which any five have 95 % of the goodput until the end', () => {
    expect(recoveredAt([60, 60, 5, 0, 60, 10, 57, 60, 60, 60, 60, 60], 60)).toBe(6);
    expect(recoveredAt([60, 0, 0, 60, 60, 52, 60, 60, 53, 60], 60)).toBe(3);
  });

  it('does not call it recovered where the goodput falls again before the end, or is good for four seconds only', () => {
    expect(recoveredAt([60, 0, 60, 60, 60, 60, 60, 60, 60, 0], 60)).toBeUndefined();
    expect(recoveredAt([60, 0, 0, 0, 0, 0, 60, 60, 60, 60], 60)).toBeUndefined();
  });
});
