import { installVirtualTime } from '../faults/virtual-time.js';
import { givenTask } from '../measure/processes.js';
import type { Simulation } from './simulate.js';

/** The compiled `simulate.ts`, which loads the package: not before time is virtual. */
const { simulator, simulation } = givenTask() as { readonly simulator: string; readonly simulation: Simulation };
const time = installVirtualTime();
const { simulate } = (await import(simulator)) as typeof import('./simulate.js');
process.send?.(await simulate(time, simulation));
