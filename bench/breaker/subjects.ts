import {
  BreakerRegistry,
  CircuitBreaker,
  type DetectorFactory,
  failureRate,
  failureRateInWindow,
} from '../../dist/index.js';
import { keysOf } from '../measure/memory.js';
import type { Batch, Pair } from '../measure/rounds.js';
import { loadCockatiel } from '../peers.js';
import { DETECTORS } from './detectors.js';
import {
  type Action,
  type Execute,
  executeCockatiel,
  executeCockatielOpen,
  executeOpossum,
  executeOpossumOpen,
  executeOpossumWithoutPercentiles,
  executeOpossumWithoutTimeout,
  executeOurs,
  executeOursOpen,
} from './executors.js';

const GUARDED = 1_000;

const work: Action = async () => 1;

async function awaitWork(): Promise<void> {
  for (let count = 0; count < GUARDED; count++) await work();
}

/** A closed circuit, against a bare `await fn()`. */
const executed = (make: () => Execute | Promise<Execute>) => async (): Promise<Pair> => {
  const execute = await make();
  return {
    bare: awaitWork,
    subject: async () => {
      for (let count = 0; count < GUARDED; count++) await execute(work);
    },
  };
};

async function acquireAndSettle(breaker: CircuitBreaker): Promise<void> {
  (await breaker.acquire()).settle('success');
}

const admitted =
  (detector: DetectorFactory | undefined, batch: (breaker: CircuitBreaker) => Promise<void>) => (): Pair => {
    const breaker = new CircuitBreaker('GET https://api.example.com', { detector });
    return { bare: awaitWork, subject: () => batch(breaker) };
  };

async function admitAlone(breaker: CircuitBreaker): Promise<void> {
  for (let count = 0; count < GUARDED; count++) await acquireAndSettle(breaker);
}

async function admitAround(breaker: CircuitBreaker): Promise<void> {
  for (let count = 0; count < GUARDED; count++) {
    const permit = await breaker.acquire();
    await work();
    permit.settle('success');
  }
}

const WINDOW_OUTCOMES = 50_000;
const WINDOW_MS = 10_000;
const IN_A_WINDOW = 100;

/** Every tenth fails, with an error that is at hand: making one costs the same everywhere. */
const down = new Error('down');
let called = 0;
const tenthFails: Action = async () => {
  if (++called % 10 === 0) throw down;
  return 1;
};

const ignore = (): void => undefined;

const awaitCaught = (action: Action, times: number) => async (): Promise<void> => {
  for (let count = 0; count < times; count++) await action().catch(ignore);
};

/** A window that holds many outcomes, of which a tenth are failures. */
const inWindow = (make: () => Execute | Promise<Execute>) => async (): Promise<Pair> => {
  const execute = await make();
  for (let count = 0; count < WINDOW_OUTCOMES; count++) await execute(work);
  const guarded: Action = () => execute(tenthFails);
  return { bare: awaitCaught(tenthFails, IN_A_WINDOW), subject: awaitCaught(guarded, IN_A_WINDOW) };
};

const REJECTED = 200;

const failing: Action = async () => {
  throw new Error('down');
};

/** An open circuit, against a bare `await fn()` of a function that throws a new error. */
const rejecting = (make: () => Execute | Promise<Execute>) => async (): Promise<Pair> => {
  const execute = await make();
  const rejected: Action = () => execute(work);
  const unexpected = await rejected().then(
    () => true,
    () => false,
  );
  if (unexpected) throw new Error('The circuit is not open');
  return { bare: awaitCaught(failing, REJECTED), subject: awaitCaught(rejected, REJECTED) };
};

const refusing = (): Pair => {
  const breaker = new CircuitBreaker('GET https://api.example.com');
  breaker.trip();
  const refuse: Batch = async () => {
    for (let count = 0; count < REJECTED; count++) await breaker.acquire().catch(() => undefined);
  };
  return { bare: awaitCaught(failing, REJECTED), subject: refuse };
};

const REGISTRY_CALLS = 20;

/** Calls that go round so many keys, in a registry that keeps so many. */
function registryCalls(keyCount: number, maxBreakers: number): Batch {
  const keys = keysOf(keyCount);
  const registry = new BreakerRegistry({ maxBreakers });
  let next = 0;
  const call = () => acquireAndSettle(registry.ensure(keys[next++ % keyCount] ?? ''));
  for (let count = 0; count < keys.length; count++) void call();
  if (registry.size > maxBreakers) throw new Error(`The registry keeps ${registry.size} breakers of ${maxBreakers}`);
  return async () => {
    for (let count = 0; count < REGISTRY_CALLS; count++) await call();
  };
}

const against = (subject: readonly [number, number], bare: readonly [number, number]) => (): Pair => ({
  bare: registryCalls(...bare),
  subject: registryCalls(...subject),
});

const cockatielWindow = async (): Promise<Execute> => {
  const { SamplingBreaker } = await loadCockatiel();
  return executeCockatiel(new SamplingBreaker({ threshold: 0.5, duration: WINDOW_MS }));
};

const cockatielCount = async (): Promise<Execute> => {
  const { CountBreaker } = await loadCockatiel();
  return executeCockatiel(new CountBreaker({ threshold: 0.5, size: WINDOW_OUTCOMES }));
};

export type BreakerGroup = 'execute' | 'window' | 'rejection' | 'detectors' | 'registry';

/** What is measured, by the name that its row has. */
export const SUBJECTS: Readonly<Record<BreakerGroup, Readonly<Record<string, () => Pair | Promise<Pair>>>>> = {
  execute: {
    'axios-resilience `execute`': executed(executeOurs),
    cockatiel: executed(executeCockatiel),
    'opossum, `timeout: 3000`': executed(executeOpossum),
    'opossum, `timeout: false`': executed(executeOpossumWithoutTimeout),
    'axios-resilience `acquire`, await fn(), `settle`': admitted(undefined, admitAround),
  },
  window: {
    'axios-resilience `failureRateInWindow`': inWindow(() => executeOurs(failureRateInWindow({ windowMs: WINDOW_MS }))),
    'cockatiel `SamplingBreaker`': inWindow(cockatielWindow),
    'opossum (window of 10 s)': inWindow(executeOpossum),
    'opossum, `rollingPercentilesEnabled: false`': inWindow(executeOpossumWithoutPercentiles),
    'axios-resilience `failureRate`': inWindow(() => executeOurs(failureRate({ size: WINDOW_OUTCOMES }))),
    'cockatiel `CountBreaker`': inWindow(cockatielCount),
  },
  rejection: {
    'axios-resilience `execute`': rejecting(executeOursOpen),
    cockatiel: rejecting(executeCockatielOpen),
    opossum: rejecting(executeOpossumOpen),
    'axios-resilience `acquire`': refusing,
  },
  detectors: Object.fromEntries(
    Object.entries(DETECTORS).map(([name, detector]) => [name, admitted(detector, admitAlone)]),
  ),
  /** `[keys, maxBreakers]`, and what it is measured against. With no more keys than breakers nothing is ever made anew. */
  registry: {
    '256 kept: 100,000 keys against 10,000': against([100_000, 256], [10_000, 256]),
    '256 kept: 100,000 keys against 256': against([100_000, 256], [256, 256]),
    '100,000 keys: 4,096 kept against 256': against([100_000, 4_096], [100_000, 256]),
  },
};
