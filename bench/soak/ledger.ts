import type { Resilience, ResilienceEvents } from '../../dist/index.js';
import type { CallResult } from './calls.js';
import { bitOf, MOST_CALLS, UNGUARDED } from './marks.js';

const EVENTS = [
  'call',
  'attempt',
  'retry',
  'rejected',
  'callbackError',
  'breakerRemoved',
] as const satisfies (keyof ResilienceEvents)[];

/**
 * What every call said of itself and what the events say, as sums, and per call as bits: what is kept does not grow with the
 * calls.
 */
export class Ledger {
  readonly events: Record<(typeof EVENTS)[number], number>;
  readonly outcomes: Record<ResilienceEvents['attempt']['outcome'], number> = { success: 0, failure: 0, neutral: 0 };
  /** Of attempts under a circuit. */
  readonly guarded: Record<ResilienceEvents['attempt']['outcome'], number> = { success: 0, failure: 0, neutral: 0 };
  readonly stopped: Record<string, number> = {};
  /** Attempts by what they came to: a status or a code. */
  readonly answers: Record<string, number> = {};
  calls = 0;
  ended = 0;
  /** Calls that were to be left alone, and calls that nothing is known of. */
  untouched = 0;
  unreported = 0;
  attempts = 0;
  delays = 0;
  histories = 0;
  gaveUp = 0;
  /** Calls that waited for a circuit and ended without a success. */
  waitedInVain = 0;
  fallbacks = 0;
  /** The same, by `call` events. */
  toldGaveUp = 0;
  toldFallbacks = 0;
  /** Attempts that were made, by call. */
  readonly made = new Uint16Array(MOST_CALLS);
  /** Attempts that had a response, by call: the service must have seen these. */
  readonly answered = new Uint16Array(MOST_CALLS);

  constructor({ on }: Resilience) {
    this.events = { call: 0, attempt: 0, retry: 0, rejected: 0, callbackError: 0, breakerRemoved: 0 };
    for (const type of EVENTS) {
      on(type, () => {
        this.events[type]++;
      });
    }
    on('call', ({ stopped, fallback }) => {
      if (stopped !== 'success') this.toldGaveUp++;
      if (fallback) this.toldFallbacks++;
    });
    on('attempt', ({ key, outcome, status, code }) => {
      const what = `${status ?? code}`;
      this.answers[what] = (this.answers[what] ?? 0) + 1;
      this.outcomes[outcome]++;
      if (!key?.endsWith(UNGUARDED)) this.guarded[outcome]++;
    });
  }

  begin(): number {
    if (this.calls === MOST_CALLS) throw new Error(`A soak has room for ${MOST_CALLS} calls`);
    return this.calls++;
  }

  end(call: number, { untouched, report }: CallResult): void {
    this.ended++;
    this.untouched += Number(untouched);
    const stopped = report?.stopped ?? 'untouched';
    this.stopped[stopped] = (this.stopped[stopped] ?? 0) + 1;
    if (!report) {
      this.unreported++;
      this.made[call] = bitOf(1);
      return;
    }
    this.attempts += report.attempts;
    this.delays += report.delaysMs.length;
    this.waitedInVain += Number(report.waitedMs.circuit > 0 && report.stopped !== 'success');
    this.histories += report.history.length;
    this.fallbacks += Number(report.fallback);
    this.gaveUp += Number(report.stopped !== 'success');
    this.made[call] = bitOf(report.attempts + 1) - 1;
    report.history.forEach(({ status }, index) => {
      if (status !== undefined) this.answered[call] = (this.answered[call] ?? 0) | bitOf(index + 1);
    });
  }
}
