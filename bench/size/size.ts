import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { kilobytes } from '../report/numbers.js';
import type { Section } from '../report/section.js';

/** What is imported, as an application would. */
const BUNDLES: Readonly<Record<string, string>> = {
  'axios-resilience: `attach`': `export { attach } from '../dist/index.js';`,
  'axios-resilience: `CircuitBreaker` alone': `export { CircuitBreaker } from '../dist/index.js';`,
  'axios-resilience: `retry` and `CircuitBreaker`': `export { CircuitBreaker, retry } from '../dist/index.js';`,
  'axios-resilience: everything': `export * from '../dist/index.js';`,
  'axios-retry': `export { default } from 'axios-retry';`,
  'retry-axios': `export { attach } from 'retry-axios';`,
  'axios-retry + opossum': `export { default as retry } from 'axios-retry'; export { default as Breaker } from 'opossum';`,
  'cockatiel: `retry`, `circuitBreaker`, `wrap`, as its README shows': `export { ConsecutiveBreaker, ExponentialBackoff, circuitBreaker, handleAll, retry, wrap } from 'cockatiel';`,
};

async function sizeOf(contents: string): Promise<{ minified: number; gzipped: number }> {
  const result = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    external: ['axios'],
  });
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  return { minified: code.length, gzipped: gzipSync(code, { level: 9 }).length };
}

export async function size(): Promise<Section> {
  const sizes = new Map<string, { minified: number; gzipped: number }>();
  for (const [name, contents] of Object.entries(BUNDLES)) sizes.set(name, await sizeOf(contents));
  const gzipped = (name: string) => sizes.get(name)?.gzipped ?? Number.NaN;
  const ours = gzipped('axios-resilience: `attach`');
  const both = gzipped('axios-retry + opossum');
  const retries = gzipped('axios-retry');
  return {
    title: 'Size',
    intro: 'Bundled by esbuild for Node, minified, gzipped (level 9), without axios.',
    verdicts: [
      {
        goal: 'smaller than retries and a breaker of two libraries (axios-retry + opossum)',
        measured: `${kilobytes(ours)}; ${kilobytes(both)}`,
        isMet: ours < both,
      },
      {
        goal: 'smaller than retries alone (axios-retry)',
        measured: `${kilobytes(ours)}; ${kilobytes(retries)}`,
        isMet: ours < retries,
      },
    ],
    tables: [
      {
        title: 'What is added to a bundle',
        head: ['', 'minified', 'gzipped'],
        rows: [...sizes].map(([name, { minified, gzipped }]) => [name, kilobytes(minified), kilobytes(gzipped)]),
      },
    ],
  };
}
