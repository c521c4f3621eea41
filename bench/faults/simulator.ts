import type { ChildProcess } from 'node:child_process';
import { compiled } from '../measure/compile.js';
import { messageOf, start } from '../measure/processes.js';
import type { Outcome, Simulation } from './simulate.js';

/** So many simulations are sent at a time. */
const BATCH = 20;

/** Runs simulations in processes of their own, in which time is virtual. */
export async function simulated(simulations: readonly Simulation[], processes = 2): Promise<Outcome[]> {
  const simulator = await compiled(new URL('simulate.ts', import.meta.url));
  const worker = await compiled(new URL('worker.ts', import.meta.url));
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async () => {
    const child: ChildProcess = start(worker, simulator);
    try {
      await messageOf(child);
      while (next < simulations.length) {
        const from = next;
        next += BATCH;
        child.send(simulations.slice(from, next));
        const some = await messageOf<Outcome[]>(child);
        some.forEach((outcome, index) => {
          outcomes[from + index] = outcome;
        });
      }
    } finally {
      child.kill();
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return outcomes;
}
