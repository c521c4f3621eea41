import type {
  CircuitLink,
  Lease,
  LeaseAnswer,
  LeaseDenied,
  LinkedCircuit,
  Opening,
  SharedView,
} from '../circuit/link.js';
import type { Outcome } from '../events.js';
import { type Health, unref } from './health.js';
import type { Lane } from './lane.js';
import type { CircuitStore, FailureReport, LeaseReply, Settlement, StoreRequest } from './store.js';

/** What the links of one fleet share. */
export interface LinkContext {
  readonly store: CircuitStore;
  readonly health: Health;
  /** Where circuits are read. */
  readonly reads: Lane;
  /** Names this process in reports and tokens. */
  readonly reporter: string;
  readonly share: 'counts' | 'state';
  readonly lingerMs: number;
  readonly quorum: number;
  readonly commandTimeoutMs: number;
  /** Numbers reports and tokens. */
  next(): number;
  leave(link: Link): void;
}

/** A report that follows this long a silence is sent at once. */
const QUIET_MS = 1_000;
/** How often successes are told while some process reports failures. */
const FLUSH_MS = 250;
/** How long after its deadline a command may still take effect. */
const LATENESS_MS = 1_000;
const LEAST_MEMORY_MS = 60_000;
/** How long a denial is believed: the lease may be given back before its end. */
const LONGEST_DENIAL_MS = 1_000;

/** One circuit of this process in the fleet: tells its outcomes, asks for leases, and takes over what others bring about. */
export class Link implements CircuitLink {
  readonly circuit: LinkedCircuit;
  readonly #context: LinkContext;
  readonly #threshold: LinkedCircuit['threshold'];
  #known: SharedView | undefined;
  /** How far the store's clock is ahead of ours, ms. */
  #clockAheadMs = 0;
  #isUsed = true;
  #closed = false;

  #failures = 0;
  #successes = 0;
  #isTripped = false;
  #opening: Opening | undefined;
  #lost = 0;
  #isOver = false;
  #isReporting = false;
  #reportAgain = false;
  #lastReportAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** A success that closed the circuit of this process and did not reach the store. */
  #owed: Settlement | undefined;
  /** Counts what was done by hand, and what of it is under way. */
  #orders = 0;
  #ordersUnderWay = 0;
  readonly #asking = new Set<Promise<LeaseAnswer>>();
  #deniedUntil = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #readAgain = false;

  constructor(circuit: LinkedCircuit, context: LinkContext) {
    this.circuit = circuit;
    this.#context = context;
    this.#threshold = context.share === 'counts' ? circuit.threshold : undefined;
  }

  get generation(): number {
    return this.#known?.generation ?? 0;
  }

  get live(): boolean {
    return this.#known !== undefined && !this.#context.health.isDegraded;
  }

  /** Whether the view is worth reading anew. */
  takeUse(): boolean {
    const isUsed = this.#isUsed || this.#isShared;
    this.#isUsed = false;
    return isUsed;
  }

  touch(): void {
    this.#isUsed = true;
  }

