import { randomOf } from '../soak/random.js';
import { EventHeap } from './event-heap.js';

type Run = () => void;

/** What `setTimeout` returns, as far as packages use it. */
class Timer {
  at = 0;
  order = 0;
  isOver = false;

  constructor(
    readonly run: Run,
    readonly delayMs: number,
    readonly repeats: boolean,
  ) {}

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

/** The moment at which every simulation begins: 2026-01-01, ms since the epoch. */
const EPOCH = 1_767_225_600_000;

const MAX_TIMER_MS = 2_147_483_647;

/** Between two immediates Node runs microtasks to their end, as it does between two timers. So many are asked for at a time. */
const AT_A_TIME = 64;

/** As in Node: whole milliseconds, and 1 in place of what is too long or no number. */
const timerDelay = (delayMs: unknown): number => {
  const whole = Math.trunc(Number(delayMs));
  return whole >= 1 && whole <= MAX_TIMER_MS ? whole : 1;
};

/** A clock that stands still while code runs, and leaps to the next timer when nothing is left to run. */
export class VirtualTime {
  #now = 0;
  #count = 0;
  #timers = new EventHeap<Timer>();
  #random = randomOf(0);
  #blockedUntil = 0;

  /** Milliseconds since the beginning of the simulation. */
  get now(): number {
    return this.#now;
  }

  /** Begins anew: no timers, and random numbers that are the same again for the same seed. */
  restart(seed: number): void {
    this.#now = 0;
    this.#count = 0;
    this.#blockedUntil = 0;
    this.#timers = new EventHeap();
    this.#random = randomOf(seed);
  }

  /** The event loop of the callers stands still: what is due for them comes at its end, timers before answers as in Node. */
  block(forMs: number): void {
    this.#blockedUntil = this.#now + forMs;
  }

  /** Something of the callers: not while they are blocked. */
  forCallers(run: Run, isTimer = false): Run {
    const whenFree = () => {
      const leftMs = this.#blockedUntil - this.#now;
      if (leftMs > 0) this.after(leftMs + (isTimer ? 0 : 0.001), whenFree);
      else run();
    };
    return whenFree;
  }

  random(): number {
    return this.#random();
  }

  after(delayMs: number, run: Run): Timer {
    return this.#start(new Timer(run, delayMs, false));
  }

  /** A timer of the callers. */
  callersTimer(delayMs: number, run: Run): Timer {
    const timer: Timer = this.after(
      delayMs,
      this.forCallers(() => {
        if (!timer.isOver) run();
      }, true),
    );
    return timer;
  }

  every(delayMs: number, run: Run): Timer {
    return this.#start(new Timer(run, delayMs, true));
  }

  /** Runs what is due until then, in the order of time; the clock then shows that moment. */
  runUntil(endMs: number): Promise<void> {
    const { promise, resolve, reject } = promiseWithResolvers();
    let isOver = false;
    const step = () => {
      if (isOver) return;
      const timer = this.#takeUntil(endMs);
      this.#now = timer?.at ?? endMs;
      isOver = timer === undefined;
      if (timer === undefined) resolve();
      else
        try {
          timer.run();
          if (timer.repeats && !timer.isOver) this.#start(timer);
        } catch (error) {
          isOver = true;
          reject(error);
        }
    };
    const steps = () => {
      for (let count = 0; count < AT_A_TIME; count++) nextTurn(step);
      nextTurn(() => {
        if (!isOver) steps();
      });
    };
    steps();
    return promise;
  }

  #start(timer: Timer): Timer {
    timer.at = this.#now + timer.delayMs;
    timer.order = this.#count++;
    this.#timers.add(timer);
    return timer;
  }

  #takeUntil(endMs: number): Timer | undefined {
    for (;;) {
      const { next } = this.#timers;
      if (next === undefined || next.at > endMs) return undefined;
      this.#timers.take();
      if (!next.isOver) return next;
    }
  }
}

const nextTurn = setImmediate;

function promiseWithResolvers(): { promise: Promise<void>; resolve: Run; reject: (error: unknown) => void } {
  let resolve: Run = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((onEnd, onError) => {
    resolve = onEnd;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/**
 * Replaces timers, clocks and `Math.random` of this process for good. To be called before the packages are loaded that are to
 * live in it, since some keep the functions that they find then.
 */
export function installVirtualTime(): VirtualTime {
  const time = new VirtualTime();
  const clear = (timer: unknown) => {
    if (timer instanceof Timer) timer.isOver = true;
  };
  const now = () => Math.floor(EPOCH + time.now);
  class VirtualDate extends Date {
    constructor(...given: [] | [number]) {
      super(...(given.length === 0 ? ([now()] as [number]) : given));
    }

    static override now(): number {
      return now();
    }
  }
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: (run: (...given: unknown[]) => void, delayMs?: unknown, ...given: unknown[]) =>
      time.callersTimer(timerDelay(delayMs), () => run(...given)),
    setInterval: (run: (...given: unknown[]) => void, delayMs?: unknown, ...given: unknown[]) =>
      time.every(timerDelay(delayMs), () => run(...given)),
    clearTimeout: clear,
    clearInterval: clear,
  });
  Object.defineProperty(performance, 'now', { value: () => time.now });
  Math.random = () => time.random();
  return time;
}
