/** Has its place in one queue at most; the queue alone writes its fields. */
export class Place {
  /** @internal */
  before: Place | undefined = undefined;
  /** @internal */
  behind: Place | undefined = undefined;
  /** @internal */
  isTaken = false;
}

/** First in, first out, and out from anywhere in no more time: callers leave when they are cancelled. */
export class Queue<Item extends Place> {
  #first: Place | undefined;
  #last: Place | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Item | undefined {
    return this.#first as Item | undefined;
  }

  add(item: Item): void {
    item.isTaken = true;
    item.before = this.#last;
    if (this.#last) this.#last.behind = item;
    else this.#first = item;
    this.#last = item;
    this.#size++;
  }

  /** Takes it out; whether it was in. */
  remove(item: Item): boolean {
    if (!item.isTaken) return false;
    const { before, behind } = item;
    if (before) before.behind = behind;
    else this.#first = behind;
    if (behind) behind.before = before;
    else this.#last = before;
    item.before = undefined;
    item.behind = undefined;
    item.isTaken = false;
    this.#size--;
    return true;
  }

  /** In their order; each may be taken out while it is visited. */
  *[Symbol.iterator](): Generator<Item, void> {
    let item = this.#first;
    while (item) {
      const { behind } = item;
      yield item as Item;
      item = behind;
    }
  }
}
