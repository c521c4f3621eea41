import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';

/** The circuit that all processes share, as JSON under one key. */
interface Shared {
  readonly state: 'closed' | 'open';
  readonly failures: number;
  readonly until: number;
}

const CLOSED: Shared = { state: 'closed', failures: 0, until: 0 };
const MOST_FAILURES = 5;
const OPEN_MS = 60_000;

const LOCK_MS = 5_000;
const TRIES = 32;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 250;

const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/**
 * A re-creation of the distributed breaker of gobreaker v2 and its Redis store, in its order: the state is read, a lock is
 * taken, the request is made under the lock, the state is written, the lock is given back. Numbers are its defaults and
 * those of redsync, whose locks it uses.
 */
export class LockBreaker {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async execute<Result>(action: () => Promise<Result>): Promise<Result> {
    const shared = JSON.parse((await this.#redis.get('state')) ?? JSON.stringify(CLOSED)) as Shared;
    const token = await this.#lock();
    try {
      if (shared.state === 'open' && Date.now() < shared.until) throw new Error('circuit breaker is open');
      try {
        const result = await action();
        await this.#write(CLOSED);
        return result;
      } catch (error) {
        const failures = shared.failures + 1;
        const trips = shared.state === 'open' || failures > MOST_FAILURES;
        await this.#write(
          trips ? { state: 'open', failures: 0, until: Date.now() + OPEN_MS } : { ...CLOSED, failures },
        );
        throw error;
      }
    } finally {
      await this.#redis.eval(UNLOCK, 1, 'mutex', token);
    }
  }

  async #lock(): Promise<string> {
    const token = randomUUID();
    for (let tried = 0; tried < TRIES; tried++) {
      if (await this.#redis.set('mutex', token, 'PX', LOCK_MS, 'NX')) return token;
      await delay(SHORTEST_PAUSE_MS + Math.random() * (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS));
    }
    throw new Error('failed to acquire lock');
  }

  #write(shared: Shared): Promise<unknown> {
    return this.#redis.set('state', JSON.stringify(shared));
  }
}
