import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DetectorFactory } from '../../src/circuit/detectors/detectors.js';
import { type CircuitBreaker, consecutiveFailures, failureRateInWindow, failuresInWindow } from '../../src/index.js';
import { memoryEngine } from '../../src/store/index.js';
import { acquire } from '../circuit/support.js';
import { closeAll, type Process, start } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const PROCESSES = 40;
const CALLS_PER_SECOND = 20;
const SECONDS = 60;

/** Numbers in [0, 1), the same in every run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Traffic {
  /** Of one process, without a success between. */
  readonly longestRun: number;
  readonly opened: number;
  /** Commands of one process in a second. */
  readonly commandsPerSecond: number;
}

/** So many processes call at the same rate, each at its own moments, for so long; calls fail at random. */
async function call(processes: readonly Process[], errorRate: number, seconds: number): Promise<Traffic> {
  const random = randomOf(20_261_127);
  const runs = processes.map(() => 0);
  let longestRun = 0;
  const settle = (breaker: CircuitBreaker, index: number) => {
    if (breaker.state !== 'closed') return;
    const hasFailed = random() < errorRate;
    runs[index] = hasFailed ? (runs[index] ?? 0) + 1 : 0;
    longestRun = Math.max(longestRun, runs[index] ?? 0);
    acquire(breaker).settle(hasFailed ? 'failure' : 'success');
  };
  for (let step = 0; step < seconds * CALLS_PER_SECOND; step++) {
    for (const group of [0, 1, 2, 3, 4]) {
      for (const [index, { breaker }] of processes.entries()) if (index % 5 === group) settle(breaker, index);
      await vi.advanceTimersByTimeAsync(1_000 / CALLS_PER_SECOND / 5);
    }
  }
  const commands = processes.reduce((sum, { access }) => sum + access.of().length, 0);
  return {
    longestRun,
    opened: processes.filter(({ events }) => events.some(({ type }) => type === 'stateChange')).length,
    commandsPerSecond: commands / processes.length / seconds,
  };
}

const DETECTORS: Record<string, DetectorFactory | undefined> = {
  'the default': undefined,
  'consecutiveFailures(5)': consecutiveFailures(5),
  'failureRateInWindow()': failureRateInWindow(),
  'failuresInWindow of more than 10 % of the calls of the fleet': failuresInWindow({ failures: 6_000 }),
};

describe.each(Object.keys(DETECTORS))('40 processes with 800 calls a second and %s', (name) => {
  test.each([0.01, 0.03, 0.05, 0.1])(
    'open nothing in 60 s in which a share of %d fails at random',
    async (errorRate) => {
      const store = memoryEngine();
      const options = { detector: DETECTORS[name] };
      const random = randomOf(7);
      const processes = await Promise.all(Array.from({ length: PROCESSES }, () => start(store, options, { random })));
      const { longestRun, opened, commandsPerSecond } = await call(processes, errorRate, SECONDS);
      // A process in which five calls in a row fail may open for itself: here none does.
      expect(longestRun).toBeLessThan(5);
      expect(opened).toBe(0);
      if (errorRate === 0.01) expect(commandsPerSecond).toBeLessThanOrEqual(1);
    },
    60_000,
  );
});

describe('40 processes whose service is gone', () => {
  test.each(['the default', 'consecutiveFailures(5)'])('all open within a second and a half (%s)', async (name) => {
    const store = memoryEngine();
    const options = { detector: DETECTORS[name], cooldownMs: 10_000 };
    const processes = await Promise.all(Array.from({ length: PROCESSES }, () => start(store, options)));
    await call(processes, 0, 2);
    const { opened } = await call(processes, 1, 1.5);
    expect(opened).toBe(PROCESSES);
    expect(new Set(processes.map(({ breaker }) => breaker.stats().shared?.generation))).toEqual(new Set([1]));
  });
});
