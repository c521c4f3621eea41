import type { ProbeRules } from './link.js';
import type { CircuitPolicy } from './options.js';

type Probing = Pick<CircuitPolicy, 'halfOpen'>;

/** While only a part of the service fails: more probes, since many fail, and one success says that others are served. */
export const PARTIAL_PROBE_RULES: ProbeRules = { permits: 4, needed: 1, allowed: 3 };

/** Whether nobody says how probes are judged. */
export const hasDefaultProbes = ({ halfOpen: { probes, successThreshold, failureRate } }: Probing): boolean =>
  (probes ?? successThreshold ?? failureRate) === undefined;

/** 0.29 × 100 is a little less than 29. */
const ROUNDING = 1e-9;

/** How many probes there may be at a time, how many have to succeed and how many may fail. */
export function probeRules({
  halfOpen: { probes: permits = 1, successThreshold = 1, failureRate },
}: Probing): ProbeRules {
  if (failureRate === undefined) return { permits, needed: successThreshold, allowed: 0 };
  const allowed = Math.floor(failureRate * permits + ROUNDING);
  return { permits, needed: Math.max(1, permits - allowed), allowed: Math.min(allowed, permits - 1) };
}
