import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A redis-server of the demo's own, on loopback. */
export interface RedisServer {
  readonly port: number;
  /** How many commands the circuits have sent: scripts, by the server's own count. */
  commands(): Promise<number>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export async function startRedis(given?: number): Promise<RedisServer> {
  const port = given ?? (await freePort());
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    {
      stdio: 'ignore',
    },
  );
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(() => {
      throw new Error('This demo needs redis-server: apt-get install redis-server, or brew install redis');
    }),
  ]);
  process.on('exit', () => child.kill('SIGKILL'));
  const cli = async (...args: string[]) => (await run('redis-cli', ['-p', String(port), ...args])).stdout;
  for (;;) {
    const answer = await cli('ping').catch(() => '');
    if (answer.startsWith('PONG')) break;
  }
  return {
    port,
    async commands() {
      const stats = await cli('info', 'commandstats');
      return Array.from(stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm), ([, calls]) => Number(calls)).reduce(
        (sum, calls) => sum + calls,
        0,
      );
    },
    async kill() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
