import type { Condition } from './service.js';

/** The calls that count are those of so long from the beginning of a fault. */
export const WINDOW_MS = 20_000;

/** How much is drawn before it. */
export const BEFORE_S = 3;

export interface Step {
  readonly atMs: number;
  readonly condition: Partial<Condition>;
}

/** What is asked of this package as it is by default, in points of the share of calls that are answered. */
interface RowGoal {
  /** How far it may be behind bare axios, at timeouts of 300 and 1,000 ms; 1 unless given. Infinite: `floor` alone counts. */
  readonly behindBare?: number;
  /** The least at timeouts of 300 and 1,000 ms. */
  readonly floor?: number;
  /** The least in the main cell. */
  readonly least?: number;
}

/** A fault: what the service and its callers do, from its beginning. */
export interface Row {
  readonly name: string;
  readonly goal?: RowGoal;
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

export const during = (name: string, forMs: number, condition: Partial<Condition>, goal: RowGoal = {}): Row => ({
  name,
  goal,
  endMs: forMs,
  steps: [{ atMs: 0, condition }],
});

/** A service that is down for so long. */
export const outage = (forMs: number, goal?: RowGoal): Row =>
  during(`503 for ${forMs / 1_000} s`, forMs, { state: 'unavailable' }, goal);

const hang = (forMs: number, goal?: RowGoal): Row =>
  during(`hangs for ${forMs / 1_000} s`, forMs, { state: 'hanging' }, goal);

const failing = (share: number, goal?: RowGoal): Row =>
  during(`${share * 100} % of the requests fail, 20 s`, 20_000, { failing: share }, goal);

export const overload = (
  factor: number,
  forMs: number,
  condition: Partial<Condition> = {},
  goal: RowGoal = {},
): Row => ({
  name: `${factor} x the calls for ${forMs / 1_000} s${condition.sheds ? ', a service that sheds' : ''}`,
  goal,
  endMs: forMs,
  steps: [{ atMs: 0, condition }],
  loadFactor: factor,
});

const badPath = (name: string, badShare: number, goal?: RowGoal): Row => ({
  ...during(name, 20_000, { isBadPath: true }, goal),
  badShare,
});

const DEPLOYED_INSTANCES = 4;
const DEPLOY_MS = 3_000;
const FLAPS = 10;
const RARE = { callsPerSecond: 1, repetitions: 20 };

/** The longest outage, in which the service is to be spared. */
export const LONG_OUTAGE = outage(20_000);

export const ROWS: readonly Row[] = [
  outage(500, { behindBare: 2, least: 96 }),
  outage(1_000, { behindBare: 2, least: 92 }),
  outage(2_000, { behindBare: 2, least: 88 }),
  outage(5_000, { behindBare: 7 }),
  LONG_OUTAGE,
  during('connection refused for 2 s', 2_000, { state: 'refusing' }, { behindBare: 2 }),
  during(`a deploy: ${DEPLOYED_INSTANCES} instances, each away for 3 s`, DEPLOYED_INSTANCES * DEPLOY_MS, {
    refusesEach: DEPLOYED_INSTANCES,
  }),
  hang(1_000),
  hang(5_000, { behindBare: 7, least: 70 }),
  hang(20_000),
  failing(0.1),
  failing(0.3, { least: 97 }),
  failing(0.6),
  badPath('one of three paths always fails', 1 / 3, { least: 66 }),
  badPath('a path with 90 % of the calls always fails', 0.9),
  { ...during('1 call/s, 503 for 3 s', 3_000, { state: 'unavailable' }), ...RARE },
  { ...badPath('1 call/s, one of two paths always fails', 0.5), ...RARE },
  overload(12, 1_000, {}, { least: 52 }),
  overload(4, 5_000),
  overload(4, 5_000, { sheds: true }),
  during('3 of 10 workers left for 10 s', 10_000, { workers: 0.3 }, { least: 63 }),
  during('5 x slower for 10 s', 10_000, { slowness: 5 }, { least: 50 }),
  {
    name: 'flapping: 1 s down, 1 s up, 20 s',
    goal: { behindBare: Number.POSITIVE_INFINITY, floor: 30 },
    endMs: 2_000 * FLAPS,
    steps: Array.from({ length: FLAPS }, (_, flap) => [
      { atMs: 2_000 * flap, condition: { state: 'unavailable' as const } },
      { atMs: 2_000 * flap + 1_000, condition: {} },
    ]).flat(),
  },
  {
    name: '503 for 2 s, then half of the workers for 10 s',
    goal: { behindBare: 2 },
    endMs: 12_000,
    steps: [
      { atMs: 0, condition: { state: 'unavailable' } },
      { atMs: 2_000, condition: { workers: 0.5 } },
    ],
  },
  { ...during('healthy: 300 parallel calls, room for all', 20_000, { workers: 40 }), burst: 300 },
  during('healthy: latency of 700 ms', 20_000, { latencyMs: 700 }),
];
