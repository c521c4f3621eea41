import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import axios from 'axios';
import { ratiosOf, type Spread, spreadOf } from './measure.js';
import { BREAKER_BYTES, BREAKER_TO_BARE, CALLS_TO_BARE } from './subjects.js';

const USAGE = `npm run bench -- [calls | breaker] [--check <ratio>]

  calls     a healthy GET and POST through attach with defaults, against bare axios, both on an adapter that does nothing
  breaker   a closed circuit against a bare \`await fn()\`, and the memory of an idle breaker
  --check   exit code 1 when the median of a call is above the ratio`;

/** Each compiles everything anew: what one compilation happens to come to is no property of the code. */
const PROCESSES = 5;

interface Measured {
  readonly ratios: Record<string, number[]>;
  readonly bytes: Record<string, number>;
}

async function measure(parts: readonly string[]): Promise<Measured> {
  const measured: Measured = { ratios: {}, bytes: {} };
  const toBare = { ...(parts.includes('calls') && CALLS_TO_BARE), ...(parts.includes('breaker') && BREAKER_TO_BARE) };
  for (const [name, pair] of Object.entries(toBare)) measured.ratios[name] = await ratiosOf(pair);
  if (parts.includes('breaker'))
    for (const [name, bytes] of Object.entries(BREAKER_BYTES)) measured.bytes[name] = bytes();
  return measured;
}

const IN_CHILD = 'AXIOS_RESILIENCE_BENCH_CHILD';

/** Measures in a process of its own, which may collect garbage when it wants. */
function measureApart(parts: readonly string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), parts, {
      execArgv: [...process.execArgv, '--expose-gc'],
      env: { ...process.env, [IN_CHILD]: '1' },
    });
    child.once('message', (measured) => resolve(measured as Measured));
    child.once('exit', (code) => reject(new Error(`The measuring process ended with exit code ${code}`)));
  });
}

const namesOf = (record: object | undefined): string[] => Object.keys(record ?? {});

function report(all: readonly Measured[]): Map<string, Spread> {
  const { version } = createRequire(import.meta.url)('axios-resilience/package.json') as { version: string };
  console.log(`axios-resilience ${version}, axios ${axios.VERSION}, Node ${process.versions.node} on ${process.arch}`);
  const spreads = new Map<string, Spread>();
  console.log(`\n${'time, as a ratio to bare'.padEnd(34)}  median  quartiles       each process`);
  for (const name of namesOf(all[0]?.ratios)) {
    const each = all.map(({ ratios }) => ratios[name] ?? []);
    const spread = spreadOf(each.flat());
    spreads.set(name, spread);
    const medians = each.map((ratios) => spreadOf(ratios).median.toFixed(2)).join(' ');
    const quartiles = `${spread.lower.toFixed(3)} to ${spread.upper.toFixed(3)}`;
    console.log(`  ${name.padEnd(32)}  ${spread.median.toFixed(3).padStart(6)}  ${quartiles}  ${medians}`);
  }
  if (namesOf(all[0]?.bytes).length > 0) console.log(`\n${'an idle breaker'.padEnd(34)}   bytes`);
  for (const name of namesOf(all[0]?.bytes)) {
    const { median } = spreadOf(all.map(({ bytes }) => bytes[name] ?? Number.NaN));
    console.log(`  ${name.padEnd(32)}  ${median.toFixed(0).padStart(6)}`);
  }
  return spreads;
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { check: { type: 'string' } } });
const parts = positionals.length > 0 ? positionals : ['calls', 'breaker'];
const limit = Number(values.check ?? Number.POSITIVE_INFINITY);

if (process.env[IN_CHILD]) {
  process.send?.(await measure(parts));
} else if (Number.isNaN(limit) || !parts.every((part) => part === 'calls' || part === 'breaker')) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const all: Measured[] = [];
  while (all.length < PROCESSES) all.push(await measureApart(parts));
  const spreads = report(all);
  for (const name of Object.keys(CALLS_TO_BARE)) {
    const { median } = spreads.get(name) ?? { median: 0 };
    if (median <= limit) continue;
    console.error(`\n${name}: ${median.toFixed(3)} is above ${limit}`);
    process.exitCode = 1;
  }
}
