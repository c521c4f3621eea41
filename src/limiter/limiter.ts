import { type Clock, monotonicClock } from '../clock.js';
import { reasonOf, throwIfAborted } from '../abort.js';
import { isAbort, isLimitError, LimitError, rejectedKeyOf, type TurnedAway } from '../errors.js';
import { aFunction, anInteger, type Rule as Check, milliseconds, oneOf, options as optionsOf, withMethods } from '../validation.js';
import type { Limit } from './limit.js';
import { limitedReason } from './reason.js';
import { type Ended, type LimiterCounts, Slot, type Turnstile, type Waiter } from './turnstile.js';
import { PRIORITIES, type Priority } from './waiting-line.js';

/** How a limiter lets attempts wait. */
export interface LimiterOptions {
  /** What it goes by: `adaptiveLimit()`, `concurrencyLimit(n)`, `rateLimit({ … })` or `customLimit(…)`. */
  limit: Limit;
  /**
   * How many may wait, an integer >= 0. Beyond that whoever stands last is rejected.
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

/** How one function is run behind a limiter. */
export interface LimiterExecuteOptions {
  /** Ends the wait at once, with its reason. */
  signal?: AbortSignal | undefined;
  /**
   * Who is served first, and goes over board last.
   * @default 'normal'
   */
  priority?: Priority | undefined;
  /** How long this one may wait, ms >= 0. */
  maxWaitMs?: number | undefined;
}

/** A limiter as it is at one moment. */
export interface LimiterStats {
  /** How many may be in flight, perhaps below 1; `undefined` for a limit that is not by concurrency. */
  readonly limit: number | undefined;
  readonly inFlight: number;
  /** How many wait. */
  readonly queued: number;
  readonly counts: LimiterCounts;
  /** What a rule of your own threw last; it let the attempt pass. */
  readonly lastError: unknown;
}

/** Who asks for a slot. */
export interface Asking {
  readonly priority?: Priority | undefined;
  readonly isRetry?: boolean;
  readonly maxWaitMs?: number | undefined;
}

/** What a limiter answers when it let nobody pass. */
export interface TurnedAwayAnswer {
  readonly why: TurnedAway;
  readonly retryAfterMs: number;
}

/** A place in the queue. */
export interface Place {
  /** Never rejects. */
  readonly answer: Promise<Slot | TurnedAwayAnswer>;
  /** Leaves the queue; a slot that was given already has to be cancelled. */
  leave(): void;
}

const MAX_WAIT_MS = 10_000;
const MAX_QUEUE = 1_000;

export const aLimit: Check = withMethods('a limit, such as adaptiveLimit()', 'open');
export const aPriority = oneOf(...PRIORITIES);

export const LIMITER_RULES = { limit: aLimit, maxQueue: anInteger(0), maxWaitMs: milliseconds(0, Number.POSITIVE_INFINITY) };

const check = optionsOf({
  ...LIMITER_RULES,
  clock: withMethods('a clock with a method now()', 'now'),
  random: aFunction,
});

const checkExecution = optionsOf({
  signal: withMethods('an AbortSignal', 'addEventListener'),
  priority: aPriority,
  maxWaitMs: LIMITER_RULES.maxWaitMs,
});

/** Holds back what a service could not take, for what is not axios as for what is. */
export class Limiter {
  /** Names it in errors. */
  readonly key: string;
  readonly #turnstile: Turnstile;
  readonly #clock: Clock;
  readonly #maxWaitMs: number;

  /**
   * @param options The limit alone is short for `{ limit }`.
   * @throws a `TypeError` or `RangeError` that names a bad option.
   */
  constructor(key: string, options: LimiterOptions | Limit) {
    const given = 'open' in options ? { limit: options } : options;
    check(given, 'new Limiter(key, options)');
    aLimit(given.limit, 'new Limiter(key, options).limit');
    const { limit, maxQueue = MAX_QUEUE, maxWaitMs = MAX_WAIT_MS, clock = monotonicClock, random = Math.random } = given;
    this.key = key;
    this.#clock = clock;
    this.#maxWaitMs = maxWaitMs;
    this.#turnstile = limit.open({ maxQueue, clock, random });
  }

