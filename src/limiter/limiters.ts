import { LimitError } from '../errors.js';
import { keepRecent } from '../recent.js';
import { own, unexpected } from '../validation.js';
import type {
  Admission,
  AttachedLimiters,
  LimitedRequest,
  LimiterLike,
  LimiterStats,
  LimitersOptions,
  Place,
  TurnedAwayAnswer,
} from './contract.js';
import { Limiter } from './limiter.js';
import { SlotPass } from './slot-pass.js';
import type { Slot } from './turnstile.js';

const MAX_LIMITERS = 256;
const MAX_CIRCUITS = 1_024;
/** How many limiters are looked at for each new one: more than one, so that what a burst left over goes in time. */
const MOST_LOOKS = 8;

/** The shortest time between two tellings of the same limiter, ms; that it has come to rest is told besides. */
const TELL_EVERY_MS = 1_000;

/** One limiter with what was told of it. */
interface Told {
  readonly key: string;
  readonly limiter: LimiterLike;
  /** Tells that it has changed. */
  readonly changed: () => void;
  toldAt: number;
  /** Whether somebody was in flight, or waited, then. */
  wasBusy: boolean;
}

/** The limiters of an attached instance, the least recently used first. Past the cap those go that are at rest. */
export class Limiters implements AttachedLimiters {
  readonly #options: LimitersOptions;
  readonly #limiters = new Map<string, Told>();
  /** The limiter that the attempts of a circuit went through last. */
  readonly #ofCircuits = new Map<string, Told>();
  #latest: Told | undefined;
  #latestCircuit: string | undefined;
  #latestLinked: Told | undefined;

  constructor(options: LimitersOptions) {
    this.#options = own(options);
  }

  admit(attempt: LimitedRequest): ReturnType<AttachedLimiters['admit']> {
    const { call, circuitKey, config, captured, held } = attempt;
    const { enabled, priority, maxWaitMs } = captured.policy.limiter;
    if (!enabled) return undefined;
    if (!held && circuitKey !== null && this.#options.registry.get(circuitKey)?.isRejecting) return undefined;
    const key = this.#keyOf(attempt);
    if (key === null) return undefined;
    const told = this.#ensure(key);
    if (!told) return undefined;
    if (circuitKey !== null && (this.#latestCircuit !== circuitKey || this.#latestLinked !== told))
      this.#link(circuitKey, told);
    const patienceMs = Math.min(config.timeout || Number.POSITIVE_INFINITY, call.remainingMs());
    const given = told.limiter.ask({
      priority,
      isRetry: call.made > 0,
      maxWaitMs: maxWaitMs ?? (patienceMs < Number.POSITIVE_INFINITY ? patienceMs : undefined),
    });
    told.changed();
    return 'answer' in given ? this.#later(attempt, told, given) : this.#pass(attempt, given, told);
  }

  recovered(circuitKey: string): void {
    const told = this.#ofCircuits.get(circuitKey);
    if (!told) return;
    told.limiter.recovered();
    told.changed();
  }

  stats(): Readonly<Record<string, LimiterStats>> {
    return Object.fromEntries(Array.from(this.#limiters, ([key, { limiter }]) => [key, limiter.stats()]));
  }

  #keyOf({ captured, config }: LimitedRequest): string | null {
    const { only } = this.#options;
    if (only) return only.key;
    const key: unknown = captured.policy.limiter.key?.(config as never);
    if (key === undefined) return this.#options.keyOf(config as never);
    if (typeof key !== 'string' && key !== null) throw unexpected('limiter.key(config)', 'a string or null', key);
    return key;
  }

  #pass(attempt: LimitedRequest, slot: Slot, told: Told): SlotPass {
    return new SlotPass(attempt, slot, told, !this.#options.only);
  }

  #later(attempt: LimitedRequest, told: Told, place: Place): ReturnType<AttachedLimiters['admit']> {
    const { clock, events } = this.#options;
    let since: number | undefined = clock.now();
    const over = () => {
      if (since !== undefined) attempt.call.limitedMs = (attempt.call.limitedMs ?? 0) + clock.now() - since;
      since = undefined;
      told.changed();
    };
    const { key } = told;
    if (place.isQueued && events.active)
      events.emit({ type: 'queued', key, by: 'limiter', queued: told.limiter.stats().queued });
    const admissionOf = (given: Slot | TurnedAwayAnswer): Admission => {
      over();
      if (!('why' in given)) return this.#pass(attempt, given, told);
      events.emit({ type: 'rejected', key, by: 'limiter', ...given });
      const error = new LimitError({ key, ...given, config: attempt.config as never });
      return { admitted: false, stopped: 'limited', error };
    };
    return {
      admitted: 'later',
      answer: place.answer.then(admissionOf),
      leave: () => {
        place.leave();
        over();
      },
      end: () => place.end(),
    };
  }

  #link(circuitKey: string, told: Told): void {
    this.#latestCircuit = circuitKey;
    this.#latestLinked = told;
    if (this.#ofCircuits.get(circuitKey) !== told) keepRecent(this.#ofCircuits, circuitKey, told, MAX_CIRCUITS);
  }

  /** None where its rule could not be made. */
  #ensure(key: string): Told | undefined {
    if (this.#latest?.key === key) return this.#latest;
    const told = this.#limiters.get(key) ?? this.#tryToMake(key);
    if (!told) return undefined;
    this.#latest = told;
    this.#limiters.delete(key);
    this.#limiters.set(key, told);
    return told;
  }

  #tryToMake(key: string): Told | undefined {
    try {
      return this.#make(key);
    } catch (error) {
      this.#options.events.complain(key, 'limiter', error);
      return undefined;
    }
  }

  #make(key: string): Told {
    const { limit, only, maxQueue, clock, random, events } = this.#options;
    const hooks = { onError: (error: unknown) => events.complain(key, 'limiter', error) };
    const limiter = only ?? new Limiter(key, { limit, maxQueue, clock, random }, hooks);
    this.#makeRoom();
    const told: Told = {
      key,
      limiter,
      changed: () => this.#tellOfChange(told),
      toldAt: Number.NEGATIVE_INFINITY,
      wasBusy: false,
    };
    return told;
  }

  #makeRoom(): void {
    for (let look = 0; look < MOST_LOOKS && this.#limiters.size >= MAX_LIMITERS; look++) {
      const [oldest] = this.#limiters.values();
      const { key, limiter } = oldest as Told;
      this.#limiters.delete(key);
      if (!limiter.isAtRest) this.#limiters.set(key, oldest as Told);
    }
  }

  #tellOfChange(told: Told): void {
    const { clock, events } = this.#options;
    if (!events.active) return;
    const { key, limiter } = told;
    const now = clock.now();
    const hasComeToRest = told.wasBusy && limiter.isIdle;
    if (now - told.toldAt < TELL_EVERY_MS && !hasComeToRest) return;
    const { limit, inFlight, queued } = limiter.stats();
    told.toldAt = now;
    told.wasBusy = inFlight > 0 || queued > 0;
    events.emit({ type: 'limiter', key, limit, inFlight, queued });
  }
}
