import { Backoff } from './backoff.js';
import { unref, within } from './deadline.js';

/** When a store counts as degraded, and how it is found to be back. */
export interface HealthOptions {
  /** How long a command may take, ms. */
  readonly commandTimeoutMs: number;
  readonly random: () => number;
  /** A key other than the given one, if there is any; another one each time. */
  readonly otherKey: (key?: string) => string | undefined;
  /** Writes something that does not matter, where the circuit of this key is kept. */
  readonly prove: (key: string) => Promise<unknown>;
  /** `key`: the circuit that alone cannot be served; empty: none can. */
  readonly degraded: (key: string, error: unknown) => void;
  readonly recovered: (key: string, degradedMs: number) => void;
}

type Kind = 'read' | 'write';

/** One circuit that the store cannot serve, while it serves others. */
interface Illness {
  readonly since: number;
  until: number;
  readonly backoff: Backoff;
}

const MISSES_THAT_DEGRADE = 3;
/** What a command may take that nobody waits for, while the client may still be connecting. */
export const CONNECT_TIMEOUT_MS = 1_000;

/**
 * A small circuit breaker around the store itself: a command has a deadline, and a store that misses three is left alone
 * until a write proves that it is back. Where one circuit is to blame, that one is left alone.
 */
export class Health {
  readonly #options: HealthOptions;
  readonly #backoff: Backoff;
  readonly #misses: Record<Kind, { count: number; key: string | undefined }> = {
    read: { count: 0, key: undefined },
    write: { count: 0, key: undefined },
  };
  readonly #illnesses = new Map<string, Illness>();
  readonly #underWay = new Set<() => void>();
  #hasAnswered = false;
  #degradedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isProbing = false;
  #isBlaming = false;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
  }

  get isDegraded(): boolean {
    return this.#closed || this.#degradedAt !== undefined;
  }

  /** Whether this circuit cannot be shared at present. */
  isIll(key: string): boolean {
    return this.isDegraded || this.#illnesses.has(key);
  }

  /** Runs a command that nobody waits for. Resolves to `undefined` where it fails or takes too long. */
  run<T>(key: string, kind: Kind, command: () => Promise<T>): Promise<T | undefined> {
    const { commandTimeoutMs } = this.#options;
    const timeoutMs = this.#hasAnswered ? commandTimeoutMs : Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS);
    return this.#attempt(key, kind, command, timeoutMs);
  }

  /** Runs a command that a call waits for. */
  runWaited<T>(key: string, command: () => Promise<T>): Promise<T | undefined> {
    return this.#attempt(key, 'write', command, this.#options.commandTimeoutMs);
  }

  /** Asks at once whether a degraded store is back. */
  retry(): void {
    if (this.#degradedAt === undefined) return;
    clearTimeout(this.#timer);
    void this.#probe();
  }

  /** The circuit is no more. */
  forget(key: string): void {
    this.#illnesses.delete(key);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const cancel of [...this.#underWay]) cancel();
  }

  async #attempt<T>(key: string, kind: Kind, command: () => Promise<T>, timeoutMs: number): Promise<T | undefined> {
    const illness = this.#illnesses.get(key);
    if (this.isDegraded || (illness && performance.now() < illness.until)) return undefined;
    if (illness) illness.until = performance.now() + illness.backoff.next();
    try {
      const result = await within(timeoutMs, command, this.#underWay);
      this.#succeed(key, kind);
      return result;
    } catch (error) {
      if (!this.#closed && !this.#illnesses.has(key)) this.#miss(key, kind, error);
      return undefined;
    }
  }

  #succeed(key: string, kind: Kind): void {
    this.#misses[kind].count = 0;
    this.#hasAnswered = true;
    if (kind === 'read') return;
    this.#misses.read.count = 0;
    this.#backoff.startAnew();
    const illness = this.#illnesses.get(key);
    if (!illness) return;
    this.#illnesses.delete(key);
    this.#options.recovered(key, performance.now() - illness.since);
  }

  #miss(key: string, kind: Kind, error: unknown): void {
    const scope = (error as { scope?: unknown } | undefined)?.scope;
    if (scope === 'passing') return;
    if (scope === 'circuit') {
      this.#blame(key, error);
      return;
    }
    const misses = this.#misses[kind];
    misses.key = misses.count === 0 || misses.key === key ? key : undefined;
    if (++misses.count < MISSES_THAT_DEGRADE || this.isDegraded || this.#isBlaming) return;
    const other = misses.key === undefined ? undefined : this.#options.otherKey(key);
    if (other === undefined) this.#degrade(error);
    else void this.#askAbout(key, other, error);
  }

  /** All that was missed was one circuit's: is another one served? */
  async #askAbout(key: string, other: string, error: unknown): Promise<void> {
    this.#isBlaming = true;
    try {
      await within(this.#options.commandTimeoutMs, () => this.#options.prove(other), this.#underWay);
      this.#blame(key, error);
      for (const misses of Object.values(this.#misses)) misses.count = 0;
    } catch {
      if (!this.isDegraded) this.#degrade(error);
    } finally {
      this.#isBlaming = false;
    }
  }

  #blame(key: string, error: unknown): void {
    if (this.#illnesses.has(key)) return;
    const backoff = new Backoff(this.#options.random);
    const since = performance.now();
    this.#illnesses.set(key, { since, until: since + backoff.next(), backoff });
    this.#options.degraded(key, error);
  }

  #degrade(error: unknown): void {
    this.#degradedAt = performance.now();
    this.#options.degraded('', error);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = unref(setTimeout(() => void this.#probe(), this.#backoff.next()));
  }

  async #probe(): Promise<void> {
    if (this.#isProbing) return;
    this.#isProbing = true;
    const { commandTimeoutMs, prove, otherKey, recovered } = this.#options;
    const since = this.#degradedAt ?? 0;
    const key = otherKey() ?? '';
    const ask = () => prove(key);
    try {
      // The first may have to wait until the client is connected again; the second says whether the store is fast enough.
      await within(Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS), ask, this.#underWay);
      await within(commandTimeoutMs, ask, this.#underWay);
      if (this.#closed) return;
      for (const misses of Object.values(this.#misses)) misses.count = 0;
      this.#hasAnswered = true;
      this.#degradedAt = undefined;
      recovered('', performance.now() - since);
    } catch {
      this.#schedule();
    } finally {
      this.#isProbing = false;
    }
  }
}
