import { startRedis } from '../../tests/support/redis/server.js';
import { messageOf, start } from '../measure/processes.js';
import type { Changed, Command, SharingTask } from './sharing.js';

/** The read every five seconds makes up for a message that is lost: who knows nothing by then never will. */
const LONGEST_MS = 15_000;

/**
 * How long after the failure that opens a circuit in one process it is open in the last of the others, ms: so many openings,
 * one after the other.
 *
 * @param script What `compiled` made of `sharing.ts`.
 */
export async function propagationMs(script: string, processes: number, openings: number): Promise<number[]> {
  const redis = await startRedis();
  const task: SharingTask = { redisPort: redis.port };
  const children = Array.from({ length: processes }, () => start(script, task));
  const [tripping] = children;
  const change = async (command: Command): Promise<Changed[]> => {
    const changed = Promise.all(children.map((child) => messageOf<Changed>(child, LONGEST_MS)));
    tripping?.send(command);
    return changed;
  };
  try {
    await Promise.all(children.map((child) => messageOf(child)));
    const waits: number[] = [];
    for (let count = 0; count < openings; count++) {
      const [first, ...others] = await change('fail');
      waits.push(Math.max(...others.map(({ at }) => at)) - (first?.at ?? Number.NaN));
      await change('reset');
    }
    return waits;
  } finally {
    for (const child of children) child.kill();
    await redis.stop();
  }
}
