import axios, { type AxiosInstance } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Permit, Rejection } from '../../src/circuit/contract.js';
import type { HalfOpenOptions } from '../../src/circuit/options.js';
import { attach, type CircuitBreaker, CircuitOpenError, isRejectedError, reportOf, retry } from '../../src/index.js';
import { memoryEngine, sharedStore } from '../../src/store/index.js';
import { fail } from '../circuit/support.js';
import { request } from '../support/permits.js';
import { after, type ScriptedAdapter, scripted } from '../support/scripted-adapter.js';
import { Access, closeAll, flush, KEY, type Process, SUMMED, start, startAll } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
});

const COOLDOWN_MS = 10_000;

/** Lets the circuit open in all processes, and its cooldown pass. */
async function elapse(...processes: Process[]): Promise<void> {
  fail(processes[0]!.breaker, 5);
  await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
  expect(processes.map(({ breaker }) => breaker.state)).toEqual(processes.map(() => 'half-open'));
  for (const { access } of processes) access.calls.length = 0;
}

/** Asks as often as it says, all at the same time. */
async function crowd({ breaker }: Process, callers: number): Promise<(Permit | Rejection)[]> {
  const answers = Promise.all(Array.from({ length: callers }, async () => request(breaker)));
  await flush();
  return answers;
}

const admitted = (answers: readonly (Permit | Rejection)[]): Permit[] =>
  answers.filter((answer): answer is Permit => answer.admitted);

/** Takes the one probe that there is. */
async function probe(process: Process): Promise<Permit> {
  const [permit] = admitted(await crowd(process, 1));
  return permit!;
}

