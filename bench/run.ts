import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { breaker } from './breaker/breaker.js';
import { memory } from './memory/memory.js';
import { outage } from './outage/outage.js';
import { overhead } from './overhead/overhead.js';
import { surroundings } from './report/machine.js';
import { sectionText } from './report/markdown.js';
import type { Part, Plot } from './report/section.js';
import { size } from './size/size.js';
import { storm } from './storm/storm.js';

const PARTS: Readonly<Record<string, Part>> = { overhead, breaker, memory, size, outage, storm };

const USAGE = `npm run bench [-- ${Object.keys(PARTS).join(' | ')}]

Without a part all of them run and bench/RESULTS.md is written; with parts their results are shown.`;

const BENCH = fileURLToPath(new URL('.', import.meta.url));

function installPeers(): void {
  if (existsSync(`${BENCH}node_modules`)) return;
  execFileSync('npm', ['ci', '--prefix', BENCH, '--no-audit', '--no-fund'], { stdio: 'inherit' });
}

function writePlots(plots: readonly Plot[]): void {
  mkdirSync(`${BENCH}plots`, { recursive: true });
  for (const { name, svg } of plots) writeFileSync(`${BENCH}plots/${name}.svg`, svg);
}

async function run(names: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const name of names) {
    console.error(`${name} ...`);
    const section = await (PARTS[name] as Part)();
    writePlots(section.plots ?? []);
    texts.push(sectionText(section));
  }
  return texts.join('\n\n');
}

const given = process.argv.slice(2);
if (!given.every((name) => Object.hasOwn(PARTS, name))) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  installPeers();
  const startedAt = performance.now();
  const results = await run(given.length > 0 ? given : Object.keys(PARTS));
  if (given.length > 0) {
    console.log(results);
  } else {
    const minutes = (performance.now() - startedAt) / 60_000;
    const head = `# Benchmarks\n\n\`npm run bench\` wrote this file, in ${minutes.toFixed(0)} minutes. Ratios compare what ran in turns in one run; they hold on other machines better than times would.\n\n${surroundings()}`;
    writeFileSync(`${BENCH}RESULTS.md`, `${head}\n\n${results}\n`);
  }
}
