import { reasonOf } from '../abort.js';
import { type Clock, monotonicClock } from '../clock.js';
import { LimitError } from '../errors.js';
import type { Outcome } from '../events.js';
import { outcomeOutOfTime, SuccessTimes } from '../out-of-time.js';
import {
  aFunction,
  anInteger,
  milliseconds,
  oneOf,
  options as optionsOf,
  own,
  type Rule,
  withMethods,
} from '../validation.js';
import type {
  Asking,
  AttachedLimiters,
  Limit,
  LimiterStats,
  LimitersOptions,
  Place,
  TurnedAwayAnswer,
} from './contract.js';
import { endedBy } from './ended-by.js';
import { type Ended, endedAs, Slot, type Turnstile, type TurnstileOptions, type Waiter } from './turnstile.js';
import { PRIORITIES, type Priority } from './waiting-line.js';

/** How a limiter lets attempts wait. */
export interface LimiterOptions {
  /** What it goes by: `adaptiveLimit()`, `concurrencyLimit(n)`, `rateLimit({ … })` or `customLimit(…)`. */
  limit: Limit;
  /**
   * How many may wait, an integer >= 0. Beyond that the attempt that is last in the queue is rejected.
   * @default 1_000
   */
  maxQueue?: number | undefined;
  /**
   * How long one may wait, ms >= 0.
   * @default 10_000; with `attach` what is left of the smaller of the request's timeout and deadline, where it has one
   */
  maxWaitMs?: number | undefined;
  /** The time source, for exact tests. */
  clock?: Clock | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

type LimiterHooks = Pick<TurnstileOptions, 'onError'>;

/** How one function is run behind a limiter. */
export interface LimiterExecuteOptions {
  /** Ends the wait at once, with its reason. */
  signal?: AbortSignal | undefined;
  /**
   * The attempts that are served first, and rejected last when the queue is full.
   * @default 'normal'
   */
  priority?: Priority | undefined;
  /** How long this one may wait, ms >= 0. */
  maxWaitMs?: number | undefined;
}

const MAX_WAIT_MS = 10_000;
const MAX_QUEUE = 1_000;

interface Checks {
  readonly limit: Rule;
  readonly options: Rule;
  readonly execution: Rule;
}

let checks: Checks | undefined;

/** Made when they are needed, so that a bundler can leave them out. */
function checksOf(): Checks {
  const limit = withMethods('a limit, such as adaptiveLimit()', 'open');
  const maxWaitMs = milliseconds(0, Number.POSITIVE_INFINITY);
  const clock = withMethods('a clock with a method now()', 'now');
  const signal = withMethods('an AbortSignal', 'addEventListener');
  return {
    limit,
    options: optionsOf({ limit, maxQueue: anInteger(0), maxWaitMs, clock, random: aFunction }),
    execution: optionsOf({ signal, priority: oneOf(...PRIORITIES), maxWaitMs }),
  };
}

/** Holds back what a service could not take, for what is not axios as for what is. */
export class Limiter {
  /** Names it in errors. */
  readonly key: string;
  readonly #limit: Limit;
  readonly #turnstile: Turnstile;
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  readonly #times = new SuccessTimes();

  /**
   * @param options The limit alone is short for `{ limit }`.
   * @param hooks For `attach`.
   * @throws a `TypeError` or `RangeError` that names a bad option.
   */
  constructor(key: string, options: LimiterOptions | Limit, hooks?: LimiterHooks) {
    const given = isLimit(options) ? { limit: options } : options;
    checks ??= checksOf();
    checks.options(given, 'new Limiter(key, options)');
    checks.limit(given.limit, 'new Limiter(key, options).limit');
    const {
      limit,
      maxQueue = MAX_QUEUE,
      maxWaitMs = MAX_WAIT_MS,
      clock = monotonicClock,
      random = Math.random,
    } = own(given);
    this.key = key;
    this.#limit = limit;
    this.#clock = clock;
    this.#maxWaitMs = maxWaitMs;
    this.#turnstile = limit.open({ maxQueue, clock, random, ...hooks });
  }

