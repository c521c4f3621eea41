import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FailureReport, OutcomesOfAge } from '../../src/fleet/store.js';
import { consecutiveFailures, failureRateInWindow, failuresInWindow, slowCallRate } from '../../src/index.js';
import { memoryEngine } from '../../src/store/index.js';
import { acquire, fail, ofStatus, succeed } from '../circuit/support.js';
import { request, tryAcquire } from '../support/permits.js';
import { Access, type Call, closeAll, flush, KEY, type Process, start, startAll } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const MANY = { detector: failuresInWindow({ failures: 1_000, windowMs: 60_000 }) };

/** What the reports of a process said: failures and successes. */
const told = ({ access }: Process): [number, number][] => access.of('report').map(countsOf);

const countsOf = ({ request }: Call): [number, number] => {
  const outcomes = request?.['outcomes'] as OutcomesOfAge[];
  const failures = outcomes.reduce((sum, [, failed]) => sum + failed, 0);
  return [failures, outcomes.reduce((sum, [, , total]) => sum + total, 0) - failures];
};

const times = ({ access }: Process): number[] => access.of().map(({ at }) => at);

describe('healthy calls', () => {
  test('call no method of the store, however many they are', async () => {
    const process = await start(memoryEngine());
    for (let i = 0; i < 10_000; i++) succeed(process.breaker);
    for (let i = 0; i < 100; i++) await process.breaker.execute(async () => i);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(process.access.calls).toEqual([]);
  });

  test('get their permit at once, not a promise', async () => {
    const { breaker } = await start(memoryEngine());
    expect(request(breaker)).toMatchObject({ admitted: true });
  });

  test.each([
    ['an aborted call', 'neutral' as const, undefined],
    ['a fault of the own host', 'failure' as const, { isLocal: true }],
  ])('%s is not reported', async (_what, outcome, details) => {
    const process = await start(memoryEngine());
    acquire(process.breaker).settle(outcome, undefined, details);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(process.access.calls).toEqual([]);
  });

  test('a process that cannot resolve names opens for itself alone', async () => {
    const [ill, well] = await startAll(2);
    for (let i = 0; i < 5; i++) acquire(ill!.breaker).settle('failure', undefined, { isLocal: true });
    await vi.advanceTimersByTimeAsync(4_900);
    expect([ill!.breaker.state, well!.breaker.state]).toEqual(['open', 'closed']);
    expect(ill!.access.of()).toEqual([]);
  });
});

