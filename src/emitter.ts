import type { EventOf, EventType, ResilienceEvent, Sink } from './events.js';

/** What is emitted; the time is added on the way out. */
export type NewEvent = ResilienceEvent extends infer Event
  ? Event extends unknown
    ? Omit<Event, 'at'>
    : never
  : never;

/** Hands events to listeners and sinks, none of which can fail its caller. */
export class Emitter {
  readonly #sinks = new Map<Sink, string>();

  /** Whether anybody would receive an event; asked before one is built on the healthy path. */
  get active(): boolean {
    return this.#sinks.size > 0;
  }

  /** Adds a receiver of all events; the returned function takes it out. */
  pipe(sink: Sink, source = 'sink'): () => void {
    this.#sinks.set(sink, source);
    return () => {
      this.#sinks.delete(sink);
    };
  }

  /** Adds a receiver of one type of event; the returned function takes it out. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    const record = (event: ResilienceEvent) => (event.type === type ? listener(event as EventOf<Type>) : undefined);
    return this.pipe({ record }, 'listener');
  }

  emit(event: NewEvent): void {
    if (this.active) this.forward({ ...event, at: Date.now() });
  }

  /** Passes on an event of another emitter as it is. */
  forward(event: ResilienceEvent): void {
    const { key, type } = event;
    for (const [sink, source] of [...this.#sinks]) {
      const report = (error: unknown) => {
        if (type !== 'listenerError') this.emit({ type: 'listenerError', key, source, error });
      };
      try {
        const result: unknown = sink.record(event);
        if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
          Promise.resolve(result).catch(report);
        }
      } catch (error) {
        report(error);
      }
    }
  }
}
