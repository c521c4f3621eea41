import { aPositiveNumber, options as optionsOf, own, type Rule, unexpected } from '../../validation.js';
import type { Limit } from '../contract.js';
import { limitOf } from '../limit.js';
import type { LimitedAttempt, LimitRule } from '../rule.js';
import { RecentPeak } from './recent-peak.js';
import { Shedding } from './shedding.js';
import { UsualTime } from './usual-time.js';

/** The bounds of a limit that finds itself. */
export interface AdaptiveLimitOptions {
  /**
   * What it does not fall below, a number > 0. Below 1 attempts go out one at a time with pauses between, for fleets of many
   * processes that make few calls each.
   * @default 0.3
   */
  min?: number | undefined;
  /**
   * What it does not grow above, a number >= `min` and >= 1.
   * @default Infinity
   */
  max?: number | undefined;
  /**
   * Where it begins while nothing is known of the service: at the first attempt, and after 10 s without any if all was well.
   * It grows quickly from there. A number from `min` to `max`.
   * @default 10
   */
  initial?: number | undefined;
}

/** What the recent peak does not hold a limit below. */
const SMALL = 2;
/** An answer within so many times the usual time is quick: nothing waited long at the service. */
const QUICK = 2.5;
/** A slow answer that took this share of its timeout: with more in flight, answers would come too late. */
const NEARLY_LATE = 0.85;
/** Where it begins after a recovery, in times of the recent peak: with more, many processes overload the service again. */
const RECOVERED = 0.25;
/** How many times what was really in flight the limit may be. */
const HEADROOM = 2;

const COLD_GROWTH = 4;
const GROWTH = 1;
const SLOW_GROWTH = 0.1;
/** Of a limit below `SMALL`, where one attempt more is a large step. */
const SMALL_GROWTH = 0.02;
const GROWTH_BELOW_ONE = 1.3;
/** Of a limit that a service which sheds load has cut lately: over the limit. */
const WARY_GROWTH = 0.1;

const CUT = 0.7;
/** Of a limit up to `FEW`: timeouts with so few in flight say that others use the service up. */
const CUT_OF_FEW = 0.35;
const FEW = 3;
const SHED_CUT = 0.95;
/** The pause after a timeout of one of few, in timeouts; none where attempts that started after it were answered quickly. */
const PAUSE = 0.75;
/** The longest gap between starts below one, in timeouts. */
const LONGEST_GAP = 3;

const RECENT_WEIGHT = 0.3;
const PRESUMED_MS = 100;

class AdaptiveRule implements LimitRule {
  limit: number;
  readonly #min: number;
  readonly #max: number;
  readonly #initial: number;
  readonly #random: () => number;
  readonly #peak = new RecentPeak();
  readonly #usual = new UsualTime();
  readonly #shedding = new Shedding();
  /** Nothing is known yet, or for long. */
  #isCold = true;
  #isWell = true;
  #recentMs = 0;
  /** When the latest attempt started that was answered quickly. */
  #quickSince = Number.NEGATIVE_INFINITY;
  #timeoutMs = Number.POSITIVE_INFINITY;
  #cutAt = Number.NEGATIVE_INFINITY;
  /** Below one: when the last attempt started, the gap after it is multiplied by, and the next may start. */
  #lastStart = 0;
  #jitter = 1;
  #nextStart = 0;

  constructor(min: number, max: number, initial: number, random: () => number) {
    this.#min = min;
    this.#max = max;
    this.#initial = initial;
    this.#random = random;
    this.limit = initial;
  }

  waitMs(now: number, inFlight: number): number {
    if (this.limit >= 1) return inFlight < Math.floor(this.limit) ? 0 : Number.POSITIVE_INFINITY;
    return inFlight > 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#nextStart - now);
  }

  started(now: number, inFlight: number): void {
    if (this.#isWell && this.#peak.at(now) === 0) {
      this.#isCold = true;
      this.limit = this.#initial;
    }
    this.#peak.add(inFlight, now);
    if (this.limit >= 1) return;
    this.#lastStart = now;
    this.#jitter = 0.5 + this.#random();
    this.#nextStart = now + this.#gapMs;
  }

