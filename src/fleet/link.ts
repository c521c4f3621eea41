import type {
  CircuitLink,
  CircuitVersion,
  Lease,
  LeaseAnswer,
  LeaseDenied,
  LinkedCircuit,
  Opening,
  RecordedFailure,
  SharedStats,
  SharedView,
} from '../circuit/link.js';
import type { Outcome } from '../events.js';
import { Commands } from './commands.js';
import type { Lane } from './lane.js';
import { believable } from './messages.js';
import { type ReportContext, Reports } from './reports.js';
import type { ForceRequest, LeaseReply, Settlement } from './store.js';

/** What the links of one fleet share. */
export interface LinkContext extends ReportContext {
  /** Where circuits are read. */
  readonly reads: Lane;
  readonly isSubscribed: boolean;
  leave(link: Link): void;
  /** The store could not tell the other processes. */
  muted(): void;
}

/** How often an order is given to a circuit that has moved on meanwhile. */
const MOST_ORDERS = 4;
/** How long a denial is believed: the lease may be given back before its end. */
const LONGEST_DENIAL_MS = 1_000;

/** One circuit of this process in the fleet: tells its outcomes, asks for leases, and takes over what others bring about. */
export class Link implements CircuitLink {
  readonly circuit: LinkedCircuit;
  readonly #context: LinkContext;
  readonly #commands: Commands;
  readonly #reports: Reports;
  #isUsed = true;
  #closed = false;

  /** A success that closed the circuit of this process and did not reach the store. */
  #owed: Settlement | undefined;
  /** Counts what was done by hand. */
  #orders = 0;
  /** The latest news that came while a transition of this process was under way. */
  #heard: SharedView | undefined;
  readonly #asking = new Set<Promise<LeaseAnswer>>();
  #deniedUntil = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #readAgain = false;

  constructor(circuit: LinkedCircuit, context: LinkContext) {
    this.circuit = circuit;
    this.#context = context;
    this.#commands = new Commands(circuit, context);
    this.#reports = new Reports(circuit, context, this.#commands, (view) => this.apply(view));
  }

