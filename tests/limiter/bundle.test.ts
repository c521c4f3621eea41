import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpack from 'webpack';

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

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'limiter-bundle-'));
});

afterAll(() => rm(directory, { recursive: true }));

async function withEsbuild(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: '.' },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    external: ['axios'],
  });
  return outputFiles[0]?.text ?? '';
}

async function withWebpack(source: string): Promise<string> {
  const entry = join(directory, 'entry.mjs');
  await writeFile(entry, source);
  const stats = await promisify<webpack.Configuration, webpack.Stats | undefined>(webpack)({
    mode: 'production',
    entry,
    target: 'es2022',
    externalsType: 'module',
    externals: ['axios'],
    experiments: { outputModule: true },
    output: { path: directory, filename: 'bundle.mjs', module: true },
    performance: false,
  });
  expect(stats?.toJson({ all: false, errors: true, warnings: true })).toMatchObject({ errors: [], warnings: [] });
  return await readFile(join(directory, 'bundle.mjs'), 'utf8');
}

describe.each([
  ['esbuild', withEsbuild],
  ['webpack', withWebpack],
])('a bundle by %s', (_bundler, bundled) => {
  const bundleOf = (source: string) => bundled(source.replace('axios-resilience', INDEX));

  async function partsIn(source: string): Promise<string[]> {
    const text = await bundleOf(source);
    return Object.entries(WORDS).flatMap(([part, word]) => (text.includes(word) ? [part] : []));
  }

  test('carries none of the limiter with attach', async () => {
    expect(await partsIn(`import { attach } from 'axios-resilience'; attach(globalThis.api);`)).toEqual([]);
  });

  test('takes no byte more where limits are imported and not used', async () => {
    const attached = `{ attach } from 'axios-resilience'; attach(globalThis.api);`;
    const plain = await bundleOf(`import ${attached}`);
    const unused = await bundleOf(
      `import ${attached.replace('attach }', 'attach, adaptiveLimit, concurrencyLimit, customLimit, Limiter, rateLimit }')}`,
    );
    expect(unused).toHaveLength(plain.length);
  });

  test.each([
    ['concurrencyLimit(3)', ['queue', 'error', 'fixed']],
    ['rateLimit({ perSecond: 10 })', ['queue', 'error', 'rate', 'quota']],
    ['adaptiveLimit()', ['queue', 'error', 'adaptive']],
  ])('carries for %s its own rule and no other', async (limit, parts) => {
    const [name] = limit.split('(');
    const source = `import { attach, ${name} } from 'axios-resilience'; attach(globalThis.api, { limiter: ${limit} });`;
    expect(await partsIn(source)).toEqual(parts);
  });
});
