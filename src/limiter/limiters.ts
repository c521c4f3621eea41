import type { Asking, AttachedLimiters, LimiterStats, LimitersOptions, Place } from './contract.js';
import { Limiter } from './limiter.js';
import type { Slot } from './turnstile.js';

const MAX_LIMITERS = 256;

/** The shortest time between two tellings of the same limiter, ms; that it has come to rest is told besides. */
const TELL_EVERY_MS = 1_000;

/** One limiter with what was told of it. */
interface Told {
  readonly key: string;
  readonly limiter: Limiter;
  toldAt: number;
  toldInFlight: number;
}

/** The limiters of an attached instance, the least recently used first. Past the cap those go that are at rest. */
export class Limiters implements AttachedLimiters {
  readonly #options: LimitersOptions;
  readonly #limiters = new Map<string, Told>();
  #latest: Told | undefined;

  constructor(options: LimitersOptions) {
    this.#options = options;
  }

  ask(key: string, asking: Asking): Slot | Place {
    const { limiter } = this.#ensure(key);
    const given = limiter.ask(asking);
    if ('answer' in given && this.#options.isHeard()) this.#tellOfPlace(key, limiter, given);
    return given;
  }

  recovered(key: string): void {
    this.#limiters.get(key)?.limiter.recovered();
  }

  heldMs(key: string): number {
    return this.#limiters.get(key)?.limiter.heldMs ?? 0;
  }

  stats(): Readonly<Record<string, LimiterStats>> {
    return Object.fromEntries(Array.from(this.#limiters, ([key, { limiter }]) => [key, limiter.stats()]));
  }

  #ensure(key: string): Told {
    if (this.#latest?.key === key) return this.#latest;
    const told = this.#limiters.get(key) ?? this.#make(key);
    this.#latest = told;
    this.#limiters.delete(key);
    this.#limiters.set(key, told);
    return told;
  }

  #make(key: string): Told {
    const { limit, maxQueue, maxWaitMs, clock, random, onError } = this.#options;
    this.#makeRoom();
    const hooks = {
      onChange: () => this.#tellOfChange(told),
      onError: (error: unknown) => onError(key, error),
    };
    const limiter = new Limiter(key, { limit, maxQueue, maxWaitMs, clock, random }, hooks);
    const told: Told = { key, limiter, toldAt: Number.NEGATIVE_INFINITY, toldInFlight: 0 };
    return told;
  }

  #makeRoom(): void {
    if (this.#limiters.size < MAX_LIMITERS) return;
    for (const [key, { limiter }] of this.#limiters) {
      if (!limiter.isIdle || limiter.heldMs > 0) continue;
      this.#limiters.delete(key);
      return;
    }
  }

  #tellOfPlace(key: string, limiter: Limiter, { answer }: Place): void {
    const { tell } = this.#options;
    tell(key, { type: 'queued', queued: limiter.stats().queued });
    void answer.then((given) => {
      if ('why' in given) tell(key, { type: 'limited', ...given });
    });
  }

  #tellOfChange(told: Told): void {
    const { clock, isHeard, tell } = this.#options;
    if (!isHeard()) return;
    const { key, limiter } = told;
    const now = clock.now();
    const hasComeToRest = told.toldInFlight > 0 && limiter.isIdle;
    if (now - told.toldAt < TELL_EVERY_MS && !hasComeToRest) return;
    const { limit, inFlight, queued } = limiter.stats();
    told.toldAt = now;
    told.toldInFlight = inFlight;
    tell(key, { type: 'limiter', limit, inFlight, queued });
  }
}
