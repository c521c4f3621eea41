import type { FailureReport, OutcomesOfAge, Run } from './store.js';
import { BUCKETS } from './tally.js';

/** The outcomes of all processes, one entry per window length. */
export interface SharedCounts {
  readonly windows: Map<number, Map<number, { failures: number; total: number }>>;
  run: SharedRun;
}

/** Failures in succession in the whole fleet; times are the store's. */
interface SharedRun {
  readonly failures: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly successAt: number;
}

/** What the counts come to after a report, and whether they reach its threshold. */
export interface Verdict {
  readonly failures: number;
  readonly total: number;
  readonly isOver: boolean;
  /** Whether they do so by the time that the successes of the other processes are known. */
  readonly isNear: boolean;
  /** When the first failure was that counts. */
  readonly since: number;
}

export const noCounts = (): SharedCounts => ({
  windows: new Map(),
  run: { failures: 0, firstAt: 0, lastAt: 0, successAt: 0 },
});

const NOTHING: Verdict = { failures: 0, total: 0, isOver: false, isNear: false, since: 0 };

/** Adds the outcomes of a report, unless they were taken already, and judges by its threshold. */
export function judge(counts: SharedCounts, report: FailureReport, isTaken: boolean, now: number): Verdict {
  const { threshold, outcomes, run, gatherMs } = report;
  if (!threshold) return NOTHING;
  const { windowMs, minSpanMs = 0, minAttempts, rate } = threshold;
  if (windowMs === 0) {
    counts.run = withRun(counts.run, isTaken ? undefined : run, threshold.maxAgeMs, now);
    const { failures, firstAt, lastAt } = counts.run;
    const lastsFor = (ms: number) => failures >= threshold.failures && lastAt - firstAt >= ms;
    const [isOver, isNear] = [lastsFor(minSpanMs), lastsFor(minSpanMs - gatherMs)];
    return { failures, total: failures, isOver, isNear, since: firstAt };
  }
  const { failures, total } = inWindow(counts, windowMs, isTaken ? [] : outcomes, now);
  const isOver = failures >= threshold.failures && total >= minAttempts && failures / Math.max(1, total) >= rate;
  return { failures, total, isOver, isNear: isOver, since: now };
}

function inWindow(counts: SharedCounts, windowMs: number, outcomes: readonly OutcomesOfAge[], now: number) {
  const current = Math.floor(now / (windowMs / BUCKETS));
  const window = counts.windows.get(windowMs) ?? new Map<number, { failures: number; total: number }>();
  counts.windows.set(windowMs, window);
  for (const index of window.keys()) if (index <= current - BUCKETS || index > current) window.delete(index);
  for (const [age, failures, total] of outcomes) {
    const index = current - Math.min(BUCKETS - 1, age);
    const bucket = window.get(index) ?? { failures: 0, total: 0 };
    window.set(index, { failures: bucket.failures + failures, total: bucket.total + total });
  }
  const sum = { failures: 0, total: 0 };
  for (const { failures, total } of window.values()) {
    sum.failures += failures;
    sum.total += total;
  }
  return sum;
}

/**
 * A success of any process ends the run. Where a report's failures began before the last success of another process, only
 * the last of them is surely after it.
 */
function withRun(shared: SharedRun, run: Run | undefined, maxAgeMs = 0, now: number): SharedRun {
  const isOfFuture = shared.firstAt > now || shared.lastAt > now;
  const before = Math.min(now, shared.successAt);
  let { failures, firstAt, lastAt } = isOfFuture ? { ...shared, failures: 0 } : shared;
  if (!run) return { failures, firstAt, lastAt, successAt: before };
  let successAt = before;
  if (run.successAgeMs !== undefined) {
    const at = now - Math.round(run.successAgeMs);
    successAt = Math.max(before, at);
    if (at >= firstAt) failures = 0;
  }
  if (maxAgeMs > 0 && firstAt <= now - maxAgeMs) failures = 0;
  const latestAt = run.lastAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - Math.round(run.lastAgeMs);
  if (latestAt < before || failures + run.failures === 0) return { failures, firstAt, lastAt, successAt };
  const beganAt = now - Math.round(run.firstAgeMs);
  const isWhole = beganAt >= before;
  const mineAt = isWhole ? beganAt : latestAt;
  firstAt = failures === 0 ? mineAt : Math.min(firstAt, mineAt);
  lastAt = Math.max(failures === 0 ? 0 : lastAt, latestAt);
  failures += isWhole ? run.failures : Math.min(1, run.failures);
  return { failures, firstAt, lastAt, successAt };
}
