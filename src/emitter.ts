import type { EventOf, EventType, ResilienceEvent, Sink } from './events.js';

/** What is emitted; the time is added on the way out. */
export type NewEvent = ResilienceEvent extends infer Event
  ? Event extends unknown
    ? Omit<Event, 'at'>
    : never
  : never;

interface Receiver {
  readonly sink: Sink;
  /** What a `listenerError` of it names. */
  readonly source: string;
}

/** The events of registries that a sink has been told. */
const forwarded = new WeakMap<Sink, WeakSet<ResilienceEvent>>();

const NOBODY: readonly Receiver[] = [];

/** Hands events to listeners and sinks, none of which can fail its caller. */
export class Emitter {
  /** Replaced by each change and never changed, so that whoever is being told goes by the list that it began with. */
  #receivers = NOBODY;

  /** Whether anybody would receive an event; asked before one is built on the healthy path. */
  get active(): boolean {
    return this.#receivers.length > 0;
  }

  /** Adds a receiver of all events; the returned function takes it out. */
  pipe(sink: Sink, source = 'sink'): () => void {
    const without = () => this.#receivers.filter((receiver) => receiver.sink !== sink);
    this.#receivers = [...without(), { sink, source }];
    return () => {
      this.#receivers = without();
    };
  }

  /** Adds a receiver of one type of event; the returned function takes it out. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    const record = (event: ResilienceEvent) => (event.type === type ? listener(event as EventOf<Type>) : undefined);
    return this.pipe({ record }, 'listener');
  }

  /** Takes the event over: the time is put on it as it is, since a copy would be the dearest part of a healthy call. */
  emit(event: NewEvent & { at?: number }): void {
    if (!this.active) return;
    event.at = Date.now();
    for (const receiver of this.#receivers) this.#tell(receiver, event as ResilienceEvent);
  }

  /** Passes on an event of a registry as it is, once to each sink, though the sink be given to several instances. */
  forward(event: ResilienceEvent): void {
    for (const receiver of this.#receivers) {
      const heard = forwarded.get(receiver.sink) ?? new WeakSet();
      if (heard.has(event)) continue;
      forwarded.set(receiver.sink, heard.add(event));
      this.#tell(receiver, event);
    }
  }

  #tell({ sink, source }: Receiver, event: ResilienceEvent): void {
    try {
      const result: unknown = sink.record(event);
      if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
        Promise.resolve(result).catch((error: unknown) => this.#report(event, source, error));
      }
    } catch (error) {
      this.#report(event, source, error);
    }
  }

  #report({ key, type }: ResilienceEvent, source: string, error: unknown): void {
    if (type !== 'listenerError') this.emit({ type: 'listenerError', key, source, error });
  }
}
