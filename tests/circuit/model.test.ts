import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CircuitSnapshot, Isolation, Permit } from '../../src/circuit/contract.js';
import type { DetectorFactory } from '../../src/circuit/detectors/detectors.js';
import type { BreakerMode } from '../../src/circuit/options.js';
import {
  allOf,
  anyOf,
  CircuitBreaker,
  CircuitOpenError,
  consecutiveFailures,
  exponential,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  type Outcome,
  type ResilienceEvent,
  slowCallRate,
} from '../../src/index.js';
import { tryAcquire } from '../support/permits.js';
import {
  type CircuitPlan,
  type DetectorPlan,
  type ModelEvent,
  type ModelPermit,
  type ModelSave,
  ReferenceModel,
} from './reference-model.js';
import { listen, type ManualClock, manualClock } from './support.js';

const KEY = 'GET https://api.example.com';
const HOUR_MS = 3_600_000;
const SEQUENCES_PER_DETECTOR = Number(process.env['SEQUENCES_PER_DETECTOR'] ?? 2_500);
const MOST_STEPS = 40;

/** One thing that happens to a circuit. Indices are taken modulo what there is. */
type Step =
  | {
      readonly do: 'admit';
      readonly times: number;
      readonly leaseMs?: number | undefined;
      readonly caller?: number | undefined;
    }
  | {
      readonly do: 'settle';
      readonly index: number;
      readonly outcome: Outcome;
      readonly retryAfterMs?: number | undefined;
      /** Whether it came to a rejection of the circuit itself, or of another one. */
      readonly rejectedBy?: string | undefined;
    }
  | { readonly do: 'attempt'; readonly times: number; readonly outcome: Outcome; readonly durationMs: number }
  | { readonly do: 'wait'; readonly ms: number; readonly look: boolean }
  | { readonly do: 'wait until'; readonly moment: number; readonly offsetMs: -1 | 0 | 1; readonly look: boolean }
  | { readonly do: 'trip'; readonly cooldownMs?: number | undefined }
  | { readonly do: 'reset' }
  | { readonly do: 'isolate' }
  | { readonly do: 'release'; readonly index: number }
  | { readonly do: 'switch mode'; readonly mode: BreakerMode }
  | { readonly do: 'save' }
  | { readonly do: 'restore' }
  | { readonly do: 'move to another process'; readonly startMs: number };

const LOOK: Step = { do: 'wait', ms: 0, look: true };

function detectorOf(plan: DetectorPlan): DetectorFactory {
  switch (plan.kind) {
    case 'consecutiveFailures':
      return consecutiveFailures(plan.threshold, { minSpanMs: plan.minSpanMs, maxAgeMs: plan.maxAgeMs });
    case 'failuresInWindow':
      return failuresInWindow({ failures: plan.failures, windowMs: plan.windowMs });
    case 'failureRate':
      return failureRate({
        size: plan.size,
        rate: plan.percent / 100,
        minAttempts: plan.minAttempts,
        maxAgeMs: plan.maxAgeMs,
      });
    case 'failureRateInWindow':
      return failureRateInWindow({
        windowMs: plan.windowMs,
        rate: plan.percent / 100,
        minAttempts: plan.minAttempts,
      });
    case 'slowCallRate':
      return slowCallRate({
        slowMs: plan.slowMs,
        size: plan.size,
        rate: plan.percent / 100,
        minAttempts: plan.minAttempts,
      });
    case 'anyOf':
      return anyOf(...plan.parts.map(detectorOf));
    case 'allOf':
      return allOf(...plan.parts.map(detectorOf));
  }
}

function breakerOf(plan: CircuitPlan, clock: ManualClock): CircuitBreaker {
  const { cooldown, permits, successThreshold, failurePercent, leaseMs } = plan;
  return new CircuitBreaker(KEY, {
    detector: detectorOf(plan.detector),
    cooldownMs: typeof cooldown === 'number' ? cooldown : exponential(cooldown),
    retryAfter: { maxMs: plan.maxRetryAfterMs, opens: plan.opensOnRetryAfter },
    halfOpen: {
      probes: permits,
      successThreshold: failurePercent === undefined ? successThreshold : undefined,
      failureRate: failurePercent === undefined ? undefined : failurePercent / 100,
      leaseMs,
    },
    mode: plan.mode,
    clock,
  });
}

/** An event without what the model does not tell. */
function told({ key: _key, at: _at, ...event }: ResilienceEvent): Omit<ResilienceEvent, 'key' | 'at'> {
  return event;
}

