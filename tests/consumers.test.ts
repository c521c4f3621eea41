import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packInto } from './support/packed.js';

const run = promisify(execFile);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const compilers = { '5.4': 'typescript-5.4', '5.9': 'typescript-5.9', '6.0': 'typescript', '7.0': 'typescript-7' };

/** `node`: an ES module and a CommonJS module, resolved as Node does. */
const kinds = ['node', 'bundler'] as const;

let folder: string;
let consumers: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'axios-resilience-'));
  consumers = join(folder, 'consumers');
  await Promise.all([
    packInto(folder, join(consumers, 'node_modules'), ['axios', 'prom-client', '@opentelemetry/api']),
    copyConsumers(),
  ]);
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function copyConsumers(): Promise<void> {
  for (const kind of [...kinds, 'node10'])
    await cp(join(root, 'tests/consumers', kind), join(consumers, kind), { recursive: true });
}

async function versionOf(compiler: string): Promise<string> {
  const manifest = await readFile(join(root, 'node_modules', compiler, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** What the compiler says, and nothing when it is content. */
async function compile(compiler: string, kind: string): Promise<string> {
  const tsc = join(root, 'node_modules', compiler, 'bin/tsc');
  const args = [tsc, '--project', join(consumers, kind), '--pretty', 'false'];
  return run(process.execPath, args).then(
    ({ stdout }) => stdout,
    (error: unknown) => (error as { stdout?: string }).stdout || inspect(error),
  );
}

describe('the packed tarball', () => {
  test('holds nothing of a former build, and is built anew by npm', async () => {
    const files = await readdir(join(consumers, 'node_modules/axios-resilience/dist'));
    expect(files.filter((file) => !/\.(?:js|cjs|d\.ts|d\.cts)$/.test(file))).toEqual([]);
    expect(files).not.toContain('of-a-former-build.js');
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object };
    expect(scripts).toMatchObject({ prepack: 'npm run --silent build' });
  });

  test('holds the build, the readme, the license and the changelog', async () => {
    const files = await readdir(join(consumers, 'node_modules/axios-resilience'), { recursive: true });
    const buildsOf = (entry: string) =>
      files.filter((file) => file.startsWith(join('dist', `${entry}.`))).map((file) => file.slice('dist/'.length));
    for (const entry of ['index', 'opentelemetry', 'prometheus', 'redis', 'store']) {
      const kinds = ['cjs', 'd.cts', 'd.ts', 'js'];
      expect(buildsOf(entry).sort()).toEqual(kinds.map((kind) => `${entry}.${kind}`));
    }
    expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']));
    expect(files.filter((file) => /^(?:src|tests)/.test(file))).toEqual([]);
  });

  for (const [version, compiler] of Object.entries(compilers)) {
    describe(`with TypeScript ${version}`, () => {
      test(`is compiled by ${version}`, async () => expect(await versionOf(compiler)).toMatch(`${version}.`));

      test('finds all sub-paths where modules are resolved as Node 10 did', { timeout: 60_000 }, async () => {
        // TypeScript 7 knows no such resolution any more, and before 6 nobody had to be told that it is old.
        if (version === '7.0') return;
        const said = await compile(compiler, 'node10');
        expect(version === '6.0' ? said : said.replace(/^.*TS5103.*\n/m, '')).toBe('');
      });

      test.each(kinds)('compiles in a %s consumer', { timeout: 60_000 }, async (kind) => {
        expect(await compile(compiler, kind)).toBe('');
      });
    });
  }

  test.each([
    ['an ES module', 'consumer.mts', 'consumer.mjs'],
    ['a CommonJS module', 'consumer.cts', 'consumer.cjs'],
  ])('works at run time from %s', async (_kind, source, script) => {
    const stdout = await runConsumer(source, script);
    expect(stdout.trimEnd().split('\n')).toEqual([
      '2 attempts, exhausted',
      'https://api.example.com closed -> open',
      '2 attempts, circuit-open',
      '503 https://api.example.com 1',
      'kept',
      'https://api.example.com open -> closed',
      '200 closed 1,2,1,2,1',
    ]);
  });

  test.each([
    ['an ES module', 'signals.mts', 'signals.mjs'],
    ['a CommonJS module', 'signals.cts', 'signals.cjs'],
  ])('has sub-paths for metrics that work at run time from %s', async (_kind, source, script) => {
    expect(await runConsumer(source, script)).toBe(
      'shop_axios_resilience_call_attempts_count{key="GET https://api.example.com"} 1\n',
    );
  });

  test.each(['prometheus', 'opentelemetry'])('%s loads neither axios nor the rest of the plugin', async (subPath) => {
    const folder = join(consumers, 'node_modules/axios-resilience/dist');
    const loaded = new Set<string>();
    const load = async (file: string): Promise<void> => {
      loaded.add(file);
      const code = await readFile(join(folder, file), 'utf8');
      for (const [, next = ''] of code.matchAll(/^import .* from '(.+)';$/gm)) {
        if (next.startsWith('./')) await load(next.slice(2));
        else loaded.add(next);
      }
    };
    await load(`${subPath}.js`);
    expect([...loaded].sort()).toEqual(['measuring.js', `${subPath}.js`, 'validation.js'].sort());
  });
});

/** Compiles a consumer to JavaScript, runs it and returns what it printed. */
async function runConsumer(source: string, script: string): Promise<string> {
  const text = await readFile(join(consumers, 'node', source), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(text, { fileName: source, compilerOptions });
  await writeFile(join(consumers, 'node', script), outputText);
  const { stdout } = await run(process.execPath, [join(consumers, 'node', script)]);
  return stdout;
}
