import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CircuitVersion, PROBE_LOST, type SharedThreshold, type SharedView } from '../../src/circuit/link.js';
import type { LeaseReply, ReportReply, StoreRequest } from '../../src/fleet/store.js';
import type { Outcome } from '../../src/index.js';
import { redisCircuits } from '../../src/redis/circuits.js';
import { keysOf } from '../../src/redis/names.js';
import type { StoreEngine } from '../../src/store/index.js';
import { memoryEngine } from '../../src/store/index.js';
import { type ManualClock, manualClock } from '../circuit/support.js';
import { makeClient, type OwnedClient } from '../support/fleet/clients.js';
import { type RedisServer, startRedis } from '../support/redis/server.js';

const PREFIX = 'model';
const SEQUENCES = 500;
const MOST_STEPS = 25;
/** Durations are 0 or this, which no sequence outlasts: what follows does not depend on the pace of the machine. */
const LONG_MS = 3_600_000;
const MINUTE_MS = 60_000;
const WEEK_MS = 604_800_000;

let server: RedisServer;
let owned: OwnedClient;
beforeAll(async () => {
  server = await startRedis();
  owned = await makeClient({ kind: 'ioredis', url: server.url });
});
afterAll(async () => {
  owned.end();
  await server.stop();
});

/** What a process knows when it asks. */
type Known = 'the latest' | 'an earlier one' | 'nothing' | 'more' | 'another epoch';

type Step =
  | { readonly do: 'read' | 'forget' }
  | {
      readonly do: 'report';
      readonly reporter: string;
      readonly sequence: number;
      readonly failures: number;
      readonly successes: number;
      /** Whether calls failed again that count already. */
      readonly failedAgain: boolean;
      readonly threshold: SharedThreshold | undefined;
      readonly tripped: boolean;
      readonly quorum: number;
    }
  | {
      readonly do: 'acquire';
      readonly token: string;
      readonly leaseMs: number;
      readonly permits: number;
      readonly allowed: number;
    }
  | {
      readonly do: 'settle';
      readonly token: string;
      readonly leased: boolean;
      readonly outcome: Outcome;
      readonly why: 'probe-ended' | typeof PROBE_LOST | 'late-success';
      readonly needed: number;
      readonly allowed: number;
    }
  | { readonly do: 'force'; readonly state: 'open' | 'closed' };

interface Circumstances {
  readonly known: Known;
  readonly isExpired: boolean;
  readonly cooldownMs: number;
  readonly openings: number;
}

const often = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, ...others.map((other) => fc.constant(other)));
const duration = fc.constantFrom(0, LONG_MS);
const token = fc.constantFrom('p-1', 'p-2', 'p-12', 'q-1');

const threshold = fc.oneof(
  fc.record({
    windowMs: often(0, LONG_MS),
    failures: fc.integer({ min: 1, max: 6 }),
    rate: fc.constant(0),
    minAttempts: fc.constant(1),
  }),
  fc.record({
    windowMs: often(LONG_MS, LONG_MS / 2),
    failures: fc.constant(1),
    rate: fc.constantFrom(0.29, 0.5, 1),
    minAttempts: fc.integer({ min: 1, max: 6 }),
  }),
  fc.constant(undefined),
);

const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  known: often<Known>('the latest', 'an earlier one', 'nothing', 'more', 'another epoch'),
  isExpired: often(false, false, true),
  cooldownMs: duration,
  openings: fc.integer({ min: 1, max: 9 }),
});

const stepsWith = (rule: SharedThreshold | undefined): fc.Arbitrary<[Step, Circumstances][]> => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'forget' as const) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('report' as const),
        reporter: fc.constantFrom('a', 'b', 'c'),
        sequence: fc.integer({ min: 0, max: 30 }),
        failures: fc.integer({ min: 0, max: 3 }),
        successes: often(0, 1, 4),
        failedAgain: often(false, true),
        threshold: often(rule, undefined),
        tripped: often(false, true),
        quorum: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('acquire' as const),
        token,
        leaseMs: often(LONG_MS, 0),
        permits: fc.integer({ min: 1, max: 3 }),
        allowed: fc.integer({ min: 0, max: 1 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('settle' as const),
        token,
        leased: fc.boolean(),
        outcome: fc.constantFrom('success' as const, 'failure' as const, 'neutral' as const),
        why: often<'probe-ended' | typeof PROBE_LOST | 'late-success'>('probe-ended', PROBE_LOST, 'late-success'),
        needed: fc.integer({ min: 1, max: 2 }),
        allowed: fc.integer({ min: 0, max: 1 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('force' as const),
        state: fc.constantFrom('open' as const, 'closed' as const),
      }),
    },
  );
  return fc.array(fc.tuple(step, circumstances), { minLength: 1, maxLength: MOST_STEPS });
};

/** A store to which a sequence happens, as one process after the other sees it. */
class Side {
  readonly #store: StoreEngine;
  readonly #key: string;
  readonly #forget: () => Promise<unknown>;
  readonly #epochs: string[] = [''];
  readonly #seen: CircuitVersion[] = [{ epoch: '', generation: 0 }];

  constructor(store: StoreEngine, key: string, forget: () => Promise<unknown>) {
    this.#store = store;
    this.#key = key;
    this.#forget = forget;
  }

