import { BARE } from '../clients.js';
import type { Section, Verdict } from '../report/section.js';
import type { Selection } from './flags.js';
import { findingsOf, isMet, sparingOf, verdictOf } from './goals.js';
import { type Measured, measure } from './measuring.js';
import { cellTables } from './tables.js';

/** What was selected by flags, with every goal that is missed: to try settings. */
export async function narrowed(selection: Selection): Promise<Section> {
  const { cells, rows, clients } = selection;
  const measured = await measure(cells.map((cell) => ({ ...selection, cell })));
  const verdicts: Verdict[] = [];
  const tables = cells.flatMap((cell, index) => {
    const of = measured[index] as Measured;
    if (clients.includes(BARE)) {
      for (const client of clients.filter((name) => name !== BARE)) {
        const findings = findingsOf({ cell, rows, client, bare: BARE }, of);
        const missed = [...findings, ...sparingOf({ cell, rows, client }, of)].filter((finding) => !isMet(finding));
        verdicts.push(...missed.map((finding) => verdictOf(finding, client)));
      }
    }
    return cellTables({ cell, rows, clients }, of);
  });
  return { title: 'Faults', intro: 'Narrowed by flags.', verdicts, tables };
}
