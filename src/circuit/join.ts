import type { Emitter } from '../emitter.js';
import type { Circuit } from './circuit.js';
import type { CircuitLink } from './link.js';
import { DEFAULT_LEASE_MS, probeRules } from './options.js';

/** Joins a circuit with its namesakes in other processes, where its policy has a store. */
export const joined = (key: string, circuit: Circuit, events: Emitter): CircuitLink | undefined =>
  circuit.policy.store?.link({
    key,
    events,
    get threshold() {
      return circuit.detector.threshold;
    },
    get probes() {
      return probeRules(circuit.policy);
    },
    get leaseMs() {
      return circuit.policy.halfOpen.leaseMs ?? DEFAULT_LEASE_MS;
    },
    get reopening() {
      return circuit.nextOpening();
    },
    get isClosed() {
      return circuit.isClosed;
    },
    adopt: (view) => circuit.adopt(view, circuit.policy.clock.now()),
  });