describe('failures', () => {
  test('the first after a quiet second is reported at once, those after it together within lingerMs', async () => {
    const process = await start(memoryEngine(), MANY);
    const startedAt = performance.now();
    fail(process.breaker, 1);
    expect(told(process)).toEqual([[1, 0]]);
    fail(process.breaker, 3);
    await vi.advanceTimersByTimeAsync(24);
    expect(told(process)).toEqual([[1, 0]]);
    fail(process.breaker, 4);
    await vi.advanceTimersByTimeAsync(1);
    expect(told(process)).toEqual([
      [1, 0],
      [7, 0],
    ]);
    await vi.advanceTimersByTimeAsync(999);
    fail(process.breaker);
    await vi.advanceTimersByTimeAsync(25);
    await vi.advanceTimersByTimeAsync(1_000);
    fail(process.breaker);
    expect(times(process).map((at) => at - startedAt)).toEqual([0, 25, 1_049, 2_049]);
  });

  test('lingerMs can be chosen', async () => {
    const process = await start(memoryEngine(), MANY, { lingerMs: 200 });
    fail(process.breaker, 2);
    await vi.advanceTimersByTimeAsync(199);
    expect(told(process)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(told(process)).toHaveLength(2);
  });

  test('are reported one report at a time, and all that came meanwhile with the next', async () => {
    const process = await start(memoryEngine(), MANY);
    process.access.behaviour = 40;
    fail(process.breaker, 1);
    for (let i = 0; i < 39; i++) {
      fail(process.breaker, 1);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(told(process)).toEqual([[1, 0]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(told(process)).toEqual([
      [1, 0],
      [39, 0],
    ]);
  });

  test('1,000 in a second make at most 41 reports, in which all of them are counted', async () => {
    const process = await start(memoryEngine(), { detector: failuresInWindow({ failures: 5_000 }) });
    for (let i = 0; i < 1_000; i++) {
      fail(process.breaker);
      await vi.advanceTimersByTimeAsync(1);
    }
    await vi.advanceTimersByTimeAsync(25);
    expect(process.access.of().length).toBeLessThanOrEqual(41);
    expect(told(process).reduce((total, [failures]) => total + failures, 0)).toBe(1_000);
  });

  test('are not reported in a hurry while the fleet is over the threshold and below its quorum', async () => {
    const store = memoryEngine();
    const threshold = { windowMs: 60_000, failures: 5_000, rate: 0, minAttempts: 1 };
    await store.report(KEY, {
      known: { epoch: '', generation: 0 },
      rememberMs: 600_000,
      expiresAt: Number.MAX_SAFE_INTEGER,
      reporter: 'ill',
      sequence: 1,
      outcomes: [[0, 100_000, 100_000]],
      run: { failures: 0, firstAgeMs: 0, lastAgeMs: 0, successAgeMs: undefined },
      served: 0,
      gatherMs: 250,
      rules: '',
      why: '',
      by: '',
      threshold,
      tripped: false,
      quorum: 3,
      opening: { cooldownMs: 10_000, openings: 1 },
    });
    const process = await start(store, { detector: failuresInWindow({ failures: 5_000 }) }, { quorum: 3 });
    process.access.behaviour = 5;
    for (let i = 0; i < 1_000; i++) {
      fail(process.breaker);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(process.breaker.state).toBe('closed');
    expect(process.access.of().length).toBeLessThanOrEqual(41);
  });

  test('N failures anywhere open everywhere', async () => {
    const processes = await startAll(5);
    for (const { breaker } of processes.slice(0, 4)) fail(breaker);
    await flush();
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(Array(5).fill('closed'));
    fail(processes[4]!.breaker);
    await flush();
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(Array(5).fill('open'));
    expect(processes[0]!.events).toMatchObject([
      { type: 'stateChange', from: 'closed', to: 'open', reason: 'shared', cooldownMs: 10_000 },
    ]);
  });

  test('that reach the threshold together with those of others are reported at once', async () => {
    const [one, other] = await startAll(2);
    fail(one!.breaker, 2);
    await vi.advanceTimersByTimeAsync(25);
    fail(other!.breaker);
    await vi.advanceTimersByTimeAsync(1);
    expect(told(other!)).toEqual([[1, 0]]);
    fail(other!.breaker, 1);
    expect(told(other!)).toHaveLength(1);
    fail(other!.breaker, 1);
    expect(told(other!)).toEqual([
      [1, 0],
      [2, 0],
    ]);
    await flush();
    expect(one!.breaker.state).toBe('open');
  });

  test('that trip the process itself are reported at once', async () => {
    const [one, other] = await startAll(2);
    fail(one!.breaker, 5);
    expect(one!.breaker.state).toBe('open');
    await flush();
    expect(other!.breaker.state).toBe('open');
    expect(other!.breaker.stats()).toMatchObject({
      remainingCooldownMs: 10_000,
      openings: 1,
      shared: { generation: 1 },
    });
  });

  test('that were settled while the store was asked for the first time are reported when it has answered', async () => {
    const process = start(memoryEngine(), MANY);
    const { breaker, access } = await process;
    access.replace(memoryEngine());
    const late = await start(access, MANY);
    expect(late.breaker.stats().shared?.live).toBe(true);
    fail(breaker, 3);
    await vi.advanceTimersByTimeAsync(25);
    expect(access.of('report').map((call) => countsOf(call)[0])).toEqual([1, 2]);
  });
});

describe('a report that was not answered', () => {
  test.each(['hang', 'reject'] as const)('is sent again (%s), and opens the fleet', async (behaviour) => {
    const [one, other] = await startAll(2);
    one!.access.behaviour = behaviour;
    fail(one!.breaker, 5);
    one!.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(60);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
    expect(one!.breaker.stats().shared).toMatchObject({ generation: 1, live: true });
    expect(ofStatus(one!.events, 'dropped')).toEqual([]);
  });

  test('counts once, though it ran', async () => {
    const store = memoryEngine();
    const process = await start(store, MANY);
    process.access.behaviour = 60;
    fail(process.breaker, 1);
    await vi.advanceTimersByTimeAsync(200);
    expect(told(process)).toEqual([
      [1, 0],
      [1, 0],
    ]);
    process.access.behaviour = 'answer';
    const { epoch, generation } = await store.read(KEY);
    const reply = await store.report(KEY, {
      ...(process.access.of('report')[0]?.request as unknown as FailureReport),
      known: { epoch, generation },
    });
    expect(reply).toMatchObject({ failures: 1, total: 1 });
  });

  test('keeps those that come after it waiting, and is given up after the second time', async () => {
    const process = await start(memoryEngine(), MANY);
    process.access.behaviour = 'hang';
    fail(process.breaker, 1);
    await vi.advanceTimersByTimeAsync(30);
    fail(process.breaker, 1);
    await vi.advanceTimersByTimeAsync(30);
    expect(told(process)).toEqual([
      [1, 0],
      [1, 0],
    ]);
    fail(process.breaker, 1);
    process.access.behaviour = 'answer';
    await vi.advanceTimersByTimeAsync(50);
    expect(told(process).slice(2)).toEqual([[2, 0]]);
    expect(ofStatus(process.events, 'dropped')).toMatchObject([{ outcomes: 1 }]);
  });
});

describe('a store whose clock has been set ahead', () => {
  /** The store's clock is ahead by an hour as from now, and this process does not know. */
  const setAhead = async () => {
    let aheadMs = 0;
    const store = memoryEngine(() => performance.now() + aheadMs);
    const [one, other] = [await start(store), await start(store)];
    aheadMs = 3_600_000;
    return { one, other };
  };

  test('is told of the failures that open the fleet', async () => {
    const { one, other } = await setAhead();
    fail(one.breaker, 5);
    await flush();
    expect(other.breaker.state).toBe('open');
  });

  test('is told what was done by hand', async () => {
    const { one, other } = await setAhead();
    expect(await one.breaker.trip().applied).toBe('fleet');
    await flush();
    expect(other.breaker.state).toBe('open');
  });
});

describe('successes', () => {
  test('are told with the next failure of their process, also those before the first', async () => {
    const detector = failureRateInWindow({ windowMs: 60_000, rate: 0.5, minAttempts: 50 });
    const process = await start(memoryEngine(), { detector });
    for (let i = 0; i < 100; i++) succeed(process.breaker);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told(process)).toEqual([]);
    fail(process.breaker);
    expect(told(process)).toEqual([[1, 100]]);
  });

  test('are asked for before a rate opens the fleet, each process answers once, and none that has nothing to say', async () => {
    const detector = failureRateInWindow({ windowMs: 60_000, rate: 0.5, minAttempts: 5 });
    const [ill, well, idle] = await startAll(3, { detector });
    for (let i = 0; i < 100; i++) succeed(well!.breaker);
    fail(ill!.breaker, 5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([ill!, well!, idle!].map(({ breaker }) => breaker.state)).toEqual(['open', 'closed', 'closed']);
    expect(told(well!)).toEqual([[0, 100]]);
    expect(told(idle!)).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(told(well!)).toHaveLength(1);
  });

  test('that nobody has let a rate open the fleet after a quarter of a second', async () => {
    const detector = failureRateInWindow({ windowMs: 60_000, rate: 0.5, minAttempts: 5 });
    const [one, other] = await startAll(2, { detector });
    fail(one!.breaker, 5);
    await vi.advanceTimersByTimeAsync(249);
    expect(other!.breaker.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(60);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
    expect(other!.breaker.stats().shared?.why).toBe('detector');
  });

  test('of which there is one in four of a quarter of a second keep a run of failures from opening the fleet', async () => {
    const [one, other] = await startAll(2, { detector: consecutiveFailures(5) });
    fail(one!.breaker, 5);
    await vi.advanceTimersByTimeAsync(100);
    succeed(other!.breaker);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'closed']);
  });

  test.each([
    ['in time', 0, 'open'],
    ['late since the machine stood still', 200, 'closed'],
  ])(
    'that come after a quarter of a second count if the process that asks is %s',
    async (_when, stoodStillMs, state) => {
      const detector = consecutiveFailures(5);
      const [one, other] = await startAll(2, { detector }, { commandTimeoutMs: 1_000 });
      fail(one!.breaker, 5);
      await vi.advanceTimersByTimeAsync(50);
      succeed(other!.breaker);
      other!.access.behaviour = 300;
      const now = performance.now.bind(performance);
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + stoodStillMs);
      await vi.advanceTimersByTimeAsync(1_000);
      clock.mockRestore();
      expect(other!.breaker.state).toBe(state);
    },
  );

  test('are asked for only after the next resync where messages do not arrive', async () => {
    const detector = consecutiveFailures(5);
    const store = memoryEngine();
    const { read, report, acquire: lease, settle, force } = store;
    const access = () => new Access({ read, report, acquire: lease, settle, force });
    const mute = () => Object.assign(access(), { subscribe: undefined }) as unknown as Access;
    const [one, other] = [await start(mute(), { detector }), await start(mute(), { detector })];
    fail(one.breaker, 5);
    await vi.advanceTimersByTimeAsync(10);
    succeed(other.breaker);
    await vi.advanceTimersByTimeAsync(12_000);
    expect([one.breaker.state, other.breaker.state]).toEqual(['half-open', 'closed']);
    expect(await store.read(KEY)).toMatchObject({ generation: 0, state: 'closed' });
  });

  test('of the others keep one bad node from stopping the fleet at a rate', async () => {
    const detector = failureRateInWindow({ windowMs: 60_000, rate: 0.5, minAttempts: 10 });
    const [ill, ...well] = await startAll(4, { detector });
    for (let i = 0; i < 40; i++) {
      if (ill!.breaker.state === 'closed') fail(ill!.breaker);
      for (const { breaker } of well) for (let call = 0; call < 5; call++) succeed(breaker);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(well.map(({ breaker }) => breaker.state)).toEqual(Array(3).fill('closed'));
  });

  test('of any process start consecutive failures anew for all', async () => {
    const [one, other] = await startAll(2, { detector: consecutiveFailures(5) });
    fail(one!.breaker, 3);
    await vi.advanceTimersByTimeAsync(25);
    succeed(other!.breaker);
    await vi.advanceTimersByTimeAsync(1_250);
    fail(other!.breaker, 4);
    await vi.advanceTimersByTimeAsync(25);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
    fail(one!.breaker, 1);
    await vi.advanceTimersByTimeAsync(350);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
  });
});

test('a store that takes longer to judge than the question was open opens all the same', async () => {
  const options = { detector: consecutiveFailures(5) };
  const processes = await startAll(3, options, { commandTimeoutMs: 1_000 });
  for (const { access } of processes) access.behaviour = 300;
  for (const { breaker } of processes) fail(breaker, 2);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(processes.map(({ breaker }) => breaker.state)).toEqual(['open', 'open', 'open']);
});

describe('processes that have all opened by themselves', () => {
  test('open the fleet by their probes that fail, once the successes of before are too old', async () => {
    const rate = { detector: failureRateInWindow({ windowMs: 10_000, minAttempts: 5 }), cooldownMs: 1_000 };
    const [healthy, ...processes] = await startAll(7, rate);
    for (let i = 0; i < 200; i++) succeed(healthy!.breaker);
    fail(healthy!.breaker);
    await healthy!.fleet.close();
    for (const { breaker } of processes) fail(breaker, 5);
    await vi.advanceTimersByTimeAsync(500);
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(processes.map(() => 'open'));
    expect(processes[0]!.breaker.stats().shared).toMatchObject({ generation: 0 });
    for (let second = 0; second < 12; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      for (const { breaker } of processes) {
        await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => undefined);
      }
    }
    expect(processes[0]!.breaker.stats().shared).toMatchObject({
      why: expect.stringMatching(/threshold|probe-failed/),
    });
    expect(processes[0]!.breaker.stats().shared!.generation).toBeGreaterThan(0);
  });
});

describe('a detector that counts a call once', () => {
  const PER_CALL = { detector: consecutiveFailures(3, { perCall: true, minSpanMs: 600 }), cooldownMs: 10_000 };

  /** One attempt of a call that fails. */
  const failAttempt = ({ breaker }: Process, call: object) => {
    const permit = tryAcquire(breaker, undefined, undefined, call);
    if (permit.admitted) permit.settle('failure');
  };

  test('counts it once for the fleet, however many of its attempts fail and are reported', async () => {
    const processes = await startAll(2, PER_CALL);
    const calls = processes.map(() => ({}));
    for (let attempt = 0; attempt < 8; attempt++) {
      for (const [index, process] of processes.entries()) failAttempt(process, calls[index]!);
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(['closed', 'closed']);
    expect(processes[0]!.access.of('report').length).toBeGreaterThan(1);
  });

  test('opens by as many calls of all processes, whose later attempts make up the time that they must fail for', async () => {
    const processes = await startAll(3, PER_CALL);
    const calls = processes.map(() => ({}));
    const failAll = () => {
      for (const [index, process] of processes.entries()) failAttempt(process, calls[index]!);
    };
    failAll();
    await vi.advanceTimersByTimeAsync(599);
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(['closed', 'closed', 'closed']);
    await vi.advanceTimersByTimeAsync(1);
    failAll();
    await vi.advanceTimersByTimeAsync(500);
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(['open', 'open', 'open']);
  });

  test('counts a call anew after a success', async () => {
    const process = await start(memoryEngine(), PER_CALL);
    const call = {};
    const runs = () =>
      process.access.of('report').map(({ request }) => (request as unknown as FailureReport).run.failures);
    failAttempt(process, call);
    await vi.advanceTimersByTimeAsync(1_000);
    failAttempt(process, call);
    await vi.advanceTimersByTimeAsync(1_000);
    succeed(process.breaker);
    failAttempt(process, call);
    expect(runs()).toEqual([1, 0, 1]);
  });
});

describe("share: 'state'", () => {
  test('reports nothing but that a process has tripped', async () => {
    const [one, other] = await startAll(2, {}, { share: 'state' });
    fail(one!.breaker, 4);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(one!.access.of()).toEqual([]);
    fail(one!.breaker);
    await flush();
    expect(other!.breaker.state).toBe('open');
    expect(one!.access.of('report')).toMatchObject([{ request: { tripped: true, threshold: undefined } }]);
  });

  test('is what detectors do that only one process can judge by', async () => {
    const [one, other] = await startAll(2, { detector: slowCallRate({ slowMs: 100, minAttempts: 1, size: 1 }) });
    fail(one!.breaker, 20);
    expect(one!.access.of()).toEqual([]);
    const permit = acquire(one!.breaker);
    await vi.advanceTimersByTimeAsync(100);
    permit.settle('success');
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
    expect(one!.events).toMatchObject([{ reason: 'slow' }]);
  });

  test('a Retry-After that opens one process opens all', async () => {
    const [one, other] = await startAll(2, { retryAfter: { opens: true } });
    acquire(one!.breaker).settle('failure', undefined, { retryAfterMs: 30_000 });
    await flush();
    expect(other!.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 30_000 });
  });
});

describe('quorum', () => {
  test('below it a process opens for itself alone, and probes without a lease', async () => {
    const [ill, other] = await startAll(2, {}, { quorum: 2 });
    fail(ill!.breaker, 5);
    await flush();
    expect([ill!.breaker.state, other!.breaker.state]).toEqual(['open', 'closed']);
    await vi.advanceTimersByTimeAsync(10_000);
    const permit = request(ill!.breaker);
    expect(permit).toMatchObject({ admitted: true });
    expect(ill!.access.of('acquire')).toEqual([]);
    (permit as { settle(outcome: string): void }).settle('success');
    expect(ill!.breaker.state).toBe('closed');
    await flush();
    expect(ill!.access.of('settle')).toEqual([]);
  });

  test('at it the circuit opens for all', async () => {
    const [one, two, three] = await startAll(3, {}, { quorum: 2 });
    fail(one!.breaker, 5);
    await flush();
    fail(two!.breaker, 1);
    await flush();
    expect([one!, two!, three!].map(({ breaker }) => breaker.state)).toEqual(['open', 'open', 'open']);
  });

  test('with share state it counts the processes that have tripped', async () => {
    const processes = await startAll(3, {}, { quorum: 2, share: 'state' });
    fail(processes[0]!.breaker, 5);
    await flush();
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(['open', 'closed', 'closed']);
    fail(processes[1]!.breaker, 5);
    await flush();
    expect(processes.map(({ breaker }) => breaker.state)).toEqual(['open', 'open', 'open']);
  });
});
