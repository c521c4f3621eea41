import { BARE, type ClientName, OURS } from '../clients.js';
import { conduct, type Observed, PUNCTUALITY, type Scripts, settingsOf } from '../load/experiment.js';
import { compiled } from '../measure/compile.js';
import { median } from '../measure/spread.js';
import { bestPeer } from '../report/best-peer.js';
import { linePlot } from '../report/line-plot.js';
import { integer, milliseconds } from '../report/numbers.js';
import type { Plot, Section, Table, Verdict } from '../report/section.js';
import { goodput, perSecond, recoveredAt } from './goodput.js';
import type { StormReport, StormTask } from './service.js';

const WORKERS = 10;
const WORK_MS = 100;
const CAPACITY = (WORKERS * 1_000) / WORK_MS;
const CALLS_PER_SECOND = 50;
const SPIKE_PER_SECOND = 600;
const TIMEOUT_MS = 1_000;
const BEFORE_S = 6;
const SPIKE_S = 1;
const AFTER_S = 29;
const AT_A_TIME = 4;
const APART_MS = 2_000;
const SECONDS = BEFORE_S + SPIKE_S + AFTER_S;

/** Seconds that say what is usual: neither the beginning nor the spike. */
const USUAL = [1, BEFORE_S] as const;

interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Never two in a row: no detector of consecutive failures sees enough of them. */
  readonly failingDigits: readonly number[];
  readonly clients: readonly ClientName[];
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'storm',
    title: 'A spike of one second',
    failingDigits: [],
    clients: [
      BARE,
      'axios-retry, timeouts too',
      'axios-resilience, no breaker',
      OURS,
      'axios-resilience, adaptiveLimit()',
      'axios-retry',
      'axios-retry + opossum',
      'retry-axios',
      'cockatiel',
    ],
  },
  {
    name: 'storm-partial-failure',
    title: 'The same, while the service answers 503 to three of ten requests',
    failingDigits: [0, 3, 6],
    clients: [
      'axios-retry, timeouts too',
      'cockatiel',
      'axios-resilience, no breaker',
      OURS,
      'axios-resilience, adaptiveLimit()',
    ],
  },
];

interface Course {
  readonly client: ClientName;
  readonly goodputs: readonly number[];
  /** Requests that reached the service, in each second. */
  readonly loads: readonly number[];
  readonly usual: number;
  /** In seconds, from the end of the spike. */
  readonly recoveredAfterS: number | undefined;
  readonly answered: number;
  readonly calls: number;
  readonly longestQueue: number;
  /** See `Calls`. */
  readonly latestMs: number;
}

function courseOf({ client, calls, latestMs, report }: Observed<StormReport>): Course {
  const from = Math.min(...calls.slice(0, 1).map(({ startedAt }) => startedAt));
  const goodputs = goodput(calls, from, SECONDS);
  const usual = median(goodputs.slice(...USUAL));
  const recovered = usual < CALLS_PER_SECOND / 2 ? undefined : recoveredAt(goodputs, usual);
  return {
    client,
    goodputs,
    loads: perSecond(report.arrivals, from, SECONDS),
    usual,
    recoveredAfterS: recovered === undefined ? undefined : Math.max(0, recovered - BEFORE_S - SPIKE_S),
    answered: calls.filter(({ answered }) => answered).length,
    calls: calls.length,
    longestQueue: report.longestQueue,
    latestMs,
  };
}

const recoveryText = ({ recoveredAfterS }: Course): string =>
  recoveredAfterS === undefined ? `not within ${AFTER_S} s` : `${recoveredAfterS} s`;

const answeredText = ({ answered, calls }: Course): string => `${((100 * answered) / calls).toFixed(0)} %`;

const resultText = (course: Course): string => `${recoveryText(course)}, ${answeredText(course)} of the calls answered`;

const isOurs = ({ client }: Course): boolean => client.startsWith(OURS);

