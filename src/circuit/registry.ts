import type { Clock } from '../clock.js';
import { type AnyListener, Emitter, type EventName, REGISTRY_EVENTS } from '../emitter.js';
import type { RegistryEvents, Sink } from '../events.js';
import { aFunction, checkListener, options, own } from '../validation.js';
import { CircuitBreaker } from './breaker.js';
import type { CircuitSnapshot, RegistrySnapshot } from './contract.js';
import {
  aClock,
  aMode,
  type BreakerMode,
  type BreakerRegistryOptions,
  CIRCUIT_DEFAULTS,
  type CircuitBreakerOptions,
  type CircuitPolicy,
  circuitPolicy,
  REGISTRY_RULES,
} from './options.js';
import { unknownSnapshot } from './report.js';
import { Victims } from './victims.js';

const checkRegistry = options({ ...REGISTRY_RULES, clock: aClock, random: aFunction });

/** What can be changed of a registry while calls are under way. */
export type RegistryUpdate = Omit<BreakerRegistryOptions, 'clock' | 'store' | 'perKey'>;

const fixed = 'given to the constructor alone';

const checkUpdate = options({ ...REGISTRY_RULES, clock: fixed, store: fixed, perKey: fixed });

/** The circuit breakers of one or more axios instances, by key. Bounded: see `maxBreakers`. */
export class BreakerRegistry implements Iterable<CircuitBreaker> {
  /** In the order of use: the least recently used first. */
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #events = new Emitter();
  #policy: CircuitPolicy;
  #maxBreakers: number;
  readonly #perKey: BreakerRegistryOptions['perKey'];
  /** What `perKey` said of the breakers that it knows. */
  readonly #own = new WeakMap<CircuitBreaker, CircuitBreakerOptions>();
  readonly #victims = new Victims();
  /** Whether all are to observe, whatever `perKey` say. */
  #isObserving = false;
  #latest: CircuitBreaker | undefined;

  /** @throws a `TypeError` or `RangeError` that names the option. */
  constructor(given: BreakerRegistryOptions = {}) {
    checkRegistry(given, '');
    const { maxBreakers = CIRCUIT_DEFAULTS.maxBreakers, perKey, ...circuit } = own(given);
    this.#policy = circuitPolicy(circuit);
    this.#maxBreakers = maxBreakers;
    this.#perKey = perKey;
  }

  /** The time source of its circuits. */
  get clock(): Clock {
    return this.#policy.clock;
  }

  /** How many breakers there are. */
  get size(): number {
    return this.#breakers.size;
  }

  /**
   * Sets the mode of all breakers, also of those made later. `observe` goes for all; with `enforce` those go on observing that
   * `perKey` have put on `observe`.
   */
  setMode(mode: BreakerMode): void {
    aMode(mode, 'mode');
    this.#policy = { ...this.#policy, mode };
    this.#isObserving = mode === 'observe';
    for (const breaker of this) {
      const policy = this.#policyOf(breaker.key, this.#own.get(breaker));
      breaker.update(policy);
      breaker.mode = policy.mode;
    }
  }

