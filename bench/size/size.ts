import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { bestPeer, bestPeerText } from '../report/best-peer.js';
import { kilobytes } from '../report/numbers.js';
import type { Section } from '../report/section.js';
import { partsOfAttach } from './parts.js';

const COCKATIEL = 'cockatiel, what its README shows';

/** What is imported, as an application would. */
const BUNDLES: Readonly<Record<string, string>> = {
  'axios-resilience: `attach`': `export { attach } from '../dist/index.js';`,
  'axios-resilience: `CircuitBreaker` alone': `export { CircuitBreaker } from '../dist/index.js';`,
  'axios-resilience: `retry` and `CircuitBreaker`': `export { CircuitBreaker, retry } from '../dist/index.js';`,
  'axios-resilience: everything': `export * from '../dist/index.js';`,
  'axios-retry': `export { default } from 'axios-retry';`,
  'retry-axios': `export { attach } from 'retry-axios';`,
  'axios-retry + opossum': `export { default as retry } from 'axios-retry'; export { default as Breaker } from 'opossum';`,
  [COCKATIEL]: `export { ConsecutiveBreaker, ExponentialBackoff, circuitBreaker, handleAll, retry, wrap } from 'cockatiel';`,
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
  const both = bestPeer([COCKATIEL, 'axios-retry + opossum'], gzipped);
  const retries = bestPeer(['axios-retry', 'retry-axios'], gzipped);
  return {
    title: 'Size',
    intro: 'Bundled by esbuild for Node, minified, gzipped (level 9), without axios.',
    verdicts: [
      {
        goal: 'smaller than retries and a breaker of the peers',
        measured: `${kilobytes(ours)}; ${bestPeerText(both, kilobytes)}`,
        isMet: ours < both.value,
      },
      {
        goal: 'smaller than retries alone of the peers',
        measured: `${kilobytes(ours)}; ${bestPeerText(retries, kilobytes)}`,
        isMet: ours < retries.value,
      },
    ],
    tables: [
      {
        title: 'What is added to a bundle',
        head: ['', 'minified', 'gzipped'],
        rows: [...sizes].map(([name, { minified, gzipped }]) => [name, kilobytes(minified), kilobytes(gzipped)]),
      },
      await partsOfAttach(),
    ],
  };
}
