import { CircuitBreaker, type DetectorFactory } from '../../dist/index.js';
import { type CockatielBreaker, loadCockatiel, loadOpossum, type OpossumOptions } from '../peers.js';

export type Action = () => Promise<number>;

/** Runs an action through a circuit. */
export type Execute = (action: Action) => Promise<number>;

const KEY = 'GET https://api.example.com';
const AN_HOUR_MS = 3_600_000;

export const executeOurs = (detector?: DetectorFactory): Execute => {
  const breaker = new CircuitBreaker(KEY, { detector });
  return (action) => breaker.execute(action);
};

export async function executeCockatiel(breaker?: CockatielBreaker): Promise<Execute> {
  const { circuitBreaker, ConsecutiveBreaker, handleAll } = await loadCockatiel();
  const policy = circuitBreaker(handleAll, {
    halfOpenAfter: 10_000,
    breaker: breaker ?? new ConsecutiveBreaker(5),
  });
  return (action) => policy.execute(action);
}

/** Its README's options. The action is passed through, since a circuit of opossum's has one action for good. */
export async function executeOpossum(others: OpossumOptions = {}): Promise<Execute> {
  const Opossum = await loadOpossum();
  const options = { timeout: 3_000, errorThresholdPercentage: 50, resetTimeout: 30_000, ...others };
  const breaker = new Opossum((action: Action) => action(), options);
  return (action) => breaker.fire(action);
}

/** Opossum without its timer per call. */
export const executeOpossumWithoutTimeout = (): Promise<Execute> => executeOpossum({ timeout: false });

/** Opossum without what it sorts at each failure. */
export const executeOpossumWithoutPercentiles = (): Promise<Execute> =>
  executeOpossum({ rollingPercentilesEnabled: false });

/** Circuits that reject. */
export const executeOursOpen = (): Execute => {
  const breaker = new CircuitBreaker(KEY);
  breaker.trip({ cooldownMs: AN_HOUR_MS });
  return (action) => breaker.execute(action);
};

export async function executeCockatielOpen(): Promise<Execute> {
  const { circuitBreaker, ConsecutiveBreaker, handleAll } = await loadCockatiel();
  const policy = circuitBreaker(handleAll, { halfOpenAfter: AN_HOUR_MS, breaker: new ConsecutiveBreaker(1) });
  await policy.execute(() => Promise.reject(new Error('down'))).catch(() => undefined);
  return (action) => policy.execute(action);
}

export async function executeOpossumOpen(): Promise<Execute> {
  const Opossum = await loadOpossum();
  const breaker = new Opossum((action: Action) => action(), { timeout: 3_000, resetTimeout: AN_HOUR_MS });
  breaker.open();
  return (action) => breaker.fire(action);
}
