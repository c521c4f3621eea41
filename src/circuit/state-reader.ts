import type { CircuitState, ReadState } from '../events.js';
import { hide } from '../fields.js';

/** Puts on an event how the state of its circuit is read later. It keeps no circuit in memory. */
export function withReadState<Event extends object>(
  event: Event,
  circuit: { readonly state: CircuitState },
): Event & { readonly readState?: ReadState } {
  if (typeof WeakRef === 'undefined') return event;
  const reference = new WeakRef(circuit);
  hide(event, 'readState', () => reference.deref()?.state);
  return event;
}
