import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import axios from 'axios';
import { buildSync } from 'esbuild';
import { type Pair, ratiosOf, type Spread, spreadOf } from './measure.js';
import { BREAKER_BYTES, BREAKER_TO_BARE, CALLS_TO_BARE, REGISTRY_GROWTH } from './subjects.js';

const USAGE = `npm run bench -- [calls | breaker | registry] [--check <ratio>]

  calls     a healthy GET and POST through attach with defaults, against bare axios, both on an adapter that does nothing
  breaker   a closed circuit with each built-in detector against a bare \`await fn()\`, and the memory of an idle breaker
  registry  what a call costs with many keys, against few
  --check   exit code 1 when the median of a call is above the ratio`;

/** Each compiles everything anew: what one compilation happens to come to is no property of the code. */
const PROCESSES = 5;

interface Part {
  readonly title: string;
  readonly pairs: Record<string, () => Pair>;
}

const PARTS: Record<string, Part> = {
  calls: { title: 'a healthy call, to bare axios', pairs: CALLS_TO_BARE },
  breaker: { title: 'a closed circuit, to a bare await fn()', pairs: BREAKER_TO_BARE },
  registry: { title: 'a call through a registry', pairs: REGISTRY_GROWTH },
};

interface Measured {
  readonly ratios: Record<string, number[]>;
  readonly bytes: Record<string, number>;
}

async function measure(parts: readonly string[]): Promise<Measured> {
  if (!import.meta.resolve('axios-resilience').endsWith('/dist/index.js')) throw new Error('Not what is published');
  const measured: Measured = { ratios: {}, bytes: {} };
  for (const part of parts) {
    for (const [name, pair] of Object.entries(PARTS[part]?.pairs ?? {})) measured.ratios[name] = await ratiosOf(pair);
  }
  if (parts.includes('breaker'))
    for (const [name, bytes] of Object.entries(BREAKER_BYTES)) measured.bytes[name] = await bytes();
  return measured;
}

const IN_CHILD = 'AXIOS_RESILIENCE_BENCH_CHILD';

/** tsx would wrap each function of our build, and none of axios's: what measures is compiled to plain JavaScript. */
function compiled(): string {
  const outfile = fileURLToPath(new URL('../reports/bench/overhead.mjs', import.meta.url));
  const entryPoints = [fileURLToPath(import.meta.url)];
  buildSync({ entryPoints, outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' });
  return outfile;
}

/** Measures in a process of its own, which may collect garbage when it wants. */
function measureApart(script: string, parts: readonly string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(script, parts, { execArgv: ['--expose-gc'], env: { ...process.env, [IN_CHILD]: '1' } });
    child.once('message', (measured) => resolve(measured as Measured));
    child.once('exit', (code) => reject(new Error(`The measuring process ended with exit code ${code}`)));
  });
}

const WIDTH = 48;

const namesOf = (record: object | undefined): string[] => Object.keys(record ?? {});

function report(parts: readonly string[], all: readonly Measured[]): Map<string, Spread> {
  const { version } = createRequire(import.meta.url)('axios-resilience/package.json') as { version: string };
  console.log(`axios-resilience ${version}, axios ${axios.VERSION}, Node ${process.versions.node} on ${process.arch}`);
  const spreads = new Map<string, Spread>();
  for (const part of parts) {
    const { title, pairs } = PARTS[part] as Part;
    console.log(`\n${title.padEnd(WIDTH)}  median  quartiles       each process`);
    for (const name of namesOf(pairs)) {
      const each = all.map(({ ratios }) => ratios[name] ?? []);
      const spread = spreadOf(each.flat());
      spreads.set(name, spread);
      const medians = each.map((ratios) => spreadOf(ratios).median.toFixed(2)).join(' ');
      const quartiles = `${spread.lower.toFixed(3)} to ${spread.upper.toFixed(3)}`;
      console.log(`  ${name.padEnd(WIDTH - 2)}  ${spread.median.toFixed(3).padStart(6)}  ${quartiles}  ${medians}`);
    }
  }
  if (namesOf(all[0]?.bytes).length > 0) console.log(`\n${'an idle breaker'.padEnd(WIDTH)}   bytes`);
  for (const name of namesOf(all[0]?.bytes)) {
    const { median } = spreadOf(all.map(({ bytes }) => bytes[name] ?? Number.NaN));
    console.log(`  ${name.padEnd(WIDTH - 2)}  ${median.toFixed(0).padStart(6)}`);
  }
  return spreads;
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { check: { type: 'string' } } });
const parts = positionals.length > 0 ? positionals : Object.keys(PARTS);
const limit = Number(values.check ?? Number.POSITIVE_INFINITY);

if (process.env[IN_CHILD]) {
  process.send?.(await measure(parts));
} else if (Number.isNaN(limit) || !parts.every((part) => Object.hasOwn(PARTS, part))) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const all: Measured[] = [];
  const script = compiled();
  while (all.length < PROCESSES) all.push(await measureApart(script, parts));
  const spreads = report(parts, all);
  for (const name of Object.keys(CALLS_TO_BARE)) {
    const { median } = spreads.get(name) ?? { median: 0 };
    if (median <= limit) continue;
    console.error(`\n${name}: ${median.toFixed(3)} is above ${limit}`);
    process.exitCode = 1;
  }
}
