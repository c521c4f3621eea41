import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { breaker } from './breaker/breaker.js';
import { faults } from './faults/faults.js';
import { fleetFaults } from './faults/fleet-faults.js';
import { limiters } from './faults/limiters.js';
import { trade } from './faults/trade.js';
import { tried } from './faults/tried.js';
import { fleet } from './fleet/fleet.js';
import { fleetErrors } from './fleet-errors/fleet-errors.js';
import { fleetSim } from './fleet-sim/fleet-sim.js';
import { memory } from './memory/memory.js';
import { outage } from './outage/outage.js';
import { overhead } from './overhead/overhead.js';
import { real } from './real/real.js';
import { surroundings } from './report/machine.js';
import { sectionText } from './report/markdown.js';
import { circumstances, withSections } from './report/results.js';
import type { Part, Plot } from './report/section.js';
import { size } from './size/size.js';
import { storm } from './storm/storm.js';

const PARTS: Readonly<Record<string, Part>> = {
  overhead,
  breaker,
  memory,
  size,
  outage,
  storm,
  faults,
  'fleet-faults': fleetFaults,
  tried,
  trade,
  limiters,
  real,
  fleet,
  'fleet-errors': fleetErrors,
  'fleet-sim': fleetSim,
};

const USAGE = `npm run bench [-- ${Object.keys(PARTS).join(' | ')}]

Runs all parts or those that are named, shows what they came to, and writes it to bench/RESULTS.md.
The parts fleet and fleet-errors need redis-server. With flags (faults takes some: see bench/faults/flags.ts) results are only shown.`;

const BENCH = fileURLToPath(new URL('.', import.meta.url));
const RESULTS = `${BENCH}RESULTS.md`;

const HEAD = `# Benchmarks

\`npm run bench\` writes this file; with the name of a part it renews that part alone. Ratios compare what ran in turns in one
run, and hold on other machines better than times would. Where this package is not ahead, the lists of goals say so.`;

function installPeers(): void {
  if (existsSync(`${BENCH}node_modules`)) return;
  execFileSync('npm', ['ci', '--prefix', BENCH, '--no-audit', '--no-fund'], { stdio: 'inherit' });
}

function writePlots(plots: readonly Plot[]): void {
  mkdirSync(`${BENCH}plots`, { recursive: true });
  for (const { name, svg } of plots) writeFileSync(`${BENCH}plots/${name}.svg`, svg);
}

async function run(name: string, flags: readonly string[]): Promise<void> {
  console.error(`${name} ...`);
  const begun = circumstances();
  const section = await (PARTS[name] as Part)(flags);
  const text = sectionText({ ...section, intro: `${section.intro} ${begun}` });
  console.log(`${text}\n`);
  if (flags.length > 0) return;
  writePlots(section.plots ?? []);
  const results = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : '';
  writeFileSync(RESULTS, withSections(results, `${HEAD}\n\n${surroundings()}`, text));
}

const given = process.argv.slice(2);
const firstFlag = given.findIndex((argument) => argument.startsWith('--'));
const names = firstFlag === -1 ? given : given.slice(0, firstFlag);
const flags = given.slice(names.length);
if (names.every((name) => Object.hasOwn(PARTS, name))) {
  installPeers();
  for (const name of names.length > 0 ? names : Object.keys(PARTS)) await run(name, flags);
} else {
  console.error(USAGE);
  process.exitCode = 2;
}
