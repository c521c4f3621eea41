import type { CircuitBreaker } from '../../src/circuit/breaker.js';
import type { Permit, Rejection } from '../../src/circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../src/circuit/options.js';

type Asked = readonly [now?: number | undefined, leaseMs?: number | undefined, caller?: object | undefined];

/** A permit or a rejection, as an attempt that does not wait gets it; a promise where a store is asked. */
export function request(breaker: CircuitBreaker, ...asked: Asked): Permit | Rejection | Promise<Permit | Rejection> {
  const [now, leaseMs = DEFAULT_LEASE_MS, caller] = asked;
  const hooks = { patienceMs: () => 0, agrees: undefined, onQueue: undefined };
  const next = breaker.seek({ now, leaseMs, caller, mayProbe: true, ...hooks });
  return 'admitted' in next ? next : next.answer;
}

/** As `request`, of a circuit that has no store to ask. */
export function tryAcquire(breaker: CircuitBreaker, ...asked: Asked): Permit | Rejection {
  const answer = request(breaker, ...asked);
  if (answer instanceof Promise) throw new Error('The store was asked');
  return answer;
}
