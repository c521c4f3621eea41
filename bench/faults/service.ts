import type { VirtualTime } from './virtual-time.js';

/** What a service is like for a while. */
export interface Condition {
  /**
   * `unavailable`: 503 at once, also to the requests it has when it goes down. `refusing`: no connection, and those it has are
   * reset. `hanging`: it takes requests, and works on once it wakes.
   */
  readonly state: 'up' | 'unavailable' | 'refusing' | 'hanging';
  /** The share of its workers that is there. */
  readonly workers: number;
  /** What the time of its work is multiplied by. */
  readonly slowness: number;
  /** The share of requests that is answered 503, after the usual work. */
  readonly failing: number;
  /** Whether its path `/bad` is answered 500, after the usual work. */
  readonly isBadPath: boolean;
  /** Each so-and-so-manieth request is refused; 0: none. */
  readonly refusesEach: number;
  /** What each answer takes longer on its way, ms. */
  readonly latencyMs: number;
  /** What its work spreads by: the sigma of a log-normal distribution; 0: evenly between 0.8 and 1.2. */
  readonly spread: number;
  /** How long the work for the path `/bad` takes, ms; 0: as for others. */
  readonly badPathMs: number;
  /** Whether it answers 503 at once where as many requests wait as there are workers. */
  readonly sheds: boolean;
}

const HEALTHY: Condition = {
  state: 'up',
  workers: 1,
  slowness: 1,
  failing: 0,
  isBadPath: false,
  refusesEach: 0,
  latencyMs: 0,
  spread: 0,
  badPathMs: 0,
  sheds: false,
};

/** A status, or what became of the connection. */
export type Reply = number | 'refused' | 'reset';

interface Request {
  readonly path: string;
  readonly reply: (reply: Reply) => void;
}

/** How long an answer takes that needs no work. */
const AT_ONCE_MS = 2;

export interface ServiceOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly workers: number;
  /** How long a worker is busy with a request, ms: evenly between 0.8 and 1.2 of it. */
  readonly workMs: number;
}

/** Workers and a queue without a bound. Work is done also for those who gave up. */
export class Service {
  #condition = HEALTHY;
  #queue: Request[] = [];
  /** Those before it in the queue are no longer there. */
  #head = 0;
  readonly #running = new Set<Request>();
  readonly #stalled = new Set<Request>();
  #requests = 0;
  readonly #options: ServiceOptions;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  become(condition: Partial<Condition>): void {
    this.#condition = { ...HEALTHY, ...condition };
    const { state } = this.#condition;
    if (state === 'unavailable') this.#drop(503);
    if (state === 'refusing') this.#drop('reset');
    if (state === 'hanging') return;
    for (const request of [...this.#stalled]) this.#finish(request);
    this.#work();
  }

  take(request: Request): void {
    const { state, refusesEach, sheds } = this.#condition;
    this.#requests++;
    const waiting = this.#queue.length - this.#head;
    const isShed = sheds && this.#running.size >= this.#capacity && waiting >= this.#capacity;
    if (state === 'refusing' || (refusesEach > 0 && this.#requests % refusesEach === 0)) this.#send(request, 'refused');
    else if (state === 'unavailable' || isShed) this.#send(request, 503);
    else {
      this.#queue.push(request);
      this.#work();
    }
  }

  get #capacity(): number {
    return Math.max(1, Math.round(this.#options.workers * this.#condition.workers));
  }

  #work(): void {
    const { time } = this.#options;
    while (this.#head < this.#queue.length && this.#running.size < this.#capacity) {
      const request = this.#queue[this.#head++] as Request;
      this.#running.add(request);
      time.after(this.#workMs(request), () => {
        if (!this.#running.has(request)) return;
        if (this.#condition.state === 'hanging') this.#stalled.add(request);
        else this.#finish(request);
      });
    }
    if (this.#head > 1_000) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  #workMs({ path }: Request): number {
    const { random, workMs } = this.#options;
    const { slowness, spread, badPathMs } = this.#condition;
    const usualMs = badPathMs > 0 && path.startsWith('/bad') ? badPathMs : workMs * slowness;
    if (spread === 0) return usualMs * (0.8 + 0.4 * random());
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return usualMs * Math.exp(spread * normal - (spread * spread) / 2);
  }

  #finish(request: Request): void {
    const { failing, isBadPath } = this.#condition;
    this.#running.delete(request);
    this.#stalled.delete(request);
    const isBad = isBadPath && request.path.startsWith('/bad');
    const reply = isBad ? 500 : failing > 0 && this.#options.random() < failing ? 503 : 200;
    this.#send(request, reply);
    this.#work();
  }

  #drop(reply: Reply): void {
    for (const request of [...this.#running, ...this.#queue.slice(this.#head)]) this.#send(request, reply);
    this.#running.clear();
    this.#stalled.clear();
    this.#queue = [];
    this.#head = 0;
  }

  #send({ reply: hear }: Request, reply: Reply): void {
    this.#options.time.after(AT_ONCE_MS + this.#condition.latencyMs, () => hear(reply));
  }
}
