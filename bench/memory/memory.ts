import { DETECTORS } from '../breaker/detectors.js';
import { compiled } from '../measure/compile.js';
import { runApart } from '../measure/processes.js';
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

const CALLS: CallsTask = { calls: 1_000_000, samples: 10 };
/** By so much may the heap differ between the second and the last tenth of the calls, bytes: not one per call. */
const FLAT_BYTES = 200_000;
const HEAP = ['--max-old-space-size=8192'];

export async function memory(): Promise<Section> {
  const measuring = await compiled(new URL('measuring.ts', import.meta.url));
  const weights = new Map<string, Weight>();
  for (const subject of SUBJECTS) weights.set(subject, await runApart(measuring, subject, HEAP));
  const { bytes, retries } = await runApart<HeapOfCalls>(await compiled(new URL('calls.ts', import.meta.url)), CALLS);

  const bytesOf = (name: string) => weights.get(name)?.bytes ?? Number.NaN;
  const grownBy = (bytes.at(-1) ?? Number.NaN) - (bytes[1] ?? Number.NaN);
  return {
    title: 'Memory',
    intro: `100,000 breakers that have seen one success each, every library in a process of its own; and ${integer(CALLS.calls)} calls through one attached instance, 100 at a time, of which every tenth attempt is answered 503.`,
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
        goal: 'the heap after collection is flat over a million calls with retries',
        measured: `${kilobytes(grownBy)} between call 200,000 and call 1,000,000, with ${integer(retries)} retries`,
        isMet: grownBy < FLAT_BYTES,
      },
    ],
    tables: [
      {
        title: 'One idle breaker',
        head: ['', 'bytes', 'timers'],
        rows: [...weights].map(([name, { bytes, timers }]) => [name, integer(bytes), String(timers)]),
      },
      {
        title: 'Heap after collection, with so many calls made',
        head: bytes.map((_, index) => integer(((index + 1) * CALLS.calls) / CALLS.samples)),
        rows: [bytes.map(kilobytes)],
      },
    ],
  };
}
