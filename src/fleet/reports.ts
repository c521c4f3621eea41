import type { LinkedCircuit, Question, RecordedFailure, SharedThreshold, SharedView } from '../circuit/link.js';
import type { CommandContext, Commands } from './commands.js';
import { unref } from './deadline.js';
import { OpeningToTell } from './opening-to-tell.js';
import type { FailureReport, ReportReply } from './store.js';
import { Tally } from './tally.js';

/** How the circuits of one fleet report. */
export interface ReportContext extends CommandContext {
  readonly share: 'counts' | 'state';
  readonly lingerMs: number;
  readonly quorum: number;
  /** How long the other processes have to tell their successes, ms. */
  readonly gatherMs: number;
  readonly random: () => number;
}

/** A report that follows this long a silence is sent at once; and while nothing threatens, there is one in this time. */
const QUIET_MS = 1_000;
/** In which part of its time a question is answered, so that not all do it in the same instant. */
const ANSWER_WITHIN = 0.6;
/** In which time the counts are judged: the first to do it saves the others the way. */
const JUDGE_WITHIN_MS = 50;
/** How often a judgement waits for a busy event loop. */
const MOST_POSTPONED = 4;
const UNKNOWN = { failures: 0, total: 0 };

/** The outcomes in one process that its store has not been told yet, and when it is told: one report at a time. */
export class Reports {
  readonly #circuit: LinkedCircuit;
  readonly #context: ReportContext;
  readonly #commands: Commands;
  readonly #answered: (view: SharedView) => void;
  readonly #threshold: SharedThreshold | undefined;
  readonly #rules: string;
  readonly #tally: Tally;
  readonly #opening: OpeningToTell;
  readonly #disagreements = new Set<string>();
  /** The counts of all as the last report was answered. */
  #known: { readonly failures: number; readonly total: number } = UNKNOWN;
  #isTripped = false;
  #lost = 0;
  #isOver = false;
  /** Until when a success is an answer. */
  #askedUntil = Number.NEGATIVE_INFINITY;
  /** Whether the next report is sent even if nothing happened. */
  #isDue = false;
  #isReporting = false;
  #reportAgain = false;
  #lastReportAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** Whether the next report asks the store to judge. */
  #isJudging = false;
  #postponed = 0;
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
    this.#rules = rulesOf(this.#threshold, context.quorum);
    this.#tally = new Tally(this.#threshold);
    this.#opening = new OpeningToTell(circuit);
  }

  /** A success is kept in mind, and told with the next failure or when it is asked for. */
  record(outcome: 'success' | 'failure', failure: Partial<RecordedFailure> = {}): void {
    if (this.#closed) return;
    const { tripped, call } = failure;
    const isVote = tripped === 'retry-after' || (tripped === 'detector' && !this.#threshold);
    if (!this.#threshold && !isVote) return;
    const now = performance.now();
    this.#tally.add(outcome, now, call);
    if (outcome === 'success') {
      if (now < this.#askedUntil) this.#answer(this.#askedUntil - now);
      return;
    }
    this.#isTripped ||= isVote;
    this.#opening.failed(failure, now);
    const wasOver = this.#isOver;
    this.weigh();
    const isUrgent = tripped !== undefined || (this.#isOver && !wasOver);
    const isFirst = this.#tally.failures <= 1 && now - this.#lastReportAt >= QUIET_MS;
    if (isUrgent || isFirst) this.#send();
    else this.#sendWithin(this.#isCalm ? Math.max(QUIET_MS, this.#context.lingerMs) : this.#context.lingerMs);
  }

  /** Answers what all processes are asked, unless there is nothing that would change the answer. */
  hear(question: Question | undefined): void {
    const threshold = this.#threshold;
    if (!question) {
      this.#askedUntil = Number.NEGATIVE_INFINITY;
      return;
    }
    if (!threshold || question.windowMs !== threshold.windowMs || this.#closed) return;
    const now = performance.now();
    if (now < this.#askedUntil) return;
    this.#askedUntil = now + question.withinMs;
    const hasAnswer =
      threshold.windowMs > 0 ? this.#tally.successes > 0 : this.#tally.hasSucceededWithin(question.sinceMs, now);
    if (hasAnswer) this.#answer(question.withinMs);
  }

  /** Tells what had to wait until it was known how the circuit stands. */
  begin(): void {
    if (this.#tally.hasFailed) this.#sendWithin(0);
  }

  /** Finds out whether the outcomes that are not told yet would trip the circuit, with what is known of those of all. */
  weigh(): void {
    this.#isOver = this.#isOverThreshold;
  }

  /** What was not told yet does not count any more. */
  forget(): void {
    this.#tally.clear();
    this.#known = UNKNOWN;
    this.#isTripped = false;
    this.#isOver = false;
    this.#isDue = false;
    this.#askedUntil = Number.NEGATIVE_INFINITY;
  }

  /** What failed while the store was away is not told afterwards. */
  recovered(): void {
    this.#lost += this.#tally.failures;
    this.forget();
    this.#announceLoss();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Each at another moment: once one is enough, the others need not answer. */
  #answer(withinMs: number): void {
    this.#askedUntil = Number.NEGATIVE_INFINITY;
    this.#isDue = true;
    this.#sendWithin(withinMs * ANSWER_WITHIN * this.#context.random(), performance.now());
  }

  /** Whether what is known is so far from opening the circuit that there is time. */
  get #isCalm(): boolean {
    const threshold = this.#threshold;
    if (!threshold || (threshold.windowMs > 0 && threshold.rate === 0)) return false;
    const { failures, total } = this.#sum(threshold);
    return threshold.windowMs === 0
      ? failures <= threshold.failures / 2
      : failures / Math.max(1, total) <= threshold.rate / 2;
  }

  get #isOverThreshold(): boolean {
    const threshold = this.#threshold;
    if (!threshold) return false;
    const { failures, total } = this.#sum(threshold);
    return (
      failures >= threshold.failures &&
      total >= threshold.minAttempts &&
      failures / Math.max(1, total) >= threshold.rate
    );
  }

  #sum({ windowMs }: SharedThreshold): { failures: number; total: number } {
    const { failures, successes } = this.#tally;
    const isReset =
      windowMs === 0 && this.#tally.hasSucceededWithin(performance.now() - this.#lastReportAt, performance.now());
    const known = isReset ? UNKNOWN : this.#known;
    return { failures: failures + known.failures, total: failures + successes + known.total };
  }

  #sendWithin(delayMs: number, from = Math.max(performance.now(), this.#lastReportAt)): void {
    const at = from + delayMs;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = unref(setTimeout(() => this.#sendDue(), at - performance.now()));
  }

  /** Where our own event loop was busy, or the machine stood still, the answers are late, too: they get their time again. */
  #sendDue(): void {
    const { gatherMs } = this.#context;
    const isLate = performance.now() - this.#timerAt > gatherMs / 2;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (isLate && this.#isJudging && this.#postponed++ < MOST_POSTPONED) {
      this.#sendWithin(gatherMs, performance.now());
      return;
    }
    this.#postponed = 0;
    this.#send();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#reportAgain = this.#isReporting;
    const { health, reporter, quorum, gatherMs } = this.#context;
    const { known, transitionsUnderWay } = this.#commands;
    if (this.#isReporting || this.#closed || health.isDegraded || !known || transitionsUnderWay > 0) return;
    if (!this.#tally.hasFailed && !this.#isTripped && !this.#isDue) return;
    const now = performance.now();
    const { failures } = this.#tally;
    const opening = this.#opening.at(now);
    const report: FailureReport = {
      ...this.#commands.request(opening),
      reporter,
      sequence: this.#context.next(),
      ...this.#tally.take(now),
      threshold: this.#threshold,
      tripped: this.#isTripped,
      quorum,
      gatherMs,
      rules: this.#rules,
      opening,
      why: this.#opening.why,
    };
    this.#isTripped = false;
    this.#isDue = false;
    this.weigh();
    this.#isReporting = true;
    this.#lastReportAt = now;
    void this.#deliver(report, failures);
  }

  async #deliver(report: FailureReport, failures: number): Promise<void> {
    let reply: ReportReply | undefined;
    const send = async (store: CommandContext['store'], request: FailureReport): Promise<SharedView> => {
      reply = await store.report(this.#circuit.key, request);
      return reply;
    };
    const view = await this.#commands.tell(report, send);
    this.#isReporting = false;
    if (view && reply) this.#take(reply);
    else this.#miss(failures);
    if (this.#reportAgain) this.#send();
  }

  /** What is lost is not told again, but whether all together opens the circuit is still to be judged. */
  #miss(failures: number): void {
    this.#lost += failures;
    this.#isDue = true;
    this.#sendWithin(QUIET_MS, performance.now());
  }

  #take(reply: ReportReply): void {
    const { failures, total, judgeInMs, otherRules } = reply;
    this.#answered(reply);
    this.#announceLoss();
    if (otherRules !== '') this.#disagree(otherRules);
    const isCurrent = reply.generation === this.#commands.known?.generation && reply.state === 'closed';
    if (!isCurrent || this.#closed) return;
    this.#known = { failures, total };
    this.weigh();
    this.#isJudging = judgeInMs > 0;
    if (!this.#isJudging) return;
    this.#isDue = true;
    this.#sendWithin(judgeInMs + 1 + JUDGE_WITHIN_MS * this.#context.random(), performance.now());
  }

  #disagree(theirs: string): void {
    if (this.#disagreements.has(theirs) || this.#disagreements.size >= MOST_DISAGREEMENTS) return;
    this.#disagreements.add(theirs);
    const { events, key } = this.#circuit;
    events.emit({ type: 'store', status: 'mismatch', key, ours: this.#rules, theirs });
  }

  #announceLoss(): void {
    if (this.#lost === 0) return;
    const { events, key } = this.#circuit;
    events.emit({ type: 'store', status: 'dropped', key, outcomes: this.#lost });
    this.#lost = 0;
  }
}

const MOST_DISAGREEMENTS = 8;

/** The rules as text, to be compared with those of other processes and to be read by people. */
function rulesOf(threshold: SharedThreshold | undefined, quorum: number): string {
  if (!threshold) return `none, quorum ${quorum}`;
  const { windowMs, failures, rate, minAttempts, minSpanMs = 0, maxAgeMs, perCall } = threshold;
  return windowMs === 0
    ? `${failures} ${perCall ? 'calls that failed' : 'failures'} in a row over ${minSpanMs} ms, none older than ${maxAgeMs ?? 'any'} ms, quorum ${quorum}`
    : `${failures} failures and a rate of ${rate} of at least ${minAttempts} calls in ${windowMs} ms, quorum ${quorum}`;
}
