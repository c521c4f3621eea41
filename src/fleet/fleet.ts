import type { OwnCircuit, SharedStore } from '../circuit/link.js';
import type { Emitter, NewEvent } from '../emitter.js';
import { options, own, withMethods } from '../validation.js';
import { unref } from './deadline.js';
import { Health } from './health.js';
import { Hearing } from './hearing.js';
import { Lane } from './lane.js';
import { Link, type LinkContext } from './link.js';
import { linked } from './linked-circuit.js';
import { FLEET_RULES, type SharedStoreOptions } from './options.js';
import { Pace } from './pace.js';
import type { StoreEngine } from './store.js';

/** How long the other processes have to tell their successes; where messages do not arrive, that long after a resync. */
const GATHER_MS = 250;
const LONGEST_GATHER_MS = 60_000;
/** How many new circuits are read at once, and a second, where others have been dropped: the registry is too small for its keys. */
const FIRST_READS = { burst: 64, perSecond: 20 };
/** Circuits that are read at a time, so that those at the end have an answer within their deadline, too. */
const READS_AT_A_TIME = 16;

const checkStore = withMethods(
  'a StoreEngine with read, report, acquire, settle and force',
  'read',
  'report',
  'acquire',
  'settle',
  'force',
);
const checkOptions = options(FLEET_RULES);

/**
 * Shares circuits over a store: `attach(api, { breaker: { store: sharedStore(myEngine) } })`. For Redis and Valkey there is
 * `redisStore` in `axios-resilience/redis`, which is this with a store of its own.
 *
 * @throws a `TypeError` or `RangeError` that names the option.
 */
export function sharedStore(store: StoreEngine, given: SharedStoreOptions = {}): SharedStore {
  checkStore(store, 'sharedStore(engine)');
  checkOptions(given, 'sharedStore(options)');
  return new StoreFleet(store, own(given));
}

class StoreFleet implements SharedStore {
  readonly #links = new Map<string, Set<Link>>();
  readonly #store: StoreEngine;
  readonly #health: Health;
  readonly #context: LinkContext;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #firstReads = new Pace(FIRST_READS.burst, FIRST_READS.perSecond);
  readonly #waiting = new Set<() => void>();
  readonly #hearing: Hearing;
  #hasDropped = false;
  #probes = 0;
  #closed: Promise<void> | undefined;

  constructor(store: StoreEngine, given: SharedStoreOptions) {
    const { share = 'counts', lingerMs = 25, commandTimeoutMs = 50, resyncMs = 5_000, quorum = 1 } = given;
    this.#store = store;
    this.#health = new Health({
      commandTimeoutMs,
      random: given.random ?? Math.random,
      otherKey: (key) => this.#otherKey(key),
      prove: (key) => store.prove?.(key) ?? store.read(key),
      degraded: (key, error) => this.#emit({ type: 'store', status: 'degraded', key: key || null, error }),
      recovered: (key, degradedMs) => {
        this.#emit({ type: 'store', status: 'recovered', key: key || null, degradedMs });
        for (const link of key === '' ? this.#all() : (this.#links.get(key) ?? [])) link.recovered();
        void (key === '' ? this.#resync() : this.#read((link) => link.circuit.key === key));
      },
    });
    let count = 0;
    const reporter = Math.random().toString(36).slice(2, 12).padEnd(10, '0');
    const isListening = () => this.#hearing.isListening;
    this.#context = {
      store,
      health: this.#health,
      reads: new Lane(READS_AT_A_TIME),
      reporter,
      name: given.name ?? reporter,
      share,
      lingerMs,
      quorum,
      commandTimeoutMs,
      random: given.random ?? Math.random,
      get gatherMs() {
        return isListening() ? GATHER_MS : Math.min(LONGEST_GATHER_MS, resyncMs + GATHER_MS);
      },
      get isSubscribed() {
        return isListening();
      },
      next: () => ++count,
      leave: (link) => this.#leave(link),
      muted: () => this.#hearing.mute(),
    };
    this.#hearing = new Hearing(store, {
      changed: (key, view) => {
        for (const link of this.#links.get(key) ?? []) link.hear(view);
      },
      resumed: () => {
        this.#health.retry();
        void this.#resync();
      },
      tell: (event) => this.#emit(event),
    });
    this.#timer = unref(setInterval(() => this.#tick(), resyncMs));
    void this.#hearing.begin();
  }

  link(key: string, circuit: OwnCircuit, events: Emitter): Link {
    const link = new Link(linked(key, circuit, events), this.#context);
    const namesakes = this.#links.get(key) ?? new Set();
    this.#links.set(key, namesakes.add(link));
    this.#announceFault(link);
    if (this.#closed) link.close();
    else if (!this.#hasDropped || this.#firstReads.take()) void link.read().then(() => this.#tellWaiting());
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
    this.#hearing.end();
    this.#health.close();
    for (const link of [...this.#all()]) link.close();
    for (const end of [...this.#waiting]) end();
    await this.#store.close?.();
  }

  #leave(link: Link): void {
    const { key } = link.circuit;
    const namesakes = this.#links.get(key);
    this.#hasDropped = true;
    namesakes?.delete(link);
    if (namesakes?.size !== 0) return;
    this.#links.delete(key);
    this.#health.forget(key);
  }

  *#all(): Generator<Link, undefined> {
    for (const namesakes of this.#links.values()) yield* namesakes;
  }

  /** Whoever comes while messages do not arrive is told as well. */
  #announceFault({ circuit }: Link): void {
    const { fault } = this.#hearing;
    if (!fault || this.#closed) return;
    const namesakes = [...this.#all()].filter((link) => link.circuit.events === circuit.events);
    if (namesakes.length === 1) circuit.events.emit(fault);
  }

  #emit(event: NewEvent): void {
    const receivers = new Set<Emitter>();
    for (const { circuit } of this.#all()) receivers.add(circuit.events);
    for (const events of receivers) events.emit(event);
  }

  #tick(): void {
    void this.#hearing.begin();
    void this.#read((link) => link.takeUse());
  }

  /** Another circuit each time: the store may be unable to serve one, and well otherwise. */
  #otherKey(given?: string): string | undefined {
    const keys = [...this.#links.keys()].filter((key) => key !== given);
    return keys[this.#probes++ % keys.length];
  }

  /** Messages may have been missed: all circuits are read. */
  async #resync(): Promise<void> {
    const circuits = await this.#read(() => true);
    if (circuits > 0) this.#emit({ type: 'store', status: 'resync', key: null, circuits });
  }

  async #read(isWanted: (link: Link) => boolean): Promise<number> {
    if (this.#health.isDegraded) return 0;
    const links = [...this.#all()].filter(isWanted);
    await Promise.all(links.map((link) => link.read()));
    this.#tellWaiting();
    return links.length;
  }

  get #isReady(): boolean {
    return this.#hearing.isSubscribed && !this.#health.isDegraded && [...this.#all()].every(({ live }) => live);
  }

  #tellWaiting(): void {
    if (this.#isReady) for (const end of [...this.#waiting]) end();
  }
}
