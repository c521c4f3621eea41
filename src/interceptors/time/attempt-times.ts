import { SuccessTimes, sleepOf } from '../../out-of-time.js';
import { keepRecent } from '../../recent.js';

const MAX_KEYS = 256;
const SHORTEST_SLEEP_MS = sleepOf(0);
/** How long after a sleep timeouts are still put down to it, ms. */
const WAKING_MS = 500;

/** What one attached instance knows of the time that its attempts take. */
export class AttemptTimes {
  /** In the order of use: the least recently used first. */
  readonly #successes = new Map<string, SuccessTimes>();
  #seenAt = 0;
  #silenceMs = 0;
  #wokeAt = 0;

  /** Notes that something happens: an attempt begins or ends. */
  see(now: number): void {
    const silenceMs = now - this.#seenAt;
    this.#seenAt = now;
    if (silenceMs < SHORTEST_SLEEP_MS) return;
    this.#silenceMs = silenceMs;
    this.#wokeAt = now;
  }

  /**
   * Whether a timeout of `dueMs` that ended an attempt after `durationMs` fired so late that the process, or the page, must
   * have slept.
   *
   * @param startsLate Whether its timer may have begun later than the attempt (Node's http waits for a connection first). Then
   *   a sleep shows only where nothing began or ended for longer than a timer takes that is on time.
   */
  hasSlept(durationMs: number, dueMs: number, startsLate: boolean, now: number): boolean {
    if (durationMs - dueMs <= sleepOf(dueMs)) return false;
    return !startsLate || (this.#silenceMs > dueMs + SHORTEST_SLEEP_MS && now - this.#wokeAt <= WAKING_MS);
  }

  succeeded(key: string, durationMs: number, now: number): void {
    const times = this.#successes.get(key) ?? new SuccessTimes();
    keepRecent(this.#successes, key, times, MAX_KEYS).record(durationMs, now);
  }

  /** What the slowest success of the last minute took, ms. */
  slowestMs(key: string, now: number): number | undefined {
    return this.#successes.get(key)?.slowestMs(now);
  }

  /** What successes took when there were any, ms. */
  usualMs(key: string): number | undefined {
    return this.#successes.get(key)?.slowestMs();
  }
}
