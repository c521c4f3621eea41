import type { AxiosAdapter, AxiosInstance, InternalAxiosRequestConfig } from 'axios';
import type { ResilienceOptions } from '../../dist/index.js';
import { monotonicClock } from '../../src/clock.js';
import { adaptiveLimit } from '../../src/limiter/adaptive-limit.js';
import type { LimitedAttempt, LimitRule } from '../../src/limiter/rule.js';
import { type Slot, Turnstile } from '../../src/limiter/turnstile.js';

export interface Tunables {
  min: number;
  start: number;
  cold: number;
  quick: number;
  creep: number;
  cut: number;
  cutSmall: number;
  pause: number;
  capMul: number;
  up: number;
  decay: number;
  below: number;
  oneUp: number;
  pauseUpTo: number;
  grow: number;
  fast: number;
  growFast: number;
  shed: number;
  shedAbove: number;
  shedBelow: number;
  coldGrow: number;
  adopt: number;
  adoptAt: number;
  samples: number;
}
const F: Tunables = {
  min: 0.3,
  start: 2,
  cold: 2,
  quick: 2.5,
  creep: 0.1,
  cut: 0.7,
  cutSmall: 0.35,
  pause: 0.5,
  capMul: 2,
  up: 0.002,
  decay: 0.98,
  below: 1.3,
  oneUp: 0.02,
  pauseUpTo: 3,
  grow: 1,
  fast: 0,
  growFast: 1,
  shed: 0,
  shedAbove: 0.15,
  shedBelow: 0,
  coldGrow: 1,
  adopt: 0,
  adoptAt: 1.25,
  samples: 8,
};

