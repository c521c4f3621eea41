/** When a store counts as degraded, and how it is found to be back. */
export interface HealthOptions {
  /** How long a command may take, ms. */
  readonly commandTimeoutMs: number;
  readonly random: () => number;
  /** Chooses by what to see whether the store answers; at growing intervals while it is degraded. */
  readonly probe: () => () => Promise<unknown>;
  readonly degraded: (error: unknown) => void;
  readonly recovered: (degradedMs: number) => void;
}

const MISSES_THAT_DEGRADE = 3;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
/** What a command may take that nobody waits for, while the client may still be connecting. */
export const CONNECT_TIMEOUT_MS = 1_000;

/** A small circuit breaker around the store itself: a command has a deadline, and a store that misses three is left alone. */
export class Health {
  readonly #options: HealthOptions;
  #misses = 0;
  #hasAnswered = false;
  #degradedAt: number | undefined;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isProbing = false;
  readonly #underWay = new Set<() => void>();
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get isDegraded(): boolean {
    return this.#closed || this.#degradedAt !== undefined;
  }

  /** Runs a command that nobody waits for. Resolves to `undefined` where it fails or takes too long. */
  run<T>(command: () => Promise<T>): Promise<T | undefined> {
    const { commandTimeoutMs } = this.#options;
    return this.#attempt(
      command,
      this.#hasAnswered ? commandTimeoutMs : Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS),
    );
  }

  /** Runs a command that a call waits for. */
  runWaited<T>(command: () => Promise<T>): Promise<T | undefined> {
    return this.#attempt(command, this.#options.commandTimeoutMs);
  }

  /** Asks at once whether a degraded store is back. */
  retry(): void {
    if (this.#degradedAt === undefined) return;
    clearTimeout(this.#timer);
    void this.#probe();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const cancel of [...this.#underWay]) cancel();
  }

  async #attempt<T>(command: () => Promise<T>, timeoutMs: number): Promise<T | undefined> {
    if (this.isDegraded) return undefined;
    try {
      const result = await this.#within(timeoutMs, command);
      this.#misses = 0;
      this.#hasAnswered = true;
      return result;
    } catch (error) {
      if (this.#closed) return undefined;
      this.#misses++;
      if (this.#misses >= MISSES_THAT_DEGRADE && this.#degradedAt === undefined) {
        this.#degradedAt = performance.now();
        this.#backoffMs = FIRST_BACKOFF_MS;
        this.#options.degraded(error);
        this.#schedule();
      }
      return undefined;
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const delayMs = this.#backoffMs * (0.5 + this.#options.random() / 2);
    this.#backoffMs = Math.min(LONGEST_BACKOFF_MS, this.#backoffMs * 2);
    this.#timer = unref(setTimeout(() => void this.#probe(), Math.max(FIRST_BACKOFF_MS, delayMs)));
  }

  async #probe(): Promise<void> {
    if (this.#isProbing) return;
    this.#isProbing = true;
    const { commandTimeoutMs, probe, recovered } = this.#options;
    const since = this.#degradedAt ?? 0;
    const ask = probe();
    try {
      // The first may have to wait until the client is connected again; the second says whether the store is fast enough.
      await this.#within(Math.max(commandTimeoutMs, CONNECT_TIMEOUT_MS), ask);
      await this.#within(commandTimeoutMs, ask);
      if (this.#closed) return;
      this.#misses = 0;
      this.#hasAnswered = true;
      this.#degradedAt = undefined;
      recovered(performance.now() - since);
    } catch {
      this.#schedule();
    } finally {
      this.#isProbing = false;
    }
  }

  /** A late answer is ignored. */
  #within<T>(timeoutMs: number, command: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settled =
        <V>(settle: (value: V) => void) =>
        (value: V) => {
          clearTimeout(timer);
          this.#underWay.delete(cancel);
          settle(value);
        };
      const end = settled(reject);
      const cancel = () => end(new Error('The store was closed'));
      const miss = () => end(new Error(`The store did not answer within ${timeoutMs} ms`));
      // A busy event loop fires the timer before it reads an answer that has arrived in time.
      let timer = setTimeout(() => {
        timer = setTimeout(miss, 0);
      }, timeoutMs);
      this.#underWay.add(cancel);
      try {
        command().then(settled(resolve), end);
      } catch (error) {
        end(error);
      }
    });
  }
}

/** Lets a Node process end while the timer runs. */
export function unref<T>(timer: T): T {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
