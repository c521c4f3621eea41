import { startFaultProxy } from '../../tests/support/fault-proxy.js';
import { startRedis } from '../../tests/support/redis/server.js';
import { messageOf, start } from '../measure/processes.js';
import type { Called, CallingTask } from './calling.js';
import type { SharingName } from './clients.js';
import type { ServiceTask } from './service.js';

export type RedisCondition = 'healthy' | 'slow' | 'frozen';

/** What `compiled` made of `calling.ts` and `service.ts`. */
export interface Scripts {
  readonly calling: string;
  readonly service: string;
}

export interface Load {
  readonly processes: number;
  readonly callersEach: number;
  readonly lastsMs: number;
  readonly service: ServiceTask;
}

const SLOW_MS = 20;

/** Lets processes that share a circuit over a Redis of their own call a service, while that Redis is in this condition. */
export async function conduct(
  scripts: Scripts,
  sharing: SharingName,
  condition: RedisCondition,
  { processes, callersEach, lastsMs, service }: Load,
): Promise<Called> {
  const redis = await startRedis();
  const proxy = await startFaultProxy(redis.port);
  const server = start(scripts.service, service);
  const url = await messageOf<string>(server);
  const redisPort = condition === 'slow' ? proxy.port : redis.port;
  const task: CallingTask = { sharing, url, redisPort, callers: callersEach, lastsMs };
  const children = Array.from({ length: processes }, () => start(scripts.calling, task));
  try {
    await Promise.all(children.map((child) => messageOf(child)));
    if (condition === 'slow') await proxy.latency(SLOW_MS);
    if (condition === 'frozen') await redis.freeze();
    for (const child of children) child.send('begin');
    return together(await Promise.all(children.map((child) => messageOf<Called>(child))));
  } finally {
    for (const child of [...children, server]) child.kill();
    await proxy.stop();
    await redis.stop();
  }
}

const together = (all: readonly Called[]): Called => ({
  bareMs: all.flatMap(({ bareMs }) => bareMs),
  addedMs: all.flatMap(({ addedMs }) => addedMs),
  failed: all.reduce((sum, { failed }) => sum + failed, 0),
  commands: all.reduce((sum, { commands }) => sum + commands, 0),
});
