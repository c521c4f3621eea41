import { parseArgs } from 'node:util';
import { compiled } from '../measure/compile.js';
import { messageOf, runApart, start } from '../measure/processes.js';
import { integer } from '../report/numbers.js';
import type { SoakResult, SoakTask } from './calling.js';

const USAGE = `npm run bench:soak [-- --seconds <number> --seed <number>]

200 callers call a service that answers with random faults, abort at random, and override options at random; then everything
is counted. Exit code 1 if anything is lost, left or counted twice. In less than a minute the heap does not settle: its
growth may then be called BAD without a leak.`;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '300' }, seed: { type: 'string', default: '1' } },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);

async function soak(): Promise<boolean> {
  console.log(`Soaking for ${seconds} s with seed ${seed}`);
  const service = start(await compiled(new URL('service.ts', import.meta.url)), seed);
  try {
    const url = await messageOf<string>(service);
    const task: SoakTask = { url, seed, durationMs: seconds * 1_000 };
    const { checks, counts } = await runApart<SoakResult>(await compiled(new URL('calling.ts', import.meta.url)), task);
    for (const [name, count] of Object.entries(counts)) console.log(`  ${integer(count).padStart(12)}  ${name}`);
    for (const { name, expected, found, isGood } of checks) {
      console.log(`${isGood ? 'good' : 'BAD '}  ${name}: ${found}${isGood ? '' : `, expected ${expected}`}`);
    }
    return checks.every(({ isGood }) => isGood);
  } finally {
    service.kill();
  }
}

if (!(seconds > 0) || !Number.isInteger(seed)) {
  console.error(USAGE);
  process.exitCode = 2;
} else if (!(await soak())) {
  process.exitCode = 1;
}
