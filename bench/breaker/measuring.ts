import { givenTask } from '../measure/processes.js';
import { ratiosOf } from '../measure/rounds.js';
import { type BreakerGroup, SUBJECTS } from './subjects.js';

/** One subject, in a process of its own: what the engine learned from one would make the next look bad. */
export interface BreakerTask {
  readonly group: BreakerGroup;
  readonly subject: string;
}

const { group, subject } = givenTask() as BreakerTask;
const make = SUBJECTS[group][subject];
if (!make) throw new Error(`There is no subject ${subject}`);
process.send?.(await ratiosOf(await make(), { rounds: 300, warmUpRounds: 60, maxMs: 500 }));
