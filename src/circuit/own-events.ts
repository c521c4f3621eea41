import { Emitter } from '../emitter.js';
import type { EventOf, EventType } from '../events.js';

/** What a store tells the registry: of itself, under the key `''`, or of one circuit. */
const OF_STORE: readonly EventType[] = [
  'storeDegraded',
  'storeRecovered',
  'storeDropped',
  'storeUnsubscribed',
  'storeSubscribed',
  'storeMismatch',
  'resync',
];

/** The events of one circuit: its own listeners hear them first, then those of its registry. */
export class OwnEvents extends Emitter {
  readonly #key: string;
  /** Listeners that had to be added to the registry. */
  #elsewhere: Set<() => void> | undefined;

  constructor(key: string, parent?: Emitter) {
    super(parent);
    this.#key = key;
  }

  override on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    if (!this.parent || !OF_STORE.includes(type)) return super.on(type, listener);
    const isMeant = ({ key }: EventOf<Type>) => key === '' || key === this.#key;
    const off = this.parent.on(type, (event) => (isMeant(event) ? listener(event) : undefined));
    this.#elsewhere = (this.#elsewhere ?? new Set()).add(off);
    return () => {
      off();
      this.#elsewhere?.delete(off);
    };
  }

  /** Takes out what was added to the registry. */
  leave(): void {
    for (const off of this.#elsewhere ?? []) off();
  }
}
