import { DETECTORS } from '../breaker/detectors.js';
import { compiled } from '../measure/compile.js';
import { runApart } from '../measure/processes.js';
import { slopeOf } from '../measure/slope.js';
import { integer, kilobytes } from '../report/numbers.js';
import type { Section } from '../report/section.js';
import type { CallsTask, HeapOfCalls } from './calls.js';
import type { Weight } from './measuring.js';

const OURS = 'axios-resilience, of a registry';
const SUBJECTS = [
  OURS,
  'axios-resilience, by itself',
  'cockatiel',
  'opossum',
  ...Object.keys(DETECTORS)
    .slice(1)
    .map((name) => `${OURS}, ${name}`),
];

const CALLS: CallsTask = { calls: 1_000_000, samples: 20 };
/** The first fifth of the calls is for the compiler and for what is made once. */
const SETTLED = CALLS.samples / 5;
/** By so much may the heap grow per call, bytes: what is kept of calls is more than that of one in eight. */
const FLAT = 1;
const HEAP = ['--max-old-space-size=8192'];

export async function memory(): Promise<Section> {
  const measuring = await compiled(new URL('measuring.ts', import.meta.url));
  const calling = runApart<HeapOfCalls>(await compiled(new URL('calls.ts', import.meta.url)), CALLS);
  const weights = new Map<string, Weight>();
  for (const subject of SUBJECTS) weights.set(subject, await runApart(measuring, subject, HEAP));
  const { bytes, retries } = await calling;

  const bytesOf = (name: string) => weights.get(name)?.bytes ?? Number.NaN;
  const points = bytes.map((y, index) => ({ x: ((index + 1) * CALLS.calls) / CALLS.samples, y }));
  const growth = slopeOf(points.slice(SETTLED - 1));
  return {
    title: 'Memory',
    intro: `100,000 breakers that have seen one success each, every library in a process of its own, without the texts of the keys; and ${integer(CALLS.calls)} calls through one attached instance, 500 at a time, of which every tenth attempt is answered 503.`,
    verdicts: [
      {
        goal: 'a breaker is lighter than those of the peers',
        measured: `${integer(bytesOf(OURS))} bytes; cockatiel ${integer(bytesOf('cockatiel'))}, opossum ${integer(bytesOf('opossum'))}`,
        isMet: bytesOf(OURS) < Math.min(bytesOf('cockatiel'), bytesOf('opossum')),
      },
      {
        goal: 'a breaker keeps no timer',
        measured: `${weights.get(OURS)?.timers}; opossum ${weights.get('opossum')?.timers}`,
        isMet: weights.get(OURS)?.timers === 0,
      },
      {
        goal: `the heap after collection is flat over ${integer(CALLS.calls)} calls with retries: it grows by less than ${FLAT} byte per call`,
        measured: `${growth.toFixed(2)} bytes per call, by least squares from call ${integer(points[SETTLED - 1]?.x ?? 0)} on, with ${integer(retries)} retries`,
        isMet: growth < FLAT,
      },
    ],
    tables: [
      {
        title: 'One idle breaker',
        head: ['', 'bytes', 'timers'],
        rows: [...weights].map(([name, { bytes, timers }]) => [name, integer(bytes), String(timers)]),
      },
      {
        title: 'Heap after collection',
        head: ['calls made', ...points.map(({ x }) => integer(x))],
        rows: [['in use', ...bytes.map(kilobytes)]],
      },
    ],
  };
}
