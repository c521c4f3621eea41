import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Outcome } from '../../../src/index.js';
import { ScriptedCircuit, settled, type Visitor } from './support.js';

const SEQUENCES = Number(process.env['GATE_SEQUENCES'] ?? 1_500);
const LONGEST_HOLD_MS = 1_000;
const HELD_BACK_MS = 5_000;

/** One thing that happens. Indices are taken modulo what there is. */
type Step =
  | { readonly do: 'come'; readonly maxWaitMs: number; readonly times: number }
  | { readonly do: 'leave'; readonly index: number }
  | { readonly do: 'end'; readonly index: number; readonly outcome: Outcome }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'open'; readonly cooldownMs: number }
  | { readonly do: 'close' }
  | { readonly do: 'trip' }
  | { readonly do: 'next cooldown'; readonly ms: number };

const aWait = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 1_500 }));
const anOutcome = fc.constantFrom<Outcome>('success', 'success', 'failure', 'neutral');
const anIndex = fc.nat({ max: 200 });

const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('come' as const), maxWaitMs: aWait, times: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), index: anIndex }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), index: anIndex, outcome: anOutcome }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: aWait }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), cooldownMs: aWait }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trip' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('next cooldown' as const), ms: aWait }) },
);

/** What is known of one that came, without looking into the gate. */
interface Guest {
  readonly visitor: Visitor;
  readonly until: number;
  hasLeft: boolean;
  hasEnded: boolean;
  /** Whether it was let through a closed circuit, and not as a probe. */
  isReleased: boolean;
}

/**
 * The loop as the issue words it: one, plus one per n successes, at most four, halved by a failure. One again where an answer
 * took longer than is usual, and a pause of that, of twice that and so on, for five seconds,
 * and no longer than the first is willing to wait.
 */
class Allowance {
  n = 1;
  pausedUntil = 0;
  #successes = 0;
  #begunAt = 0;
  #slowInARow = 0;

  constructor(readonly usualMs: number) {}

  begin(now: number): void {
    this.n = 1;
    this.#successes = 0;
    this.#begunAt = now;
    this.pausedUntil = 0;
    this.#slowInARow = 0;
  }

  learn(outcome: Outcome, tookMs: number, now: number): void {
    if (outcome === 'failure') {
      this.n = this.n > 1 ? this.n >> 1 : 1;
      this.#successes = 0;
    }
    if (outcome !== 'success') return;
    const heldUntil = this.#begunAt + HELD_BACK_MS;
    if (tookMs > this.usualMs && now <= heldUntil) {
      this.n = 1;
      this.#successes = 0;
      const times = [1, 2, 4][this.#slowInARow++] ?? 8;
      this.pausedUntil = Math.min(heldUntil, now + times * tookMs);
      return;
    }
    this.#slowInARow = 0;
    this.#successes += 1;
    if (this.#successes < this.n) return;
    this.#successes = 0;
    if (this.n < 4) this.n += 1;
  }
}

/** Plays a sequence and checks after each step what must hold whatever happens. */
class Play {
  readonly circuit: ScriptedCircuit;
  readonly #guests: Guest[] = [];
  readonly #allowance: Allowance;
  #wasClosed = true;
  #hadWaiting = false;
  #seen = 0;

  constructor(probes: number, maxQueue: number, usualMs: number) {
    this.#allowance = new Allowance(usualMs);
    this.circuit = new ScriptedCircuit({ probes, maxQueue, patienceMs: 300, usualMs });
  }

  get #waiting(): Guest[] {
    return this.#guests.filter(({ visitor, hasLeft }) => !hasLeft && !visitor.permit && !visitor.rejection);
  }

  get #underWay(): Guest[] {
    return this.#guests.filter(({ visitor, hasEnded }) => visitor.permit && !hasEnded);
  }

  async take(step: Step): Promise<void> {
    const { circuit } = this;
    switch (step.do) {
      case 'come':
        for (let i = 0; i < step.times; i++) this.#come(step.maxWaitMs);
        break;
      case 'leave': {
        const waiting = this.#waiting;
        const guest = waiting[step.index % waiting.length];
        guest?.visitor.waiting.leave();
        if (guest) guest.hasLeft = true;
        break;
      }
      case 'end':
        await this.#end(step.index, step.outcome);
        break;
      case 'wait':
        for (let ms = 0; ms < step.ms; ms += 10) {
          await vi.advanceTimersByTimeAsync(Math.min(10, step.ms - ms));
          this.#check();
        }
        break;
      case 'open':
        circuit.open(step.cooldownMs);
        break;
      case 'close':
        circuit.close();
        break;
      case 'trip':
        circuit.trip();
        break;
      case 'next cooldown':
        circuit.cooldownMs = step.ms;
        break;
    }
    await settled();
    this.#check();
  }

