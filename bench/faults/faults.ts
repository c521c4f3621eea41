import { BARE, OURS } from '../clients.js';
import type { Section } from '../report/section.js';
import { type Selection, selectionOf } from './flags.js';
import { findingsOf, isMet, sparingOf } from './goals.js';
import { measure } from './measuring.js';
import { cellTables } from './tables.js';

async function narrowed(selection: Selection): Promise<Section> {
  const { cells, rows, clients } = selection;
  const measured = await measure(cells.map((cell) => ({ ...selection, cell })));
  const judged = clients.filter((client) => client !== BARE && clients.includes(BARE));
  const missed = cells.flatMap((cell, index) => judged.flatMap((client) => {
    const of = measured[index]!;
    return [...findingsOf({ cell, rows, client, bare: BARE }, of)].filter((f) => !isMet(f)).map((f) => `${client}: ${f.what}: ${f.measured.toFixed(1)} < ${f.atLeast}`);
  }));
  return {
    title: 'Faults',
    intro: missed.join('\n'),
    verdicts: [],
    tables: cells.flatMap((cell, index) => cellTables({ cell, rows, clients }, measured[index]!)),
  };
}

export async function faults(flags: readonly string[]): Promise<Section> {
  return narrowed(selectionOf(flags));
}