  ended(attempt: LimitedAttempt, now: number): void {
    const { outcome, reason, inFlight } = attempt;
    if (reason === 'timeout') this.#timedOut(attempt, now);
    else if (reason === 'overload') {
      if (this.#shedding.refused(now)) this.#shed();
    } else if (outcome === 'success') {
      this.#shedding.answered(inFlight);
      this.#answered(attempt, now);
    }
  }

  recovered(now: number): void {
    this.#shedding.forget();
    this.#become(Math.max(this.limit, 1, RECOVERED * this.#peak.at(now)));
  }

  /** Cuts by what was in flight when the attempt began, once per round trip. */
  #timedOut({ startedAt, inFlight, durationMs }: LimitedAttempt, now: number): void {
    this.#isCold = false;
    this.#isWell = false;
    this.#timeoutMs = durationMs;
    this.#usual.timedOut();
    if (startedAt < this.#cutAt) return;
    const tooMany = this.limit < 1 ? this.limit : Math.min(this.limit, inFlight);
    this.#cutAt = now;
    this.#become(tooMany * (tooMany <= FEW ? CUT_OF_FEW : CUT));
    if (tooMany <= FEW && this.#quickSince < startedAt)
      this.#nextStart = Math.max(this.#nextStart, now + PAUSE * durationMs);
  }

  /** Cuts to what was in flight where attempts were answered, and never below one. */
  #shed(): void {
    this.#isCold = false;
    this.#become(Math.min(this.limit, Math.max(1, SHED_CUT * this.#shedding.answeredAt)));
  }

  #answered(
    { startedAt, durationMs, timeoutMs = Number.POSITIVE_INFINITY, inFlight, wasFull }: LimitedAttempt,
    now: number,
  ): void {
    this.#recentMs += (this.#recentMs === 0 ? 1 : RECENT_WEIGHT) * (durationMs - this.#recentMs);
    this.#usual.add(durationMs, !wasFull);
    const isQuick = durationMs <= QUICK * this.#usual.ms;
    if (isQuick) {
      this.#isWell = true;
      this.#quickSince = Math.max(this.#quickSince, startedAt);
    } else if (wasFull) this.#usual.addSlow(durationMs, inFlight);
    const peak = this.#peak.at(now);
    const wasUsedUp = wasFull || (this.#isCold && peak >= Math.floor(this.limit));
    if (!isQuick || !wasUsedUp) this.#isCold = false;
    if (this.limit < 1) {
      this.#become(isQuick ? 1 : Math.min(1, GROWTH_BELOW_ONE * this.limit));
      this.#nextStart = Math.min(this.#nextStart, this.#lastStart + this.#gapMs);
    } else if (wasUsedUp && isQuick) {
      this.#become(this.limit + this.#growth(now));
    } else if (wasUsedUp && durationMs < NEARLY_LATE * timeoutMs) {
      this.#become(this.limit + (this.limit < SMALL ? SMALL_GROWTH : SLOW_GROWTH));
    }
    if (!this.#isCold) this.#become(Math.min(this.limit, Math.max(SMALL, HEADROOM * peak)));
  }

  #growth(now: number): number {
    if (this.#shedding.isRecent(now)) return WARY_GROWTH / this.limit;
    return this.#isCold ? COLD_GROWTH : GROWTH;
  }

  /** Between starts below one, with jitter, or many processes would send in lockstep. */
  get #gapMs(): number {
    return Math.min(LONGEST_GAP * this.#timeoutMs, (this.#recentMs || PRESUMED_MS) / this.limit) * this.#jitter;
  }

  #become(limit: number): void {
    this.limit = Math.min(this.#max, Math.max(this.#min, limit));
  }
}

const aLimit =
  (what: string, min: number, max: number): Rule =>
  (value, path) => {
    if (typeof value !== 'number') throw unexpected(path, what, value);
    if (!(value >= min && value <= max)) throw unexpected(path, what, value, RangeError);
  };

/**
 * As many in flight as the service can take, found by itself: the limit grows while attempts that use it up are answered
 * about as quickly as usual, by little while they are slow, and is cut by timeouts, and where the service sheds load (429 and
 * 503 beyond their usual share). It is never more than twice what was really in flight lately, so that a quiet process cannot
 * burst, and below one it paces: one attempt at a time, with pauses.
 *
 * In the manner of the adaptive limits of Netflix (concurrency-limits, AIMD and Gradient2), Envoy (adaptive concurrency),
 * Uber (Cinnamon) and failsafe-go, with the additive rise and multiplicative cut of TCP (RFC 5681); gradients of latency
 * turned out worse where fast and slow endpoints share a limit.
 *
 * @throws a `TypeError` or `RangeError` that names a bad option.
 */
export function adaptiveLimit(options: AdaptiveLimitOptions = {}): Limit {
  const aBound = () => undefined;
  optionsOf({ min: aPositiveNumber, max: aBound, initial: aBound })(options, 'adaptiveLimit(options)');
  const given = own(options);
  const { min = 0.3, max = Number.POSITIVE_INFINITY } = given;
  aLimit('a number >= 1 and >= `min`', Math.max(1, min), Number.POSITIVE_INFINITY)(max, 'adaptiveLimit(options).max');
  const { initial = Math.min(max, Math.max(min, 10)) } = given;
  aLimit('a number from `min` to `max`', min, max)(initial, 'adaptiveLimit(options).initial');
  return limitOf('adaptive', ({ random }) => new AdaptiveRule(min, max, initial, random));
}
