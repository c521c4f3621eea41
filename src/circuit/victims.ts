import type { CircuitBreaker } from './breaker.js';

/** Victims that are chosen at a time, so that a registry full of what is worth keeping is not gone through for each. */
const AT_A_TIME = 64;

/**
 * Chooses which breakers a full registry drops: those that would lose the least, and of those the least recently used. None
 * goes for which attempts wait.
 */
export class Victims {
  /** In the order in which they go. */
  readonly #chosen = new Map<CircuitBreaker, number>();

  /**
   * One that is to be dropped, and forgotten then.
   *
   * @param breakers The least recently used first.
   */
  next(breakers: ReadonlyMap<string, CircuitBreaker>, latest: CircuitBreaker | undefined): CircuitBreaker | undefined {
    for (const [breaker, worth] of this.#chosen) {
      this.#chosen.delete(breaker);
      if (breaker.worth <= worth) return breaker;
    }
    const byWorth: [CircuitBreaker[], CircuitBreaker[], CircuitBreaker[], CircuitBreaker[]] = [[], [], [], []];
    for (const breaker of breakers.values()) {
      if (breaker === latest) continue;
      const { worth } = breaker;
      if (worth === 0) return breaker;
      if (worth === 4) continue;
      byWorth[worth].push(breaker);
    }
    const worth = byWorth.findIndex(({ length }) => length > 0);
    for (const breaker of byWorth[worth]?.slice(0, AT_A_TIME) ?? []) this.#chosen.set(breaker, worth);
    const [first] = this.#chosen.keys();
    return first;
  }

  /** It was used, or is gone. */
  forget(breaker: CircuitBreaker): void {
    if (this.#chosen.size > 0) this.#chosen.delete(breaker);
  }
}