const tableOf = (title: string, courses: readonly Course[]): Table => ({
  title,
  head: [
    '',
    'full recovery after',
    'calls answered',
    'goodput before, per s',
    'goodput in the last 10 s, per s',
    'requests in the last 10 s, per s',
    'longest queue',
    'latest call',
    'settings',
  ],
  rows: courses.map((course) => [
    course.client,
    recoveryText(course),
    answeredText(course),
    integer(course.usual),
    integer(median(course.goodputs.slice(-10))),
    integer(median(course.loads.slice(-10))),
    integer(course.longestQueue),
    milliseconds(course.latestMs),
    settingsOf(course.client),
  ]),
});

function verdictsOf(where: string, courses: readonly Course[]): Verdict[] {
  const peers = courses.filter((course) => !isOurs(course) && course.client !== BARE);
  const courseOfPeer = (client: ClientName) => peers.find((course) => course.client === client) as Course;
  const { name } = bestPeer(
    peers.map(({ client }) => client),
    (client) => courseOfPeer(client).recoveredAfterS,
  );
  return courses.filter(isOurs).map((course) => ({
    goal: `${where}: ${course.client} lets the service recover`,
    measured: `${resultText(course)}; the best peer is ${name} with ${resultText(courseOfPeer(name))}`,
    isMet: course.recoveredAfterS !== undefined,
  }));
}

/** All scenarios' clients together, so that as many as the machine bears run at a time. */
const brew = (scripts: Scripts): Promise<Observed<StormReport>[]> =>
  conduct<StormReport>(scripts, {
    subjects: SCENARIOS.flatMap(({ clients, failingDigits }) =>
      clients.map((client) => ({
        client,
        service: { workers: WORKERS, workMs: WORK_MS, failingDigits } satisfies StormTask,
      })),
    ),
    atATime: AT_A_TIME,
    apartMs: APART_MS,
    timeoutMs: TIMEOUT_MS,
    stretches: [
      { lastsMs: BEFORE_S * 1_000, callsPerSecond: CALLS_PER_SECOND },
      { lastsMs: SPIKE_S * 1_000, callsPerSecond: SPIKE_PER_SECOND },
      { lastsMs: AFTER_S * 1_000, callsPerSecond: CALLS_PER_SECOND },
    ],
  });

const plotOf = ({ name, title }: Scenario, courses: readonly Course[]): Promise<Plot> =>
  linePlot({
    name,
    title,
    x: 'seconds',
    y: 'calls answered per second',
    shaded: { from: BEFORE_S, to: BEFORE_S + SPIKE_S, label: 'spike' },
    lines: courses.map(({ client, goodputs }) => ({ name: client, values: goodputs })),
  });

export async function storm(): Promise<Section> {
  const scripts = {
    client: await compiled(new URL('../load/client.ts', import.meta.url)),
    service: await compiled(new URL('service.ts', import.meta.url)),
  };
  const verdicts: Verdict[] = [];
  const tables: Table[] = [];
  const plots: Plot[] = [];
  const observed = await brew(scripts);
  const all = observed.map(courseOf);
  for (const scenario of SCENARIOS) {
    const courses = all.splice(0, scenario.clients.length);
    verdicts.push(...verdictsOf(scenario.title, courses));
    tables.push(tableOf(scenario.title, courses));
    plots.push(await plotOf(scenario, courses));
  }
  return {
    title: 'A retry storm',
    intro: `A service with ${WORKERS} workers, each busy for ${WORK_MS} ms per request: ${CAPACITY} requests per second, the rest waits in a queue without a bound, and work is done also for those who gave up. ${CALLS_PER_SECOND} calls per second whatever becomes of them, for one second ${SPIKE_PER_SECOND}. Timeout ${TIMEOUT_MS} ms; each circuit has the cooldown that it has by default: 0.5 to 1.2 s, cockatiel 10 s, opossum 30 s. Recovered: the goodput of any five seconds together is back at 95 % of what it was before, and stays. Each client and each service is a process of its own; they run ${AT_A_TIME} at a time. One run of each, to the second: a difference of a second or two says nothing. ${PUNCTUALITY}`,
    verdicts,
    tables,
    plots,
  };
}
