import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../outcomes/support.js';
import { packInto } from '../support/packed.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = (name: string) => join(root, 'node_modules/.bin', name);

/** What the smoke is to come to in every runtime. */
const EXPECTED = {
  'a healthy GET is one attempt': { outcomes: ['success'], attempts: 1, stopped: 'success' },
  'a 503 is retried': { outcomes: ['failure', 'success'], attempts: 2, stopped: 'success' },
  'a POST is not retried after a 503': { outcomes: ['failure'], attempts: 1, stopped: 'method' },
  'a POST with an idempotency key is, with the same key': {
    outcomes: ['failure', 'success'],
    attempts: 2,
    stopped: 'success',
    keys: 1,
  },
  'a refused connection is a failure, and retried': {
    outcomes: ['failure', 'failure'],
    attempts: 2,
    stopped: 'exhausted',
  },
  'a closed connection is a failure, and retried': {
    outcomes: ['failure', 'failure'],
    attempts: 2,
    stopped: 'exhausted',
  },
  'a body cut off is a failure, and retried': { outcomes: ['failure', 'failure'], attempts: 2, stopped: 'exhausted' },
  'a body cut off is not retried for a POST': { outcomes: ['failure'], attempts: 1, stopped: 'method' },
  'a timeout is a failure, and retried': { outcomes: ['failure', 'failure'], attempts: 2, stopped: 'exhausted' },
  'a signal whose time runs out is a failure': { outcomes: ['failure'], attempts: 1, stopped: 'aborted' },
  'the circuit opens, and rejects with its own error': {
    outcomes: Array(5).fill('failure'),
    attempts: 0,
    stopped: 'circuit-open',
    isOpen: true,
  },
  'fallback data answers while it is open': { outcomes: [], attempts: 0, stopped: 'circuit-open', data: { old: true } },
};

interface Given {
  readonly service: string;
  readonly refused: string;
  readonly adapter: string;
}

interface Runtime {
  readonly name: string;
  readonly adapters: readonly string[];
  /** Its package; npm installs the build for this platform with it, if there is one. */
  readonly package: string;
  run(given: Given): Promise<unknown>;
}

let folder: string;

const RUNTIMES: readonly Runtime[] = [
  {
    name: 'Bun',
    adapters: ['fetch', 'http'],
    package: 'bun',
    run: (given) => runCommand(bun(), ['run', 'command.mjs'], given),
  },
  {
    name: 'Deno',
    adapters: ['fetch', 'http'],
    package: 'deno',
    run: (given) => runCommand(bin('deno'), ['run', '-A', '--node-modules-dir=manual', 'command.mjs'], given),
  },
  { name: 'workerd (miniflare)', adapters: ['fetch'], package: 'workerd', run: runInWorker },
];

/** The packages with the builds of a runtime, of which npm installs those for this platform. */
async function buildsOf(name: string): Promise<readonly string[]> {
  const manifest = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8');
  const { optionalDependencies } = JSON.parse(manifest) as { optionalDependencies: Record<string, string> };
  return Object.keys(optionalDependencies).map((build) => join(root, 'node_modules', build));
}

const isBuilt = async ({ package: name }: Runtime) => (await buildsOf(name)).some((build) => existsSync(build));

const BUN_BUILDS = await buildsOf('bun');

/** Bun, where its package has it; its install script, which need not have run, takes it from there. */
function bun(): string {
  const paths = [...BUN_BUILDS.map((build) => join(build, 'bin/bun')), bin('bun')];
  return paths.find((path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0) ?? bin('bun');
}

async function runCommand(command: string, args: readonly string[], given: Given): Promise<unknown> {
  const { stdout } = await run(command, [...args, JSON.stringify(given)], { cwd: folder, timeout: 60_000 });
  return JSON.parse(stdout);
}

async function runInWorker(given: Given): Promise<unknown> {
  const { Miniflare } = await import('miniflare');
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'worker.mjs')],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    platform: 'browser',
  });
  const worker = new Miniflare({ modules: true, script: outputFiles[0]?.text ?? '', compatibilityDate: '2026-01-01' });
  try {
    const response = await worker.dispatchFetch('http://worker/', { method: 'POST', body: JSON.stringify(given) });
    return await response.json();
  } finally {
    await worker.dispose();
  }
}

/** A service that does what the path says. */
async function startService(): Promise<Server> {
  const keys: unknown[] = [];
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const count = (asked.get(path) ?? 0) + 1;
    asked.set(path, count);
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    request.resume();
    request.on('end', () => {
      if (path === '/ok') answer(200, {});
      if (path === '/flaky') answer(count % 2 === 1 ? 503 : 200, {});
      if (path === '/down') answer(503, {});
      if (path === '/keys')
        answer(keys.push(request.headers['idempotency-key']) % 2 === 1 ? 503 : 200, { keys: keys.slice(-2) });
      if (path === '/close') request.socket.end();
      if (path === '/cut') {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
        response.write('{"half":');
        setTimeout(() => request.socket.destroy(), 30);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

let given: Omit<Given, 'adapter'>;
let service: Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'axios-resilience-'));
  service = await startService();
  const url = (port: number) => `http://127.0.0.1:${port}`;
  given = { service: url((service.address() as AddressInfo).port), refused: url(await freePort()) };
  await packInto(folder, join(folder, 'node_modules'), ['axios']);
  for (const file of ['smoke.mjs', 'command.mjs', 'worker.mjs']) {
    await cp(join(root, 'tests/runtimes', file), join(folder, file));
  }
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', dependencies: { axios: '*', 'axios-resilience': '*' } }),
  );
}, 60_000);

afterAll(async () => {
  service.closeAllConnections();
  service.close();
  await rm(folder, { recursive: true, force: true });
});

const built = await Promise.all(RUNTIMES.map(isBuilt));
const leftOut = RUNTIMES.filter((_runtime, index) => !built[index]).map(({ name }) => name);
for (const name of leftOut) {
  console.warn(`Left out: the smoke on ${name}, of which there is no build for ${process.platform} ${process.arch}`);
}

/** All three are built for these. */
const isCommonPlatform = ['linux x64', 'linux arm64', 'darwin x64', 'darwin arm64'].includes(
  `${process.platform} ${process.arch}`,
);

test('in CI, on a platform for which all are built, no runtime is left out', () => {
  expect(process.env['CI'] === 'true' && isCommonPlatform ? leftOut : []).toEqual([]);
});

for (const { name, adapters, run: runSmoke } of RUNTIMES.filter((_runtime, index) => built[index])) {
  describe(name, () => {
    test.each(adapters)(
      'twelve behaviours of the packed tarball, with the %s adapter',
      { timeout: 90_000 },
      async (adapter) => {
        expect(await runSmoke({ ...given, adapter })).toEqual(EXPECTED);
      },
    );
  });
}
