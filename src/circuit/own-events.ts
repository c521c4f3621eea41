import { type AnyListener, Emitter, type EventName } from '../emitter.js';
import type { ResilienceEvent, Sink } from '../events.js';

/** The events of one circuit: its own listeners hear them first, then those of its registry. */
export class OwnEvents extends Emitter {
  readonly #key: string;
  /** Listeners that had to be added to the registry. */
  #elsewhere: Set<() => void> | undefined;

  constructor(key: string, parent?: Emitter) {
    super(parent);
    this.#key = key;
  }

  override on(type: EventName, listener: AnyListener): () => void {
    const off = type === 'store' && this.parent ? () => undefined : super.on(type, listener);
    if (!this.parent || (type !== 'store' && type !== '*')) return off;
    const offStore = this.#onStore(this.parent, listener as Sink);
    return () => {
      off();
      offStore();
    };
  }

  /** A store tells the registry: of itself, without a key, or of one circuit. */
  #onStore(parent: Emitter, sink: Sink): () => void {
    const off = parent.on('store', (event: ResilienceEvent) => {
      if (event.key !== null && event.key !== this.#key) return undefined;
      return typeof sink === 'function' ? sink(event) : sink.record(event);
    });
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
