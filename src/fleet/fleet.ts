import type { Fleet, LinkedCircuit } from '../circuit/link.js';
import { MAX_TIMER_MS } from '../clock.js';
import type { Emitter, NewEvent } from '../emitter.js';
import { aFunction, anInteger, milliseconds, oneOf, options, own, withMethods } from '../validation.js';
import { Health, unref } from './health.js';
import { Lane } from './lane.js';
import { Link, type LinkContext } from './link.js';
import type { CircuitStore, StoreListener } from './store.js';

/** How circuits are shared. */
export interface FleetOptions {
  /**
   * `counts`: failures in any process count for all, for the detectors `consecutiveFailures`, `failuresInWindow` and
   * `failureRateInWindow`. `state`: each process judges by its own outcomes, and what is shared is that it tripped; so it is
   * for all other detectors in any case.
   * @default 'counts'
   */
  share?: 'counts' | 'state' | undefined;
  /**
   * How long outcomes are gathered before they are reported, ms from 1 to 2_147_483_647. The first failure after a quiet second and one that
   * trips do not wait.
   * @default 25
   */
  lingerMs?: number | undefined;
  /**
   * How long the store may take to answer, ms from 1 to 2_147_483_647. Only the first call after a cooldown ever waits for it. After three
   * misses in succession each process decides by itself, until the store answers again.
   * @default 50
   */
  commandTimeoutMs?: number | undefined;
  /**
   * How often circuits in use are read, ms from 100 to 2_147_483_647: the bound on how long a lost message goes unnoticed.
   * @default 5_000
   */
  resyncMs?: number | undefined;
  /**
   * How many processes have to report failures before the circuit opens for all; an integer >= 1. With 1, a single ill
   * process can stop the fleet. A process that trips by itself opens for itself in any case.
   * @default 1
   */
  quorum?: number | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

/** Circuits that are read at a time, so that those at the end have an answer within their deadline, too. */
const READS_AT_A_TIME = 16;

const aDuration = milliseconds(1, MAX_TIMER_MS);

export const FLEET_RULES = {
  share: oneOf('counts', 'state'),
  lingerMs: aDuration,
  commandTimeoutMs: aDuration,
  resyncMs: milliseconds(100, MAX_TIMER_MS),
  quorum: anInteger(1),
  random: aFunction,
};

const checkStore = withMethods(
  'a CircuitStore with read, report, acquire, settle and force',
  'read',
  'report',
  'acquire',
  'settle',
  'force',
);
const checkOptions = options(FLEET_RULES);

/**
 * Shares circuits over a store: `attach(api, { breaker: { store: fleet(myStore) } })`. For Redis and Valkey there is
 * `redisStore` in `axios-resilience/redis`, which is this with a store of its own.
 *
 * @throws a `TypeError` or `RangeError` that names the option.
 */
export function fleet(store: CircuitStore, given: FleetOptions = {}): Fleet {
  checkStore(store, 'fleet(store)');
  checkOptions(given, 'fleet(options)');
  return new StoreFleet(store, own(given));
}

class StoreFleet implements Fleet {
  readonly #links = new Map<string, Set<Link>>();
  readonly #store: CircuitStore;
  readonly #health: Health;
  readonly #context: LinkContext;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #waiting = new Set<() => void>();
  readonly #listener: StoreListener;
  #isSubscribed: boolean;
  #isSubscribing = false;
  #probes = 0;
  #closed: Promise<void> | undefined;

  constructor(store: CircuitStore, given: FleetOptions) {
    const { share = 'counts', lingerMs = 25, commandTimeoutMs = 50, resyncMs = 5_000, quorum = 1 } = given;
    this.#store = store;
    this.#isSubscribed = store.subscribe === undefined;
    this.#health = new Health({
      commandTimeoutMs,
      random: given.random ?? Math.random,
      probe: () => this.#question(),
      degraded: (error) => this.#emit({ type: 'storeDegraded', key: '', error }),
      recovered: (degradedMs) => {
        this.#emit({ type: 'storeRecovered', key: '', degradedMs });
        for (const link of this.#all()) link.recovered();
        void this.#resync();
      },
    });
    let count = 0;
    this.#context = {
      store,
      health: this.#health,
      reads: new Lane(READS_AT_A_TIME),
      reporter: Math.random().toString(36).slice(2, 12).padEnd(10, '0'),
      share,
      lingerMs,
      quorum,
      commandTimeoutMs,
      next: () => ++count,
      leave: (link) => this.#leave(link),
    };
    this.#listener = {
      changed: (key, view) => {
        for (const link of this.#links.get(key) ?? []) link.hear(view);
      },
      resumed: () => {
        this.#isSubscribed = true;
        this.#health.retry();
        void this.#resync();
      },
      interrupted: () => {
        this.#isSubscribed = false;
      },
    };
    this.#timer = unref(setInterval(() => this.#tick(), resyncMs));
    void this.#subscribe();
  }

  link(circuit: LinkedCircuit): Link {
    const link = new Link(circuit, this.#context);
    const { key } = circuit;
    const namesakes = this.#links.get(key) ?? new Set();
    this.#links.set(key, namesakes.add(link));
    if (this.#closed) link.close();
    else void link.read().then(() => this.#tellWaiting());
    return link;
  }

  ready(timeoutMs = 5_000): Promise<boolean> {
    if (this.#isReady || this.#closed) return Promise.resolve(this.#isReady);
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve(this.#isReady);
      };
      const timer = setTimeout(end, timeoutMs);
      this.#waiting.add(end);
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    this.#health.close();
    for (const link of [...this.#all()]) link.close();
    for (const end of [...this.#waiting]) end();
    await this.#store.close?.();
  }

  #leave(link: Link): void {
    const { key } = link.circuit;
    const namesakes = this.#links.get(key);
    namesakes?.delete(link);
    if (namesakes?.size === 0) this.#links.delete(key);
  }

  *#all(): Generator<Link, undefined> {
    for (const namesakes of this.#links.values()) yield* namesakes;
  }

  #emit(event: NewEvent): void {
    const receivers = new Set<Emitter>();
    for (const { circuit } of this.#all()) receivers.add(circuit.events);
    for (const events of receivers) events.emit(event);
  }

  #tick(): void {
    void this.#subscribe();
    void this.#read((link) => link.takeUse());
  }

  /** Asks for messages, unless that was done with success. */
  async #subscribe(): Promise<void> {
    if (this.#isSubscribing) return;
    this.#isSubscribing = true;
    try {
      await this.#store.subscribe?.(this.#listener);
    } catch {
      this.#isSubscribing = false;
    }
  }

  /** Another circuit each time: the store may be unable to serve one, and well otherwise. */
  #question(): () => Promise<unknown> {
    const keys = [...this.#links.keys()];
    const key = keys[this.#probes++ % keys.length] ?? '';
    return () => this.#store.read(key);
  }

  /** Messages may have been missed: all circuits are read. */
  async #resync(): Promise<void> {
    const circuits = await this.#read(() => true);
    if (circuits > 0) this.#emit({ type: 'resync', key: '', circuits });
  }

  async #read(isWanted: (link: Link) => boolean): Promise<number> {
    if (this.#health.isDegraded) return 0;
    const links = [...this.#all()].filter(isWanted);
    await Promise.all(links.map((link) => link.read()));
    this.#tellWaiting();
    return links.length;
  }

  get #isReady(): boolean {
    return this.#isSubscribed && !this.#health.isDegraded && [...this.#all()].every(({ live }) => live);
  }

  #tellWaiting(): void {
    if (this.#isReady) for (const end of [...this.#waiting]) end();
  }
}
