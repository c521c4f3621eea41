import type { SharedView } from '../circuit/link.js';

/** What a message may skip: more transitions than that are not missed in a moment. */
const MOST_GENERATIONS = 16;
/** The longest cooldown that a message is believed; a longer one is read. */
const LONGEST_MS = 600_000;

/**
 * Whether a message is taken in as it is. The channel is open to whoever may publish, and another database has another
 * epoch: what is unlikely is read from the store, which knows.
 */
export function believable(view: SharedView, known: SharedView | undefined): boolean {
  if (view.epoch !== known?.epoch) return false;
  return (
    view.generation <= known.generation + MOST_GENERATIONS &&
    view.remainingMs <= view.cooldownMs &&
    view.cooldownMs <= LONGEST_MS
  );
}
