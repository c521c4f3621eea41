import type { Redis } from 'ioredis';

/** So many that no circuit opens here: of the failures of this benchmark too few follow one another to open the others. */
const MOST_FAILURES = 1_000_000;
const RESET_S = 10;

/**
 * A re-creation of the Redis breaker of circuit-breaker-box, without its retries: before a request a counter is read, each
 * failure raises it and renews its time to live.
 */
export class CounterBreaker {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async execute<Result>(action: () => Promise<Result>): Promise<Result> {
    const failures = Number((await this.#redis.get('failures')) ?? 0);
    if (failures > MOST_FAILURES) throw new Error('host is unavailable');
    try {
      return await action();
    } catch (error) {
      await this.#redis.incr('failures');
      await this.#redis.expire('failures', RESET_S);
      throw error;
    }
  }
}
