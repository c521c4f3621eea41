import { loadavg } from 'node:os';

const HEADING = /^(?=## )/m;

const titleOf = (section: string): string => section.slice(0, section.indexOf('\n'));

/** When a part began, and what else the machine had to do then: on a busy one the times are not worth much. */
export function circumstances(): string {
  const [load = 0] = loadavg();
  return `Begun on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC; load of the machine at that time: ${load.toFixed(1)}.`;
}

/** The results with this section in the place of the one of the same title, or at the end. */
export function withSections(results: string, head: string, section: string): string {
  const byTitle = new Map(
    results
      .split(HEADING)
      .slice(1)
      .map((known) => [titleOf(known), known.trim()]),
  );
  byTitle.set(titleOf(section), section);
  return `${[head, ...byTitle.values()].join('\n\n')}\n`;
}
