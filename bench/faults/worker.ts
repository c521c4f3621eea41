import { givenTask } from '../measure/processes.js';
import type { Outcome, Simulation } from './simulate.js';
import { installVirtualTime } from './virtual-time.js';

/** The compiled `simulate.ts`, which loads the packages: not before time is virtual. */
const simulator = givenTask() as string;
const time = installVirtualTime();
const { simulate } = (await import(simulator)) as typeof import('./simulate.js');

process.on('message', (simulations: readonly Simulation[]) => {
  void (async () => {
    const outcomes: Outcome[] = [];
    for (const simulation of simulations) outcomes.push(await simulate(time, simulation));
    process.send?.(outcomes);
  })();
});
process.send?.('ready');