describe('the lease of a probe', () => {
  test('a crowd of 50 sends one acquire, and one gets through', async () => {
    const process = await start(memoryEngine());
    await elapse(process);
    const answers = await crowd(process, 50);
    expect(admitted(answers)).toHaveLength(1);
    expect(process.access.of()).toHaveLength(1);
    expect(process.breaker.stats().counts.rejected).toBe(49);
  });

  test.each([1, 3])('of 8 processes with 50 callers each, exactly %i get through', async (permits) => {
    const processes = await startAll(8, { halfOpen: { probes: permits } });
    await elapse(...processes);
    const answers = await Promise.all(processes.map((process) => crowd(process, 50)));
    expect(admitted(answers.flat())).toHaveLength(permits);
  });

  test('a denial is believed for its time, at most a second', async () => {
    const [one, other] = await startAll(2, { halfOpen: { leaseMs: 1_500 } });
    await elapse(one!, other!);
    await probe(one!);
    expect(await crowd(other!, 3)).toEqual([
      { admitted: false, retryAfterMs: 1_000 },
      { admitted: false, retryAfterMs: 1_000 },
      { admitted: false, retryAfterMs: 1_000 },
    ]);
    await vi.advanceTimersByTimeAsync(999);
    expect(request(other!.breaker)).toEqual({ admitted: false, retryAfterMs: 1 });
    expect(other!.access.of('acquire')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await crowd(other!, 1)).toEqual([{ admitted: false, retryAfterMs: 500 }]);
    await vi.advanceTimersByTimeAsync(500);
    expect(await crowd(other!, 1)).toEqual([{ admitted: false, retryAfterMs: COOLDOWN_MS }]);
  });

  test('a success closes all, a failure opens all with a cooldown', async () => {
    const [one, other] = await startAll(2);
    await elapse(one!, other!);
    (await probe(one!)).settle('failure');
    await flush();
    expect([one!, other!].map(({ breaker }) => breaker.stats())).toMatchObject([
      { state: 'open', remainingCooldownMs: COOLDOWN_MS, openings: 2, shared: { generation: 3, live: true } },
      { state: 'open', remainingCooldownMs: COOLDOWN_MS, openings: 2, shared: { generation: 3, live: true } },
    ]);
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    (await probe(other!)).settle('success');
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
    expect(request(one!.breaker)).toMatchObject({ admitted: true });
  });

  test('is free again for the same process as soon as its probe has ended, also when more than one must succeed', async () => {
    const process = await start(memoryEngine(), { halfOpen: { successThreshold: 3 } });
    await elapse(process);
    for (let i = 0; i < 3; i++) {
      (await probe(process)).settle('success');
      await flush();
    }
    expect(process.breaker.state).toBe('closed');
  });

  test('failures that follow its success before the store has answered count, and open the circuit for all', async () => {
    const [one, other] = await startAll(2, { cooldownMs: 1_000 });
    await one!.breaker.trip().applied;
    await vi.advanceTimersByTimeAsync(1_000);
    const probe = await request(one!.breaker);
    one!.events.length = 0;
    one!.access.behaviour = 10;
    if (probe.admitted) probe.settle('success');
    fail(one!.breaker, 5);
    await vi.advanceTimersByTimeAsync(100);
    expect(one!.events).toMatchObject([
      { to: 'closed', reason: 'probe-succeeded' },
      { to: 'open', reason: 'threshold' },
    ]);
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
  });

  test('its success does not hide that another process has opened the circuit meanwhile', async () => {
    const [one, other] = await startAll(2, { cooldownMs: 1_000 });
    await one!.breaker.trip().applied;
    await vi.advanceTimersByTimeAsync(1_000);
    const probe = await request(one!.breaker);
    one!.access.mute();
    await other!.breaker.trip({ cooldownMs: 3_000 }).applied;
    if (probe.admitted) probe.settle('success');
    expect(one!.breaker.state).toBe('closed');
    await flush();
    expect(one!.breaker.stats()).toMatchObject({ state: 'open', remainingCooldownMs: 3_000 });
  });

  test('a failure that is allowed opens nothing, and the next one opens all', async () => {
    const halfOpen = { probes: 2, failureRate: 0.5 };
    const [one, other] = await startAll(2, { cooldownMs: 1_000, halfOpen });
    await one!.breaker.trip().applied;
    await vi.advanceTimersByTimeAsync(1_000);
    for (const state of ['half-open', 'open'] as const) {
      const probe = await request(one!.breaker);
      if (probe.admitted) probe.settle('failure');
      await flush();
      expect([one!.breaker.state, other!.breaker.state]).toEqual([state, state]);
    }
  });

  test('a neutral probe gives it back at once', async () => {
    const [one, other] = await startAll(2);
    await elapse(one!, other!);
    (await probe(one!)).settle('neutral');
    await flush();
    expect(admitted(await crowd(other!, 50))).toHaveLength(1);
  });

  test('of a probe that never ends holds until its end, and opens the circuit for all from then on', async () => {
    const cooldownMs = ({ attempt }: { attempt: number }) => (attempt === 1 ? COOLDOWN_MS : 2_000);
    const [dead, other, third] = await startAll(3, { halfOpen: { leaseMs: 400 }, cooldownMs });
    await elapse(dead!, other!, third!);
    await probe(dead!);
    await dead!.fleet.close();
    await vi.advanceTimersByTimeAsync(399);
    expect(admitted(await crowd(other!, 5))).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(101);
    expect(await crowd(other!, 1)).toEqual([{ admitted: false, retryAfterMs: 1_900 }]);
    await flush();
    const opened = {
      state: 'open',
      openings: 2,
      remainingCooldownMs: 1_900,
      shared: { generation: 3, why: 'probe-lost' },
    };
    expect([other!.breaker.stats(), third!.breaker.stats()]).toMatchObject([opened, opened]);
    await vi.advanceTimersByTimeAsync(1_900);
    expect(admitted(await crowd(third!, 5))).toHaveLength(1);
  });

  test('that its own process sees run out opens the circuit for all, once', async () => {
    const [one, other] = await startAll(2, { halfOpen: { leaseMs: 400 } });
    await elapse(one!, other!);
    const lost = await probe(one!);
    await vi.advanceTimersByTimeAsync(500);
    expect(one!.breaker.state).toBe('open');
    await flush();
    expect(other!.breaker.stats()).toMatchObject({
      state: 'open',
      openings: 2,
      remainingCooldownMs: COOLDOWN_MS - 100,
    });
    lost.settle('failure');
    await flush();
    expect([one!, other!].map(({ breaker }) => breaker.stats())).toMatchObject([
      { openings: 2, shared: { generation: 3 } },
      { openings: 2, shared: { generation: 3 } },
    ]);
  });

  test.each(['its own process', 'another process'])(
    'whose end %s has seen still closes all by a late success',
    async (who) => {
      const [one, other] = await startAll(2, { halfOpen: { leaseMs: 400 } });
      await elapse(one!, other!);
      const slow = await probe(one!);
      await vi.advanceTimersByTimeAsync(500);
      if (who === 'its own process') expect(one!.breaker.state).toBe('open');
      else await crowd(other!, 1);
      await flush();
      expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
      slow.settle('success');
      await flush();
      expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
    },
  );

  test('a late success of the same half-open generation closes all', async () => {
    const [one, other] = await startAll(2, { halfOpen: { leaseMs: 400 } });
    await elapse(one!, other!);
    const slow = await probe(one!);
    await vi.advanceTimersByTimeAsync(500);
    await probe(other!);
    slow.settle('success');
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['closed', 'closed']);
  });

  test('the outcome of a probe counts nothing once the fleet has moved on', async () => {
    const [one, other] = await startAll(2, { halfOpen: { probes: 2 } });
    await elapse(one!, other!);
    const slow = await probe(one!);
    (await probe(other!)).settle('failure');
    await flush();
    slow.settle('success');
    await flush();
    expect([one!.breaker.state, other!.breaker.state]).toEqual(['open', 'open']);
    expect(one!.events.at(-1)).toMatchObject({ type: 'late', outcome: 'success' });
  });

  test('a probe that fails for the own host gives it back, and stops no other process', async () => {
    const [ill, well] = await startAll(2);
    await elapse(ill!, well!);
    (await probe(ill!)).settle('failure', undefined, { isLocal: true });
    await flush();
    expect(ill!.breaker.state).toBe('open');
    expect(well!.breaker.state).toBe('half-open');
    expect(admitted(await crowd(well!, 1))).toHaveLength(1);
  });

  test('outlives the request: the store remembers the circuit for longer than the longest lease', async () => {
    const process = await start(memoryEngine());
    await elapse(process);
    void request(process.breaker, undefined, 900_000);
    expect(process.access.of('acquire')).toMatchObject([{ request: { leaseMs: 900_000 } }]);
    expect(process.access.of('acquire')[0]!.request?.['rememberMs']).toBeGreaterThan(900_000);
  });

  test('callers wait for a slow store no longer than commandTimeoutMs, however many permits there are', async () => {
    const process = await start(memoryEngine(), { halfOpen: { probes: 10 } });
    await elapse(process);
    process.access.behaviour = 40;
    const startedAt = performance.now();
    const waited = Promise.all(
      Array.from({ length: 50 }, async () => {
        const answer = await request(process.breaker);
        return { answer, afterMs: performance.now() - startedAt };
      }),
    );
    await vi.advanceTimersByTimeAsync(1_000);
    const answers = await waited;
    expect(Math.max(...answers.map(({ afterMs }) => afterMs))).toBeLessThanOrEqual(51);
    expect(admitted(answers.map(({ answer }) => answer)).length).toBeLessThanOrEqual(10);
  });

  test('an isolated circuit asks for none', async () => {
    const process = await start(memoryEngine());
    await elapse(process);
    process.breaker.isolate();
    expect(request(process.breaker)).toEqual({ admitted: false, retryAfterMs: Number.POSITIVE_INFINITY });
    expect(process.access.of()).toEqual([]);
  });

  test('in observe all are admitted, and one of them is the probe of the fleet', async () => {
    const process = await start(memoryEngine(), { mode: 'observe' });
    await elapse(process);
    const answers = admitted(await crowd(process, 50));
    expect(answers).toHaveLength(50);
    expect(process.access.of()).toHaveLength(1);
    for (const permit of answers.slice(1)) permit.settle('failure');
    expect(process.breaker.state).toBe('half-open');
    answers[0]!.settle('success');
    expect(process.breaker.state).toBe('closed');
  });
});

