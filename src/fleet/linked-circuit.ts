import type { LinkedCircuit, OwnCircuit } from '../circuit/link.js';
import { DEFAULT_LEASE_MS } from '../circuit/options.js';
import type { Emitter } from '../emitter.js';

/** A circuit of this process, as a fleet sees it. */
export const linked = (key: string, circuit: OwnCircuit, events: Emitter): LinkedCircuit => ({
  key,
  events,
  get threshold() {
    return circuit.detector.threshold;
  },
  get probes() {
    return circuit.probeRules(circuit.policy.clock.now());
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
