import type { ResilienceOptions } from '../../dist/index.js';
import { type StoreEngine, sharedStore } from '../../dist/store.js';
import { type Network, Traffic, throughNetwork } from '../fleet-sim/network.js';

/** This package with the circuits of all processes shared over a store. */
export const FLEET = 'axios-resilience, shared circuits';

const NEAR: Network = { roundTripMs: 2, messageMs: 2, loss: 0 };

/** One process of a fleet whose store is in the same data center. */
export function sharing(engine: StoreEngine, { breaker, ...options }: ResilienceOptions): ResilienceOptions {
  const store = sharedStore(throughNetwork(engine, NEAR, new Traffic()), { random: Math.random });
  return { ...options, breaker: { ...(breaker as object | undefined), store } };
}