describe('whoever calls', () => {
  const LATE_MS = 30;
  let process: Process;

  /** A half-open circuit with a store that takes its time. */
  const openHalf = async (halfOpen: HalfOpenOptions = {}): Promise<CircuitBreaker> => {
    process = await start(memoryEngine(), { halfOpen });
    await elapse(process);
    process.access.behaviour = LATE_MS;
    return process.breaker;
  };

  test('execute waits for the lease', async () => {
    const breaker = await openHalf();
    const work = vi.fn(() => new Promise((resolve) => setTimeout(() => resolve('done'), 1)));
    const results = Promise.allSettled([breaker.execute(work), breaker.execute(work)]);
    await vi.advanceTimersByTimeAsync(LATE_MS - 1);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2);
    expect(await results).toMatchObject([
      { status: 'fulfilled', value: 'done' },
      { status: 'rejected', reason: { name: 'CircuitOpenError' } },
    ]);
    expect(work).toHaveBeenCalledTimes(1);
  });

  test('execute that is aborted while it waits does not call its function, and gives the lease back', async () => {
    const breaker = await openHalf();
    const work = vi.fn(async () => 'done');
    const controller = new AbortController();
    const result = breaker.execute(work, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(new Error('enough'));
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    expect(await result).toMatchObject({ message: 'enough' });
    expect(work).not.toHaveBeenCalled();
    expect(breaker.inFlight).toBe(0);
    expect(process.access.of('settle')).toMatchObject([{ request: { outcome: 'neutral', leased: true } }]);
    expect(breaker.state).toBe('half-open');
  });

  test('retry waits for the lease', async () => {
    const breaker = await openHalf();
    const work = vi.fn(async () => 'done');
    const result = retry(work, { breaker });
    await vi.advanceTimersByTimeAsync(LATE_MS - 1);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await result).toBe('done');
    expect(breaker.state).toBe('closed');
  });

  test('retry that is aborted while it waits does not call its function, and gives the lease back', async () => {
    const breaker = await openHalf();
    const work = vi.fn(async () => 'done');
    const controller = new AbortController();
    const result = retry(work, { breaker, signal: controller.signal }).catch((error: unknown) => error);
    await flush();
    controller.abort(new Error('enough'));
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    expect(await result).toMatchObject({ message: 'enough' });
    expect(work).not.toHaveBeenCalled();
    expect(breaker.inFlight).toBe(0);
    expect(process.access.of('settle')).toMatchObject([{ request: { outcome: 'neutral' } }]);
  });
});

