import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FromProcess, Tally, ToProcess } from './messages.js';

/** A child process that calls the service. */
export interface Member {
  readonly name: string;
  readonly ready: Promise<unknown>;
  /** Begins to call, and to count anew. */
  call(): void;
  count(): Promise<Tally>;
  stop(): Promise<void>;
}

/** Starts a process. */
export function startMember(name: string, args: readonly string[], onEvent: (event: FromProcess) => void): Member {
  const file = fileURLToPath(new URL('./process.ts', import.meta.url));
  const child = fork(file, [name, ...args], { execArgv: ['--import', 'tsx'] });
  const send = (message: ToProcess) => child.send(message);
  const next = <Event extends FromProcess['event']>(event: Event) =>
    new Promise<Extract<FromProcess, { event: Event }>>((resolve) => {
      child.on('message', function listen(message: FromProcess) {
        if (message.event !== event) return;
        child.off('message', listen);
        resolve(message as Extract<FromProcess, { event: Event }>);
      });
    });
  child.on('message', onEvent);
  return {
    name,
    ready: next('ready'),
    call: () => void send('call'),
    async count() {
      const counted = next('tally');
      send('count');
      return (await counted).tally;
    },
    async stop() {
      const ended = once(child, 'exit');
      send('stop');
      await ended;
    },
  };
}
