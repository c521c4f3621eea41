import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
  /** Whether it has a build for this platform. */
  isPresent(): Promise<boolean>;
  run(given: Given): Promise<unknown>;
}

const answersVersion = async (name: string) => spawnSync(bin(name), ['--version'], { stdio: 'ignore' }).status === 0;

let folder: string;

const RUNTIMES: readonly Runtime[] = [
  {
    name: 'Bun',
    isPresent: () => answersVersion('bun'),
    run: (given) => runCommand(bin('bun'), ['run', 'command.mjs'], given),
  },
  {
    name: 'Deno',
    isPresent: () => answersVersion('deno'),
    run: (given) => runCommand(bin('deno'), ['run', '-A', '--node-modules-dir=manual', 'command.mjs'], given),
  },
  {
    name: 'workerd (miniflare)',
    isPresent: () =>
      import('miniflare').then(
        () => true,
        () => false,
      ),
    run: runInWorker,
  },
];

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

const presence = await Promise.all(RUNTIMES.map((runtime) => runtime.isPresent()));
const present = RUNTIMES.filter((_runtime, index) => presence[index]);
for (const { name } of RUNTIMES.filter((runtime) => !present.includes(runtime))) {
  console.warn(`Left out: the smoke on ${name}, which has no build for ${process.platform} ${process.arch}`);
}

test('at least one of the runtimes has a build for this platform', () => {
  expect(present.length).toBeGreaterThan(0);
});

for (const { name, run: runSmoke } of present) {
  describe(name, () => {
    const adapters = name.startsWith('workerd') ? ['fetch'] : ['fetch', 'http'];
    test.each(adapters)(
      'twelve behaviours of the packed tarball, with the %s adapter',
      { timeout: 90_000 },
      async (adapter) => {
        expect(await runSmoke({ ...given, adapter })).toEqual(EXPECTED);
      },
    );
  });
}
