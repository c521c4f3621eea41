import { createHook } from 'node:async_hooks';
import { BreakerRegistry, CircuitBreaker, type DetectorFactory } from '../../dist/index.js';
import { DETECTORS } from '../breaker/detectors.js';
import { bytesPerItem, keysOf } from '../measure/memory.js';
import { givenTask } from '../measure/processes.js';
import { loadCockatiel, loadOpossum } from '../peers.js';

export interface Weight {
  readonly bytes: number;
  /** Timers that each keeps, also those that let the process end. */
  readonly timers: number;
}

const BREAKERS = 100_000;

const work = async (): Promise<number> => 1;

function succeed(breaker: CircuitBreaker): CircuitBreaker {
  void breaker.execute(() => 1);
  return breaker;
}

type Make = (key: string) => unknown;

const inRegistry = (detector: DetectorFactory | undefined) => (): Make => {
  const registry = new BreakerRegistry({ detector, maxBreakers: BREAKERS });
  return (key) => succeed(registry.ensure(key));
};

/** Breakers that have seen one success each. */
const SUBJECTS: Readonly<Record<string, () => Make | Promise<Make>>> = {
  'axios-resilience, of a registry': inRegistry(undefined),
  'axios-resilience, by itself': () => (key) => succeed(new CircuitBreaker(key)),
  cockatiel: async () => {
    const { circuitBreaker, ConsecutiveBreaker, handleAll } = await loadCockatiel();
    return async () => {
      const policy = circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });
      await policy.execute(work);
      return policy;
    };
  },
  opossum: async () => {
    const Opossum = await loadOpossum();
    return async () => {
      const breaker = new Opossum(work, { timeout: 3_000, errorThresholdPercentage: 50, resetTimeout: 30_000 });
      await breaker.fire();
      return breaker;
    };
  },
  ...Object.fromEntries(
    Object.entries(DETECTORS).map(([name, detector]) => [
      `axios-resilience, of a registry, ${name}`,
      inRegistry(detector),
    ]),
  ),
};

async function weigh(name: string): Promise<Weight> {
  const subject = SUBJECTS[name];
  if (!subject) throw new Error(`There is no subject ${name}`);
  return {
    timers: await timersPerBreaker(await subject()),
    bytes: await bytesPerItem(keysOf(BREAKERS), await subject()),
  };
}

async function timersPerBreaker(make: Make): Promise<number> {
  const timers = new Set<number>();
  const hook = createHook({
    init: (asyncId, type) => {
      if (type === 'Timeout') timers.add(asyncId);
    },
    destroy: (asyncId) => timers.delete(asyncId),
  });
  hook.enable();
  const some = keysOf(1_000).map(make);
  await Promise.all(some);
  await new Promise((resolve) => setImmediate(resolve));
  hook.disable();
  return Math.round(timers.size / some.length);
}

process.send?.(await weigh(givenTask() as string));
