import { BARE, OURS } from '../clients.js';
import { mean } from '../measure/spread.js';
import type { Section, Table } from '../report/section.js';
import { type Cell, MAIN } from './cells.js';
import { seedsUpTo } from './flags.js';
import { type Measured, measure, medianOf, percentAnswered } from './measuring.js';
import { BEFORE_S, LONG_OUTAGE, outage, type Row, WINDOW_MS } from './rows.js';
import { CAPS } from './variants.js';

const steps = (fromMs: number, toMs: number, byMs: number): number[] =>
  Array.from({ length: Math.round((toMs - fromMs) / byMs) + 1 }, (_, index) => fromMs + index * byMs);

/** 44 lengths: close together where a cooldown more or less is a large part of an outage. */
const LENGTHS_MS = [...steps(250, 6_000, 250), ...steps(6_500, 12_000, 500), ...steps(13_000, 20_000, 1_000)];

const OUTAGES: readonly Row[] = LENGTHS_MS.map((forMs) => outage(forMs));

const PEERS = [BARE, 'axios-retry'];
const CHOICES = [OURS, ...Object.keys(CAPS)];

const SEEDS = seedsUpTo(3);

/** One point is three calls in ten seeds: less is chance. */
const NOTICED_POINTS = 1;

const FLEETS: readonly { readonly cell: Cell; readonly row: Row }[] = [
  { cell: MAIN, row: LONG_OUTAGE },
  { cell: { ...MAIN, processes: 20 }, row: LONG_OUTAGE },
  { cell: { ...MAIN, processes: 1_000 }, row: { ...LONG_OUTAGE, callsPerSecond: 1_000 } },
];

/** When every circuit is open and its cooldown has grown. */
const SETTLED_S = 10;

const probesPerSecond = (measured: Measured, client: string): string => {
  const runs = measured(LONG_OUTAGE.name, client);
  const seconds = runs.map(({ requestsPerSecond }) =>
    mean(requestsPerSecond.slice(BEFORE_S + SETTLED_S, BEFORE_S + WINDOW_MS / 1_000)),
  );
  return mean(seconds).toFixed(1);
};

interface Behind {
  readonly length: string;
  readonly points: number;
}

/** In which outages it is behind the best of others, the worst first. */
const behindOf = (client: string, others: readonly string[], measured: Measured): Behind[] =>
  OUTAGES.flatMap(({ name, endMs }) => {
    const percent = (other: string) => medianOf(measured(name, other), percentAnswered);
    const points = Math.max(...others.map(percent)) - percent(client);
    return points > NOTICED_POINTS ? [{ length: `${endMs / 1_000} s`, points }] : [];
  }).sort((a, b) => b.points - a.points);

const behindText = (client: string, others: readonly string[], measured: Measured): string => {
  const behind = behindOf(client, others, measured);
  const [worst] = behind;
  return `${behind.length} of ${OUTAGES.length}${worst ? `; ${worst.points.toFixed(1)} at ${worst.length}` : ''}`;
};

function tradeRow(client: string, measured: Measured, fleets: readonly Measured[]): string[] {
  return [
    client,
    behindText(client, [BARE], measured),
    behindText(client, PEERS, measured),
    mean(OUTAGES.map(({ name }) => medianOf(measured(name, client), percentAnswered))).toFixed(1),
    ...fleets.map((fleet) => probesPerSecond(fleet, client)),
  ];
}

const lengthTable = (measured: Measured): Table => ({
  title: 'Calls answered, %, by the length of the outage',
  head: ['', ...PEERS, ...CHOICES],
  rows: OUTAGES.map(({ name, endMs }) => [
    `${endMs / 1_000} s`,
    ...[...PEERS, ...CHOICES].map((client) => medianOf(measured(name, client), percentAnswered).toFixed(1)),
  ]),
});

/** What the longest cooldown costs: answers after an outage, or probes during it. */
export async function trade(): Promise<Section> {
  const [measured, ...fleets] = (await measure([
    { cell: MAIN, rows: OUTAGES, clients: [...PEERS, ...CHOICES], seeds: SEEDS, endsEarly: true },
    ...FLEETS.map(({ cell, row }) => ({
      cell,
      rows: [row],
      clients: CHOICES,
      seeds: cell.processes > 100 ? [1] : SEEDS,
      endsEarly: true,
    })),
  ])) as [Measured, ...Measured[]];
  return {
    title: 'Faults: the longest cooldown',
    intro: `The simulation of the section Faults: outages (503) of ${OUTAGES.length} lengths, ${SEEDS.length} seeds, medians. Behind: at least ${NOTICED_POINTS} point fewer of the calls of 20 s answered than with the better of bare axios and axios-retry. Probes: what reaches a service per second in the second half of an outage of 20 s; 50 calls/s together with 1 and 20 processes, 1,000 with 1,000.`,
    verdicts: [],
    tables: [
      {
        title: 'The trade',
        head: [
          '',
          'behind bare axios; points at worst',
          'behind the better of bare axios and axios-retry',
          'answered on average, %',
          ...FLEETS.map(
            ({ cell }) =>
              `probes/s, ${cell.processes.toLocaleString('en')} ${cell.processes === 1 ? 'process' : 'processes'}`,
          ),
        ],
        rows: CHOICES.map((client) => tradeRow(client, measured, fleets)),
      },
      lengthTable(measured),
    ],
  };
}
