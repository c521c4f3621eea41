/** Runs so many tasks at a time; the others have their turn in the order in which they came, unless they are dropped. */
export class Lane {
  readonly #waiting = new Map<object, (hasTurn: boolean) => void>();
  #free: number;

  constructor(width: number) {
    this.#free = width;
  }

  /** Runs the task of `owner`, which has at most one; resolves to `undefined` where it was dropped before its turn. */
  async run<T>(owner: object, task: () => Promise<T>): Promise<T | undefined> {
    if (this.#free > 0) this.#free--;
    else if (!(await new Promise<boolean>((resolve) => this.#waiting.set(owner, resolve)))) return undefined;
    try {
      return await task();
    } finally {
      const [next] = this.#waiting.keys();
      if (next) this.#end(next, true);
      else this.#free++;
    }
  }

  /** Takes the task of `owner` out, if it has not begun. */
  drop(owner: object): void {
    this.#end(owner, false);
  }

  #end(owner: object, hasTurn: boolean): void {
    const resolve = this.#waiting.get(owner);
    this.#waiting.delete(owner);
    resolve?.(hasTurn);
  }
}
