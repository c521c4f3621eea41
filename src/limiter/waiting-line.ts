/** In the order in which they are served; `low` is rejected first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const;

export type Priority = (typeof PRIORITIES)[number];

/** Somebody who stands in the line. */
export interface Waiting {
  readonly priority: Priority;
  /** Retries stand behind first attempts of their priority. */
  readonly isRetry: boolean;
}

/** A line in order of priority, first come first served within each. Whoever waits can leave from any place. */
export class WaitingLine<Waiter extends Waiting> {
  readonly #lanes = PRIORITIES.flatMap(() => [new Set<Waiter>(), new Set<Waiter>()]);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Waiter | undefined {
    if (this.#size === 0) return undefined;
    for (const lane of this.#lanes) {
      for (const waiter of lane) return waiter;
    }
    return undefined;
  }

  add(waiter: Waiter): void {
    this.#lanes[laneOf(waiter)]?.add(waiter);
    this.#size++;
  }

  /** @returns Whether it stood in the line. */
  remove(waiter: Waiter): boolean {
    const wasThere = this.#lanes[laneOf(waiter)]?.delete(waiter) ?? false;
    if (wasThere) this.#size--;
    return wasThere;
  }

  /** The last of those who stand behind a newcomer. */
  lastBehind(newcomer: Waiter): Waiter | undefined {
    for (let index = this.#lanes.length - 1; index > laneOf(newcomer); index--) {
      const last = [...(this.#lanes[index] ?? [])].at(-1);
      if (last) return last;
    }
    return undefined;
  }

  [Symbol.iterator](): Iterator<Waiter> {
    return this.#lanes.flatMap((lane) => [...lane]).values();
  }
}

const laneOf = ({ priority, isRetry }: Waiting): number => 2 * PRIORITIES.indexOf(priority) + (isRetry ? 1 : 0);
