import type { Clock } from '../clock.js';
import { Emitter } from '../emitter.js';
import type { EventOf, EventType, Sink } from '../events.js';
import { aFunction, options, unexpected } from '../validation.js';
import { CircuitBreaker } from './breaker.js';
import type { CircuitSnapshot, RegistrySnapshot } from './contract.js';
import {
  aClock,
  aMode,
  type BreakerMode,
  type BreakerRegistryOptions,
  CIRCUIT_DEFAULTS,
  type CircuitPolicy,
  circuitPolicy,
  REGISTRY_RULES,
} from './options.js';

const checkRegistry = options({ ...REGISTRY_RULES, clock: aClock, random: aFunction });

/** The circuit breakers of one or more axios instances, by key. Bounded: see `maxBreakers`. */
export class BreakerRegistry implements Iterable<CircuitBreaker> {
  /** The time source of its circuits. */
  readonly clock: Clock;
  /** In the order of use: the least recently used first. */
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #events = new Emitter();
  readonly #policy: CircuitPolicy;
  readonly #maxBreakers: number;
  readonly #overrides: BreakerRegistryOptions['overrides'];
  #mode: BreakerMode | undefined;
  #latest: CircuitBreaker | undefined;

  /** @throws a `TypeError` or `RangeError` that names the option. */
  constructor(given: BreakerRegistryOptions = {}) {
    checkRegistry(given, '');
    const { maxBreakers = CIRCUIT_DEFAULTS.maxBreakers, overrides, ...circuit } = given;
    this.#policy = circuitPolicy(circuit);
    this.clock = this.#policy.clock;
    this.#maxBreakers = maxBreakers;
    this.#overrides = overrides;
  }

  /** How many breakers there are. */
  get size(): number {
    return this.#breakers.size;
  }

  /** Sets the mode of all breakers, also of those made later. */
  setMode(mode: BreakerMode): void {
    aMode(mode, 'mode');
    this.#mode = mode;
    for (const breaker of this) breaker.mode = mode;
  }

  /** The breaker of the key, if there is one. Looking does not count as use. */
  get(key: string): CircuitBreaker | undefined {
    return this.#breakers.get(key);
  }

  /** The breaker of the key, made if there is none yet. */
  ensure(key: string): CircuitBreaker {
    if (this.#latest && this.#latest.key === key) return this.#latest;
    const known = this.#breakers.get(key);
    const breaker = known ?? this.#make(key);
    this.#breakers.delete(key);
    this.#breakers.set(key, breaker);
    this.#latest = breaker;
    if (!known) this.#events.emit({ type: 'registered', key, state: 'closed' });
    if (this.size > this.#maxBreakers) this.#evict();
    return breaker;
  }

  [Symbol.iterator](): Iterator<CircuitBreaker> {
    return this.#breakers.values();
  }

  /** Adds a listener for the events of all breakers; the returned function takes it out. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Adds a receiver of all events of all breakers; the returned function takes it out. */
  pipe(sink: Sink): () => void {
    return this.#events.pipe(sink);
  }

  /** All circuits as plain data, the least recently used first. */
  snapshot(): RegistrySnapshot {
    return { version: 1, breakers: Array.from(this, (breaker) => breaker.snapshot()) };
  }

  /**
   * Takes over a snapshot: each circuit in it is made if there is none yet. One of an unknown version is ignored, with a
   * `listenerError` of source `restore`.
   */
  restore(snapshot: RegistrySnapshot): void {
    const given: unknown = snapshot;
    const { version, breakers } = (given ?? {}) as { version?: unknown; breakers?: unknown };
    if (version === 1 && Array.isArray(breakers)) {
      for (const saved of breakers as (CircuitSnapshot | null)[]) {
        if (typeof saved?.key === 'string') this.ensure(saved.key).restore(saved);
        else this.#ignore(saved);
      }
    } else {
      this.#ignore(snapshot);
    }
  }

  #ignore(snapshot: unknown): void {
    const error = unexpected('snapshot', 'a snapshot of version 1', snapshot, RangeError);
    this.#events.emit({ type: 'listenerError', key: '', source: 'restore', error });
  }

  #make(key: string): CircuitBreaker {
    const own = this.#overrides?.(key);
    const policy = own ? circuitPolicy(own, `overrides("${key}")`, this.#policy) : this.#policy;
    const breaker = new CircuitBreaker(key, undefined, { policy, events: this.#events });
    if (this.#mode) breaker.mode = this.#mode;
    return breaker;
  }

  /** Drops one: the oldest that is closed and idle, else the oldest. */
  #evict(): void {
    let victim: CircuitBreaker | undefined;
    for (const breaker of this) {
      if (breaker === this.#latest) continue;
      victim ??= breaker;
      if (!breaker.isIdle) continue;
      victim = breaker;
      break;
    }
    if (!victim) return;
    this.#breakers.delete(victim.key);
    victim.leave();
    this.#events.emit({ type: 'evicted', key: victim.key, state: victim.state });
  }
}
