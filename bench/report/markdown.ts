import type { Section, Table, Verdict } from './section.js';

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function tableText({ title, head, rows }: Table): string {
  const alignment = head.map((_, column) => (column === 0 ? '---' : isNumeric(rows, column) ? '---:' : '---'));
  return [`**${title}**`, '', row(head), `|${alignment.join('|')}|`, ...rows.map(row)].join('\n');
}

const isNumeric = (rows: Table['rows'], column: number): boolean =>
  rows.every((cells) => /^[\d–<-]/.test(cells[column] ?? ''));

const verdictText = ({ goal, measured, isMet }: Verdict): string =>
  `- ${isMet ? 'Met' : '**Missed**'}: ${goal}. Measured: ${measured}.`;

/** A section as Markdown; plots are linked as files beside it. */
export function sectionText({ title, intro, verdicts, tables, plots = [] }: Section): string {
  return [
    `## ${title}`,
    intro,
    ...(verdicts.length > 0 ? [verdicts.map(verdictText).join('\n')] : []),
    ...tables.map(tableText),
    ...plots.map((plot) => `![${plot.title}](plots/${plot.name}.svg)`),
  ].join('\n\n');
}
