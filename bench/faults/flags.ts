import { parseArgs } from 'node:util';
import type { ResilienceOptions } from '../../dist/index.js';
import { type Cell, PROCESSES, TIMEOUTS_MS, WORKS_MS } from './cells.js';
import { clientNamed } from './clients.js';
import { OVERLOAD_ROWS } from './overload-rows.js';
import { ROWS, type Row } from './rows.js';

/** What a run of the bench is narrowed to. */
export interface Selection {
  readonly cells: readonly Cell[];
  readonly rows: readonly Row[];
  readonly clients: readonly string[];
  readonly seeds: readonly number[];
  readonly options: ResilienceOptions;
}

const listOf = (text: string): string[] => text.split(',').map((part) => part.trim());

const numbersOf = (text: string, all: readonly number[]): readonly number[] =>
  text === 'all' ? all : listOf(text).map(Number);

export const seedsUpTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/**
 * `--timeout 300,1000 --service 100 --processes 1,20 --seeds 3 --client ours,bare --row "503|30 %" --ours '{"breaker":…}'`;
 * `all` for each of the first three. Rows are chosen by a part of their name, several by `|`. By default the main cell,
 * all rows, 5 seeds, bare axios, axios-retry and ours.
 */
export function selectionOf(flags: readonly string[]): Selection {
  const { values } = parseArgs({
    args: [...flags],
    options: {
      timeout: { type: 'string', default: '1000' },
      service: { type: 'string', default: '100' },
      processes: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '5' },
      client: { type: 'string', default: 'bare,axios-retry,ours' },
      row: { type: 'string', default: '' },
      ours: { type: 'string', default: '{}' },
    },
  });
  const cells = numbersOf(values.timeout, TIMEOUTS_MS).flatMap((timeoutMs) =>
    numbersOf(values.service, WORKS_MS).flatMap((workMs) =>
      numbersOf(values.processes, PROCESSES).map((processes) => ({ timeoutMs, workMs, processes })),
    ),
  );
  const parts = values.row.split('|');
  return {
    cells,
    rows: [...ROWS, ...OVERLOAD_ROWS].filter(({ name }) => parts.some((part) => name.includes(part))),
    clients: values.client.split(/,(?! )/).map(clientNamed),
    seeds: seedsUpTo(Number(values.seeds)),
    options: JSON.parse(values.ours) as ResilienceOptions,
  };
}
