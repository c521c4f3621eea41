export type { IoredisClient, NodeRedisClient, RedisClient } from './client.js';
export { type RedisStoreOptions, redisStore } from './redis-store.js';
