import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CircuitVersion, SharedThreshold, SharedView } from '../../src/circuit/link.js';
import type {
  FailureReport,
  ForceRequest,
  LeaseReply,
  LeaseRequest,
  ReportReply,
  Settlement,
} from '../../src/fleet/store.js';
import type { StoreEngine } from '../../src/store/index.js';

/** A store under test, and what a test does to it from outside. */
export interface ContractStore {
  readonly store: StoreEngine;
  /** Resolves when this much time has passed for the store. */
  pass(milliseconds: number): Promise<void>;
  /** Makes the store forget a circuit, as an eviction does. */
  forget(key: string): Promise<void>;
  /** Whether the store will have forgotten a circuit after this time, ms. A test ends with it. */
  forgetsWithin(key: string, milliseconds: number): Promise<boolean>;
  close(): Promise<void>;
}

const KEY = 'GET https://api.example.com/ünï {code}';
/** Longer than any test takes. */
const LONG_MS = 600_000;
/** Short enough to be waited for. */
const SHORT_MS = 20;
const NOTHING: CircuitVersion = { epoch: '', generation: 0 };
const OPENING = { cooldownMs: LONG_MS, openings: 1 };
const NEVER = Number.MAX_SAFE_INTEGER;
const GATHER_MS = 40;

/** What a process tells: outcomes of this moment, of a run those after the success. */
const told = (failures: number, successes = 0, successAgeMs = successes > 0 ? 0 : undefined) => ({
  outcomes: [[0, failures, failures + successes] as const],
  run: { failures, firstAgeMs: 0, lastAgeMs: failures > 0 ? 0 : undefined, successAgeMs },
  served: successes,
});

const consecutive = (failures: number, minSpanMs = 0): SharedThreshold => ({
  windowMs: 0,
  failures,
  rate: 0,
  minAttempts: 1,
  minSpanMs,
});
const inWindow = (failures: number, windowMs = LONG_MS): SharedThreshold => ({
  windowMs,
  failures,
  rate: 0,
  minAttempts: 1,
});

