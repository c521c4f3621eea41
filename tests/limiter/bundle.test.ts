import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const INDEX = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

/** The files of the limiter of which a bundle has any bytes. */
async function limiterFilesOf(source: string): Promise<string[]> {
  const { metafile } = await build({
    stdin: { contents: source.replace('axios-resilience', INDEX.replaceAll('\\', '/')), resolveDir: '.' },
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    external: ['axios'],
  });
  const [output] = Object.values(metafile.outputs);
  return Object.entries(output?.inputs ?? {})
    .filter(([file, { bytesInOutput }]) => file.includes('src/limiter/') && bytesInOutput > 0)
    .map(([file]) => file.slice(file.indexOf('limiter/') + 'limiter/'.length, -'.ts'.length))
    .sort();
}

const COMMON = ['limit', 'limiter', 'limiters', 'reason', 'turnstile', 'waiting-line'];

test('attach carries none of the limiter', async () => {
  expect(await limiterFilesOf(`import { attach } from 'axios-resilience'; attach(globalThis.api);`)).toEqual([]);
});

test.each([
  ['concurrencyLimit(3)', ['concurrency-limit']],
  ['rateLimit({ perSecond: 10 })', ['quota', 'rate-limit']],
  ['adaptiveLimit()', ['adaptive-limit', 'recent-peak', 'shedding', 'usual-time']],
])('%s carries its own rule and no other', async (limit, own) => {
  const [name] = limit.split('(');
  const source = `import { attach, ${name} } from 'axios-resilience'; attach(globalThis.api, { limiter: ${limit} });`;
  expect(await limiterFilesOf(source)).toEqual([...COMMON, ...own].sort());
});