  /**
   * Calls a function once the limit lets it.
   *
   * What it throws counts as its failure: a `TimeoutError`, or a code such as `ETIMEDOUT`, as a timeout; a `status`, or a
   * `response.status`, of 429 or 503 as overload; an abort as nothing.
   *
   * @returns what the function returned.
   * @throws what the function threw; a `LimitError` where it was not called; the signal's reason when that ends the wait.
   */
  async execute<T>(
    fn: (context: { readonly signal: AbortSignal | undefined }) => T | PromiseLike<T>,
    options: LimiterExecuteOptions = {},
  ): Promise<T> {
    aFunction(fn, 'execute(fn)');
    checkExecution(options, 'execute(options)');
    const slot = await this.acquire(options);
    const { signal } = options;
    let ended: Ended = { outcome: 'neutral' };
    try {
      const result = await fn({ signal });
      ended = { outcome: 'success' };
      return result;
    } catch (error) {
      ended = endedBy(error, signal);
      throw error;
    } finally {
      slot.end(ended);
    }
  }

  /**
   * A slot, as soon as the limit lets one pass: end it with what became of the attempt, or cancel it.
   *
   * @throws a `LimitError` where none came in time; the signal's reason when that ends the wait.
   */
  async acquire({ signal, ...asking }: LimiterExecuteOptions & Asking = {}): Promise<Slot> {
    throwIfAborted(signal);
    const given = this.ask(asking);
    if (given instanceof Slot) return given;
    const answer = await (signal ? untilAborted(given, signal) : given.answer);
    if (answer instanceof Slot) return answer;
    throw new LimitError({ key: this.key, ...answer });
  }

  /** A slot, or a place in the queue. */
  ask({ priority = 'normal', isRetry = false, maxWaitMs = this.#maxWaitMs }: Asking): Slot | Place {
    const turnstile = this.#turnstile;
    const slot = turnstile.enter();
    if (slot) return slot;
    let leave = () => {};
    const answer = new Promise<Slot | TurnedAwayAnswer>((resolve) => {
      const waiter: Waiter = {
        priority,
        isRetry,
        expiresAt: this.#clock.now() + maxWaitMs,
        enter: resolve,
        turnAway: (why) => resolve({ why, retryAfterMs: turnstile.heldMs }),
      };
      leave = () => turnstile.leave(waiter);
      turnstile.wait(waiter);
    });
    return { answer, leave };
  }

  /** What it lets pass at present, and what it has let pass. */
  stats(): LimiterStats {
    const { limit, inFlight, queued, counts, lastError } = this.#turnstile;
    return { limit, inFlight, queued, counts, lastError };
  }
}

async function untilAborted({ answer, leave }: Place, signal: AbortSignal): Promise<Slot | TurnedAwayAnswer> {
  let stop = () => {};
  const aborted = new Promise<'aborted'>((resolve) => {
    const onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort);
    stop = () => signal.removeEventListener('abort', onAbort);
  });
  const given = await Promise.race([answer, aborted]).finally(() => stop());
  if (!signal.aborted && given !== 'aborted') return given;
  leave();
  void answer.then((late) => late instanceof Slot && late.cancel());
  throw reasonOf(signal);
}

function endedBy(error: unknown, signal: AbortSignal | undefined): Ended {
  if (signal?.aborted || isAbort(error) || isLimitError(error) || rejectedKeyOf(error) !== undefined) return { outcome: 'neutral' };
  const { code, name, status, response } = (error ?? {}) as Record<string, unknown>;
  const { status: answered = status, headers } = (response ?? {}) as { status?: unknown; headers?: HeadersLike };
  return {
    outcome: 'failure',
    reason: limitedReason(answered, code, name),
    status: typeof answered === 'number' ? answered : undefined,
    header: headers && ((header) => (typeof headers.get === 'function' ? headers.get(header) : headers[header])),
  };
}

/** An `AxiosHeaders`, a `Headers` of fetch, or an object with names in lower case. */
interface HeadersLike {
  readonly get?: unknown;
  readonly [name: string]: unknown;
}