  /** What the step was answered with, without what differs between stores: epochs become numbers, and times go. */
  async take(step: Step, given: Circumstances): Promise<object> {
    const view = await this.#do(step, given);
    if (!this.#epochs.includes(view.epoch)) this.#epochs.push(view.epoch);
    this.#seen.push({ epoch: view.epoch, generation: view.generation });
    const { at: _at, ...fields } = view;
    return {
      ...fields,
      epoch: this.#epochs.indexOf(view.epoch),
      remainingMs: inHours(view.remainingMs),
      question: view.question && {
        ...view.question,
        withinMs: Math.round(view.question.withinMs / MINUTE_MS),
        sinceMs: inHours(view.question.sinceMs),
      },
      ...('judgeInMs' in view && { judgeInMs: Math.round(view.judgeInMs / MINUTE_MS) }),
      ...('retryAfterMs' in view && { retryAfterMs: inHours(view.retryAfterMs) }),
    };
  }

  async #do(step: Step, given: Circumstances): Promise<SharedView | LeaseReply | ReportReply> {
    const { cooldownMs, openings, isExpired } = given;
    const opening = { cooldownMs, openings };
    const request: StoreRequest = {
      known: this.#known(given.known),
      rememberMs: LONG_MS,
      expiresAt: isExpired ? 0 : Number.MAX_SAFE_INTEGER,
      by: `process ${openings}`,
    };
    switch (step.do) {
      case 'forget':
        await this.#forget();
        return this.#store.read(this.#key);
      case 'read':
        return this.#store.read(this.#key);
      case 'report':
        return this.#store.report(this.#key, { ...request, ...reportOf(step), opening, why: 'threshold' });
      case 'acquire':
        return this.#store.acquire(this.#key, { ...request, ...step, opening, waitedMs: 0 });
      case 'settle': {
        const probes = { permits: 2, needed: step.needed, allowed: step.allowed };
        return this.#store.settle(this.#key, { ...request, ...step, probes, opening });
      }
      case 'force':
        return this.#store.force(this.#key, { ...request, state: step.state, opening, why: 'manual' });
    }
  }

  #known(known: Known): CircuitVersion {
    const latest = this.#seen.at(-1) as CircuitVersion;
    switch (known) {
      case 'the latest':
        return latest;
      case 'an earlier one':
        return this.#seen[Math.floor(this.#seen.length / 2)] as CircuitVersion;
      case 'nothing':
        return { epoch: '', generation: 0 };
      case 'more':
        return { epoch: latest.epoch, generation: latest.generation + 2 };
      case 'another epoch':
        return { epoch: 'another', generation: latest.generation };
    }
  }
}

/** The same moment for all: what is told happened an hour before now. */
function reportOf({ failures, successes, failedAgain, ...step }: Extract<Step, { do: 'report' }>) {
  const ageMs = step.threshold?.windowMs === 0 ? LONG_MS : 0;
  return {
    ...step,
    outcomes: [[0, failures, failures + successes] as const],
    run: {
      failures,
      firstAgeMs: ageMs,
      lastAgeMs: failures > 0 || failedAgain ? ageMs : undefined,
      successAgeMs: successes > 0 ? 2 * LONG_MS : undefined,
    },
    served: successes,
    gatherMs: MINUTE_MS,
    rules: `quorum ${step.quorum}`,
  };
}

const inHours = (milliseconds: number): number => Math.round(milliseconds / LONG_MS);

test(`memoryEngine and Redis give the same answers to ${SEQUENCES} random sequences of operations`, async () => {
  const redis = redisCircuits({
    client: owned.client,
    kind: 'ioredis',
    prefix: PREFIX,
    commandTimeoutMs: 10_000,
    subscriber: undefined,
  });
  const clock: ManualClock = manualClock(1_000_000);
  const memory = memoryEngine(clock.now);
  const seen = new Set<string>();
  let sequences = 0;
  await fc.assert(
    fc.asyncProperty(threshold.chain(stepsWith), async (steps) => {
      const key = `circuit ${++sequences}`;
      const inRedis = new Side(redis, key, () => {
        const { state, leases, votes } = keysOf(PREFIX, key);
        return server.cli('DEL', state, leases, votes);
      });
      const inMemory = new Side(memory, key, async () => clock.advance(WEEK_MS));
      for (const [step, given] of steps) {
        const expected = (await inMemory.take(step, given)) as SharedView & Partial<LeaseReply>;
        expect(await inRedis.take(step, given)).toEqual(expected);
        seen.add(`${step.do}: ${expected.state}${expected.granted ? ', granted' : ''}`);
      }
    }),
    { numRuns: SEQUENCES, seed: 20_261_121 },
  );
  expect([...seen].sort()).toEqual([
    'acquire: closed',
    'acquire: half-open',
    'acquire: half-open, granted',
    'acquire: open',
    'force: closed',
    'force: half-open',
    'force: open',
    'forget: closed',
    'read: closed',
    'read: half-open',
    'read: open',
    'report: closed',
    'report: half-open',
    'report: open',
    'settle: closed',
    'settle: half-open',
    'settle: open',
  ]);
});
