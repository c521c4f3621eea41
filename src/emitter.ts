import type { CircuitEvents, RegistryEvents, ResilienceEvent, ResilienceEvents, Sink } from './events.js';

/** What is emitted; the time is added on the way out. */
export type NewEvent = ResilienceEvent extends infer Event
  ? Event extends unknown
    ? Omit<Event, 'at'>
    : never
  : never;

export type EventName = keyof ResilienceEvents | '*';

/** A listener for one type of event, or a sink. */
export type AnyListener = ((event: never) => void) | Sink;

/** What circuits, registries and attached instances tell. */
export const CIRCUIT_EVENTS: readonly (keyof CircuitEvents)[] = [
  'queued',
  'rejected',
  'wouldReject',
  'stateChange',
  'late',
  'store',
  'callbackError',
];
export const REGISTRY_EVENTS: readonly (keyof RegistryEvents)[] = [...CIRCUIT_EVENTS, 'breakerAdded', 'breakerRemoved'];
export const ALL_EVENTS: readonly (keyof ResilienceEvents)[] = [
  ...REGISTRY_EVENTS,
  'call',
  'attempt',
  'retry',
  'limiter',
];

interface Receiver {
  readonly sink: Sink;
  /** What a `callbackError` of it names. */
  readonly source: string;
}

/** The events of registries that a sink has been told. */
const forwarded = new WeakMap<Sink, WeakSet<ResilienceEvent>>();

const NOBODY: readonly Receiver[] = [];

interface Emission {
  readonly emitter: Emitter;
  readonly event: ResilienceEvent;
}

/** How often listeners may answer events by causing others before those are dropped: without a bound they could go on for ever. */
const MOST_ROUNDS = 100;

let isTelling = false;
/** What was emitted while others were being told. */
let untold: Emission[] = [];

/** Makes a change, and tells what it emitted once it is complete. */
export function tellAfterwards(change: () => void): void {
  if (isTelling) {
    change();
    return;
  }
  isTelling = true;
  try {
    change();
  } finally {
    tellUntold();
  }
}

function tellUntold(): void {
  for (let round = 1; untold.length > 0; round++) {
    const emissions = untold;
    untold = [];
    for (const { emitter, event } of emissions) {
      if (round <= MOST_ROUNDS) emitter.tell(event);
      else if (event === emissions[0]?.event) emitter.complainOfRounds(event.key);
    }
    if (round > MOST_ROUNDS) untold = [];
  }
  isTelling = false;
}

/**
 * Hands events to listeners and sinks, none of which can fail its caller. What is emitted while an event is told, of
 * whichever emitter, is told after it: so every receiver hears of changes in the order in which they were made.
 */
export class Emitter {
  /** Hears what this one emits, after its own receivers. */
  readonly parent: Emitter | undefined;
  /** Replaced by each change and never changed, so that an event that is being told goes to the list that it began with. */
  #receivers = NOBODY;

  constructor(parent?: Emitter) {
    this.parent = parent;
  }

  /** Whether anybody would receive an event; asked before one is built on the healthy path. */
  get active(): boolean {
    return this.#receivers.length > 0 || this.parent?.active === true;
  }

  /** Adds a receiver of all events; the returned function takes it out. */
  pipe(sink: Sink, source = 'sink'): () => void {
    const without = () => this.#receivers.filter((receiver) => receiver.sink !== sink);
    this.#receivers = [...without(), { sink, source }];
    return () => {
      this.#receivers = without();
    };
  }

  /** Adds a receiver of one type of event, or with `*` of all; the returned function takes it out. */
  on(type: EventName, listener: AnyListener): () => void {
    if (type === '*') return this.pipe(listener as Sink);
    const tell = listener as (event: ResilienceEvent) => unknown;
    return this.pipe((event) => (event.type === type ? tell(event) : undefined), 'listener');
  }

  /** Takes the event over: the time is put on it as it is, since a copy would be the dearest part of a healthy call. */
  emit(event: NewEvent & { at?: number }): void {
    if (!this.active) return;
    event.at = Date.now();
    if (isTelling) {
      untold.push({ emitter: this, event: event as ResilienceEvent });
      return;
    }
    isTelling = true;
    try {
      this.tell(event as ResilienceEvent);
    } finally {
      tellUntold();
    }
  }

  /** Tells everybody at once. */
  tell(event: ResilienceEvent): void {
    for (const receiver of this.#receivers) this.#handTo(receiver, event);
    this.parent?.tell(event);
  }

  /** Tells of a callback that threw, or returned what it must not. */
  complain(key: string | null, source: string, error: unknown): void {
    this.emit({ type: 'callbackError', key, source, error });
  }

  complainOfRounds(key: string | null): void {
    const error = new Error(`Events that listeners caused were dropped after ${MOST_ROUNDS} rounds`);
    this.tell({ type: 'callbackError', key, at: Date.now(), source: 'listener', error });
  }

  /** Passes on an event of a registry as it is, once to each sink, though the sink be given to several instances. */
  forward(event: ResilienceEvent): void {
    for (const receiver of this.#receivers) {
      const heard = forwarded.get(receiver.sink) ?? new WeakSet();
      if (heard.has(event)) continue;
      forwarded.set(receiver.sink, heard.add(event));
      this.#handTo(receiver, event);
    }
  }

  #handTo({ sink, source }: Receiver, event: ResilienceEvent): void {
    try {
      const result: unknown = typeof sink === 'function' ? sink(event) : sink.record(event);
      if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
        Promise.resolve(result).catch((error: unknown) => this.#report(event, source, error));
      }
    } catch (error) {
      this.#report(event, source, error);
    }
  }

  #report({ key, type }: ResilienceEvent, source: string, error: unknown): void {
    if (type !== 'callbackError') this.complain(key, source, error);
  }
}