/** Holds a store to the contract of `StoreEngine`. */
export function storeContract(name: string, makeStore: () => Promise<ContractStore>): void {
  describe(`${name} keeps the contract of StoreEngine`, () => {
    let subject: ContractStore;
    let store: StoreEngine;
    let known: CircuitVersion;
    let sequence: number;
    let tokens: number;

    beforeEach(async () => {
      subject = await makeStore();
      store = subject.store;
      known = NOTHING;
      sequence = 0;
      tokens = 0;
    });
    afterEach(() => subject.close());

    const remember = <View extends SharedView>(view: View): View => {
      known = { epoch: view.epoch, generation: view.generation };
      return view;
    };
    const request = () => ({ known, rememberMs: LONG_MS, expiresAt: NEVER, by: 'pod-1' });
    const look = async () => store.read(KEY);

    /** Reports for process `a` unless told otherwise; the next report knows what this one answered. */
    const report = async ({
      failures = 1,
      successes = 0,
      ...given
    }: Partial<FailureReport> & { failures?: number; successes?: number } = {}): Promise<ReportReply> =>
      remember(
        await store.report(KEY, {
          ...request(),
          reporter: 'a',
          sequence: ++sequence,
          ...told(failures, successes),
          threshold: inWindow(5),
          tripped: false,
          quorum: 1,
          gatherMs: GATHER_MS,
          rules: 'rules',
          opening: OPENING,
          why: 'threshold',
          ...given,
        }),
      );

    /** Reports what would open the circuit and waits until it is judged. */
    const reportAndJudge = async (given: Parameters<typeof report>[0]): Promise<ReportReply> => {
      const { judgeInMs } = await report(given);
      await subject.pass(judgeInMs);
      return report({ ...given, failures: 0, successes: 0 });
    };

    const acquire = async (given: Partial<LeaseRequest> = {}): Promise<LeaseReply> =>
      remember(
        await store.acquire(KEY, {
          ...request(),
          token: `t-${++tokens}`,
          leaseMs: LONG_MS,
          permits: 1,
          allowed: 0,
          opening: OPENING,
          waitedMs: 0,
          ...given,
        }),
      );

    const settle = async (given: Partial<Settlement> = {}): Promise<SharedView> =>
      remember(
        await store.settle(KEY, {
          ...request(),
          token: `t-${tokens}`,
          leased: true,
          outcome: 'success',
          probes: { permits: 1, needed: 1, allowed: 0 },
          opening: OPENING,
          why: 'probe-ended',
          ...given,
        }),
      );

    const force = async (
      state: ForceRequest['state'],
      opening = OPENING,
      given: Partial<ForceRequest> = {},
    ): Promise<SharedView> =>
      remember(await store.force(KEY, { ...request(), state, opening, why: 'manual', ...given }));

    /** Opens the circuit and lets its cooldown pass. */
    const elapse = async (): Promise<SharedView> => {
      const opened = await force('open', { cooldownMs: SHORT_MS, openings: 1 });
      await subject.pass(SHORT_MS);
      return opened;
    };

    const elapseByFailures = async (openings = 1): Promise<void> => {
      await report({ failures: 5, opening: { cooldownMs: SHORT_MS, openings } });
      await subject.pass(2 * SHORT_MS);
    };

    describe('read', () => {
      test('shows a circuit that nobody has told of as closed, without an epoch, and writes nothing', async () => {
        const view = await look();
        expect(view).toEqual({
          epoch: '',
          generation: 0,
          state: 'closed',
          remainingMs: 0,
          cooldownMs: 0,
          openings: 0,
          byHand: false,
          by: '',
          why: '',
          question: undefined,
          isMuted: false,
          at: view.at,
        });
        expect((await look()).epoch).toBe('');
        expect(await subject.forgetsWithin(KEY, 0)).toBe(true);
      });

      test('tells the time of the store, which goes on', async () => {
        const first = await look();
        await subject.pass(SHORT_MS);
        expect((await look()).at - first.at).toBeGreaterThanOrEqual(SHORT_MS);
      });

      test('does not turn an open circuit whose cooldown is over half-open', async () => {
        await elapse();
        expect(await look()).toMatchObject({ state: 'open', generation: 1, remainingMs: 0 });
      });
    });

    describe('report', () => {
      test('begins an epoch, which stays', async () => {
        const { epoch } = await report();
        expect(epoch).not.toBe('');
        expect(await report()).toMatchObject({ epoch, generation: 0, failures: 2, total: 2 });
        expect(await look()).toMatchObject({ epoch, generation: 0, state: 'closed' });
      });

      test('opens at the threshold, whoever reports: failures of all processes count', async () => {
        await report({ reporter: 'a', failures: 2 });
        await report({ reporter: 'b', failures: 2 });
        const { epoch } = known;
        const view = await report({ reporter: 'c', opening: { cooldownMs: LONG_MS, openings: 3 } });
        expect(view).toMatchObject({
          epoch,
          generation: 1,
          state: 'open',
          cooldownMs: LONG_MS,
          openings: 3,
          failures: 0,
          total: 0,
          byHand: false,
        });
        expect(view.remainingMs).toBeGreaterThan(LONG_MS - 60_000);
      });

      test('forgets its openings after ten successes of all processes since it was closed', async () => {
        await elapseByFailures(3);
        await acquire();
        expect(await settle()).toMatchObject({ state: 'closed', openings: 3 });
        expect(await report({ reporter: 'a', served: 6 })).toMatchObject({ openings: 3 });
        expect(await report({ reporter: 'b', served: 3 })).toMatchObject({ openings: 3 });
        expect(await report({ reporter: 'b', served: 3, sequence })).toMatchObject({ openings: 3 });
        expect(await report({ reporter: 'c', served: 1 })).toMatchObject({ openings: 0 });
        expect(await look()).toMatchObject({ openings: 0 });
      });

      test('does not count successes from before an opening', async () => {
        await report({ failures: 1, served: 9 });
        await elapseByFailures(3);
        await acquire();
        await settle();
        expect(await report({ failures: 0, served: 9 })).toMatchObject({ openings: 3 });
      });

      test('starts consecutive failures anew at a success of any process, and counts those after it', async () => {
        const threshold = consecutive(5);
        await report({ threshold, reporter: 'a', failures: 4 });
        expect(await report({ threshold, reporter: 'b', failures: 0, successes: 1 })).toMatchObject({ failures: 0 });
        expect(await report({ threshold, reporter: 'a', failures: 4 })).toMatchObject({ state: 'closed', failures: 4 });
        expect(await report({ threshold, reporter: 'b', failures: 3, successes: 7 })).toMatchObject({ failures: 3 });
        expect(await reportAndJudge({ threshold, failures: 2 })).toMatchObject({ state: 'open' });
      });

      test('counts consecutive failures only over the span that they must have', async () => {
        const threshold = consecutive(5, 500);
        expect(await report({ threshold, failures: 9 })).toMatchObject({ state: 'closed', failures: 9, judgeInMs: 0 });
        await subject.pass(500);
        expect(await report({ threshold, failures: 1 })).toMatchObject({ judgeInMs: GATHER_MS });
        await subject.pass(GATHER_MS);
        expect(await report({ threshold, failures: 0 })).toMatchObject({ state: 'open' });
      });

      test('puts the question before the failures have lasted long enough, and opens when they have', async () => {
        const threshold = consecutive(5, 500);
        const gatherMs = 200;
        await report({ threshold, gatherMs, failures: 9 });
        await subject.pass(350);
        expect(await report({ threshold, gatherMs, failures: 1 })).toMatchObject({ judgeInMs: 200 });
        await subject.pass(200);
        expect(await report({ threshold, gatherMs, failures: 0 })).toMatchObject({ state: 'closed', judgeInMs: 0 });
        expect(await report({ threshold, gatherMs, failures: 1 })).toMatchObject({ state: 'open' });
      });

      test('puts the question again where the answers to the last are as old as it was long', async () => {
        const threshold = consecutive(5, 500);
        const gatherMs = 200;
        await report({ threshold, gatherMs, failures: 9 });
        await subject.pass(350);
        await report({ threshold, gatherMs, failures: 1 });
        await subject.pass(2 * gatherMs);
        expect(await report({ threshold, gatherMs, failures: 1 })).toMatchObject({ state: 'closed', judgeInMs: 200 });
      });

      test('counts no consecutive failures that are too old', async () => {
        const threshold = { ...consecutive(5), maxAgeMs: 200 };
        await report({ threshold, failures: 4 });
        await subject.pass(200);
        expect(await report({ threshold, failures: 1 })).toMatchObject({ failures: 1 });
      });

      test('counts a call that failed before no second time, but as long as it goes on failing', async () => {
        const threshold = { ...consecutive(2, 3 * GATHER_MS), perCall: true };
        const failedAgain = { failures: 0, firstAgeMs: 0, lastAgeMs: 0, successAgeMs: undefined };
        await report({ threshold, failures: 2 });
        expect(await report({ threshold, run: failedAgain })).toMatchObject({ failures: 2, judgeInMs: 0 });
        await subject.pass(3 * GATHER_MS);
        const reply = await report({ threshold, run: failedAgain });
        expect(reply).toMatchObject({ failures: 2 });
        expect(reply.judgeInMs).toBeGreaterThan(0);
      });

      test('counts of failures that began before the success of another process only the last', async () => {
        const threshold = consecutive(5);
        await report({ threshold, reporter: 'b', failures: 0, successes: 1 });
        const run = { failures: 4, firstAgeMs: 60_000, lastAgeMs: 0, successAgeMs: undefined };
        expect(await report({ threshold, run })).toMatchObject({ failures: 1 });
        const before = { ...run, lastAgeMs: 50_000 };
        expect(await report({ threshold, run: before })).toMatchObject({ failures: 1 });
      });

      test('puts a question before it opens at a rate or a run, and opens when nothing has come', async () => {
        for (const threshold of [consecutive(5), { windowMs: LONG_MS, failures: 1, rate: 0.5, minAttempts: 5 }]) {
          const asked = await report({ threshold, failures: 5 });
          expect(asked).toMatchObject({ state: 'closed', failures: 5, judgeInMs: GATHER_MS });
          expect(asked.question).toMatchObject({ windowMs: threshold.windowMs });
          const soon = await report({ threshold, failures: 1 });
          expect(soon).toMatchObject({ state: 'closed', failures: 6 });
          expect(soon.judgeInMs).toBeLessThanOrEqual(GATHER_MS);
          expect((await look()).question?.withinMs).toBeGreaterThan(0);
          await subject.pass(GATHER_MS);
          expect(await look()).toMatchObject({ state: 'closed', question: undefined });
          expect(await report({ threshold, failures: 0 })).toMatchObject({ state: 'open' });
          await force('closed');
        }
      });

      test('does not open when successes answer the question, and asks again only after a while', async () => {
        for (const threshold of [consecutive(5), { windowMs: LONG_MS, failures: 1, rate: 0.5, minAttempts: 5 }]) {
          await report({ threshold, failures: 5 });
          const answered = await report({ threshold, reporter: 'b', failures: 0, successes: 90 });
          expect(answered).toMatchObject({ state: 'closed', judgeInMs: 0, question: undefined });
          await subject.pass(GATHER_MS);
          const later = await report({ threshold, failures: 100 });
          expect(later).toMatchObject({ state: 'closed', question: undefined });
          expect(later.judgeInMs).toBeGreaterThan(0);
          await subject.pass(later.judgeInMs);
          expect(await report({ threshold, failures: 0 })).toMatchObject({ state: 'closed', judgeInMs: GATHER_MS });
          await force('open');
          await force('closed');
        }
      });

      test('puts no outcome into a bucket that has not begun, and those of before into theirs', async () => {
        const threshold = inWindow(100, 5_000);
        await report({
          threshold,
          outcomes: [
            [9, 3, 3],
            [0, 2, 2],
          ],
        });
        await subject.pass(600);
        expect(await report({ threshold, failures: 0 })).toMatchObject({ failures: 2, total: 2 });
      });

      test('tells who opened it and why', async () => {
        await report({ failures: 5, by: 'pod-7', why: 'detector' });
        expect(await look()).toMatchObject({ by: 'pod-7', why: 'detector' });
        await force('closed', OPENING, { by: 'pod-8' });
        expect(await look()).toMatchObject({ by: 'pod-8', why: 'manual' });
      });

      test('tells when the process that reported before has other rules', async () => {
        expect(await report({ rules: 'a' })).toMatchObject({ otherRules: '' });
        expect(await report({ rules: 'b' })).toMatchObject({ otherRules: 'a' });
        expect(await report({ rules: 'b' })).toMatchObject({ otherRules: '' });
      });

      test('adds up a window of time, in which a success takes nothing back', async () => {
        await report({ threshold: inWindow(4), failures: 2 });
        expect(await report({ threshold: inWindow(4), failures: 1, successes: 90 })).toMatchObject({
          state: 'closed',
          failures: 3,
          total: 93,
        });
        expect(await report({ threshold: inWindow(4) })).toMatchObject({ state: 'open' });
      });

      test('opens at a rate only from the minimum on, and at exactly the rate', async () => {
        const threshold: SharedThreshold = { windowMs: LONG_MS, failures: 1, rate: 0.5, minAttempts: 10 };
        expect(await report({ threshold, failures: 4, successes: 0 })).toMatchObject({ state: 'closed' });
        expect(await report({ threshold, failures: 0, successes: 6 })).toMatchObject({ failures: 4, total: 10 });
        expect(await report({ threshold, failures: 1, successes: 0 })).toMatchObject({ state: 'closed', total: 11 });
        expect(await reportAndJudge({ threshold, failures: 1 })).toMatchObject({ state: 'open' });
      });

      test('lets a window of time expire bucket by bucket', async () => {
        const threshold = inWindow(100, 5_000);
        await report({ threshold, failures: 5 });
        await subject.pass(2_500);
        expect(await report({ threshold, failures: 3 })).toMatchObject({ failures: 8 });
        const until = async (holds: (failures: number) => boolean): Promise<ReportReply> => {
          for (;;) {
            const view = await report({ threshold, failures: 0 });
            if (holds(view.failures)) return view;
            await subject.pass(5);
          }
        };
        expect(await until((failures) => failures < 8)).toMatchObject({ failures: 3, total: 3 });
        expect(await until((failures) => failures < 3)).toMatchObject({ failures: 0, total: 0 });
      });

      test('counts windows of two lengths side by side', async () => {
        await report({ threshold: inWindow(100, LONG_MS), failures: 7 });
        expect(await report({ threshold: inWindow(100, 60_000), failures: 1 })).toMatchObject({ failures: 1 });
        expect(await report({ threshold: inWindow(100, LONG_MS), failures: 1 })).toMatchObject({ failures: 8 });
        expect(await report({ threshold: consecutive(100), failures: 2 })).toMatchObject({ failures: 2 });
        expect(await report({ threshold: inWindow(100, 60_000), failures: 1 })).toMatchObject({ failures: 2 });
      });

      test('takes a report once, also when it is sent again later', async () => {
        await report({ reporter: 'a', sequence: 1, failures: 2 });
        await report({ reporter: 'a', sequence: 2, failures: 1 });
        expect(await report({ reporter: 'a', sequence: 2, failures: 1 })).toMatchObject({ failures: 3 });
        expect(await report({ reporter: 'a', sequence: 1, failures: 2 })).toMatchObject({ failures: 3 });
        expect(await report({ reporter: 'b', sequence: 1, failures: 1 })).toMatchObject({ failures: 4 });
      });

      test('takes nothing from a process that knows an earlier generation', async () => {
        const { epoch } = await report();
        await force('open');
        await force('closed');
        expect(await report({ known: { epoch, generation: 0 }, failures: 5 })).toMatchObject({
          generation: 2,
          state: 'closed',
          failures: 0,
        });
        expect(await report({ known: { epoch, generation: 2 }, failures: 5 })).toMatchObject({ state: 'open' });
      });

      test('takes nothing from a process that knows another epoch with transitions', async () => {
        await force('open');
        await force('closed');
        expect(await report({ known: { epoch: 'another', generation: 2 }, failures: 5 })).toMatchObject({
          generation: 2,
          state: 'closed',
          failures: 0,
        });
      });

      test('counts for a circuit that was forgotten, whatever the process knew', async () => {
        expect(await report({ known: { epoch: 'forgotten', generation: 7 } })).toMatchObject({
          generation: 0,
          failures: 1,
        });
      });

      test('changes neither an open nor a half-open circuit', async () => {
        const opened = await force('open', { cooldownMs: LONG_MS, openings: 1 });
        expect(await report({ failures: 50, tripped: true })).toMatchObject({ generation: 1, failures: 0 });
        expect((await look()).remainingMs).toBeLessThanOrEqual(opened.remainingMs);
        await elapse();
        await acquire();
        expect(await report({ failures: 50, tripped: true })).toMatchObject({ state: 'half-open', failures: 0 });
      });

      test('opens when a process has tripped by itself, with or without a threshold', async () => {
        expect(await report({ failures: 1, tripped: true })).toMatchObject({ state: 'open' });
        await force('closed');
        expect(await report({ failures: 1, tripped: true, threshold: undefined })).toMatchObject({ state: 'open' });
      });

      test('counts nothing without a threshold', async () => {
        expect(await report({ failures: 50, threshold: undefined })).toMatchObject({
          state: 'closed',
          failures: 0,
          total: 0,
        });
      });

      test('opens only when so many processes as the quorum have failed, and not for their successes', async () => {
        expect(await report({ reporter: 'a', failures: 50, quorum: 3 })).toMatchObject({ state: 'closed' });
        expect(await report({ reporter: 'b', failures: 1, quorum: 3 })).toMatchObject({ state: 'closed' });
        expect(await report({ reporter: 'b', failures: 1, quorum: 3 })).toMatchObject({ state: 'closed' });
        expect(await report({ reporter: 'c', failures: 1, quorum: 3 })).toMatchObject({ state: 'open' });
        await force('closed');
        await report({ threshold: inWindow(5), failures: 50, quorum: 2 });
        const healthy = { reporter: 'b', threshold: inWindow(5), failures: 0, successes: 3, quorum: 2 };
        expect(await report(healthy)).toMatchObject({ state: 'closed', failures: 50 });
      });

      test('takes the votes of consecutive failures back at a success', async () => {
        const given = { threshold: consecutive(5), quorum: 2 };
        await report({ ...given, reporter: 'a', failures: 5 });
        await report({ ...given, reporter: 'b', failures: 0, successes: 1 });
        expect(await report({ ...given, reporter: 'b', failures: 5 })).toMatchObject({ judgeInMs: 0, failures: 5 });
        expect(await reportAndJudge({ ...given, reporter: 'a', failures: 1 })).toMatchObject({ state: 'open' });
      });

      test('counts votes of processes that have tripped, each once', async () => {
        const vote = { failures: 1, tripped: true, threshold: undefined, quorum: 2 };
        expect(await report({ ...vote, reporter: 'a' })).toMatchObject({ state: 'closed' });
        expect(await report({ ...vote, reporter: 'a' })).toMatchObject({ state: 'closed' });
        expect(await report({ ...vote, reporter: 'b' })).toMatchObject({ state: 'open' });
      });

      test('lets a vote expire with the window', async () => {
        const threshold = inWindow(1, 200);
        await report({ reporter: 'a', threshold, failures: 5, quorum: 2 });
        await subject.pass(200);
        expect(await report({ reporter: 'b', threshold, failures: 5, quorum: 2 })).toMatchObject({ state: 'closed' });
      });
    });

    describe('acquire', () => {
      test('turns an open circuit whose cooldown is over half-open and gives the lease in the same step', async () => {
        const { epoch } = await elapse();
        expect(await acquire()).toMatchObject({
          granted: true,
          free: 0,
          epoch,
          generation: 2,
          state: 'half-open',
          remainingMs: 0,
        });
      });

      test('denies a lease while the cooldown lasts, and says how long', async () => {
        await force('open');
        const reply = await acquire();
        expect(reply).toMatchObject({ granted: false, generation: 1, state: 'open' });
        expect(reply.retryAfterMs).toBeGreaterThan(LONG_MS - 60_000);
        expect(reply.retryAfterMs).toBeLessThanOrEqual(LONG_MS);
        expect(await look()).toMatchObject({ generation: 1, state: 'open' });
      });

      test('gives no lease on a closed circuit', async () => {
        await report();
        expect(await acquire()).toMatchObject({ granted: false, generation: 0, state: 'closed' });
      });

      test('gives no lease on a circuit that neither side knows, and writes nothing', async () => {
        expect(await acquire()).toMatchObject({ granted: false, epoch: '', state: 'closed' });
        expect(await look()).toMatchObject({ epoch: '' });
      });

      test('gives as many leases as there are permits, then denies until the earliest ends', async () => {
        await elapse();
        expect(await acquire({ permits: 3, leaseMs: LONG_MS })).toMatchObject({ granted: true, free: 2 });
        expect(await acquire({ permits: 3, leaseMs: LONG_MS / 2 })).toMatchObject({ granted: true, free: 1 });
        expect(await acquire({ permits: 3, leaseMs: LONG_MS })).toMatchObject({ granted: true, free: 0 });
        const reply = await acquire({ permits: 3 });
        expect(reply).toMatchObject({ granted: false, free: 0, generation: 2 });
        expect(reply.retryAfterMs).toBeGreaterThan(LONG_MS / 2 - 60_000);
        expect(reply.retryAfterMs).toBeLessThanOrEqual(LONG_MS / 2);
      });

      test('gives one lease for one token, however often it is asked', async () => {
        await elapse();
        expect(await acquire({ permits: 2, token: 'mine' })).toMatchObject({ granted: true, free: 1 });
        expect(await acquire({ permits: 2, token: 'mine' })).toMatchObject({ granted: true, free: 1 });
        expect(await acquire({ permits: 2, token: 'other' })).toMatchObject({ granted: true, free: 0 });
        expect(await acquire({ permits: 2, token: 'mine' })).toMatchObject({ granted: true, free: 0 });
      });

      test('does not lengthen a lease that is asked for again', async () => {
        await elapse();
        await acquire({ token: 'mine', leaseMs: 2_000 });
        await acquire({ token: 'mine', leaseMs: LONG_MS });
        await subject.pass(2_000);
        expect(await acquire({ token: 'other', allowed: 1 })).toMatchObject({ granted: true });
      });

      test('opens at a lease that has run out, as at a probe that failed', async () => {
        await elapse();
        expect(await acquire({ leaseMs: SHORT_MS })).toMatchObject({ granted: true, generation: 2 });
        await subject.pass(SHORT_MS);
        const reply = await acquire({ opening: { cooldownMs: LONG_MS, openings: 2 }, by: 'pod-2' });
        expect(reply).toMatchObject({ granted: false, free: 0, generation: 3, state: 'open', openings: 2 });
        expect(reply).toMatchObject({ cooldownMs: LONG_MS, by: 'pod-2', why: 'probe-lost', byHand: false });
        expect(reply.retryAfterMs).toBe(reply.remainingMs);
        expect(await look()).toMatchObject({ generation: 3, state: 'open' });
      });

      test('counts the cooldown after a lease that has run out from its end, and goes on to the next round', async () => {
        await elapse();
        await acquire({ leaseMs: SHORT_MS });
        await subject.pass(2 * SHORT_MS);
        const opening = { cooldownMs: SHORT_MS, openings: 2 };
        expect(await acquire({ opening })).toMatchObject({
          granted: true,
          generation: 4,
          state: 'half-open',
          openings: 2,
        });
        expect(await acquire({ opening })).toMatchObject({ granted: false, generation: 4 });
      });

      test('gives the room of a lease that has run out to the next where a probe may fail', async () => {
        await elapse();
        await acquire({ leaseMs: SHORT_MS, allowed: 1 });
        await subject.pass(SHORT_MS);
        expect(await acquire({ leaseMs: SHORT_MS, allowed: 1 })).toMatchObject({ granted: true, generation: 2 });
        expect(await acquire({ allowed: 1 })).toMatchObject({ granted: false, state: 'half-open' });
        await subject.pass(SHORT_MS);
        expect(await acquire({ allowed: 1 })).toMatchObject({ granted: false, generation: 3, state: 'open' });
      });

      test('counts leases of which several have run out each by itself', async () => {
        await elapse();
        const probes = { permits: 3, allowed: 2 };
        for (let probe = 0; probe < 3; probe++) await acquire({ ...probes, leaseMs: SHORT_MS });
        await subject.pass(SHORT_MS);
        expect(await acquire(probes)).toMatchObject({ granted: false, state: 'open', generation: 3 });
      });

      test('renews nothing by a denial', async () => {
        await elapse();
        await acquire({ leaseMs: LONG_MS });
        await acquire({ rememberMs: 10 * LONG_MS });
        expect(await subject.forgetsWithin(KEY, LONG_MS)).toBe(true);
      });

      test('takes a circuit that was forgotten to be half-open, not closed', async () => {
        const { epoch } = await force('open');
        await subject.forget(KEY);
        const reply = await acquire({ known: { epoch, generation: 1 } });
        expect(reply).toMatchObject({ granted: true, state: 'half-open', generation: 1 });
        expect(reply.epoch).not.toBe(epoch);
        expect(await acquire({ known: { epoch, generation: 1 } })).toMatchObject({ granted: false });
      });

      test('takes it so also when others have reported failures since', async () => {
        const { epoch } = await force('open');
        await subject.forget(KEY);
        await report({ known: NOTHING });
        expect(await acquire({ known: { epoch, generation: 1 } })).toMatchObject({
          granted: true,
          state: 'half-open',
          generation: 1,
        });
      });

      test('believes a store that has begun anew and moved on', async () => {
        await force('open');
        await force('closed');
        expect(await acquire({ known: { epoch: 'another', generation: 9 } })).toMatchObject({
          granted: false,
          state: 'closed',
          generation: 2,
        });
      });

      test('goes on from the generation that a process knows where the store has fallen behind', async () => {
        const { epoch } = await force('open');
        expect(await acquire({ known: { epoch, generation: 5 } })).toMatchObject({
          granted: true,
          state: 'half-open',
          generation: 6,
        });
      });
    });

    describe('settle', () => {
      test('closes at the success that was needed, with the counts empty', async () => {
        await elapse();
        const probes = { permits: 2, needed: 2, allowed: 0 };
        await acquire({ permits: 2 });
        expect(await settle({ probes })).toMatchObject({ state: 'half-open', generation: 2 });
        await acquire({ permits: 2 });
        expect(await settle({ probes })).toMatchObject({ state: 'closed', generation: 3, openings: 1 });
      });

      test('opens at a failure, with the cooldown that it is given', async () => {
        await elapse();
        await acquire();
        const view = await settle({ outcome: 'failure', opening: { cooldownMs: LONG_MS, openings: 2 } });
        expect(view).toMatchObject({ state: 'open', generation: 3, cooldownMs: LONG_MS, openings: 2, byHand: false });
        expect(view.remainingMs).toBeGreaterThan(LONG_MS - 60_000);
      });

      test('opens only when more probes have failed than are allowed', async () => {
        await elapse();
        const probes = { permits: 3, needed: 2, allowed: 1 };
        for (let probe = 1; probe <= 3; probe++) await acquire({ permits: 3, token: `t-${probe}` });
        expect(await settle({ probes, token: 't-1', outcome: 'failure' })).toMatchObject({ state: 'half-open' });
        expect(await settle({ probes, token: 't-2', outcome: 'success' })).toMatchObject({ state: 'half-open' });
        expect(await settle({ probes, token: 't-3', outcome: 'failure' })).toMatchObject({ state: 'open' });
      });

      describe('a success of an attempt from among the failures', () => {
        const late = { why: 'late-success', leased: false, token: 'late' };

        test('closes the circuit, whatever is left of the cooldown', async () => {
          await report({ failures: 5 });
          expect(await settle(late)).toMatchObject({ state: 'closed', generation: 3, why: 'late-success' });
        });

        test('closes it while it is probed, however many probes have to succeed', async () => {
          await elapseByFailures();
          await acquire();
          const probes = { permits: 2, needed: 2, allowed: 0 };
          expect(await settle({ ...late, probes })).toMatchObject({ state: 'closed', generation: 3 });
        });

        test('does not close what was opened by hand', async () => {
          await force('open');
          expect(await settle(late)).toMatchObject({ state: 'open', generation: 1 });
        });

        test('does not close a later opening', async () => {
          await report({ failures: 5 });
          const before = known;
          await force('closed');
          await report({ failures: 5 });
          expect(await settle({ ...late, known: before })).toMatchObject({ state: 'open', generation: 3 });
        });
      });

      test('gives the lease back, and to the next who asks', async () => {
        await elapse();
        await acquire();
        expect(await settle({ outcome: 'neutral' })).toMatchObject({ state: 'half-open', generation: 2 });
        expect(await acquire()).toMatchObject({ granted: true, generation: 2 });
      });

      test('takes nothing from another generation or epoch', async () => {
        await elapse();
        const { epoch } = await acquire();
        expect(await settle({ known: { epoch, generation: 1 }, outcome: 'failure' })).toMatchObject({ generation: 2 });
        expect(await settle({ known: { epoch: 'another', generation: 2 } })).toMatchObject({ generation: 2 });
        await settle({ outcome: 'failure' });
        expect(await settle({ known: { epoch, generation: 2 } })).toMatchObject({ state: 'open', generation: 3 });
      });

      test('counts a success that comes after the lease has run out', async () => {
        await elapse();
        await acquire({ leaseMs: SHORT_MS });
        await subject.pass(SHORT_MS);
        expect(await settle()).toMatchObject({ state: 'closed' });
      });

      test('opens at a failure that comes after the lease has run out from the end of the lease on, and counts it once', async () => {
        await elapse();
        const { epoch } = await acquire({ leaseMs: SHORT_MS });
        await subject.pass(3 * SHORT_MS);
        const opening = { cooldownMs: LONG_MS, openings: 2 };
        const view = await settle({ outcome: 'failure', opening });
        expect(view).toMatchObject({ state: 'open', generation: 3, why: 'probe-lost', openings: 2 });
        expect(view.remainingMs).toBeLessThanOrEqual(LONG_MS - 2 * SHORT_MS);
        const again = { known: { epoch, generation: 2 }, outcome: 'failure' as const, opening };
        expect(await settle(again)).toMatchObject({ state: 'open', generation: 3 });
      });

      test('takes a failure as the end of the lease where its process says so', async () => {
        await elapse();
        const { epoch } = await acquire();
        expect(await settle({ outcome: 'failure', why: 'probe-lost' })).toMatchObject({
          generation: 3,
          why: 'probe-lost',
        });
        expect(await settle({ known: { epoch, generation: 2 } })).toMatchObject({ state: 'closed', generation: 4 });
      });

      test('takes no failure of a lease that was counted as lost', async () => {
        await elapse();
        await acquire({ leaseMs: SHORT_MS, token: 'lost', allowed: 1 });
        await subject.pass(SHORT_MS);
        await acquire({ allowed: 1 });
        const probes = { permits: 1, needed: 1, allowed: 1 };
        expect(await settle({ probes, token: 'lost', outcome: 'failure' })).toMatchObject({ state: 'half-open' });
      });

      test('takes back what a lost lease counted when its success comes', async () => {
        await elapse();
        const probes = { permits: 1, needed: 2, allowed: 1 };
        await acquire({ leaseMs: SHORT_MS, token: 'lost', allowed: 1 });
        await subject.pass(SHORT_MS);
        await acquire({ allowed: 1, token: 'next' });
        expect(await settle({ probes, token: 'lost' })).toMatchObject({ state: 'half-open', generation: 2 });
        expect(await settle({ probes, token: 'next', outcome: 'failure' })).toMatchObject({ state: 'half-open' });
        await acquire({ allowed: 1, token: 'last' });
        expect(await settle({ probes, token: 'last' })).toMatchObject({ state: 'closed' });
      });

      test.each([
        ['open', LONG_MS],
        ['half-open', 0],
      ])('counts the success of a lost lease while the circuit is %s because of it', async (state, cooldownMs) => {
        await elapse();
        const { epoch } = await acquire({ leaseMs: SHORT_MS, token: 'lost' });
        await subject.pass(SHORT_MS);
        expect(await acquire({ opening: { cooldownMs, openings: 2 } })).toMatchObject({ state });
        expect(await settle({ known: { epoch, generation: 2 }, token: 'lost' })).toMatchObject({ state: 'closed' });
      });

      test('counts it no more once another probe has failed, or a person has opened the circuit', async () => {
        await elapse();
        const { epoch } = await acquire({ leaseMs: SHORT_MS, token: 'lost' });
        await subject.pass(SHORT_MS);
        await acquire({ opening: { cooldownMs: 0, openings: 2 } });
        await settle({ outcome: 'failure' });
        expect(await settle({ known: { epoch, generation: 2 }, token: 'lost' })).toMatchObject({ state: 'open' });
        await force('closed');
        await elapse();
        const { generation } = await acquire({ leaseMs: SHORT_MS, token: 'lost' });
        await subject.pass(SHORT_MS);
        await acquire();
        await force('open');
        expect(await settle({ known: { epoch, generation }, token: 'lost' })).toMatchObject({ state: 'open' });
      });

      test('counts a token once', async () => {
        await elapse();
        const probes = { permits: 1, needed: 2, allowed: 0 };
        await acquire();
        await settle({ probes });
        expect(await settle({ probes })).toMatchObject({ state: 'half-open' });
      });

      test('counts a token whose name begins like that of another', async () => {
        await elapse();
        const probes = { permits: 2, needed: 2, allowed: 0 };
        await acquire({ permits: 2, token: 'a-1' });
        await acquire({ permits: 2, token: 'a-12' });
        await settle({ probes, token: 'a-12' });
        expect(await settle({ probes, token: 'a-1' })).toMatchObject({ state: 'closed' });
      });

      test('counts a probe that was made without a lease once the cooldown is over', async () => {
        await elapse();
        expect(await settle({ leased: false })).toMatchObject({ state: 'closed', generation: 3 });
        await elapse();
        expect(await settle({ leased: false, outcome: 'failure', opening: OPENING })).toMatchObject({
          state: 'open',
          cooldownMs: LONG_MS,
        });
      });

      test('takes no probe without a lease while the cooldown lasts', async () => {
        await force('open');
        expect(await settle({ leased: false })).toMatchObject({ state: 'open', generation: 1 });
      });

      test('writes nothing for a circuit that it does not know', async () => {
        expect(await settle({ known: { epoch: 'forgotten', generation: 3 } })).toMatchObject({ epoch: '' });
        expect(await look()).toMatchObject({ epoch: '', state: 'closed' });
      });
    });

    describe('force', () => {
      test('opens and closes by hand, whatever there was', async () => {
        expect(await force('open', { cooldownMs: LONG_MS, openings: 4 })).toMatchObject({
          generation: 1,
          state: 'open',
          byHand: true,
          openings: 4,
          cooldownMs: LONG_MS,
        });
        expect(await force('closed')).toMatchObject({ generation: 2, state: 'closed', byHand: true, openings: 0 });
        expect(await report({ failures: 5 })).toMatchObject({ generation: 3, state: 'open', byHand: false });
      });

      test('takes cooldowns of any length', async () => {
        const { remainingMs } = await force(
          'open',
          { cooldownMs: Number.MAX_VALUE, openings: 1 },
          { rememberMs: Number.POSITIVE_INFINITY },
        );
        expect(remainingMs).toBeGreaterThan(1_000 * 365 * 24 * 3_600_000);
        expect(await look()).toMatchObject({ state: 'open' });
        expect(await force('closed')).toMatchObject({ state: 'closed' });
      });

      test('makes the probes that are under way void', async () => {
        await elapse();
        const { epoch, generation } = await acquire();
        await force('open');
        expect(await settle({ known: { epoch, generation } })).toMatchObject({ state: 'open', generation: 3 });
      });

      test('does nothing to a circuit that has moved on from what is known', async () => {
        const { epoch } = await force('open');
        await force('closed');
        await force('open');
        const late = { known: { epoch, generation: 1 } };
        expect(await force('closed', OPENING, late)).toMatchObject({ state: 'open', generation: 3 });
        expect(await force('closed', OPENING, { known: { epoch: 'other', generation: 3 } })).toMatchObject({
          state: 'open',
          generation: 3,
        });
      });

      test('counts on from the generation that is known where the circuit was forgotten', async () => {
        expect(await force('open', OPENING, { known: { epoch: 'forgotten', generation: 8 } })).toMatchObject({
          generation: 9,
          state: 'open',
        });
      });
    });

    describe('what has expired', () => {
      const expired = { expiresAt: 0 };

      test('has no effect, and is answered with the view', async () => {
        const { epoch } = await report();
        expect(await report({ ...expired, failures: 50, tripped: true })).toMatchObject({ epoch, state: 'closed' });
        expect(await report()).toMatchObject({ failures: 2 });
        expect(await force('open', OPENING, expired)).toMatchObject({ epoch, generation: 0, state: 'closed' });
        await elapse();
        expect(await acquire(expired)).toMatchObject({ granted: false, free: 0, retryAfterMs: 0, generation: 1 });
        await acquire();
        expect(await settle(expired)).toMatchObject({ state: 'half-open', generation: 2 });
        expect(await look()).toMatchObject({ epoch, state: 'half-open', generation: 2 });
      });

      test('begins no epoch', async () => {
        await report(expired);
        await force('open', OPENING, expired);
        expect(await look()).toMatchObject({ epoch: '' });
      });
    });

    describe('memory', () => {
      test('lasts as long as the longest request said', async () => {
        await report({ rememberMs: LONG_MS });
        await report({ rememberMs: SHORT_MS });
        expect(await subject.forgetsWithin(KEY, LONG_MS / 2)).toBe(false);
      });

      test('ends with the time of the request', async () => {
        await report({ rememberMs: SHORT_MS });
        await subject.pass(SHORT_MS + 1);
        expect(await look()).toMatchObject({ epoch: '' });
      });
    });

    describe('subscribe', () => {
      interface Heard {
        readonly key: string;
        readonly view: SharedView;
      }

      /** Resolves when messages arrive; what they say goes into the list. */
      const listen = async (): Promise<Heard[]> => {
        const heard: Heard[] = [];
        await new Promise<void>((resolve, reject) => {
          const listener = {
            changed: (key: string, view: SharedView) => void heard.push({ key, view }),
            resumed: resolve,
            interrupted: () => undefined,
          };
          store.subscribe?.(listener).catch(reject);
        });
        return heard;
      };

      const arrive = async (heard: Heard[], count: number): Promise<void> => {
        while (heard.length < count) await subject.pass(1);
      };

      test('tells of each transition what it was answered with', async () => {
        const heard = await listen();
        const { failures: _f, total: _t, judgeInMs: _j, otherRules: _o, ...opened } = await report({ failures: 5 });
        const answers: SharedView[] = [opened];
        answers.push(await force('closed'));
        answers.push(await elapse());
        const { granted: _granted, free: _free, retryAfterMs: _retryAfterMs, ...acquired } = await acquire();
        answers.push(acquired);
        answers.push(await settle({ outcome: 'failure', opening: { cooldownMs: 0, openings: 2 } }));
        await acquire();
        answers.push(await settle());
        await arrive(heard, 7);
        expect(heard.map(({ view }) => view.state)).toEqual([
          'open',
          'closed',
          'open',
          'half-open',
          'open',
          'half-open',
          'closed',
        ]);
        expect(heard.map(({ key }) => key)).toEqual(Array(7).fill(KEY));
        expect(heard.filter((_, index) => index !== 5).map(({ view }) => view)).toEqual(answers);
      });

      test('tells of a question and that it is answered, and of no other report', async () => {
        const heard = await listen();
        const threshold = consecutive(2);
        await report({ threshold });
        await report({ threshold });
        await report({ threshold });
        await report({ threshold, failures: 0, successes: 1 });
        await report({ threshold });
        await force('open');
        await arrive(heard, 3);
        expect(heard.map(({ view }) => [view.state, view.question?.windowMs])).toEqual([
          ['closed', 0],
          ['closed', undefined],
          ['open', undefined],
        ]);
      });

      test('tells of a half-open circuit that a probe without a lease has made', async () => {
        await elapse();
        const heard = await listen();
        await settle({ leased: false, probes: { permits: 1, needed: 2, allowed: 0 } });
        await force('closed');
        await arrive(heard, 2);
        expect(heard.map(({ view }) => [view.state, view.generation])).toEqual([
          ['half-open', 2],
          ['closed', 3],
        ]);
      });

      test('does not tell of denials, neutral probes or what has expired', async () => {
        const heard = await listen();
        await elapse();
        await acquire();
        await acquire();
        await settle({ token: 't-1', outcome: 'neutral' });
        await acquire();
        await report({ expiresAt: 0, tripped: true });
        await force('closed');
        await arrive(heard, 3);
        expect(heard.map(({ view }) => view.state)).toEqual(['open', 'half-open', 'closed']);
      });
    });

    test('keeps circuits apart by their keys', async () => {
      await force('open');
      expect(await store.read(`${KEY}/`)).toMatchObject({ epoch: '', state: 'closed' });
    });
  });
}
