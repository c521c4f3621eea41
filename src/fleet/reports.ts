import type { LinkedCircuit, Opening, SharedView } from '../circuit/link.js';
import type { CommandContext, Commands } from './commands.js';
import { unref } from './health.js';
import type { FailureReport } from './store.js';

/** How the circuits of one fleet report. */
export interface ReportContext extends CommandContext {
  readonly share: 'counts' | 'state';
  readonly lingerMs: number;
  readonly quorum: number;
}

/** A report that follows this long a silence is sent at once. */
const QUIET_MS = 1_000;
/** How often successes are told while some process reports failures. */
const FLUSH_MS = 250;

/** The outcomes in one process that its store has not been told yet, and when it is told: one report at a time. */
export class Reports {
  readonly #circuit: LinkedCircuit;
  readonly #context: ReportContext;
  readonly #commands: Commands;
  readonly #answered: (view: SharedView) => void;
  readonly #threshold: LinkedCircuit['threshold'];
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
  #closed = false;

  constructor(
    circuit: LinkedCircuit,
    context: ReportContext,
    commands: Commands,
    answered: (view: SharedView) => void,
  ) {
    this.#circuit = circuit;
    this.#context = context;
    this.#commands = commands;
    this.#answered = answered;
    this.#threshold = context.share === 'counts' ? circuit.threshold : undefined;
  }

  record(outcome: 'success' | 'failure', opening?: Opening, tripped?: 'detector' | 'retry-after'): void {
    if (this.#closed) return;
    const isVote = tripped === 'retry-after' || (tripped === 'detector' && !this.#threshold);
    if (!this.#threshold && !isVote) return;
    if (outcome === 'success') {
      if (this.#failures === 0 && !this.#isFailing) return;
      this.#successes++;
      if (this.#threshold?.windowMs === 0) this.#failures = 0;
      this.weigh();
      this.#sendWithin(FLUSH_MS);
      return;
    }
    this.#failures++;
    this.#isTripped ||= isVote;
    this.#opening = opening;
    const wasOver = this.#isOver;
    this.weigh();
    const isUrgent = tripped !== undefined || (this.#isOver && !wasOver);
    const isFirst = this.#failures === 1 && performance.now() - this.#lastReportAt >= QUIET_MS;
    if (isUrgent || isFirst) this.#send();
    else this.#sendWithin(this.#context.lingerMs);
  }

  /** Tells what had to wait until it was known how the circuit stands. */
  begin(): void {
    if (this.#failures > 0) this.#sendWithin(0);
  }

  /** Finds out whether the outcomes that are not told yet would trip the circuit, with what is known of those of all. */
  weigh(): void {
    this.#isOver = this.#isOverThreshold;
  }

  /** What was not told yet does not count any more. */
  forget(): void {
    this.#failures = 0;
    this.#successes = 0;
    this.#isTripped = false;
    this.#isOver = false;
  }

  /** What happened while the store was away is not told afterwards. */
  recovered(): void {
    this.#lost += this.#failures + this.#successes;
    this.forget();
    this.#announceLoss();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  get #isFailing(): boolean {
    const needsSuccesses = this.#threshold?.windowMs === 0 || (this.#threshold?.rate ?? 0) > 0;
    return needsSuccesses && (this.#commands.known?.failures ?? 0) > 0;
  }

  get #isOverThreshold(): boolean {
    const threshold = this.#threshold;
    if (!threshold) return false;
    const { failures = 0, total: known = 0 } = this.#commands.known ?? {};
    const isReset = threshold.windowMs === 0 && this.#successes > 0;
    const bad = this.#failures + (isReset ? 0 : failures);
    const total = this.#failures + this.#successes + known;
    return bad >= threshold.failures && total >= threshold.minimumCalls && bad / Math.max(1, total) >= threshold.rate;
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
    const { health, reporter, quorum } = this.#context;
    const { known, transitionsUnderWay } = this.#commands;
    if (this.#isReporting || this.#closed || health.isDegraded || !known || transitionsUnderWay > 0) return;
    if (this.#failures + this.#successes === 0) return;
    const report: FailureReport = {
      ...this.#commands.request(this.#opening),
      reporter,
      sequence: this.#context.next(),
      failures: this.#failures,
      successes: this.#successes,
      threshold: this.#threshold,
      tripped: this.#isTripped,
      quorum,
      opening: this.#opening ?? { cooldownMs: 0, openings: 1 },
    };
    this.forget();
    this.weigh();
    this.#isReporting = true;
    this.#lastReportAt = performance.now();
    void this.#deliver(report);
  }

  async #deliver(report: FailureReport): Promise<void> {
    const view = await this.#commands.tell(report, (store, request) => store.report(this.#circuit.key, request));
    this.#isReporting = false;
    if (view) {
      this.#answered(view);
      this.#announceLoss();
    } else {
      this.#lost += report.failures + report.successes;
    }
    if (this.#reportAgain) this.#send();
  }

  #announceLoss(): void {
    if (this.#lost === 0) return;
    this.#circuit.events.emit({ type: 'storeDropped', key: this.#circuit.key, outcomes: this.#lost });
    this.#lost = 0;
  }
}
