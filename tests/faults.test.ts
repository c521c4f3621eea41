import { beforeAll, describe, expect, it } from 'vitest';
import { MAIN } from '../bench/faults/cells.js';
import { findingsOf, findingText, isMet, sparingOf } from '../bench/faults/goals.js';
import { type Measured, measure } from '../bench/faults/measuring.js';
import { ROWS } from '../bench/faults/rows.js';
import { BARE, OURS } from '../bench/clients.js';

const CELLS = [MAIN, { ...MAIN, processes: 20 }];

/** What the defaults still lose; everything else is held. */
const STILL_BEHIND: readonly string[] = [];

describe('with its defaults, in a simulated fault', () => {
  let measured: Measured[] = [];

  beforeAll(async () => {
    measured = await measure(
      CELLS.map((cell) => ({ cell, rows: ROWS, clients: [BARE, OURS], seeds: [1, 2, 3], endsEarly: true })),
    );
  }, 600_000);

  it.each(CELLS.map((cell, index) => ({ ...cell, index })))('answers what it is to answer: $processes process(es)', ({
    index,
    ...cell
  }) => {
    const of = measured[index] as Measured;
    const judged = { cell, rows: ROWS, client: OURS };
    const findings = [...findingsOf({ ...judged, bare: BARE }, of), ...sparingOf(judged, of)];
    expect(findings.length).toBeGreaterThan(ROWS.length);
    const missed = findings.filter((finding) => !isMet(finding)).map(findingText);
    expect(missed.filter((text) => !STILL_BEHIND.some((row) => text.startsWith(row)))).toEqual([]);
  });
});