  /**
   * Calls a function once the limit lets it.
   *
   * What it throws counts as its failure: a `TimeoutError`, or a code such as `ETIMEDOUT`, as a timeout; a `status`, or a
   * `response.status`, of 429 or 503 as overload; an abort as nothing. Where the time of `signal` is over (`AbortSignal.timeout`), it is
   * a timeout if the function had nearly all of it, or as long as successes take.
   *
   * @returns what the function returned.
   * @throws what the function threw; a `LimitError` where it was not called; the signal's reason when that ends the wait.
   */
  async execute<T>(
    fn: (context: { readonly signal: AbortSignal | undefined }) => T | PromiseLike<T>,
    options: LimiterExecuteOptions = {},
  ): Promise<T> {
    aFunction(fn, 'execute(fn)');
    checks?.execution(options, 'execute(options)');
    const { signal } = own(options);
    const askedAt = this.#clock.now();
    const slot = await this.enter(options);
    let ended = endedAs('neutral');
    try {
      const result = await fn({ signal });
      ended = endedAs('success');
      if (signal) this.took(this.#clock.now() - slot.startedAt);
      return result;
    } catch (error) {
      ended = endedBy(error, signal, () => this.#outOfTime(slot.startedAt, askedAt));
      throw error;
    } finally {
      slot.end(ended);
    }
  }

  /**
   * @internal A slot, as soon as the limit lets one pass: end it with what became of the attempt, or cancel it. A promise only where
   * it has to wait, which is rejected with a `LimitError` where none came in time, and with the signal's reason when that ends the
   * wait. It does not throw.
   */
  enter(options: LimiterExecuteOptions & Asking = {}): Slot | Promise<Slot> {
    const asking = own(options);
    const { signal } = asking;
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    const given = this.ask(asking);
    return given instanceof Slot ? given : this.#slotFrom(given, signal);
  }

  async #slotFrom(place: Place, signal: AbortSignal | undefined): Promise<Slot> {
    const answer = await (signal ? untilAborted(place, signal) : place.answer);
    if (answer instanceof Slot) return answer;
    throw new LimitError({ key: this.key, ...answer });
  }

  /** @internal A slot, or a place in the queue. */
  ask({ priority = 'normal', isRetry = false, maxWaitMs = this.#maxWaitMs }: Asking): Slot | Place {
    const turnstile = this.#turnstile;
    const slot = turnstile.enter();
    if (slot) return slot;
    let resolve: (given: Slot | TurnedAwayAnswer) => void = () => undefined;
    const answer = new Promise<Slot | TurnedAwayAnswer>((resolved) => {
      resolve = resolved;
    });
    const waiter: Waiter = {
      priority,
      isRetry,
      expiresAt: this.#clock.now() + maxWaitMs,
      enter: resolve,
      turnAway: (why) => resolve({ why, retryAfterMs: turnstile.heldMs }),
    };
    const isQueued = turnstile.wait(waiter);
    return { isQueued, answer, leave: () => turnstile.leave(waiter), end: () => turnstile.end(waiter) };
  }

  /** @internal This limiter for an attached instance, whatever the key. */
  limiters(options: Omit<LimitersOptions, 'limit'>): AttachedLimiters {
    const limit = this.#limit;
    return limit.limiters({ ...options, limit, only: this });
  }

  /** @internal How long no attempt can pass, ms. */
  get heldMs(): number {
    return this.#turnstile.heldMs;
  }

  /** @internal Whether nobody is in flight and nobody waits. */
  get isIdle(): boolean {
    const { inFlight, queued } = this.#turnstile;
    return inFlight === 0 && queued === 0;
  }

  /** @internal What the end of an attempt means to the limit. */
  judge(
    { hasThrown, error }: { hasThrown: boolean; error?: unknown },
    signal: AbortSignal,
    outOfTime: () => Outcome,
  ): Ended {
    return hasThrown ? endedBy(error, signal, outOfTime) : endedAs('success');
  }

  /** @internal A success of a call whose time is limited took so long, ms. */
  took(durationMs: number): void {
    this.#times.record(durationMs, this.#clock.now());
  }

  /** @internal What the slowest success of the last minute took, ms. */
  get slowestMs(): number | undefined {
    return this.#times.slowestMs(this.#clock.now());
  }

  #outOfTime(startedAt: number, askedAt: number): Outcome {
    const now = this.#clock.now();
    return outcomeOutOfTime({ attemptMs: now - startedAt, callMs: now - askedAt, slowestMs: this.slowestMs });
  }

  /** @internal Whether it can be forgotten: a new one would say the same. */
  get isAtRest(): boolean {
    return this.#turnstile.isAtRest;
  }

  /** @internal Tells the limit that the service has recovered: a circuit of it has closed again. */
  recovered(): void {
    this.#turnstile.recovered();
  }

  /** What it lets pass at present, and what it has let pass. */
  stats(): LimiterStats {
    const { limit, inFlight, queued, counts, lastError } = this.#turnstile;
    return { limit, inFlight, queued, counts, lastError };
  }
}

const isLimit = (given: Partial<LimiterOptions & Limit> | null | undefined): given is Limit =>
  typeof given?.open === 'function';

async function untilAborted(place: Place, signal: AbortSignal): Promise<Slot | TurnedAwayAnswer> {
  const { answer } = place;
  let stop = () => {};
  const aborted = new Promise<'aborted'>((resolve) => {
    const onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort);
    stop = () => signal.removeEventListener('abort', onAbort);
  });
  const given = await Promise.race([answer, aborted]).finally(() => stop());
  if (!signal.aborted && given !== 'aborted') return given;
  place.leave();
  void answer.then((late) => late instanceof Slot && late.cancel());
  throw reasonOf(signal);
}