  /**
   * Changes options for all circuits, those that there are and those made later; what `perKey` say goes before. Cooldowns
   * and probes under way stay as they are, and so does what a detector has counted, where the new one is of the same kind:
   * otherwise it begins anew. `clock`, `store` and `perKey` cannot be changed.
   *
   * @throws a `TypeError` or `RangeError` that names the option; then nothing has changed.
   */
  update(given: RegistryUpdate): void {
    checkUpdate(given, 'update(options)');
    const { maxBreakers = this.#maxBreakers, mode, ...circuit } = own(given);
    this.#policy = circuitPolicy(circuit, 'update(options)', this.#policy);
    this.#maxBreakers = maxBreakers;
    for (const breaker of this) breaker.update(this.#policyOf(breaker.key, this.#own.get(breaker)));
    if (mode !== undefined) this.setMode(mode);
    this.#evict();
  }

  /** Drops the breaker of the key; whether there was one. It begins anew when it is next asked for. */
  delete(key: string): boolean {
    const breaker = this.#breakers.get(key);
    if (breaker) this.#drop(breaker);
    return breaker !== undefined;
  }

  /** Drops all breakers, e.g. between tests. */
  clear(): void {
    for (const breaker of [...this]) this.#drop(breaker);
  }

  /** The breaker of the key, if there is one. Looking does not count as use. */
  get(key: string): CircuitBreaker | undefined {
    return this.#latest?.key === key ? this.#latest : this.#breakers.get(key);
  }

  /** The breaker of the key, made if there is none yet. */
  ensure(key: string): CircuitBreaker {
    if (this.#latest && this.#latest.key === key) return this.#latest;
    const known = this.#breakers.get(key);
    const breaker = known ?? this.#make(key);
    this.#breakers.delete(key);
    this.#breakers.set(key, breaker);
    this.#latest = breaker;
    this.#victims.forget(breaker);
    if (!known) this.#events.emit({ type: 'breakerAdded', key, state: 'closed' });
    if (this.size > this.#maxBreakers) this.#evict();
    return breaker;
  }

  [Symbol.iterator](): Iterator<CircuitBreaker> {
    return this.#breakers.values();
  }

  /** Adds a listener for the events of all breakers; the returned function takes it out. */
  on<Type extends keyof RegistryEvents>(type: Type, listener: (event: RegistryEvents[Type]) => void): () => void;
  /** Adds a receiver of all of them. */
  on(type: '*', sink: Sink): () => void;
  on(type: EventName, listener: AnyListener): () => void {
    checkListener(REGISTRY_EVENTS, type, listener);
    return this.#events.on(type, listener);
  }

  /** @internal As `on` with `*`. */
  pipe(sink: Sink): () => void {
    return this.#events.pipe(sink);
  }

  /** All circuits as plain data, the least recently used first. */
  snapshot(): RegistrySnapshot {
    return { version: 1, breakers: Array.from(this, (breaker) => breaker.snapshot()) };
  }

  /**
   * Takes over a snapshot: each circuit in it is made if there is none yet. One of an unknown version is ignored, with a
   * `callbackError` of source `restore`.
   */
  restore(snapshot: RegistrySnapshot): void {
    const { version, breakers } = Object(snapshot) as { version?: unknown; breakers?: unknown };
    const isKnown = version === 1 && Array.isArray(breakers);
    for (const saved of (isKnown ? breakers : [snapshot]) as (CircuitSnapshot | null)[]) {
      if (isKnown && typeof saved?.key === 'string') this.ensure(saved.key).restore(saved);
      else this.#events.complain(null, 'restore', unknownSnapshot(saved));
    }
  }

  #make(key: string): CircuitBreaker {
    const own = this.#perKey?.(key);
    const breaker = new CircuitBreaker(key, undefined, { policy: this.#policyOf(key, own), events: this.#events });
    if (own) this.#own.set(breaker, own);
    return breaker;
  }

  #policyOf(key: string, own: CircuitBreakerOptions | undefined): CircuitPolicy {
    if (!own) return this.#policy;
    const policy = circuitPolicy(own, `perKey("${key}")`, this.#policy);
    return this.#isObserving ? { ...policy, mode: 'observe' } : policy;
  }

  /** Drops what is too much: those that would lose the least, and of those the least recently used. */
  #evict(): void {
    while (this.size > this.#maxBreakers) {
      const victim = this.#victims.next(this.#breakers, this.#latest);
      if (!victim) return;
      this.#drop(victim);
    }
  }

  #drop(breaker: CircuitBreaker): void {
    const { key, state } = breaker;
    const byHand = breaker.isSetByHand;
    this.#breakers.delete(key);
    this.#victims.forget(breaker);
    if (this.#latest === breaker) this.#latest = undefined;
    breaker.leave();
    this.#events.emit({ type: 'breakerRemoved', key, state, byHand });
  }
}
