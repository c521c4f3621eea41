import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const INDEX = fileURLToPath(new URL('../../dist/index.js', import.meta.url)).replaceAll('\\', '/');

/** Words that stand in the code of each part and nowhere else. */
const WORDS = {
  queue: 'new Limiter(key, options)',
  error: 'let no attempt pass',
  adaptive: 'adaptiveLimit(options)',
  fixed: 'concurrencyLimit(max)',
  rate: 'rateLimit(options)',
  quota: 'x-ratelimit',
};

/** The parts of the limiter that a bundle of the published file carries. */
async function partsIn(source: string): Promise<string[]> {
  const { outputFiles } = await build({
    stdin: { contents: source.replace('axios-resilience', INDEX), resolveDir: '.' },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    external: ['axios'],
  });
  const text = outputFiles[0]?.text ?? '';
  return Object.entries(WORDS).flatMap(([part, word]) => (text.includes(word) ? [part] : []));
}

test('attach carries none of the limiter', async () => {
  expect(await partsIn(`import { attach } from 'axios-resilience'; attach(globalThis.api);`)).toEqual([]);
});

test.each([
  ['concurrencyLimit(3)', ['queue', 'error', 'fixed']],
  ['rateLimit({ perSecond: 10 })', ['queue', 'error', 'rate', 'quota']],
  ['adaptiveLimit()', ['queue', 'error', 'adaptive']],
])('%s carries its own rule and no other', async (limit, parts) => {
  const [name] = limit.split('(');
  const source = `import { attach, ${name} } from 'axios-resilience'; attach(globalThis.api, { limiter: ${limit} });`;
  expect(await partsIn(source)).toEqual(parts);
});
