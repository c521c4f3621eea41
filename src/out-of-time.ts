import { read } from './fields.js';

/** Shares of the time a call was given from which an attempt had its whole chance. */
const WHOLE_CHANCE = 0.9;
/** A number of the caller's below this, ms, says nothing of the service by itself. */
const SHORTEST_TELLING_MS = 100;
const SLEEP_MS = 500;
const WINDOW_MS = 60_000;
const BUCKETS = 6;

/** An attempt whose time ran out before an answer came. */
export interface OutOfTime {
  /** How long the attempt lasted, ms. */
  readonly attemptMs: number;
  /** What the whole call was given, ms. */
  readonly callMs: number;
  /** What the slowest success of the last minute took, ms; `undefined` where there was none. */
  readonly slowestMs?: number | undefined;
  /** Whether it was a probe: then nobody else has tried meanwhile. */
  readonly isProbe?: boolean | undefined;
}

/**
 * What it says of the service that an attempt's time ran out: a failure if it had nearly all the time that the call was
 * given, or as long as successes take; nothing if it got only what waits and retries had left, or the caller was in a hurry.
 */
export function outcomeOutOfTime({ attemptMs, callMs, slowestMs, isProbe }: OutOfTime): 'failure' | 'neutral' {
  const hadItsChance = callMs >= SHORTEST_TELLING_MS && attemptMs >= WHOLE_CHANCE * callMs;
  const wasSlow = slowestMs !== undefined && attemptMs >= slowestMs;
  return isProbe || hadItsChance || wasSlow ? 'failure' : 'neutral';
}

/** The least delay of a timer of `dueMs` by which the process, or the page, must have slept. */
export const sleepOf = (dueMs: number): number => Math.max(SLEEP_MS, dueMs / 2);

/** Whether a signal was aborted because its time ran out (`AbortSignal.timeout`, also inside `AbortSignal.any`). */
export const isTimeUp = (signal: object | null | undefined): boolean =>
  read(signal, 'aborted') === true && read(read(signal, 'reason'), 'name') === 'TimeoutError';

/**
 * Whether a code of an error says that there was no answer in time: of axios, Node, undici and the libraries that follow them.
 */
export const isTimeoutCode = (code: unknown): boolean =>
  typeof code === 'string' && /TIMEDOUT|TIMEOUT|^ECONNABORTED$/.test(code);

/** Whether an error says that there was no answer in time, or its cause, as that of fetch does. */
export const isTimeoutError = (error: unknown): boolean =>
  isTimeoutCode(read(error, 'code')) ||
  read(error, 'name') === 'TimeoutError' ||
  isTimeoutCode(read(read(error, 'cause'), 'code'));

/** What successes take, in six buckets of ten seconds. */
export class SuccessTimes {
  /** The slowest of each bucket; 0 where there was none. */
  readonly #slowest = new Array<number>(BUCKETS).fill(0);
  /** The bucket of the latest success. */
  #latest = 0;

  record(durationMs: number, now: number): void {
    const bucket = bucketOf(now);
    for (let passed = Math.max(this.#latest, bucket - BUCKETS) + 1; passed <= bucket; passed++) {
      this.#slowest[passed % BUCKETS] = 0;
    }
    if (bucket > this.#latest) this.#latest = bucket;
    const at = this.#latest % BUCKETS;
    if (durationMs > (this.#slowest[at] ?? 0)) this.#slowest[at] = durationMs;
  }

  /** The slowest of the last minute, ms; without `now`, of the last minute in which there were any. */
  slowestMs(now = 0): number | undefined {
    const first = Math.max(this.#latest, bucketOf(now)) - BUCKETS + 1;
    let slowest = 0;
    for (let bucket = Math.max(0, first); bucket <= this.#latest; bucket++) {
      slowest = Math.max(slowest, this.#slowest[bucket % BUCKETS] ?? 0);
    }
    return slowest || undefined;
  }
}

const bucketOf = (now: number): number => Math.floor((now * BUCKETS) / WINDOW_MS);
