import type { LinkedCircuit, Opening, SharedView } from '../circuit/link.js';
import type { Health } from './health.js';
import type { StoreEngine, StoreRequest } from './store.js';

/** What the circuits of one fleet have in common when they ask the store. */
export interface CommandContext {
  readonly store: StoreEngine;
  readonly health: Health;
  /** Names this process in reports and tokens. */
  readonly reporter: string;
  /** Names this process to people. */
  readonly name: string;
  readonly commandTimeoutMs: number;
  /** Numbers reports and tokens. */
  next(): number;
}

/** How long after its deadline a command may still take effect. */
const LATENESS_MS = 1_000;
const LEAST_MEMORY_MS = 60_000;

/** How one circuit speaks to the store: what is known of it, by the store's own clock, and each command at most twice. */
export class Commands {
  #known: SharedView | undefined;
  #knownSince = 0;
  /** Transitions of this process that the store has not answered yet: until then `known` is out of date. */
  transitionsUnderWay = 0;
  readonly #circuit: LinkedCircuit;
  readonly #context: CommandContext;
  /** How far the store's clock is ahead of ours, ms. */
  #clockAheadMs = 0;

  constructor(circuit: LinkedCircuit, context: CommandContext) {
    this.#circuit = circuit;
    this.#context = context;
  }

  /** What is known of the circuit. */
  get known(): SharedView | undefined {
    return this.#known;
  }

  /** How long it has been known in this generation, ms. */
  get knownForMs(): number {
    return performance.now() - this.#knownSince;
  }

  learn(view: SharedView): void {
    const isSame = view.epoch === this.#known?.epoch && view.generation === this.#known.generation;
    if (!isSame) this.#knownSince = performance.now();
    this.#known = view;
  }

  /** Sets our idea of the store's clock by an answer that is fresh. */
  setClock({ at }: SharedView): void {
    this.#clockAheadMs = at - performance.now();
  }

  /** Takes note of a transition that the circuit of this process has made itself. */
  confirm(view: SharedView): void {
    this.setClock(view);
    if (view.epoch !== this.#known?.epoch || view.generation > this.#known.generation) this.learn(view);
  }

  request(opening: Opening | undefined, leaseMs = this.#circuit.leaseMs): StoreRequest {
    const { epoch = '', generation = 0 } = this.#known ?? {};
    const windowMs = this.#circuit.threshold?.windowMs ?? 0;
    return {
      known: { epoch, generation },
      rememberMs: 2 * ((opening?.cooldownMs ?? 0) + leaseMs + windowMs) + LEAST_MEMORY_MS,
      expiresAt: this.#expiry,
      by: this.#context.name,
    };
  }

  token(): string {
    return `${this.#context.reporter}-${this.#context.next()}`;
  }

  /**
   * Sends what may run twice without harm: once more if there was no answer, or if it had expired by the store's clock.
   * Resolves to `undefined` where it is not known to have run.
   */
  async tell<Request extends StoreRequest>(
    request: Request,
    send: (store: StoreEngine, request: Request) => Promise<SharedView>,
    mayRepeat = () => true,
  ): Promise<SharedView | undefined> {
    return (await this.#tellOnce(request, send)) ?? (mayRepeat() ? this.#tellOnce(request, send) : undefined);
  }

  async #tellOnce<Request extends StoreRequest>(
    request: Request,
    send: (store: StoreEngine, request: Request) => Promise<SharedView>,
  ): Promise<SharedView | undefined> {
    const { health, store } = this.#context;
    const expiresAt = this.#expiry;
    const view = await health.run(this.#circuit.key, 'write', () => send(store, { ...request, expiresAt }));
    if (!view || view.at <= expiresAt) return view;
    this.setClock(view);
    return undefined;
  }

  /** When a command that is sent now is void, by the store's clock. */
  get #expiry(): number {
    return performance.now() + this.#clockAheadMs + this.#context.commandTimeoutMs + LATENESS_MS;
  }
}
