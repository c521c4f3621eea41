import { type ChildProcess, fork } from 'node:child_process';

/** Starts a compiled script that may collect garbage when it wants. */
export const start = (script: string, task: unknown, execArgv: readonly string[] = []): ChildProcess =>
  fork(script, [JSON.stringify(task)], { execArgv: ['--expose-gc', ...execArgv] });

/** The task that `start` gave to this process, which ends when the one that started it does. */
export function givenTask(): unknown {
  process.once('disconnect', () => process.exit());
  return JSON.parse(process.argv[2] ?? 'null');
}

/** The next message of a process. */
export function messageOf<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) =>
      reject(new Error(`A process of the benchmark ended with exit code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Message);
    });
  });
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
