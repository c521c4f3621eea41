import axios from 'axios';
import { attach, failuresInWindow, isRejectedError } from 'axios-resilience';
import { redisStore } from 'axios-resilience/redis';
import { Redis } from 'ioredis';
import type { FromProcess, Tally, ToProcess } from './messages.js';

/** One process of the service: its own axios, its own connection to Redis, calls at a steady pace. */
const [name = '', serviceUrl = '', redisPort = '', cooldownMs = '', callsPerSecond = ''] = process.argv.slice(2);

const say = (message: FromProcess) => process.send?.(message);

const redis = new Redis(Number(redisPort));
redis.on('error', () => undefined);
/** Circuits in use are read from time to time; here hardly ever, so that what is counted is what calls cost. */
const store = redisStore(redis, { resyncMs: 60_000 });

const api = axios.create({ baseURL: serviceUrl, timeout: 500, headers: { 'x-caller': name } });
const resilience = attach(api, {
  retry: false,
  breaker: { store, detector: failuresInWindow({ failures: 5 }), cooldownMs: Number(cooldownMs) },
});

resilience.on('stateChange', ({ from, to, reason, at }) => say({ event: 'circuit', from, to, reason, at }));
resilience.on('store', ({ status, at }) => {
  if (status === 'degraded' || status === 'recovered') say({ event: 'store', what: status, at });
});

let tally: Tally = { answered: 0, failed: 0, rejected: 0 };
const pending = new Set<Promise<void>>();

async function call(): Promise<void> {
  const counted = tally;
  try {
    await api.get('/price');
    counted.answered++;
  } catch (error) {
    if (isRejectedError(error)) counted.rejected++;
    else counted.failed++;
  }
}

let calling: NodeJS.Timeout | undefined;

async function settle(): Promise<void> {
  clearInterval(calling);
  calling = undefined;
  await Promise.all(pending);
}

process.on('message', (message: ToProcess) => {
  void (async () => {
    if (message === 'call') {
      tally = { answered: 0, failed: 0, rejected: 0 };
      calling ??= setInterval(() => {
        const made = call();
        pending.add(made);
        void made.finally(() => pending.delete(made));
      }, 1_000 / Number(callsPerSecond));
    } else if (message === 'count') {
      say({ event: 'tally', tally: { ...tally } });
    } else {
      await settle();
      await store.close();
      redis.disconnect();
      process.disconnect();
    }
  })();
});

// The first call makes the circuit, which is read once.
await api.get('/price');
await store.ready();
say({ event: 'ready' });
