import type { CircuitState, Outcome, ReadState, Recorder, ResilienceEvent, ResilienceEvents } from '../events.js';
import { INSTRUMENTS, type Instrument } from './instruments.js';

/** One series of an instrument: its labels have their values. */
export interface Series {
  /** Adds to a counter, records in a histogram, sets a gauge. */
  measure(value: number): void;
  /** Takes the series out of what is exposed, as far as that can be done. */
  drop(): void;
}

/** Begins a series; asked once for each. */
export type OpenSeries = (instrument: Instrument, labels: Readonly<Record<string, string>>) => Series;

const STATES: readonly CircuitState[] = ['closed', 'open', 'half-open'];
const CALL_OUTCOMES = ['success', 'failure', 'neutral', 'rejected', 'late'];
const STORE_STATUSES = ['degraded', 'recovered', 'dropped', 'unsubscribed', 'subscribed', 'mismatch', 'resync'];

/** Keys without a circuit, and evicted ones, that are remembered. */
const MAX_OTHER_KEYS = 1024;
/** Codes that are told apart as reasons of retries: an adapter may make up its own. */
const MAX_REASONS = 64;

/** The series of one key, begun when they are first measured. */
class SeriesOfKey {
  readonly #open: OpenSeries;
  readonly #key: readonly string[];
  readonly #series = new Map<Instrument, Map<string, Series>>();
  /** What a healthy call moves is at hand: to look it up each time is the most of what a sink costs. */
  #outcome: Outcome | undefined;
  #duration: Series | undefined;
  #calls: Series | undefined;
  #callAttempts: Series | undefined;

  constructor(open: OpenSeries, ...key: string[]) {
    this.#open = open;
    this.#key = key;
  }

  /** @param value That of the label behind `key`, or the values of several, in their order. */
  measure(instrument: Instrument, amount: number, value: string | readonly string[] = ''): void {
    this.#find(instrument, value).measure(amount);
  }

  attempt(outcome: Outcome, durationMs: number, guarded: boolean): void {
    if (outcome !== this.#outcome) this.#calls = this.#duration = undefined;
    this.#outcome = outcome;
    this.#duration ??= this.#find(INSTRUMENTS.attemptDuration, outcome);
    this.#duration.measure(durationMs / 1000);
    if (!guarded) return;
    this.#calls ??= this.#find(INSTRUMENTS.circuitCalls, outcome);
    this.#calls.measure(1);
  }

  call(attempts: number): void {
    this.#callAttempts ??= this.#find(INSTRUMENTS.callAttempts, '');
    this.#callAttempts.measure(attempts);
  }

  drop(): void {
    for (const family of this.#series.values()) {
      for (const series of family.values()) series.drop();
    }
  }

  #find(instrument: Instrument, value: string | readonly string[]): Series {
    const id = typeof value === 'string' ? value : value.join();
    return this.#series.get(instrument)?.get(id) ?? this.#begin(instrument, id, value);
  }

  #begin(instrument: Instrument, id: string, value: string | readonly string[]): Series {
    const all = this.#key.concat(value);
    const labels = Object.fromEntries(instrument.labels.map((label, index) => [label, all[index] ?? '']));
    const series = this.#open(instrument, labels);
    const family = this.#series.get(instrument) ?? new Map<string, Series>();
    this.#series.set(instrument, family.set(id, series));
    return series;
  }
}

/**
 * Measures events: which series of which instrument each of them moves. A circuit brings its series along and takes them
 * with it; what is still under way on an evicted one is not measured.
 */
export class Measuring implements Recorder {
  readonly #open: OpenSeries;
  readonly #process: SeriesOfKey;
  readonly #circuits = new Map<string, SeriesOfKey>();
  /** Of keys that have no circuit; `undefined` for one whose circuit was evicted. The oldest first. */
  readonly #others = new Map<string, SeriesOfKey | undefined>();
  readonly #reasons = new Set<string>();
  /** Of circuits that are not closed: time alone changes their state, and nobody tells of it until they are read. */
  readonly #readers = new Map<string, ReadState>();
  /** Of the key that was asked for last. */
  #latest: { readonly key: string; readonly series: SeriesOfKey | undefined } | undefined;
  #isLive = true;
  #isSubscribed = true;

  constructor(open: OpenSeries) {
    this.#open = open;
    this.#process = new SeriesOfKey(open);
  }