  record(outcome: 'success' | 'failure', opening?: Opening, tripped?: 'detector' | 'retry-after'): void {
    if (this.#closed) return;
    if (tripped) this.#owed = undefined;
    const isVote = tripped === 'retry-after' || (tripped === 'detector' && !this.#threshold);
    if (!this.#threshold && !isVote) return;
    if (outcome === 'success') {
      if (this.#failures === 0 && !this.#isFailing) return;
      this.#successes++;
      if (this.#threshold?.windowMs === 0) this.#failures = 0;
      this.#isOver = this.#isOverThreshold;
      this.#sendWithin(FLUSH_MS);
      return;
    }
    this.#failures++;
    this.#isTripped ||= isVote;
    this.#opening = opening;
    const wasOver = this.#isOver;
    this.#isOver = this.#isOverThreshold;
    const isUrgent = tripped !== undefined || (this.#isOver && !wasOver);
    const isFirst = this.#failures === 1 && performance.now() - this.#lastReportAt >= QUIET_MS;
    if (isUrgent || isFirst) this.#send();
    else this.#sendWithin(this.#context.lingerMs);
  }

  lease(leaseMs: number): LeaseAnswer | Promise<LeaseAnswer> {
    if (!this.#isShared || this.#closed || this.#context.health.isDegraded) return undefined;
    const denial = this.#denial;
    if (denial.retryAfterMs > 0) return denial;
    if (this.#asking.size >= this.circuit.probes.permits) {
      return Promise.all(this.#asking).then((answers) => (answers.includes(undefined) ? undefined : this.#denial));
    }
    const asking = this.#ask(leaseMs).finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
    return asking;
  }

  settle(lease: Lease | undefined, outcome: Outcome, opening: Opening | undefined): void {
    if (this.#closed || !this.#known || (!lease && (!this.#isShared || outcome === 'neutral'))) return;
    const { epoch, generation } = lease ?? this.#known;
    if (lease) this.#deniedUntil = Number.NEGATIVE_INFINITY;
    this.#conclude({
      ...this.#request(opening),
      known: { epoch, generation },
      token: lease?.token ?? this.#token(),
      leased: lease !== undefined,
      outcome,
      probes: this.circuit.probes,
      opening: opening ?? { cooldownMs: 0, openings: 0 },
    });
  }

  async force(state: 'open' | 'closed', opening: Opening): Promise<boolean> {
    const order = ++this.#orders;
    this.#forget();
    this.#owed = undefined;
    if (!this.#known) await this.read();
    if (this.#closed || !this.#known) return false;
    const request = { ...this.#request(opening), state, opening };
    this.#ordersUnderWay++;
    const view = await this.#tell(
      (expiresAt) => this.#context.store.force(this.circuit.key, { ...request, expiresAt }),
      () => order === this.#orders,
    );
    this.#ordersUnderWay--;
    if (view) this.apply(view);
    else void this.read();
    return view !== undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#context.leave(this);
  }

  /** Takes in a message. One of another epoch may be of another database: it only makes us look. */
  hear(view: SharedView): void {
    if (view.epoch === this.#known?.epoch) this.#takeIn(view);
    else void this.read();
  }

  /** Reads the view; requests made while one is under way are answered by one more. */
  read(): Promise<void> {
    this.#readAgain = this.#reading !== undefined;
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
      if (this.#readAgain && !this.#closed) void this.read();
    });
    return this.#reading;
  }

  /** Takes over an answer of the store, if it is newer than what is known. It is fresh, as a message need not be. */
  apply(view: SharedView): void {
    this.#clockAheadMs = view.at - performance.now();
    const owed = this.#owed;
    this.#owed = undefined;
    if (owed) this.#conclude(owed);
    this.#takeIn(view);
  }

  /** While something done by hand is under way, what was before it is not adopted: its own answer is newer. */
  #takeIn(view: SharedView): void {
    if (this.#closed || this.#ordersUnderWay > 0) return;
    const known = this.#known;
    if (known === undefined && this.#failures > 0) this.#sendWithin(0);
    const isSameEpoch = view.epoch === known?.epoch;
    if (isSameEpoch && view.generation < known.generation) return;
    const isNews = isSameEpoch ? view.generation > known.generation : view.generation > 0;
    const isForgotten = !isSameEpoch && known !== undefined && known.state !== 'closed' && !isNews;
    if (isForgotten) return;
    this.#known = view;
    this.#isOver = this.#isOverThreshold;
    if (!isNews) return;
    this.#deniedUntil = Number.NEGATIVE_INFINITY;
    this.#forget();
    this.circuit.adopt(view);
  }

  /** Tells what was lost while the store was away. */
  recovered(): void {
    this.#lost += this.#failures + this.#successes;
    this.#forget();
    this.#reportLoss();
  }

  /** Whether the circuit is open in the whole fleet, and not in this process alone. */
  get #isShared(): boolean {
    return this.#known !== undefined && this.#known.state !== 'closed';
  }

  get #denial(): LeaseDenied {
    return { granted: false, retryAfterMs: Math.max(0, this.#deniedUntil - performance.now()) };
  }

  get #isFailing(): boolean {
    const needsSuccesses = this.#threshold?.windowMs === 0 || (this.#threshold?.rate ?? 0) > 0;
    return needsSuccesses && (this.#known?.failures ?? 0) > 0;
  }

  get #isOverThreshold(): boolean {
    const threshold = this.#threshold;
    if (!threshold) return false;
    const isReset = threshold.windowMs === 0 && this.#successes > 0;
    const bad = this.#failures + (isReset ? 0 : (this.#known?.failures ?? 0));
    const total = this.#failures + this.#successes + (this.#known?.total ?? 0);
    return bad >= threshold.failures && total >= threshold.minimumCalls && bad / Math.max(1, total) >= threshold.rate;
  }

  #forget(): void {
    this.#failures = 0;
    this.#successes = 0;
    this.#isTripped = false;
    this.#isOver = false;
  }

  #request(opening: Opening | undefined, leaseMs = this.circuit.leaseMs): StoreRequest {
    const { threshold } = this.circuit;
    const { epoch = '', generation = 0 } = this.#known ?? {};
    return {
      known: { epoch, generation },
      rememberMs: 2 * ((opening?.cooldownMs ?? 0) + leaseMs + (threshold?.windowMs ?? 0)) + LEAST_MEMORY_MS,
      expiresAt: this.#expiry,
    };
  }

  /** When a command that is sent now is void, by the store's clock. */
  get #expiry(): number {
    return performance.now() + this.#clockAheadMs + this.#context.commandTimeoutMs + LATENESS_MS;
  }

  /**
   * Sends a command that may run twice without harm: once more if there was no answer, or if it had expired by the store's
   * clock. Resolves to `undefined` where it is not known to have run.
   */
  async #tell(
    send: (expiresAt: number) => Promise<SharedView>,
    mayRepeat = () => true,
  ): Promise<SharedView | undefined> {
    return (await this.#tellOnce(send)) ?? (mayRepeat() ? this.#tellOnce(send) : undefined);
  }

  async #tellOnce(send: (expiresAt: number) => Promise<SharedView>): Promise<SharedView | undefined> {
    const expiresAt = this.#expiry;
    const view = await this.#context.health.run(() => send(expiresAt));
    if (!view || view.at <= expiresAt) return view;
    this.apply(view);
    return undefined;
  }

  #token(): string {
    return `${this.#context.reporter}-${this.#context.next()}`;
  }

  #sendWithin(delayMs: number): void {
    const at = Math.max(performance.now(), this.#lastReportAt) + delayMs;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = unref(setTimeout(() => this.#send(), at - performance.now()));
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#reportAgain = this.#isReporting;
    const { health, store } = this.#context;
    if (this.#isReporting || this.#closed || health.isDegraded || !this.#known) return;
    if (this.#failures + this.#successes === 0) return;
    const report: FailureReport = {
      ...this.#request(this.#opening),
      reporter: this.#context.reporter,
      sequence: this.#context.next(),
      failures: this.#failures,
      successes: this.#successes,
      threshold: this.#threshold,
      tripped: this.#isTripped,
      quorum: this.#context.quorum,
      opening: this.#opening ?? { cooldownMs: 0, openings: 1 },
    };
    this.#forget();
    this.#isOver = this.#isOverThreshold;
    this.#isReporting = true;
    this.#lastReportAt = performance.now();
    void this.#tell((expiresAt) => store.report(this.circuit.key, { ...report, expiresAt })).then((view) => {
      this.#isReporting = false;
      if (view) {
        this.apply(view);
        this.#reportLoss();
      } else {
        this.#lost += report.failures + report.successes;
      }
      if (this.#reportAgain) this.#send();
    });
  }

  #conclude(settlement: Settlement): void {
    const { store } = this.#context;
    void this.#tell((expiresAt) => store.settle(this.circuit.key, { ...settlement, expiresAt })).then((view) => {
      if (view) this.apply(view);
      else if (settlement.outcome === 'success') this.#owed = settlement;
    });
  }

  #reportLoss(): void {
    if (this.#lost === 0) return;
    this.circuit.events.emit({ type: 'storeDropped', key: this.circuit.key, outcomes: this.#lost });
    this.#lost = 0;
  }

  async #ask(leaseMs: number): Promise<LeaseAnswer> {
    const { health, store } = this.#context;
    const token = this.#token();
    const request = {
      ...this.#request(undefined, leaseMs),
      token,
      leaseMs: Math.ceil(leaseMs),
      permits: this.circuit.probes.permits,
    };
    const reply = await health.runWaited(() => store.acquire(this.circuit.key, request));
    return reply && this.#answer(reply, token);
  }

  #answer(reply: LeaseReply, token: string): LeaseAnswer {
    const { epoch, generation, granted, free, retryAfterMs } = reply;
    this.apply(reply);
    if (free === 0) this.#deniedUntil = performance.now() + Math.min(LONGEST_DENIAL_MS, retryAfterMs);
    return granted ? { granted, token, epoch, generation } : { granted: false, retryAfterMs };
  }

  async #readOnce(): Promise<void> {
    const { health, reads, store } = this.#context;
    const view = await reads.run(() => health.run(() => store.read(this.circuit.key)));
    if (view) this.apply(view);
    else this.#isUsed = true;
  }
}
