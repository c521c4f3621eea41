import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** A day: a soak may be long. */
const LONGEST_MS = 86_400_000;

/** Starts a compiled script that may collect garbage when it wants. */
export const start = (script: string, task: unknown, execArgv: readonly string[] = []): ChildProcess =>
  fork(script, [JSON.stringify(task)], { execArgv: ['--expose-gc', ...execArgv] });

/** The task that `start` gave to this process, which ends when the one that started it does. */
export function givenTask(): unknown {
  process.once('disconnect', () => process.exit());
  return JSON.parse(process.argv[2] ?? 'null');
}

/** The next message of a process; an error where the process ends before, or says nothing for too long. */
export async function messageOf<Message>(child: ChildProcess, longestMs = LONGEST_MS): Promise<Message> {
  const heard = new AbortController();
  const { signal } = heard;
  const end = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`A process of the benchmark ended with exit code ${code}`);
  });
  const silence = delay(longestMs, undefined, { signal }).then(() => {
    throw new Error(`A process of the benchmark said nothing for ${longestMs} ms`);
  });
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), end, silence]);
    return message as Message;
  } finally {
    heard.abort();
  }
}

/** Runs a task in a process of its own; the result is the one message that it sends. */
export async function runApart<Result>(script: string, task: unknown, execArgv?: readonly string[]): Promise<Result> {
  const child = start(script, task, execArgv);
  try {
    return await messageOf<Result>(child);
  } finally {
    child.kill();
  }
}
