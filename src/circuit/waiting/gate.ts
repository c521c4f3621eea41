import { MAX_TIMER_MS } from '../../clock.js';
import { tellAfterwards } from '../../emitter.js';
import type { Permit } from '../contract.js';
import { Ramp } from './ramp.js';
import { type Asking, type GatedCircuit, type Outlook, Waiter, type Waiting } from './waiting.js';

/**
 * Where attempts wait for a circuit that would reject them. It stands beside the state machine, which has no timers, and
 * looks at it whenever that may have changed: who comes first is let through first, nobody waits for what cannot come in
 * time, and nobody is rejected by a closed circuit. It has one timer, and none while nobody waits.
 */
export class Gate {
  readonly #circuit: GatedCircuit;
  /** First in, first out; callers leave from anywhere when they are cancelled. */
  readonly #queue = new Set<Waiter>();
  readonly #ramp = new Ramp();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is due; `Infinity` without one. */
  #wakeAt = Number.POSITIVE_INFINITY;
  /** When those who wait may go on; `undefined` unless they may. */
  #startsAt: number | undefined;
  /** Whose probe the store is asked for. */
  #asked: Waiter | undefined;
  /** When the store last said that all probes are taken. */
  #deniedAt: number | undefined;
  /** The end of the cooldown for which all who wait have been judged. */
  #judgedBy: number | undefined;
  #isLooking = false;
  #looksAgain = false;

