import type { CircuitBreaker } from '../../src/circuit/breaker.js';
import type { Permit, Rejection } from '../../src/circuit/contract.js';
import { DEFAULT_LEASE_MS } from '../../src/circuit/options.js';

type Asked = readonly [now?: number | undefined, leaseMs?: number | undefined, caller?: object | undefined];

/** A permit or a rejection, as an attempt that does not wait gets it; a promise where a store is asked. */
export function request(breaker: CircuitBreaker, ...asked: Asked): Permit | Rejection | Promise<Permit | Rejection> {
  const [now, leaseMs = DEFAULT_LEASE_MS, caller] = asked;
  const answered = (answer: Permit | number): Permit | Rejection => {
    if (typeof answer !== 'number') return answer;
    const asking = { until: Number.NEGATIVE_INFINITY, leaseMs, mayProbe: true, caller };
    return breaker.waitOrReject(asking, answer, now ?? timeOf(breaker)) as Rejection;
  };
  const answer = breaker.ask(now, leaseMs, caller);
  return answer instanceof Promise ? answer.then(answered) : answered(answer);
}

/** As `request`, of a circuit that has no store to ask. */
export function tryAcquire(breaker: CircuitBreaker, ...asked: Asked): Permit | Rejection {
  const answer = request(breaker, ...asked);
  if (answer instanceof Promise) throw new Error('The store was asked');
  return answer;
}

const timeOf = (breaker: CircuitBreaker): number => (breaker as unknown as { readonly now: number }).now;
