import { Redis } from 'ioredis';
import { CircuitBreaker, failuresInWindow } from '../../dist/index.js';
import { redisStore } from '../../dist/redis.js';
import { givenTask } from '../measure/processes.js';

/** One of the processes that hear of each other's circuit. */
export interface SharingTask {
  readonly redisPort: number;
}

/** A circuit changed its state in this process: when, on the clock of the machine that all processes share, ms. */
export interface Changed {
  readonly at: number;
}

export type Command = 'fail' | 'reset';

const TRIPPING_FAILURES = 5;

const { redisPort } = givenTask() as SharingTask;
const store = redisStore(new Redis({ port: redisPort }));
/** Failures that open at once: a rate or a run is judged only when the other processes were asked. */
const detector = failuresInWindow({ failures: TRIPPING_FAILURES });
const breaker = new CircuitBreaker('GET https://api.example.com', { detector, store });
await store.ready();

breaker.on('stateChange', () => process.send?.({ at: Number(process.hrtime.bigint()) / 1e6 } satisfies Changed));

process.on('message', (command: Command) => {
  if (command === 'reset') breaker.reset();
  else for (let count = 0; count < TRIPPING_FAILURES; count++) fail();
});

function fail(): void {
  void breaker.execute(() => Promise.reject(new Error('failed'))).catch(() => undefined);
}

process.send?.('ready');