  /** Lets everything end well: then nobody may be left, and nothing. */
  async finish(): Promise<void> {
    await this.take({ do: 'close' });
    for (let round = 0; round < 500 && (this.#waiting.length > 0 || this.#underWay.length > 0); round++) {
      if (this.#underWay.length === 0) await this.take({ do: 'wait', ms: 100 });
      await this.#end(0, 'success');
      await settled();
      this.#check();
    }
    expect(this.#waiting).toEqual([]);
    expect(this.circuit.gate.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(new Set(this.circuit.given).size).toBe(this.circuit.given.length);
    expect(this.circuit.rejections).toBe(this.#guests.filter(({ visitor }) => visitor.rejection).length);
  }

  #come(maxWaitMs: number): void {
    if (this.circuit.state === 'closed') return;
    const visitor = this.circuit.come(maxWaitMs);
    if (!visitor) return;
    const until = performance.now() + maxWaitMs;
    this.#guests.push({ visitor, until, hasLeft: false, hasEnded: false, isReleased: false });
  }

  async #end(index: number, outcome: Outcome): Promise<void> {
    const underWay = this.#underWay;
    const guest = underWay[index % underWay.length];
    if (!guest) return;
    guest.hasEnded = true;
    const now = performance.now();
    if (guest.isReleased) this.#allowance.learn(outcome, now - guest.visitor.givenAt, now);
    guest.visitor.permit?.settle(outcome);
    await settled();
  }

  #check(): void {
    const { circuit } = this;
    const now = performance.now();
    const isClosed = circuit.state === 'closed';
    if (!isClosed || !this.#hadWaiting) this.#wasClosed = false;
    if (isClosed && !this.#wasClosed) this.#allowance.begin(now);
    const hasReleased = isClosed && circuit.given.length > this.#seen;
    for (const number of circuit.given.slice(this.#seen)) {
      const guest = this.#guests[number] as Guest;
      guest.isReleased = isClosed;
      const overtaken = this.#waiting.filter(({ visitor }) => visitor.number < number);
      if (overtaken.length > 0) throw new Error(`${number} was let through before ${overtaken[0]?.visitor.number}`);
      if (isClosed && guest.visitor.givenAt < Math.min(this.#allowance.pausedUntil, guest.until))
        throw new Error(`${number} went in a pause`);
      if (guest.hasLeft) throw new Error(`${number} had left`);
    }
    this.#seen = circuit.given.length;
    const waiting = this.#waiting;
    if (circuit.gate.size !== waiting.length) throw new Error(`${circuit.gate.size} wait, and not ${waiting.length}`);
    if (waiting.length > circuit.maxQueue) throw new Error(`${waiting.length} wait`);
    if (waiting.length === 0 && vi.getTimerCount() > 0) throw new Error('A timer is left');
    if (vi.getTimerCount() > 1) throw new Error(`There are ${vi.getTimerCount()} timers`);
    const held = this.#underWay.filter(
      ({ isReleased, visitor }) => isReleased && now - visitor.givenAt < LONGEST_HOLD_MS,
    ).length;
    if (hasReleased && held > this.#allowance.n) {
      throw new Error(`${held} are under way, and ${this.#allowance.n} may be`);
    }
    const isPaused = now < Math.min(this.#allowance.pausedUntil, waiting[0]?.until ?? 0);
    if (isClosed && waiting.length > 0 && held < this.#allowance.n && !isPaused) {
      throw new Error(`${held} are under way where ${this.#allowance.n} may be, and ${waiting.length} wait`);
    }
    const late = isClosed ? undefined : waiting.find(({ until }) => until < now);
    if (late) throw new Error(`${late.visitor.number} waits beyond its time`);
    this.#hadWaiting = waiting.length > 0;
    this.#wasClosed = isClosed && this.#hadWaiting;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test(`keeps the order, loses nobody, and lets no more go than may, in ${SEQUENCES} sequences`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 20 }),
      fc.constantFrom(50, 500, Number.POSITIVE_INFINITY),
      fc.array(aStep, { minLength: 1, maxLength: 40, size: 'max' }),
      async (probes, maxQueue, usualMs, steps) => {
        vi.clearAllTimers();
        const play = new Play(probes, maxQueue, usualMs);
        for (const step of steps) await play.take(step);
        await play.finish();
      },
    ),
    { numRuns: SEQUENCES },
  );
}, 120_000);