describe('an attached instance', () => {
  const LATE_MS = 30;
  let access: Access;
  let adapter: ScriptedAdapter;
  let api: AxiosInstance;

  /** An instance with a half-open circuit, and a store that takes its time. */
  beforeEach(async () => {
    access = new Access(memoryEngine());
    adapter = scripted(503);
    api = axios.create({ baseURL: 'https://api.example.com', adapter });
    const store = sharedStore(access);
    const { breakers } = attach(api, { retry: false, breaker: { ...SUMMED, store } });
    await flush();
    for (let i = 0; i < 5; i++) await api.get('/').catch(() => undefined);
    await vi.advanceTimersByTimeAsync(COOLDOWN_MS);
    expect(breakers.get(KEY)?.state).toBe('half-open');
    expect(breakers.get(KEY)?.stats().shared).toMatchObject({ generation: 1, live: true });
    access.calls.length = 0;
    adapter.attempts.length = 0;
    adapter.script(200);
    access.behaviour = LATE_MS;
    return () => store.close();
  });

  test('lets one of 50 calls through, after the lease; the others are rejected', async () => {
    const calls = Promise.allSettled(Array.from({ length: 50 }, () => api.get('/')));
    await vi.advanceTimersByTimeAsync(LATE_MS - 1);
    expect(adapter.attempts).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(LATE_MS + 1);
    const results = await calls;
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    expect(reasons.every(isRejectedError)).toBe(true);
    expect(reasons[0]).toBeInstanceOf(CircuitOpenError);
    expect(adapter.attempts).toHaveLength(1);
    expect(access.of('acquire')).toHaveLength(1);
  });

  test('the lease is as long as the timeout of the request and a second', async () => {
    const call = api.get('/', { timeout: 7_000 });
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    await call;
    expect(access.of('acquire')).toMatchObject([{ request: { leaseMs: 8_000 } }]);
  });

  test('a call that is cancelled while it waits makes no attempt, and gives the lease back', async () => {
    const controller = new AbortController();
    const call = api.get('/', { signal: controller.signal }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(LATE_MS - 1);
    controller.abort();
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    const error = await call;
    expect(axios.isCancel(error)).toBe(true);
    expect(adapter.attempts).toHaveLength(0);
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'aborted' });
    expect(access.of('settle')).toMatchObject([{ request: { outcome: 'neutral' } }]);
  });

  test('a call whose deadline passes while it waits makes no attempt, and gives the lease back', async () => {
    const call = api.get('/', { resilience: { deadlineMs: 20 } }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    expect(reportOf(await call)).toMatchObject({ attempts: 0, stopped: 'deadline' });
    expect(adapter.attempts).toHaveLength(0);
    expect(access.of('settle')).toMatchObject([{ request: { outcome: 'neutral' } }]);
  });

  test('a probe that fails opens the circuit with what its answer asked to wait', async () => {
    adapter.script({ status: 503, headers: { 'retry-after': '40' } });
    const call = api.get('/').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(2 * LATE_MS);
    await call;
    expect(access.of('settle')).toMatchObject([{ request: { outcome: 'failure', opening: { cooldownMs: 40_000 } } }]);
  });

  test('a call is held up by a store that hangs for commandTimeoutMs at most', async () => {
    access.behaviour = 'hang';
    adapter.script(after(1, 200));
    const call = api.get('/');
    await vi.advanceTimersByTimeAsync(49);
    expect(adapter.attempts).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(2);
    expect(adapter.attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).status).toBe(200);
  });
});
