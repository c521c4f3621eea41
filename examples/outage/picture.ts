import type { Caller, FinishedCall } from './callers.js';
import type { Phase } from './service.js';
import { paint } from './terminal.js';
import type { Change, Scene } from './timeline.js';
import { countsOf, inItsColour } from './words.js';

const LABEL_WIDTH = 20;
const MAX_COLUMNS = 80;
const MIN_TERMINAL = { columns: 80, rows: 24 };

const { stdout } = process;

export const fits = (): boolean => stdout.columns >= MIN_TERMINAL.columns && stdout.rows >= MIN_TERMINAL.rows;

const CELLS = { answered: '█', failed: '×', closed: '━', open: '╌', 'half-open': '◆' } as const;
const NO_ANSWER = '·';
const LEVELS = ' ▁▂▃▄▅▆▇█';

interface Slice {
  readonly from: number;
  readonly to: number;
}

const within = (at: number, { from, to }: Slice): boolean => at >= from && at < to;

/** The outage so far; time runs to the right, a column per slice of it. */
export function drawPicture(scene: Scene): string[] {
  const columns = Math.min(stdout.columns - LABEL_WIDTH - 1, MAX_COLUMNS);
  const sliceMs = scene.durationMs / columns;
  const slices = Array.from({ length: Math.min(columns, Math.floor(scene.now() / sliceMs)) }, (_, index) => ({
    from: index * sliceMs,
    to: (index + 1) * sliceMs,
  }));
  const callsPerSlice = (scene.callsPerSecond * sliceMs) / 1000;
  return [
    '',
    heading('service') + ribbon(slices.map(({ to }) => lastOf(scene.service, to))),
    '',
    ...rowsOf(scene.plain),
    '',
    ...rowsOf(scene.resilient),
    subheading('circuit') + slices.map((slice) => circuitIn(scene, slice)).join(''),
    '',
    `  ${legend()}`,
  ];

  function rowsOf({ name, finished }: Caller): string[] {
    const ended = slices.map((slice) => finished.filter(({ endedAt }) => within(endedAt, slice)));
    const waits = ended.map((calls) => Math.max(0, ...calls.map(({ waitedMs }) => waitedMs)));
    const requests = slices.map((slice) => scene.arrivals.filter(({ from, at }) => from === name && within(at, slice)));
    return [
      heading(name) + countsOf(finished),
      subheading('calls') + ended.map(worstOf).join(''),
      subheading('longest wait') + bars(waits.map((waitMs) => waitMs / scene.timeoutMs)),
      subheading('requests arrived') + bars(requests.map(({ length }) => length / callsPerSlice / 1.5)),
    ];
  }
}

const heading = (text: string): string => `  ${paint('bold', text.padEnd(LABEL_WIDTH - 2))}`;
const subheading = (text: string): string => `   ${paint('dim', text.padEnd(LABEL_WIDTH - 3))}`;

function worstOf(calls: readonly FinishedCall[]): string {
  const worst = (['failed', 'answered'] as const).find((result) => calls.some((c) => c.result === result));
  return worst ? inItsColour(worst, CELLS[worst]) : paint('dim', NO_ANSWER);
}

const bars = (shares: readonly number[]): string =>
  shares.map((share) => LEVELS[Math.min(LEVELS.length - 1, Math.ceil(share * (LEVELS.length - 1)))]).join('');

const lastOf = <State>(changes: readonly Change<State>[], before: number): State | undefined =>
  changes.findLast(({ at }) => at < before)?.state;

/** A probe may be shorter than a slice; it is shown all the same. */
function circuitIn({ circuit }: Scene, slice: Slice): string {
  const probed = circuit.some(({ at, state }) => state === 'half-open' && within(at, slice));
  const state = probed ? 'half-open' : (lastOf(circuit, slice.to) ?? 'closed');
  return inItsColour(state, CELLS[state]);
}

/** Each phase by name, as long as it lasted. */
function ribbon(phases: readonly (Phase | undefined)[]): string {
  const starts = phases.flatMap((phase, index) => (phase && phase !== phases[index - 1] ? [{ phase, index }] : []));
  return starts
    .map(({ phase, index }, number) => {
      const length = (starts[number + 1]?.index ?? phases.length) - index;
      return inItsColour(phase, `├${phase}`.padEnd(length, '─').slice(0, length));
    })
    .join('');
}

function legend(): string {
  const entry = (name: keyof typeof CELLS, text: string) => `${inItsColour(name, CELLS[name])} ${text}`;
  return [
    entry('answered', 'answered'),
    entry('failed', 'failed'),
    `${NO_ANSWER} no answer`,
    entry('closed', 'closed'),
    entry('open', 'open'),
    entry('half-open', 'probe'),
  ].join('  ');
}
