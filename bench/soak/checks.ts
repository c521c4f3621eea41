import { getEventListeners } from 'node:events';
import type { CancelToken } from 'axios';
import type { BreakerRegistry } from '../../dist/index.js';
import { type Point, slopeOf } from '../measure/slope.js';
import type { Ledger } from './ledger.js';

/** Something that has to be true at the end. */
export interface Check {
  readonly name: string;
  readonly expected: string;
  readonly found: string;
  readonly isGood: boolean;
}

const equal = (name: string, expected: number, found: number): Check => ({
  name,
  expected: String(expected),
  found: String(found),
  isGood: expected === found,
});

const between = (name: string, least: number, most: number, found: number): Check => ({
  name,
  expected: `${least} to ${most}`,
  found: String(found),
  isGood: found >= least && found <= most,
});

/** What the service saw. */
export interface Seen {
  /** Attempts by call, as bits. */
  readonly attempts: Uint16Array;
  readonly requests: number;
  readonly seenTwice: number;
}

/** Every call ended once, and all accounts of it agree. */
export function accountChecks(ledger: Ledger, breakers: BreakerRegistry): Check[] {
  const { calls, ended, events, outcomes } = ledger;
  const counts = Array.from(breakers, (breaker) => breaker.stats().counts);
  const sum = (name: keyof (typeof counts)[number]) => counts.reduce((total, each) => total + each[name], 0);
  return [
    equal('calls that ended', calls, ended),
    equal('calls without a report and calls that were to be left alone', ledger.untouched, ledger.unreported),
    equal('reports and `call` events', ended - ledger.unreported, events.call),
    equal('attempts in reports and `attempt` events', ledger.attempts, events.attempt),
    equal('attempts in reports and in their histories', ledger.attempts, ledger.histories),
    equal('delays in reports and `retry` events', ledger.delays, events.retry),
    equal('reports of calls without success and `call` events of such', ledger.gaveUp, ledger.toldGaveUp),
    equal('reports of fallbacks and `call` events of such', ledger.fallbacks, ledger.toldFallbacks),
    equal('rejections of circuits and `rejected` events', sum('rejected'), events.rejected),
    equal('`callbackError` events', 0, events.callbackError),
    equal('`breakerRemoved` events', 0, events.breakerRemoved),
    ...(['success', 'failure'] as const).map((outcome) =>
      equal(`permits settled as ${outcome} and attempts under a circuit`, ledger.guarded[outcome], sum(outcome)),
    ),
    // A call that is cancelled, or has no token, when its wait is over gives a permit back that no attempt has used.
    between(
      'permits settled as neutral: attempts under a circuit, and calls that waited for it in vain',
      ledger.guarded.neutral,
      ledger.guarded.neutral + ledger.waitedInVain,
      sum('neutral'),
    ),
    equal(
      'permits out',
      0,
      Array.from(breakers, ({ inFlight }) => inFlight).reduce((a, b) => a + b, 0),
    ),
    equal('outcomes and attempts', outcomes.success + outcomes.failure + outcomes.neutral, ledger.attempts),
  ];
}

/** The service saw every attempt that was answered, once, and none that was not made. */
export function serviceChecks({ calls, made, answered }: Ledger, { attempts, seenTwice }: Seen): Check[] {
  let unmade = 0;
  let unseen = 0;
  for (let call = 0; call < calls; call++) {
    const seen = attempts[call] ?? 0;
    if (seen & ~(made[call] ?? 0)) unmade++;
    if (~seen & (answered[call] ?? 0)) unseen++;
  }
  return [
    equal('attempts that the service saw twice', 0, seenTwice),
    equal('calls of which the service saw an attempt that was not made', 0, unmade),
    equal('calls of which the service did not see an attempt that was answered', 0, unseen),
  ];
}

/** Nothing is left that keeps a process alive or memory in use. */
export function leftoverChecks(
  resources: { readonly before: readonly string[]; readonly after: readonly string[] },
  signal: AbortSignal,
  token: CancelToken,
): Check[] {
  const left = [...resources.after];
  for (const known of resources.before) {
    const index = left.indexOf(known);
    if (index >= 0) left.splice(index, 1);
  }
  const { _listeners } = token as { _listeners?: unknown[] | null };
  return [
    { name: 'timers and sockets left', expected: 'none', found: left.join(', ') || 'none', isGood: left.length === 0 },
    equal('listeners left on a signal that many calls share', 0, getEventListeners(signal, 'abort').length),
    equal('listeners left on a CancelToken that many calls share', 0, _listeners?.length ?? 0),
  ];
}

/** What the heap may grow by: per call, less than anything that one call in a hundred leaves; and by what settles late. */
const PER_CALL_BYTES = 5;
const SETTLING_BYTES = 250_000;
/** The first stretches are for the compiler and for what is made once. */
const UNSETTLED = 2;

/** @param samples Bytes in use with all callers at rest, by the calls made until then. */
export function heapCheck(samples: readonly Point[]): Check {
  const settled = samples.slice(UNSETTLED);
  const growth = slopeOf(settled);
  const calls = (settled.at(-1)?.x ?? Number.NaN) - (settled[0]?.x ?? Number.NaN);
  const most = PER_CALL_BYTES + SETTLING_BYTES / calls;
  return {
    name: 'bytes by which the heap grows per call, by least squares, after collection and with all callers at rest',
    expected: `less than ${most.toFixed(1)}`,
    found: `${growth.toFixed(1)} (${samples.map(({ y }) => (y / 1e6).toFixed(2)).join(', ')} MB)`,
    isGood: growth < most,
  };
}