  /** Reads the states that may have changed; to be called before they are collected. */
  look(): void {
    for (const [key, readState] of this.#readers) {
      const state = readState();
      if (state === undefined || state === 'closed') this.#readers.delete(key);
      showState(this.#circuits.get(key), state);
    }
  }

  record(event: ResilienceEvent): void {
    const key = event.key ?? '';
    switch (event.type) {
      case 'attempt':
        this.#of(key)?.attempt(event.outcome, event.durationMs, event.guarded);
        break;
      case 'call':
        this.#call(key, event);
        break;
      case 'retry':
        this.#of(key)?.measure(INSTRUMENTS.retries, 1, this.#bounded(event.reason));
        break;
      case 'rejected':
        if (event.by === 'circuit') this.#circuit(key)?.measure(INSTRUMENTS.circuitCalls, 1, 'rejected');
        else this.#of(key)?.measure(INSTRUMENTS.limiterRejections, 1, event.why);
        break;
      case 'wouldReject':
        this.#circuit(key)?.measure(INSTRUMENTS.circuitCalls, 1, 'observed');
        break;
      case 'late':
        this.#circuit(key)?.measure(INSTRUMENTS.circuitCalls, 1, 'late');
        break;
      case 'queued':
        if (event.by === 'limiter') this.#of(key)?.measure(INSTRUMENTS.limiterWaits, 1);
        else this.#circuit(key)?.measure(INSTRUMENTS.circuitWaits, 1);
        break;
      case 'limiter':
        if (event.limit !== undefined) this.#of(key)?.measure(INSTRUMENTS.limiterLimit, event.limit);
        this.#of(key)?.measure(INSTRUMENTS.limiterInFlight, event.inFlight);
        this.#of(key)?.measure(INSTRUMENTS.limiterQueue, event.queued);
        break;
      case 'breakerAdded':
        showState(this.#register(key), event.state);
        this.#watch(key, event.state, event.readState);
        break;
      case 'stateChange':
        this.#circuit(key)?.measure(INSTRUMENTS.circuitTransitions, 1, [event.from, event.to, event.reason]);
        showState(this.#circuit(key), event.to);
        this.#watch(key, event.to, event.readState);
        break;
      case 'breakerRemoved':
        this.#evict(key);
        break;
      case 'store':
        this.#showStore(event);
        for (const status of STORE_STATUSES) {
          this.#process.measure(INSTRUMENTS.storeEvents, status === event.status ? 1 : 0, status);
        }
    }
  }

  /** Of a store nothing is shown before its first event; one circuit that it cannot serve says nothing of it. */
  #showStore({ status, key }: ResilienceEvents['store']): void {
    if (key === null && (status === 'degraded' || status === 'recovered')) this.#isLive = status === 'recovered';
    if (status === 'unsubscribed' || status === 'subscribed') this.#isSubscribed = status === 'subscribed';
    this.#process.measure(INSTRUMENTS.storeStatus, Number(this.#isLive), 'live');
    this.#process.measure(INSTRUMENTS.storeStatus, Number(this.#isSubscribed), 'subscribed');
  }

  #call(key: string, { attempts, stopped, fallback, error }: ResilienceEvents['call']): void {
    const series = this.#of(key);
    series?.call(attempts);
    if (stopped === 'success') return;
    if (stopped === 'budget') series?.measure(INSTRUMENTS.budgetExhausted, 1);
    if (fallback) series?.measure(INSTRUMENTS.fallbacks, 1, stopped);
    else if (stopped !== 'adapter-replaced' || error !== undefined)
      series?.measure(INSTRUMENTS.retriesGivenUp, 1, stopped);
  }

  /** `undefined` for a key whose circuit was evicted. */
  #of(key: string): SeriesOfKey | undefined {
    if (this.#latest?.key !== key) this.#latest = { key, series: this.#lookUp(key) };
    return this.#latest.series;
  }

  #lookUp(key: string): SeriesOfKey | undefined {
    const circuit = this.#circuits.get(key);
    if (circuit) return circuit;
    const known = this.#others.get(key);
    return known || this.#others.has(key) ? known : this.#remember(key, new SeriesOfKey(this.#open, key));
  }

  #remember(key: string, series: SeriesOfKey | undefined): SeriesOfKey | undefined {
    this.#latest = undefined;
    this.#others.set(key, series);
    const [oldest] = this.#others;
    if (oldest && this.#others.size > MAX_OTHER_KEYS) {
      this.#others.delete(oldest[0]);
      oldest[1]?.drop();
    }
    return series;
  }

  /** The series of a circuit, made where it was not announced; `undefined` where it was evicted. */
  #circuit(key: string): SeriesOfKey | undefined {
    const isEvicted = this.#others.has(key) && this.#others.get(key) === undefined;
    return this.#circuits.get(key) ?? (isEvicted ? undefined : this.#register(key));
  }

  #register(key: string): SeriesOfKey {
    const known = this.#circuits.get(key);
    if (known) return known;
    const series = this.#others.get(key) ?? new SeriesOfKey(this.#open, key);
    this.#latest = undefined;
    this.#others.delete(key);
    this.#circuits.set(key, series);
    showState(series, 'closed');
    series.measure(INSTRUMENTS.budgetExhausted, 0);
    for (const outcome of CALL_OUTCOMES) series.measure(INSTRUMENTS.circuitCalls, 0, outcome);
    this.#process.measure(INSTRUMENTS.registryEvictions, 0);
    this.#process.measure(INSTRUMENTS.registrySize, this.#circuits.size);
    return series;
  }

  #watch(key: string, state: CircuitState, readState: ReadState | undefined): void {
    if (readState && state !== 'closed' && this.#circuits.has(key)) this.#readers.set(key, readState);
    else this.#readers.delete(key);
  }

  #evict(key: string): void {
    this.#readers.delete(key);
    this.#circuits.get(key)?.drop();
    this.#circuits.delete(key);
    this.#remember(key, undefined);
    this.#process.measure(INSTRUMENTS.registryEvictions, 1);
    this.#process.measure(INSTRUMENTS.registrySize, this.#circuits.size);
  }

  #bounded(reason: string): string {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason);
    return this.#reasons.has(reason) ? reason : 'other';
  }
}

/** @param state `undefined` for a circuit that is gone. */
function showState(circuit: SeriesOfKey | undefined, state: CircuitState | undefined): void {
  for (const other of STATES) circuit?.measure(INSTRUMENTS.circuitState, other === state ? 1 : 0, other);
}