export class Candidate implements LimitRule {
  limit: number;
  #o: Tunables;
  #usual = 0;
  #recent = 0;
  #lastCutAt = -1;
  #timeoutMs = 1e9;
  #nextStart = 0;
  #lastStart = 0;
  #jitter = 1;
  #peaks = [0];
  #slot = 0;
  #served = 0;
  #innate = 0;
  #shedLately = 0;
  #answeredAt = 1;
  #shedAt = -1e9;
  #starting = true;
  #low: number[][] = [];
  #high: number[][] = [];
  #floor = 0;
  constructor(o: Partial<Tunables> = {}) {
    this.#o = { ...F, ...o };
    this.limit = this.#o.cold;
  }
  #gap() {
    return Math.min(3 * this.#timeoutMs, (this.#recent || 100) / this.limit);
  }
  #peak(now: number) {
    const s = Math.floor(now / 2000);
    if (s !== this.#slot) {
      for (let i = this.#slot; i < s && i < this.#slot + 6; i++) this.#peaks.unshift(0);
      this.#peaks.length = Math.min(this.#peaks.length, 6);
      this.#slot = s;
    }
    return Math.max(...this.#peaks);
  }
  waitMs(now: number, inFlight: number) {
    if (this.limit >= 1) return inFlight < Math.floor(this.limit + 1e-9) ? 0 : Infinity;
    return inFlight >= 1 ? Infinity : Math.max(0, this.#nextStart - now);
  }
  started(now: number, inFlight: number) {
    this.#peak(now);
    this.#peaks[0] = Math.max(this.#peaks[0]!, inFlight);
    if (this.limit < 1) {
      this.#lastStart = now;
      this.#jitter = 0.5 + Math.random();
      this.#nextStart = now + this.#gap() * this.#jitter;
    }
  }
  recovered() {
    this.limit = Math.max(this.limit, this.#o.start);
  }
  ended({ startedAt, inFlight, wasFull, durationMs: rtt, outcome, reason }: LimitedAttempt, now: number) {
    const o = this.#o;
    if (reason === 'timeout') {
      this.#timeoutMs = rtt;
      this.#starting = false;
      this.#low = [];
      this.#high = [];
      if (this.#floor) {
        this.#usual = this.#floor;
        this.#floor = 0;
      }
      if (startedAt >= this.#lastCutAt) {
        const m = Math.min(this.limit, this.limit < 1 ? this.limit : inFlight);
        this.limit = Math.max(o.min, m * (m <= 3 ? o.cutSmall : o.cut));
        this.#lastCutAt = now;
        if (m <= o.pauseUpTo) this.#nextStart = Math.max(this.#nextStart, now + o.pause * rtt);
      }
      return;
    }
    if (reason === 'overload') {
      this.#shedLately += 0.1 * (1 - this.#shedLately);
      this.#innate += 0.02 * (1 - this.#innate);
      if (o.shed && this.#shedLately > this.#innate + o.shedAbove) {
        this.limit = Math.max(1, Math.min(this.limit, this.#answeredAt));
        this.#shedAt = now;
        this.#starting = false;
      }
      return;
    }
    if (outcome === 'success') {
      this.#shedLately *= 0.9;
      this.#innate *= 0.98;
      this.#answeredAt += 0.1 * (inFlight - this.#answeredAt);
    }
    if (outcome !== 'success') return;
    this.#served++;
    this.#recent += (this.#recent ? 0.3 : 1) * (rtt - this.#recent);
    if (!this.#usual) this.#usual = rtt;
    if (rtt < this.#usual) this.#usual += 0.05 * (rtt - this.#usual);
    else if (!wasFull) this.#usual += o.up * (rtt - this.#usual);
    const isQuick = rtt <= o.quick * this.#usual;
    if (this.limit < 1) this.limit = isQuick ? 1 : Math.min(1, o.below * this.limit);
    else if (wasFull) {
      if (isQuick)
        this.limit +=
          now - this.#shedAt < 5_000
            ? 1 / this.limit
            : this.#starting
              ? o.coldGrow
              : rtt <= o.fast * this.#usual
                ? o.growFast
                : o.grow;
      else this.limit += this.limit < 2 ? o.oneUp : o.creep;
    }
    if (!isQuick) {
      this.#starting = false;
      if (o.adopt && wasFull) {
        if (this.#low.length < o.samples) {
          this.#low.push([inFlight, rtt]);
        } else {
          const mean = (of: number[][], i: number) => of.reduce((t, x) => t + x[i]!, 0) / of.length;
          const m = mean(this.#low, 0);
          if (inFlight >= o.adoptAt * m) {
            this.#high.push([inFlight, rtt]);
            if (this.#high.length >= o.samples) {
              if (mean(this.#high, 1) <= o.adopt * mean(this.#low, 1)) {
                if (!this.#floor) this.#floor = this.#usual;
                this.#usual = mean(this.#high, 1);
                this.#low = [];
              } else this.#low = this.#high;
              this.#high = [];
            }
          }
        }
      }
    }
    if (!wasFull && this.#peak(now) < Math.floor(this.limit)) this.#starting = false;
    if (this.limit < 1) this.#nextStart = Math.min(this.#nextStart, this.#lastStart + this.#gap() * this.#jitter);
    const cap = Math.max(o.start, o.capMul * this.#peak(now));
    if (this.limit > cap && !this.#starting) this.limit = Math.max(cap, this.limit * o.decay);
  }
}

export const CANDIDATES: Readonly<
  Record<string, { open?: (o: object) => Turnstile; rule: () => LimitRule; maxWaitMs?: number }>
> = {
  F: { rule: () => new Candidate(), maxWaitMs: 1_000 },
  R: { open: (o) => adaptiveLimit().open(o as never), rule: () => new Candidate() },
  F2: { rule: () => new Candidate() },
};
for (const [name, given] of Object.entries(
  JSON.parse(process.env.CANDIDATES ?? '{}') as Record<string, Partial<Tunables> & { maxWaitMs?: number }>,
)) {
  const { maxWaitMs, ...o } = given;
  (CANDIDATES as Record<string, unknown>)[name] = { rule: () => new Candidate(o), maxWaitMs };
}

const code = 'ERR_LIMITED';

export function limited(
  api: AxiosInstance,
  { rule, open, maxWaitMs }: { open?: (o: object) => Turnstile; rule: () => LimitRule; maxWaitMs?: number },
): ResilienceOptions {
  const send = api.defaults.adapter as AxiosAdapter;
  const made = rule();
  const turnstile = open
    ? open({ maxQueue: 1_000, clock: monotonicClock, random: Math.random })
    : new Turnstile({
        rule: made,
        maxQueue: 1_000,
        clock: monotonicClock,
        onError: (error) => {
          throw error;
        },
      });
  api.defaults.adapter = async (config: InternalAxiosRequestConfig) => {
    const state = (config as { resilienceState?: { attempts: number } }).resilienceState;
    const slot =
      turnstile.enter() ??
      (await new Promise<Slot>((enter, reject) => {
        turnstile.wait({
          priority: 'normal',
          isRetry: (state?.attempts ?? 1) > 1,
          expiresAt: performance.now() + (maxWaitMs ?? config.timeout ?? 1e9),
          enter,
          turnAway: (why) => reject(Object.assign(new Error(why), { code, isAxiosError: true, config })),
        });
      }));
    try {
      const response = await send(config);
      slot.end({ outcome: 'success' });
      return response;
    } catch (error) {
      const { code, response } = error as { code?: string; response?: { status: number } };
      const reason =
        code === 'ECONNABORTED'
          ? ('timeout' as const)
          : response?.status === 503 || response?.status === 429
            ? ('overload' as const)
            : undefined;
      slot.end({ outcome: response && response.status < 500 ? 'success' : 'failure', reason });
      throw error;
    }
  };
  return {
    breaker: { classify: ({ code: c }) => (c === code ? 'neutral' : undefined) },
    retry: {
      shouldRetry: ({ error }) => ((error as { code?: string } | undefined)?.code === code ? false : undefined),
    },
  };
}