  get shared(): SharedStats {
    const { generation = 0, by = '', why = '' } = this.#commands.known ?? {};
    return { generation, live: this.live, subscribed: this.#context.isSubscribed, by, why };
  }

  get live(): boolean {
    return this.#commands.known !== undefined && !this.#context.health.isIll(this.circuit.key);
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

  record(outcome: 'success' | 'failure', details?: RecordedFailure): void {
    if (details?.tripped) this.#owed = undefined;
    this.#reports.record(outcome, details);
  }

  admit<Permit>(
    now: number,
    leaseMs: number,
    isNeeded: (now?: number) => boolean,
    give: (lease?: Lease, now?: number) => Permit,
  ): Permit | number | Promise<Permit | number> {
    const admitted = (answer: LeaseAnswer, at?: number) => {
      if (answer && isNeeded(at)) return answer.granted ? give(answer, at) : answer.retryAfterMs;
      if (answer?.granted) this.settle(answer, 'neutral', undefined);
      return give(undefined, at);
    };
    const answer = this.#lease(leaseMs);
    return answer instanceof Promise ? answer.then((later) => admitted(later)) : admitted(answer, now);
  }

  #lease(leaseMs: number): LeaseAnswer | Promise<LeaseAnswer> {
    if (!this.#isShared || this.#closed || this.#context.health.isIll(this.circuit.key)) return undefined;
    const denial = this.#denial;
    if (denial.retryAfterMs > 0) return denial;
    if (this.#asking.size >= this.circuit.probes.permits) {
      return Promise.all(this.#asking).then((answers) => (answers.includes(undefined) ? undefined : this.#denial));
    }
    const asking = this.#ask(leaseMs).finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
    return asking;
  }

  settle(lease: Lease | undefined, outcome: Outcome, opening: Opening | undefined, why?: string): void {
    if (!lease && outcome === 'neutral') return;
    // What opened for this process alone is still one of those that count: all may have, and then nobody else tells.
    if (!lease && !this.#isShared) this.#reports.record(outcome as 'success' | 'failure', opening && { opening });
    if (this.#closed || !this.#commands.known || (!lease && !this.#isShared)) return;
    const { epoch, generation } = lease ?? this.#commands.known;
    if (lease) this.#deniedUntil = Number.NEGATIVE_INFINITY;
    void this.#conclude({
      ...this.#commands.request(opening),
      known: { epoch, generation },
      token: lease?.token ?? this.#commands.token(),
      leased: lease !== undefined,
      outcome,
      probes: this.circuit.probes,
      opening: opening ?? { cooldownMs: 0, openings: 0 },
      why: why ?? `probe-${outcome === 'success' ? 'succeeded' : 'failed'}`,
    });
  }

  async force(state: 'open' | 'closed', opening: Opening): Promise<boolean> {
    const order = ++this.#orders;
    this.#reports.forget();
    this.#owed = undefined;
    if (!this.#commands.known) await this.read();
    if (this.#closed || !this.#commands.known) return false;
    const view = await this.#moved(state, () => this.#order(order, state, opening));
    if (!view) void this.read();
    return view !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#reports.close();
    this.#context.reads.drop(this);
    this.#context.leave(this);
  }

  /** Takes in a message. One that is not believed only makes us look. */
  hear(view: SharedView): void {
    if (believable(view, this.#commands.known)) this.#takeIn(view);
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
    this.#commands.setClock(view);
    const owed = this.#owed;
    this.#owed = undefined;
    if (owed) void this.#conclude(owed);
    if (view.isMuted) this.#context.muted();
    this.#takeIn(view);
  }

  recovered(): void {
    this.#reports.recovered();
  }

  /**
   * Tells the store of a transition to `state` that the circuit of this process has made. It may have moved on when the
   * answer comes, so that is not adopted; until then outcomes wait to be told, and news to be taken in.
   */
  async #moved(
    state: SharedView['state'],
    tell: () => Promise<SharedView | undefined>,
  ): Promise<SharedView | undefined> {
    this.#deniedUntil = Number.NEGATIVE_INFINITY;
    this.#commands.transitionsUnderWay++;
    const view = await tell();
    this.#commands.transitionsUnderWay--;
    if (view?.state === state) this.#commands.confirm(view);
    else if (view) this.apply(view);
    if (this.#commands.transitionsUnderWay > 0) return view;
    const heard = this.#heard;
    this.#heard = undefined;
    if (heard) this.#takeIn(heard);
    this.#reports.begin();
    return view;
  }

  #takeIn(view: SharedView): void {
    if (this.#closed) return;
    if (this.#commands.transitionsUnderWay > 0) {
      const isOld = view.epoch === this.#heard?.epoch && view.generation < this.#heard.generation;
      if (!isOld) this.#heard = view;
      return;
    }
    const known = this.#commands.known;
    if (known === undefined) this.#reports.begin();
    const isSameEpoch = view.epoch === known?.epoch;
    if (isSameEpoch && view.generation < known.generation) return;
    const isNews = isSameEpoch ? view.generation > known.generation : view.generation > 0;
    const isForgotten = !isSameEpoch && known !== undefined && known.state !== 'closed' && !isNews;
    if (isForgotten) return;
    const hasServed = known !== undefined && known.openings > 0 && view.openings === 0 && view.state === 'closed';
    this.#commands.learn(view);
    this.#reports.weigh();
    if (!isNews) {
      if (hasServed && this.circuit.isClosed) this.circuit.adopt(view);
      this.#reports.hear(view.question);
      return;
    }
    this.#deniedUntil = Number.NEGATIVE_INFINITY;
    this.#reports.forget();
    this.circuit.adopt(view);
  }

  /** Whether the circuit is open in the whole fleet, and not in this process alone. */
  get #isShared(): boolean {
    return this.#commands.known !== undefined && this.#commands.known.state !== 'closed';
  }

  get #denial(): LeaseDenied {
    return { granted: false, retryAfterMs: Math.max(0, this.#deniedUntil - performance.now()) };
  }

  /** An order goes by what the store is known to have: one that is late must not undo what came after it. */
  async #order(order: number, state: 'open' | 'closed', opening: Opening): Promise<SharedView | undefined> {
    const isLatest = () => order === this.#orders;
    let known = this.#commands.known as CircuitVersion;
    for (let round = 0; round < MOST_ORDERS && (round === 0 || isLatest()); round++) {
      const { epoch, generation } = known;
      const request: ForceRequest = {
        ...this.#commands.request(opening),
        known: { epoch, generation },
        state,
        opening,
        why: 'manual',
      };
      const view = await this.#commands.tell(request, (store, given) => store.force(this.circuit.key, given), isLatest);
      const isTaken = view?.state === state && view.byHand && view.generation !== generation;
      if (!view || isTaken) return view;
      known = view;
    }
    return undefined;
  }

  async #conclude(settlement: Settlement): Promise<void> {
    const tell = () => this.#commands.tell(settlement, (store, request) => store.settle(this.circuit.key, request));
    const hasClosed = settlement.outcome === 'success' && this.circuit.isClosed;
    const view = await (hasClosed ? this.#moved('closed', tell) : tell());
    if (view && !hasClosed) this.apply(view);
    if (!view && settlement.outcome === 'success' && settlement.why !== 'late-success') this.#owed = settlement;
  }

  async #ask(leaseMs: number): Promise<LeaseAnswer> {
    const { health, store } = this.#context;
    const token = this.#commands.token();
    const request = {
      ...this.#commands.request(undefined, leaseMs),
      token,
      leaseMs: Math.ceil(leaseMs),
      permits: this.circuit.probes.permits,
      allowed: this.circuit.probes.allowed,
      opening: this.circuit.reopening,
      waitedMs: Math.floor(this.#commands.knownForMs),
    };
    const reply = await health.runWaited(this.circuit.key, () => store.acquire(this.circuit.key, request));
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
    const { key } = this.circuit;
    const view = await reads.run(this, () => health.run(key, 'read', () => store.read(key)));
    if (view) this.apply(view);
    else this.#isUsed = true;
  }
}
