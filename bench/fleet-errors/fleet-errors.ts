import { resetCommandCalls, scriptCalls } from '../../tests/support/redis/command-calls.js';
import { startRedis } from '../../tests/support/redis/server.js';
import { compiled } from '../measure/compile.js';
import { messageOf, start } from '../measure/processes.js';
import { integer } from '../report/numbers.js';
import type { Section, Verdict } from '../report/section.js';
import type { DetectorName, ErrorsTask, Seen } from './worker.js';

const PROCESSES = 40;
const CALLS_PER_SECOND = 20;
const SECONDS = 60;
const ERROR_RATES = [0.01, 0.03, 0.05, 0.1];

interface Row {
  readonly detector: DetectorName;
  readonly errorRate: number;
  readonly calls: number;
  readonly failures: number;
  readonly longestRun: number;
  readonly openIn: number;
  /** Processes in which a circuit without a store opened, which met the same. */
  readonly aloneIn: number;
}

function rowsOf(all: readonly (readonly Seen[])[]): Row[] {
  return (all[0] ?? []).map(({ detector, errorRate }, index) => {
    const each = all.map((seen) => seen[index] as Seen);
    const sum = (field: 'calls' | 'failures') => each.reduce((total, seen) => total + seen[field], 0);
    return {
      detector,
      errorRate,
      calls: sum('calls'),
      failures: sum('failures'),
      longestRun: Math.max(...each.map(({ longestRun }) => longestRun)),
      openIn: each.filter(({ hasOpened }) => hasOpened).length,
      aloneIn: each.filter(({ hasOpenedAlone }) => hasOpenedAlone).length,
    };
  });
}

/** Whether sharing opened a circuit. */
const isFalse = ({ openIn, aloneIn }: Row): boolean => openIn > aloneIn;

async function observe(): Promise<{ readonly rows: Row[]; readonly commandsPerSecond: number }> {
  const script = await compiled(new URL('worker.ts', import.meta.url));
  const redis = await startRedis();
  const task: ErrorsTask = {
    redisPort: redis.port,
    callsPerSecond: CALLS_PER_SECOND,
    lastsMs: SECONDS * 1_000,
    errorRates: ERROR_RATES,
  };
  const children = Array.from({ length: PROCESSES }, () => start(script, task));
  try {
    await Promise.all(children.map((child) => messageOf(child)));
    await resetCommandCalls(redis);
    for (const child of children) child.send('begin');
    const rows = rowsOf(await Promise.all(children.map((child) => messageOf<Seen[]>(child))));
    return { rows, commandsPerSecond: (await scriptCalls(redis)) / SECONDS };
  } finally {
    for (const child of children) child.kill();
    await redis.stop();
  }
}

export async function fleetErrors(): Promise<Section> {
  const { rows, commandsPerSecond } = await observe();
  const wrong = rows.filter(isFalse);
  const verdicts: Verdict[] = [
    {
      goal: `${PROCESSES} processes whose calls fail at random: sharing opens nothing`,
      measured:
        wrong.length === 0
          ? 'none opened'
          : wrong.map(({ detector, errorRate }) => `${detector} at ${errorRate}`).join(', '),
      isMet: wrong.length === 0,
    },
  ];
  return {
    title: 'A fleet whose calls fail at random',
    intro: `${PROCESSES} processes with a circuit shared over a real Redis, ${CALLS_PER_SECOND} calls per second each, for ${SECONDS} s; all ${rows.length} circuits at the same time. ${integer(commandsPerSecond)} scripts per second reached Redis in all. Beside each is a circuit without a store that meets the same: what opens there, too, is not the doing of the fleet.`,
    verdicts,
    tables: [
      {
        title: 'In how many processes the circuit opened',
        head: ['', 'calls that fail', 'calls', 'longest run of failures in a process', 'opened in', 'without a store'],
        rows: rows.map(({ detector, errorRate, calls, longestRun, openIn, aloneIn }) => [
          `\`${detector}\``,
          `${100 * errorRate} %`,
          integer(calls),
          integer(longestRun),
          `${openIn} of ${PROCESSES}`,
          `${aloneIn} of ${PROCESSES}`,
        ]),
      },
    ],
  };
}