function agree(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: the model says ${fc.stringify(expected)}, the breaker ${fc.stringify(actual)}`);
}

interface UnderWay {
  readonly permit: Permit;
  readonly modelled: ModelPermit;
}

/** A breaker and its model, to which the same things happen. */
class Pair {
  readonly #plan: CircuitPlan;
  #clock: ManualClock;
  #breaker: CircuitBreaker;
  #model: ReferenceModel;
  #events: ResilienceEvent[];
  #underWay: UnderWay[] = [];
  #isolations: Isolation[] = [];
  readonly #callers = [{}, {}, {}];
  #saved: { readonly snapshot: CircuitSnapshot; readonly modelled: ModelSave } | undefined;
  readonly seen: ModelEvent[] = [];

  constructor(plan: CircuitPlan, startMs: number) {
    this.#plan = plan;
    this.#clock = manualClock(startMs);
    this.#breaker = breakerOf(plan, this.#clock);
    this.#model = new ReferenceModel(plan, startMs);
    this.#events = listen(this.#breaker);
  }

  take(step: Step): void {
    switch (step.do) {
      case 'admit':
        for (let i = 0; i < step.times; i++) this.#admit(step.leaseMs, step.caller);
        break;
      case 'settle':
        this.#settle(step.index, step.outcome, step.retryAfterMs, step.rejectedBy);
        break;
      case 'attempt':
        for (let i = 0; i < step.times; i++) this.#attempt(step.outcome, step.durationMs);
        break;
      case 'wait':
        this.#wait(step.ms);
        break;
      case 'wait until':
        this.#waitUntil(step.moment, step.offsetMs);
        break;
      case 'trip':
        this.#breaker.trip({ cooldownMs: step.cooldownMs });
        this.#model.trip(step.cooldownMs);
        break;
      case 'reset':
        this.#breaker.reset();
        this.#model.reset();
        break;
      case 'isolate':
        this.#isolations.push(this.#breaker.isolate());
        this.#model.isolate();
        break;
      case 'release':
        this.#release(step.index);
        break;
      case 'switch mode':
        this.#breaker.mode = step.mode;
        this.#model.mode = step.mode;
        break;
      case 'save':
        this.#save();
        break;
      case 'restore':
        if (this.#saved === undefined) break;
        this.#breaker.restore(this.#saved.snapshot);
        this.#model.restore(this.#saved.modelled);
        break;
      case 'move to another process':
        this.#move(step.startMs);
        break;
    }
    if (!('look' in step) || step.look) this.#compare();
  }

  #compare(): void {
    const expected = this.#model.look();
    const { rate, lastFailure: _lastFailure, ...actual } = this.#breaker.stats();
    const { rate: expectedRate, ...rest } = expected;
    agree('stats()', actual, rest);
    if (!('parts' in this.#plan.detector)) agree('stats().rate', rate, expectedRate);
    const { state, isOpen, inFlight, mode } = this.#breaker;
    agree(
      'state',
      { state, isOpen, inFlight, mode },
      {
        state: expected.state,
        isOpen: expected.state === 'open',
        inFlight: expected.inFlight,
        mode: this.#model.mode,
      },
    );
    agree('events', this.#events.splice(0).map(told), this.#model.events);
    this.seen.push(...this.#model.events.splice(0));
  }

  #admit(leaseMs?: number, caller?: number): UnderWay | undefined {
    const answer =
      leaseMs === undefined && caller === undefined
        ? tryAcquire(this.#breaker)
        : tryAcquire(this.#breaker, undefined, leaseMs, this.#callers[caller ?? -1]);
    const expected = this.#model.tryAcquire(leaseMs, caller);
    agree(
      'tryAcquire()',
      answer.admitted ? 'admitted' : answer.retryAfterMs,
      expected.permit === undefined ? expected.retryAfterMs : 'admitted',
    );
    if (!answer.admitted || expected.permit === undefined) return undefined;
    const underWay = { permit: answer, modelled: expected.permit };
    this.#underWay.push(underWay);
    return underWay;
  }

  /** What was settled stays among those that may be settled again for a while: only the first time counts. */
  #settle(index: number, outcome: Outcome, retryAfterMs?: number, rejectedBy?: string): void {
    if (this.#underWay.length === 0) return;
    const [{ permit, modelled }] = this.#underWay.slice(index % this.#underWay.length) as [UnderWay];
    this.#finish(permit, modelled, outcome, retryAfterMs, rejectedBy);
    if (index % 5 > 0) this.#underWay = this.#underWay.filter((other) => other.permit !== permit);
  }

  #attempt(outcome: Outcome, durationMs: number): void {
    const underWay = this.#admit();
    if (underWay === undefined) return;
    this.#underWay.pop();
    this.#wait(durationMs);
    this.#finish(underWay.permit, underWay.modelled, outcome);
  }

  #finish(permit: Permit, modelled: ModelPermit, outcome: Outcome, retryAfterMs?: number, rejectedBy?: string): void {
    const error = rejectedBy === undefined ? undefined : new CircuitOpenError({ key: rejectedBy, retryAfterMs: 0 });
    permit.settle(outcome, undefined, { retryAfterMs, error });
    this.#model.settle(modelled, outcome, retryAfterMs, rejectedBy === KEY);
  }

  #wait(ms: number): void {
    this.#clock.advance(ms);
    this.#model.now += ms;
  }

  #waitUntil(moment: number, offsetMs: number): void {
    const moments = this.#model.moments();
    const target = moments[moment % Math.max(1, moments.length)] ?? this.#model.now;
    this.#wait(Math.max(0, target + offsetMs - this.#model.now));
  }

  #release(index: number): void {
    if (this.#isolations.length === 0) return;
    const [isolation] = this.#isolations.splice(index % this.#isolations.length, 1);
    isolation?.release();
    this.#model.release();
    isolation?.release();
  }

  #save(): void {
    const snapshot = this.#breaker.snapshot();
    const modelled = this.#model.save();
    const { version, key, state, remainingCooldownMs, openings } = snapshot;
    agree(
      'snapshot()',
      { version, key, state, remainingCooldownMs, openings },
      {
        version: 1,
        key: KEY,
        state: modelled.state,
        remainingCooldownMs: modelled.remainingCooldownMs,
        openings: modelled.openings,
      },
    );
    this.#saved = { snapshot: JSON.parse(JSON.stringify(snapshot)) as CircuitSnapshot, modelled };
  }

  #move(startMs: number): void {
    this.#save();
    this.#compare();
    const { snapshot, modelled } = this.#saved!;
    this.#clock = manualClock(startMs);
    this.#breaker = breakerOf(this.#plan, this.#clock);
    this.#model = new ReferenceModel(this.#plan, startMs);
    this.#events = listen(this.#breaker);
    this.#underWay = [];
    this.#isolations = [];
    this.#breaker.restore(snapshot);
    this.#model.restore(modelled);
  }
}

interface Scenario {
  readonly plan: CircuitPlan;
  readonly startMs: number;
  readonly steps: readonly Step[];
}

function run({ plan, startMs, steps }: Scenario): ModelEvent[] {
  const pair = new Pair(plan, startMs);
  for (const [index, step] of [...steps, LOOK].entries()) {
    try {
      pair.take(step);
    } catch (cause) {
      throw new Error(`Step ${index + 1}, ${fc.stringify(step)}: ${(cause as Error).message}`, { cause });
    }
  }
  return pair.seen;
}

const upTo = (max: number) => fc.integer({ min: 1, max });
const oneOf = fc.constantFrom;
const perhaps = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const percent = oneOf(1, 20, 25, 30, 50, 60, 75, 90, 100);
const windowMs = oneOf(10, 100, 1_000, 60_000);

/** `size`, and a `minAttempts` that it can hold. */
const sized = upTo(8).chain((size) => fc.record({ size: fc.constant(size), minAttempts: upTo(size) }));

const record = <Plan extends DetectorPlan>(fields: { [Field in keyof Plan]: fc.Arbitrary<Plan[Field]> }) =>
  fc.record(fields) as unknown as fc.Arbitrary<DetectorPlan>;

const SIMPLE = {
  consecutiveFailures: record({ kind: fc.constant('consecutiveFailures'), threshold: upTo(6) }),
  'consecutiveFailures over a time': fc.tuple(upTo(6), oneOf(1, 10, 600), oneOf(1, 2, 100)).map(
    ([threshold, minSpanMs, times]): DetectorPlan => ({
      kind: 'consecutiveFailures',
      threshold,
      minSpanMs,
      maxAgeMs: minSpanMs * times,
    }),
  ),
  failuresInWindow: record({ kind: fc.constant('failuresInWindow'), failures: upTo(6), windowMs }),
  failureRate: fc.tuple(sized, percent).map(
    ([size, share]): DetectorPlan => ({
      kind: 'failureRate',
      ...size,
      percent: share,
    }),
  ),
  'failureRate with maxAgeMs': fc
    .tuple(sized, percent, oneOf(1, 50, 1_000, 30_000))
    .map(([size, share, maxAgeMs]): DetectorPlan => ({ kind: 'failureRate', ...size, percent: share, maxAgeMs })),
  failureRateInWindow: record({
    kind: fc.constant('failureRateInWindow'),
    windowMs,
    percent,
    minAttempts: upTo(6),
  }),
  slowCallRate: fc
    .tuple(sized, percent, oneOf(1, 20, 500))
    .map(([size, share, slowMs]): DetectorPlan => ({ kind: 'slowCallRate', ...size, percent: share, slowMs })),
};

const anySimple = fc.oneof(...Object.values(SIMPLE));
const combination = (kind: 'anyOf' | 'allOf', part: fc.Arbitrary<DetectorPlan>) =>
  fc.array(part, { minLength: 1, maxLength: 3 }).map((parts): DetectorPlan => ({ kind, parts }));
const anyCombination = fc.oneof(combination('anyOf', anySimple), combination('allOf', anySimple));
const nested = fc.oneof(anySimple, anyCombination);

const DETECTORS: Record<string, fc.Arbitrary<DetectorPlan>> = {
  ...SIMPLE,
  anyOf: combination('anyOf', anySimple),
  allOf: combination('allOf', anySimple),
  'anyOf and allOf in each other': fc.oneof(combination('anyOf', nested), combination('allOf', nested)),
};

const cooldownMs = oneOf(0, 1, 10, 500, 10_000);

const planOf = (detector: fc.Arbitrary<DetectorPlan>): fc.Arbitrary<CircuitPlan> =>
  fc.record({
    detector,
    cooldown: fc.oneof(
      cooldownMs,
      fc.record({ baseMs: oneOf(1, 100, 5_000), factor: oneOf(1, 2, 3), maxMs: oneOf(50, 1_000, 60_000) }),
    ),
    maxRetryAfterMs: oneOf(0, 200, 60_000),
    opensOnRetryAfter: fc.boolean(),
    permits: upTo(4),
    successThreshold: upTo(4),
    failurePercent: perhaps(oneOf(10, 25, 34, 50, 67, 75, 100)),
    leaseMs: perhaps(oneOf(1, 100, 5_000)),
    mode: oneOf('enforce', 'enforce', 'enforce', 'observe'),
  });

const outcome = oneOf<Outcome[]>('success', 'failure', 'failure', 'neutral');
const index = fc.nat(20);
const startMs = oneOf(0, 1, 3, 1_000, 77_777, 10 * HOUR_MS + 5);
const steps = fc.array(
  fc.oneof<[fc.WeightedArbitrary<Step>, ...fc.WeightedArbitrary<Step>[]]>(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('attempt'),
        times: upTo(5),
        outcome,
        durationMs: oneOf(0, 0, 1, 19, 20, 500),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('admit'),
        times: upTo(4),
        leaseMs: perhaps(oneOf(1, 250)),
        caller: perhaps(oneOf(0, 1, 2)),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('settle'),
        index,
        outcome,
        retryAfterMs: fc.option(oneOf(0, 150, 7_000, HOUR_MS), { nil: undefined, freq: 6 }),
        rejectedBy: perhaps(oneOf(KEY, 'another')),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('wait'),
        ms: oneOf(1, 7, 100, 999, 10_000, HOUR_MS),
        look: fc.boolean(),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('wait until'),
        moment: fc.oneof(fc.constant(0), index),
        offsetMs: oneOf(-1 as const, 0 as const, 1 as const),
        look: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trip'), cooldownMs: perhaps(oneOf(0, 1, 300)) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reset') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('isolate') }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release'), index }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('switch mode'), mode: oneOf<BreakerMode[]>('enforce', 'observe') }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('save') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restore') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('move to another process'), startMs }) },
  ),
  { maxLength: MOST_STEPS, size: 'max' },
);

const scenario = (detector: fc.Arbitrary<DetectorPlan>): fc.Arbitrary<Scenario> =>
  fc.record({ plan: planOf(detector), startMs, steps });

describe(`the breaker does what the reference model does in ${SEQUENCES_PER_DETECTOR} random sequences`, () => {
  test.each(Object.entries(DETECTORS))('with %s', { timeout: 120_000 }, (_name, detector) => {
    fc.assert(
      fc.property(scenario(detector), (given) => {
        run(given);
      }),
      { numRuns: SEQUENCES_PER_DETECTOR },
    );
  });
});

test('the sequences see every reason to change the state, rejections in both modes and late outcomes', () => {
  const given = Object.values(DETECTORS).flatMap((detector) =>
    fc.sample(scenario(detector), { numRuns: 100, seed: 1 }),
  );
  const events = given.flatMap(run);
  const kinds = events.map((event) => {
    if (event.type === 'stateChange') return event.reason;
    return event.type === 'late' ? `late ${event.outcome}` : event.type;
  });
  expect([...new Set(kinds)].sort()).toEqual([
    'cooldown-elapsed',
    'late failure',
    'late success',
    'manual',
    'probe-failed',
    'probe-succeeded',
    'rejected',
    'restored',
    'retry-after',
    'slow',
    'threshold',
    'wouldReject',
  ]);
});
