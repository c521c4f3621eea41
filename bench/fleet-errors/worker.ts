import { Redis } from 'ioredis';
import {
  BreakerRegistry,
  type CircuitBreaker,
  consecutiveFailures,
  type DetectorFactory,
  failureRateInWindow,
  failuresInWindow,
} from '../../dist/index.js';
import { redisStore } from '../../dist/redis.js';
import { givenTask } from '../measure/processes.js';

/** One of the processes whose calls fail at random. */
export interface ErrorsTask {
  readonly redisPort: number;
  readonly callsPerSecond: number;
  readonly lastsMs: number;
  readonly errorRates: readonly number[];
}

export const DETECTORS = {
  'the default': undefined,
  'consecutiveFailures(5)': consecutiveFailures(5),
  'failureRateInWindow()': failureRateInWindow(),
  'failuresInWindow({ failures: 6_000 })': failuresInWindow({ failures: 6_000 }),
} satisfies Record<string, DetectorFactory | undefined>;

export type DetectorName = keyof typeof DETECTORS;

/** What became of one circuit in one process. */
export interface Seen {
  readonly detector: DetectorName;
  readonly errorRate: number;
  readonly calls: number;
  readonly failures: number;
  /** Failures without a success between. */
  readonly longestRun: number;
  readonly hasOpened: boolean;
  /** Whether a circuit without a store, which met the same, has opened. */
  readonly hasOpenedAlone: boolean;
}

interface Traffic extends Record<keyof Seen, unknown> {
  readonly breaker: CircuitBreaker;
  readonly alone: CircuitBreaker;
  readonly detector: DetectorName;
  readonly errorRate: number;
  calls: number;
  failures: number;
  run: number;
  longestRun: number;
  hasOpened: boolean;
  hasOpenedAlone: boolean;
}

const { redisPort, callsPerSecond, lastsMs, errorRates } = givenTask() as ErrorsTask;
const redis = new Redis({ port: redisPort });
const store = redisStore(redis);

function trafficOf(detector: DetectorName, errorRate: number): Traffic {
  const rule = DETECTORS[detector];
  const breaker = new BreakerRegistry({ store, detector: rule }).ensure(`${detector} at ${errorRate}`);
  const alone = new BreakerRegistry({ detector: rule }).ensure('alone');
  const counts = { calls: 0, failures: 0, run: 0, longestRun: 0, hasOpened: false, hasOpenedAlone: false };
  const traffic = { breaker, alone, detector, errorRate, ...counts };
  breaker.on('stateChange', () => {
    traffic.hasOpened = true;
  });
  alone.on('stateChange', () => {
    traffic.hasOpenedAlone = true;
  });
  return traffic;
}

function call(traffic: Traffic): void {
  const hasFailed = Math.random() < traffic.errorRate;
  traffic.calls++;
  if (hasFailed) traffic.failures++;
  traffic.run = hasFailed ? traffic.run + 1 : 0;
  traffic.longestRun = Math.max(traffic.longestRun, traffic.run);
  const fn = () => (hasFailed ? Promise.reject(new Error('at random')) : Promise.resolve());
  for (const breaker of [traffic.breaker, traffic.alone]) void breaker.execute(fn).catch(() => undefined);
}

const all = (Object.keys(DETECTORS) as DetectorName[]).flatMap((detector) =>
  errorRates.map((errorRate) => trafficOf(detector, errorRate)),
);
await store.ready();
process.send?.('ready');
process.once('message', () => {
  const everyMs = 1_000 / callsPerSecond;
  const timers: NodeJS.Timeout[] = all.map((traffic) => {
    return setTimeout(() => timers.push(setInterval(call, everyMs, traffic)), Math.random() * everyMs);
  });
  setTimeout(() => {
    for (const timer of timers) clearInterval(timer);
    const seen: Seen[] = all.map(({ breaker, alone, run, ...rest }) => rest);
    process.send?.(seen);
  }, lastsMs);
});
