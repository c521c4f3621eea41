import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

/**
 * Kills the child when this process ends, however it ends: a shell waits for its standard input to close, which the kernel sees to
 * even after SIGKILL.
 */
export function dieWithMe(child: ChildProcess): void {
  const watch = spawn('sh', ['-c', 'read -r _; kill -9 "$1" 2>/dev/null', 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watch.unref();
  child.once('exit', () => watch.kill('SIGKILL'));
}

/** Sends SIGKILL and waits until the process is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Reads it from Linux's /proc; where there is none, a signal sent is taken for one that has arrived. */
async function hasStopped(child: ChildProcess, stopped: boolean): Promise<void> {
  const file = `/proc/${child.pid}/stat`;
  while (existsSync(file) && / T /.test(readFileSync(file, 'utf8').replace(/.*\)/s, '')) !== stopped) await turn();
}

/** Sends SIGSTOP and waits until the process has stopped. */
export async function freeze(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  await hasStopped(child, true);
}

/** Sends SIGCONT and waits until the process goes on. */
export async function thaw(child: ChildProcess): Promise<void> {
  child.kill('SIGCONT');
  await hasStopped(child, false);
}
