import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { dieWithMe, freeze, kill, thaw } from '../child.js';

const run = promisify(execFile);

/** A real redis-server on loopback that saves nothing. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Runs one command through redis-cli, e.g. `cli('FLUSHALL')`, and returns what it printed. */
  cli(...args: (string | number)[]): Promise<string>;
  /** Kills it at once; `restart` brings it back. */
  kill(): Promise<void>;
  /** Stops it in the middle of what it does: connections stay, nothing is answered until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts it again on the same port, without data. */
  restart(): Promise<void>;
  /** Kills it for good and deletes its folder. */
  stop(): Promise<void>;
}

/** Below the ports that the kernel gives to clients; a cluster's bus takes the port 10,000 above. */
const PORTS = { from: 15_000, to: 22_000 } as const;

class PortTaken extends Error {}

/** Resolves when the server accepts connections. */
async function launch(port: number, folder: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...args],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  dieWithMe(child);
  const log: string[] = [];
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      const text = log.join('\n');
      reject(text.includes('Address already in use') ? new PortTaken(text) : new Error(`redis-server ended:\n${text}`));
    });
  });
  failed.catch(() => undefined);
  const ready = new Promise<void>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      log.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
  await Promise.race([ready, failed]);
  return child;
}

async function launchSomewhere(
  folder: string,
  args: readonly string[],
): Promise<{ child: ChildProcess; port: number }> {
  const port = randomInt(PORTS.from, PORTS.to);
  try {
    return { child: await launch(port, folder, args), port };
  } catch (error) {
    if (error instanceof PortTaken) return launchSomewhere(folder, args);
    throw error;
  }
}

export async function startRedis({ args = [] }: { args?: readonly string[] } = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const { child: first, port } = await launchSomewhere(folder, args);
  let child = first;
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    async cli(...command) {
      const { stdout } = await run('redis-cli', ['-e', '-p', String(port), ...command.map(String)]);
      return stdout.trim();
    },
    kill: () => kill(child),
    freeze: () => freeze(child),
    thaw: () => thaw(child),
    async restart() {
      await kill(child);
      child = await launch(port, folder, args);
    },
    async stop() {
      await kill(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
