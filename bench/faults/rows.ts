import type { Condition } from './service.js';

interface Step {
  readonly atMs: number;
  readonly condition: Partial<Condition>;
}

/** A fault: what the service and its callers do, from its beginning. */
export interface Row {
  readonly name: string;
  /** When the service and the calls are as usual again, ms. */
  readonly endMs: number;
  /** Healthy before the first, and after `endMs`. */
  readonly steps: readonly Step[];
  /** What the usual calls per second are multiplied by until `endMs`. */
  readonly loadFactor?: number;
  /** Calls at once at the beginning, besides. */
  readonly burst?: number;
  /** In place of the usual number. */
  readonly callsPerSecond?: number;
  /** How often it is repeated within one run, since so few calls say little. */
  readonly repetitions?: number;
  /** The share of calls that goes to the path `/bad`. */
  readonly badShare?: number;
  /** In place of the cell's. */
  readonly timeoutMs?: number;
  /** Whether there are no calls before it. */
  readonly isCold?: boolean;
  /** What the calls per second grow to, evenly, until `endMs`. */
  readonly rampTo?: number;
  /** From its beginning the event loop of the callers is blocked for so long, ms. */
  readonly blockedMs?: number;
}

export const during = (name: string, forMs: number, condition: Partial<Condition>): Row => ({
  name,
  endMs: forMs,
  steps: [{ atMs: 0, condition }],
});

const OUTAGES = [500, 1_000, 2_000, 5_000, 20_000];
const HANGS = [1_000, 5_000, 20_000];
const FAILING = [0.1, 0.3, 0.6];

export const overload = (factor: number, forMs: number, condition: Partial<Condition> = {}): Row => ({
  name: `${factor} x the calls for ${forMs / 1_000} s${condition.sheds ? ', a service that sheds' : ''}`,
  endMs: forMs,
  steps: [{ atMs: 0, condition }],
  loadFactor: factor,
});

export const badPath = (name: string, badShare: number): Row => ({
  ...during(name, 20_000, { isBadPath: true }),
  badShare,
});

const DEPLOYED_INSTANCES = 4;
const DEPLOY_MS = 3_000;
const FLAPS = 10;
const RARE = { callsPerSecond: 1, repetitions: 20 };

/** How long an outage may be for the trade of the cooldown. */
export const outage = (forMs: number): Row => during(`503 for ${forMs / 1_000} s`, forMs, { state: 'unavailable' });

export const ROWS: readonly Row[] = [
  ...OUTAGES.map(outage),
  during('connection refused for 2 s', 2_000, { state: 'refusing' }),
  during(`a deploy: ${DEPLOYED_INSTANCES} instances, each away for 3 s`, DEPLOYED_INSTANCES * DEPLOY_MS, {
    refusesEach: DEPLOYED_INSTANCES,
  }),
  ...HANGS.map((forMs) => during(`hangs for ${forMs / 1_000} s`, forMs, { state: 'hanging' })),
  ...FAILING.map((failing) => during(`${failing * 100} % of the requests fail, 20 s`, 20_000, { failing })),
  badPath('one of three paths always fails', 1 / 3),
  badPath('a path with 90 % of the calls always fails', 0.9),
  {
    ...during('1 call/s, 503 for 3 s', 3_000, { state: 'unavailable' }),
    ...RARE,
  },
  { ...badPath('1 call/s, one of two paths always fails', 0.5), ...RARE },
  overload(12, 1_000),
  overload(4, 5_000),
  overload(4, 5_000, { sheds: true }),
  during('3 of 10 workers left for 10 s', 10_000, { workers: 0.3 }),
  during('5 x slower for 10 s', 10_000, { slowness: 5 }),
  {
    name: 'flapping: 1 s down, 1 s up, 20 s',
    endMs: 2_000 * FLAPS,
    steps: Array.from({ length: FLAPS }, (_, flap) => [
      { atMs: 2_000 * flap, condition: { state: 'unavailable' as const } },
      { atMs: 2_000 * flap + 1_000, condition: {} },
    ]).flat(),
  },
  {
    name: '503 for 2 s, then half of the workers for 10 s',
    endMs: 12_000,
    steps: [
      { atMs: 0, condition: { state: 'unavailable' } },
      { atMs: 2_000, condition: { workers: 0.5 } },
    ],
  },
  { ...during('healthy: 300 parallel calls, room for all', 20_000, { workers: 40 }), burst: 300 },
  during('healthy: latency of 700 ms', 20_000, { latencyMs: 700 }),
];
