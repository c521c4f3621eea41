import type { AxiosInstance } from 'axios';
import { Redis } from 'ioredis';
import { attach } from '../../dist/index.js';
import { redisStore } from '../../dist/redis.js';
import { CounterBreaker } from './counter-breaker.js';
import { LockBreaker } from './lock-breaker.js';

type Call = () => Promise<unknown>;

/** A way for several processes to share a circuit. */
interface Sharing {
  readonly settings: string;
  equip(api: AxiosInstance, port: number): Promise<Call>;
}

const get = (api: AxiosInstance) => api.get('/prices');

async function connect(port: number, options: { commandTimeout?: number } = {}): Promise<Redis> {
  const redis = new Redis({ port, lazyConnect: true, ...options });
  redis.on('error', () => undefined);
  await redis.connect();
  return redis;
}

/** Where a library has no deadline of its own, and its client none by default, this is that of go-redis. */
const COMMAND_TIMEOUT_MS = 3_000;

export const OURS = 'axios-resilience, `redisStore`';

export const SHARINGS = {
  [OURS]: {
    settings: '`attach(api, { retry: false, breaker: { store: redisStore(new Redis()) } })`',
    equip: async (api, port) => {
      const store = redisStore(await connect(port));
      attach(api, { retry: false, breaker: { store } });
      await store.ready();
      return () => get(api);
    },
  },
  'a lock around each request, as in gobreaker': {
    settings: `re-created: \`GET\`, \`SET NX PX\`, the request, \`SET\`, \`EVAL\`; commands may take ${COMMAND_TIMEOUT_MS} ms`,
    equip: async (api, port) => {
      const breaker = new LockBreaker(await connect(port, { commandTimeout: COMMAND_TIMEOUT_MS }));
      return () => breaker.execute(() => get(api));
    },
  },
  'a counter with a TTL, as in circuit-breaker-box': {
    settings: `re-created: \`GET\`, the request, on failure \`INCR\` and \`EXPIRE\`; commands may take ${COMMAND_TIMEOUT_MS} ms`,
    equip: async (api, port) => {
      const breaker = new CounterBreaker(await connect(port, { commandTimeout: COMMAND_TIMEOUT_MS }));
      return () => breaker.execute(() => get(api));
    },
  },
} as const satisfies Record<string, Sharing>;

export type SharingName = keyof typeof SHARINGS;
