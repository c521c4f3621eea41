import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dieWithMe, kill } from '../support/child.js';

/** An example that runs as its first line says. */
export interface Running {
  readonly url: string;
  /** What it wrote, both streams. */
  readonly output: () => string;
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

interface Environment {
  readonly UPSTREAM: string;
  readonly PORT?: string;
}

function start(script: string, args: readonly string[], env: Environment): [child: ChildProcess, output: () => string] {
  const child = spawn(process.execPath, ['--import', 'tsx', `examples/${script}`, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  dieWithMe(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return [child, () => output];
}

/** Starts a service on a free port and waits until it listens. */
export async function serve(script: string, upstream: string): Promise<Running> {
  const [child, output] = start(script, [], { UPSTREAM: upstream, PORT: '0' });
  let port: string | undefined;
  while (port === undefined) {
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
    if (child.exitCode !== null) throw new Error(`${script} ended: ${output()}`);
    port = /listening on (\d+)/.exec(output())?.[1];
  }
  const stop = async (signal?: NodeJS.Signals) => {
    if (signal === undefined) await kill(child);
    else if (child.kill(signal)) await once(child, 'exit');
    return child.exitCode;
  };
  return { url: `http://127.0.0.1:${port}`, output, stop };
}

/** Runs a program to its end. */
export async function run(script: string, args: readonly string[], upstream: string) {
  const [child, output] = start(script, args, { UPSTREAM: upstream });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output: output() };
}
