/** Something that happens at a time. */
export interface HeapEvent {
  readonly at: number;
  /** Of two events at the same time the one that was added first comes first. */
  readonly order: number;
}

const isBefore = (one: HeapEvent, other: HeapEvent): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/** Events, the next one first: a binary heap. */
export class EventHeap<Event extends HeapEvent> {
  readonly #events: Event[] = [];

  get next(): Event | undefined {
    return this.#events[0];
  }

  add(event: Event): void {
    const events = this.#events;
    let index = events.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = events[parent] as Event;
      if (!isBefore(event, above)) break;
      events[index] = above;
      index = parent;
    }
    events[index] = event;
  }

  take(): Event | undefined {
    const events = this.#events;
    const [first] = events;
    const last = events.pop();
    if (last === undefined || last === first) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child++;
      if (!isBefore(events[child] as Event, last)) break;
      events[index] = events[child] as Event;
      index = child;
    }
    events[index] = last;
    return first;
  }
}
