import type { Recorder, ResilienceEvent, ResilienceEvents } from '../events.js';

type EventType = keyof ResilienceEvents;

import { anInteger } from '../validation.js';

/** What happened on one key; that of what has none is empty. */
interface KeySummary {
  /** How many events there were of each type. */
  readonly counts: Readonly<Partial<Record<EventType, number>>>;
  /** The mean duration of attempts, ms; 0 where there were none. */
  readonly averageLatencyMs: number;
}

/** Keeps the latest events in memory: for tests and for a look at a running process. */
export interface MemorySink extends Recorder {
  /** The latest events, the oldest first. */
  readonly events: readonly ResilienceEvent[];
  /** Counts and latencies of all events since the beginning, by key; as many keys as events are kept. */
  summary(): Readonly<Record<string, KeySummary>>;
}

interface Tally {
  readonly counts: Partial<Record<EventType, number>>;
  attemptMs: number;
}

/**
 * @param limit How many events are kept; an integer >= 1.
 * @default 1000
 */
export function memorySink(limit = 1000): MemorySink {
  anInteger(1)(limit, 'memorySink(limit)');
  const events: ResilienceEvent[] = [];
  const tallies = new Map<string, Tally>();
  const begin = (key: string): Tally => {
    const tally: Tally = { counts: {}, attemptMs: 0 };
    tallies.set(key, tally);
    const [oldest] = tallies.keys();
    if (tallies.size > limit) tallies.delete(oldest as string);
    return tally;
  };
  return {
    events,
    record(event) {
      events.push(event);
      if (events.length > limit) events.shift();
      const key = event.key ?? '';
      const tally = tallies.get(key) ?? begin(key);
      tally.counts[event.type] = (tally.counts[event.type] ?? 0) + 1;
      if (event.type === 'attempt') tally.attemptMs += event.durationMs;
    },
    summary: () =>
      Object.fromEntries(
        Array.from(tallies, ([key, { counts, attemptMs }]) => [
          key,
          { counts: { ...counts }, averageLatencyMs: attemptMs / (counts.attempt || 1) },
        ]),
      ),
  };
}