  constructor(circuit: GatedCircuit) {
    this.#circuit = circuit;
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Whether an attempt that can wait until then may hope for a permit, as far as can be foreseen. */
  isWorthIt(until: number, now: number, outlook: Outlook = this.#circuit.outlook(now)): boolean {
    return this.#queue.size < this.#circuit.maxQueue && this.#isHopeful(outlook, until, now);
  }

  /** A place in the queue, or `undefined` where it is not worth it. */
  wait(asking: Asking, now: number): Waiting | undefined {
    const outlook = this.#circuit.outlook(now);
    if (!this.isWorthIt(asking.until, now, outlook)) return undefined;
    if (this.#queue.size === 0) this.#ramp.usually(this.#circuit.usualMs, now);
    const waiter = new Waiter(asking, (left, isRejected) => this.#leave(left, isRejected));
    this.#queue.add(waiter);
    if (outlook.name === 'passing' || (outlook.name === 'probing' && outlook.hasSeat)) this.look(now);
    else this.#wake(Math.min(this.#endOf(outlook, now), asking.until), now);
    return waiter;
  }

  /** To be called when the circuit has moved, or has got a permit back. */
  look(now: number): void {
    tellAfterwards(() => this.#look(now));
  }

  /** To be called when the circuit has moved: what was found before is void. */
  moved(now: number): void {
    this.#deniedAt = this.#judgedBy = undefined;
    this.look(now);
  }

  #look(now: number): void {
    this.#looksAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#looksAgain) {
      this.#looksAgain = false;
      if (this.#queue.size > 0) this.#serve(this.#circuit.outlook(now), now);
    }
    this.#isLooking = false;
    if (this.#queue.size === 0) this.#rest();
  }

  #serve(outlook: Outlook, now: number): void {
    if (outlook.name === 'passing') {
      this.#startsAt ??= this.#startOf(outlook.startsInMs, now);
      if (this.#startsAt <= now) this.#release(now);
      else this.#wake(this.#startsAt, now);
      return;
    }
    this.#startsAt = undefined;
    if (outlook.name === 'probing') this.#probe(outlook.hasSeat, now);
    this.#sendAway(now);
  }

  #startOf(startsInMs: number, now: number): number {
    this.#ramp.begin(now);
    this.#stop();
    return now + startsInMs;
  }

  /** Lets through as many as the service has shown that it can take. */
  #release(now: number): void {
    for (const first of this.#queue) {
      const roomAt = this.#ramp.roomAt(now, first.asking.until);
      if (roomAt > now) {
        this.#wake(roomAt, now);
        return;
      }
      const permit = this.#circuit.admit(first.asking, now);
      if (!permit || permit instanceof Promise) return;
      const counted = this.#ramp.enter(permit, now, this.#circuit, (at) => this.look(at));
      this.#give(first, counted);
    }
  }

  /** Lets through whoever comes first and may probe: a call gets one probe of a round. */
  #probe(hasSeat: boolean, now: number): void {
    if (!hasSeat || this.#asked || this.#deniedAt !== undefined) return;
    for (const waiter of this.#queue) {
      const answer = this.#circuit.admit(waiter.asking, now);
      if (answer instanceof Promise) {
        this.#asked = waiter;
        void answer.then((permit) => this.#answered(waiter, permit));
        return;
      }
      if (!answer) continue;
      this.#give(waiter, answer);
      const outlook = this.#circuit.outlook(now);
      if (outlook.name !== 'probing' || !outlook.hasSeat) return;
    }
  }

  /** Takes the answer of a store; who asked may have left. */
  #answered(waiter: Waiter, permit: Permit | undefined): void {
    const { now } = this.#circuit;
    this.#asked = undefined;
    if (!permit) this.#deniedAt = now;
    else if (this.#queue.has(waiter)) this.#give(waiter, permit);
    else permit.settle('neutral');
    this.look(now);
  }

  /** Rejects whom nothing can help in time, and sets the timer for the rest. */
  #sendAway(now: number): void {
    const outlook = this.#circuit.outlook(now);
    if (outlook.name === 'passing') {
      this.#looksAgain = true;
      return;
    }
    const end = this.#endOf(outlook, now);
    const isJudged = outlook.name === 'cooling' && end === this.#judgedBy;
    this.#judgedBy = outlook.name === 'cooling' ? end : undefined;
    for (const waiter of isJudged ? [] : this.#queue) {
      if (!this.#isHopeful(outlook, waiter.asking.until, now)) this.#reject(waiter, now);
      else if (outlook.name === 'probing') this.#wake(waiter.asking.until, now);
    }
    if (this.#queue.size > 0) this.#wake(end, now);
  }

  #reject(waiter: Waiter, now: number): void {
    if (this.#queue.delete(waiter)) waiter.resolve(this.#circuit.reject(now));
  }

  #isHopeful(outlook: Outlook, until: number, now: number): boolean {
    switch (outlook.name) {
      case 'passing':
        return true;
      case 'cooling':
        return outlook.until <= until && outlook.until < Number.POSITIVE_INFINITY;
      case 'probing':
        return now < until && now < this.#endOf(outlook, now);
    }
  }

  /** Until when there is something to wait for. */
  #endOf(outlook: Outlook, now: number): number {
    if (outlook.name === 'cooling') return outlook.until;
    return outlook.name === 'probing' ? (outlook.since ?? this.#deniedAt ?? now) + outlook.patienceMs : now;
  }

  #give(waiter: Waiter, permit: Permit): void {
    this.#queue.delete(waiter);
    waiter.resolve(permit);
  }

  #leave(waiter: Waiter, isRejected: boolean): void {
    const [first] = this.#queue;
    if (!this.#queue.delete(waiter)) return;
    if (isRejected) waiter.resolve(this.#circuit.reject(this.#circuit.now));
    const [next] = this.#queue;
    if (!next) this.#rest();
    else if (waiter === first) this.#wake(next.asking.until, this.#circuit.now);
  }

  #rest(): void {
    this.#startsAt = undefined;
    this.#stop();
  }

  /** Sets the timer, unless it is due before. */
  #wake(at: number, now: number): void {
    if (at >= this.#wakeAt) return;
    this.#stop();
    this.#wakeAt = at;
    const wake = () => {
      this.#stop();
      this.look(this.#circuit.now);
    };
    this.#timer = setTimeout(wake, Math.min(MAX_TIMER_MS, Math.ceil(at - now)));
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }
}
