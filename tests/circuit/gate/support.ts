import { vi } from 'vitest';
import type { Permit, Rejection } from '../../../src/circuit/contract.js';
import { Gate } from '../../../src/circuit/waiting/gate.js';
import type { Asking, GatedCircuit, Outlook, Waiting } from '../../../src/circuit/waiting/waiting.js';
import type { Outcome } from '../../../src/index.js';

type State =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly until: number; readonly byHand: boolean }
  | { readonly name: 'half-open'; readonly probes: Set<Permit> };

/** What became of one that waited. */
export interface Visitor {
  readonly number: number;
  readonly waiting: Waiting;
  readonly permit: Permit | undefined;
  readonly givenAt: number;
  readonly rejection: Rejection | undefined;
}

interface CircuitPlan {
  readonly maxQueue?: number;
  readonly probes?: number;
  readonly patienceMs?: number;
  readonly startsInMs?: number;
  readonly usualMs?: number;
}

/** A circuit that does what it is told, with a gate before it, on the clock of the fake timers. */
export class ScriptedCircuit implements GatedCircuit {
  readonly gate = new Gate(this);
  readonly maxQueue: number;
  readonly visitors: Visitor[] = [];
  /** In the order in which they were given. */
  readonly given: number[] = [];
  isObserved = false;
  usualMs: number | undefined;
  cooldownMs = 400;
  rejections = 0;
  /** How often it was asked for a permit, and how often what lies ahead. */
  asked = { admit: 0, outlook: 0 };
  readonly #plan: CircuitPlan;
  #state: State = { name: 'closed' };

  constructor(plan: CircuitPlan = {}) {
    this.#plan = plan;
    this.maxQueue = plan.maxQueue ?? 100;
    this.usualMs = plan.usualMs;
  }

  get now(): number {
    return performance.now();
  }

  get state(): State['name'] {
    return this.#at(this.now).name;
  }

  open(cooldownMs = this.cooldownMs): void {
    this.#become({ name: 'open', until: this.now + cooldownMs, byHand: false });
  }

  trip(): void {
    this.#become({ name: 'open', until: this.now + this.cooldownMs, byHand: true });
  }

  close(): void {
    this.#become({ name: 'closed' });
  }

  observe(): void {
    this.isObserved = true;
    this.gate.moved(this.now);
  }

  /** A call comes that may wait for so long; `undefined` where it is not let in. */
  come(maxWaitMs: number, leaseMs = 30_000): Visitor | undefined {
    const waiting = this.gate.wait({ until: this.now + maxWaitMs, leaseMs }, this.now);
    if (!waiting) return undefined;
    const visitor = {
      number: this.visitors.length,
      waiting,
      permit: undefined,
      givenAt: Number.NaN,
      rejection: undefined,
    };
    this.visitors.push(visitor);
    void waiting.answer.then((answer) => {
      if (!answer.admitted) Object.assign(visitor, { rejection: answer });
      else {
        Object.assign(visitor, { permit: answer, givenAt: this.now });
        this.given.push(visitor.number);
      }
    });
    return visitor;
  }

  /** Takes the seat of a probe, as a call that comes just in time does. */
  probe(): Permit {
    const permit = this.admit({ until: 0, leaseMs: 0 }, this.now);
    if (!permit) throw new Error('There is no seat');
    return permit;
  }

  outlook(now: number): Outlook {
    this.asked.outlook++;
    const { probes: seats = 1, patienceMs = 1_000, startsInMs = 0 } = this.#plan;
    const state = this.#at(now);
    if (this.isObserved || state.name === 'closed') return { name: 'passing', startsInMs };
    if (state.name === 'open') return { name: 'cooling', until: state.byHand ? Number.POSITIVE_INFINITY : state.until };
    const [oldest] = state.probes as Set<Permit & { at: number }>;
    return { name: 'probing', hasSeat: state.probes.size < seats, since: oldest?.at, patienceMs };
  }

  admit(_asking: Asking, now: number): Permit | undefined {
    this.asked.admit++;
    const { probes: seats = 1 } = this.#plan;
    const state = this.#at(now);
    if (state.name === 'open' || (state.name === 'half-open' && state.probes.size >= seats)) return undefined;
    const probes = state.name === 'half-open' ? state.probes : undefined;
    const permit = {
      admitted: true as const,
      at: now,
      settle: (outcome: Outcome) => {
        const wasProbe = probes?.delete(permit) === true && this.#state.name === 'half-open';
        if (wasProbe && outcome === 'failure') this.open();
        else if (wasProbe && outcome === 'success') this.close();
        else if (outcome === 'failure' && this.tripsOnFailure && this.#state.name === 'closed') this.open();
        else this.gate.look(this.now);
      },
    };
    probes?.add(permit);
    return permit;
  }

  tripsOnFailure = false;

  reject(): Rejection {
    this.rejections++;
    return { admitted: false, retryAfterMs: 0 };
  }

  #at(now: number): State {
    const state = this.#state;
    if (state.name === 'open' && now >= state.until) this.#become({ name: 'half-open', probes: new Set() });
    return this.#state;
  }

  #become(state: State): void {
    this.#state = state;
    this.gate.moved(this.now);
  }
}

/** Lets promises settle that are settled already. */
export const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
