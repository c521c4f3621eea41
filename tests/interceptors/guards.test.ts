import axios from 'axios';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Emitter } from '../../src/emitter.js';
import { BreakerRegistry, type Outcome, type RetryOptions, reportOf } from '../../src/index.js';
import { armed } from '../../src/interceptors/attempt/armed-adapter.js';
import { type Attempt, Call } from '../../src/interceptors/call/call.js';
import { capture } from '../../src/interceptors/call/capture.js';
import type { Admission, Guard, Later, Pass, Refusal } from '../../src/interceptors/call/guard.js';
import { place } from '../../src/interceptors/call/placement.js';
import { DEFAULT_POLICY, extendPolicy } from '../../src/interceptors/call/policy.js';
import { Pauses } from '../../src/interceptors/call/waits.js';
import { bareInstance, dispatchOf } from '../../src/interceptors/config/dispatch.js';
import { answered, refused } from '../../src/interceptors/retry/answer.js';
import { AttemptTimes } from '../../src/interceptors/time/attempt-times.js';
import { RetryBudgets } from '../../src/retry/budget.js';
import { rejectionOf } from '../support/orders.js';
import { type ScriptedAdapter, type Step, scripted } from '../support/scripted-adapter.js';

const CARETAKERS = { armed, capture, answered, refused };

type Answer = Admission | Later | undefined;

/** A guard that answers in this order, the last answer again and again. */
function answering(...answers: (Answer | (() => Answer))[]): Guard<Attempt> & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    admit({ call }) {
      asked.push(call.made);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      return typeof answer === 'function' ? answer() : answer;
    },
  };
}

/** What was settled, by the name of the pass, in order. */
const settled: string[] = [];

const pass = (name: string, timeoutMs?: number): Pass => ({
  admitted: true,
  timeoutMs,
  settle: (outcome: Outcome) => void settled.push(`${name}: ${outcome}`),
});

const REFUSED = new Error('too many at once');
const refusal: Refusal = { admitted: false, stopped: 'circuit-open', error: REFUSED };

interface Setting {
  readonly steps?: readonly Step[];
  readonly retry?: RetryOptions;
  readonly deadlineMs?: number;
}

/** An instance whose attempts pass these guards alone. */
function guardedBy(guards: readonly Guard<Attempt>[], { steps = [200], retry = {}, deadlineMs }: Setting = {}) {
  const adapter: ScriptedAdapter = scripted(...steps);
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const clock = { now: () => performance.now() };
  const attachment = {
    registry: new BreakerRegistry({ clock }),
    budgets: new RetryBudgets(),
    events: new Emitter(),
    clock,
    random: () => 0,
    times: new AttemptTimes(),
    guards,
    pauses: new Pauses(),
    dispatch: dispatchOf(bareInstance(api)),
    policy: extendPolicy(DEFAULT_POLICY, { deadlineMs, retry: { backoff: () => 0, ...retry } }),
  };
  place(api, (config) => new Call(attachment, CARETAKERS, config));
  return { api, adapter, pauses: attachment.pauses };
}

/** A wait that the test ends. */
function waiting() {
  let end: (admission: Admission | undefined) => void = () => undefined;
  const answer = new Promise<Admission | undefined>((resolve) => {
    end = resolve;
  });
  const leave = vi.fn<() => void>();
  const later = { admitted: 'later', answer, leave, end: () => end(refusal) } satisfies Later;
  return { later, leave, end: (given?: Admission) => end(given) };
}

const turns = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  settled.length = 0;
});

describe('two guards at once', () => {
  test.each<[Step, Outcome]>([
    [200, 'success'],
    [404, 'success'],
    [500, 'failure'],
    [425, 'neutral'],
  ])('are both told what the attempt came to, once: %s', async (step, outcome) => {
    const { api } = guardedBy([answering(pass('first')), answering(pass('second'))], {
      steps: [step],
      retry: { retries: 0 },
    });
    await api.get('/', { validateStatus: null });
    expect(settled).toEqual([`first: ${outcome}`, `second: ${outcome}`]);
  });

  test('are asked again for each attempt, and told of each', async () => {
    const first = answering(pass('first'));
    const second = answering(pass('second'));
    const { api } = guardedBy([first, second], { steps: [503, 200] });
    await api.get('/');
    expect([first.asked, second.asked]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(settled).toEqual(['first: failure', 'second: failure', 'first: success', 'second: success']);
  });

  test('a refusal by the second gives back what the first gave; nothing is sent, and the third is not asked', async () => {
    const third = answering(pass('third'));
    const { api, adapter } = guardedBy([answering(pass('first')), answering(refusal), third]);
    const error = await rejectionOf(api.get('/'));
    expect(error).toBe(REFUSED);
    expect(settled).toEqual(['first: neutral']);
    expect([adapter.attempts, third.asked]).toEqual([[], []]);
  });

  test('what the second throws gives back what the first gave', async () => {
    const thrown = new Error('a guard broke');
    const broken = answering(() => {
      throw thrown;
    });
    const { api, adapter } = guardedBy([answering(pass('first')), broken]);
    expect(await rejectionOf(api.get('/'))).toBe(thrown);
    expect(settled).toEqual(['first: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('a retry that the second refuses leaves the call the failure of the attempt before', async () => {
    const second = answering(undefined, refusal);
    const { api, adapter } = guardedBy([answering(pass('first')), second], { steps: [503] });
    const error = await rejectionOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
    expect(settled).toEqual(['first: failure', 'first: neutral']);
    expect(adapter.attempts).toHaveLength(1);
  });

  test("the shorter of their timeouts is the attempt's; afterwards the config shows the user's", async () => {
    const { api, adapter } = guardedBy([answering(pass('first', 300)), answering(pass('second', 200))]);
    const { config } = await api.get('/', { timeout: 5_000 });
    expect(adapter.attempts.map(({ timeout }) => timeout)).toEqual([200]);
    expect(config.timeout).toBe(5_000);
  });

  test("a timeout of the user's that is shorter than theirs stays", async () => {
    const { api, adapter } = guardedBy([answering(pass('first', 300)), answering(pass('second', 200))]);
    await api.get('/', { timeout: 50 });
    expect(adapter.attempts.map(({ timeout }) => timeout)).toEqual([50]);
  });
});

describe('an adapter that makes the shortened timeout read-only', () => {
  test.each<[string, Step, Setting]>([
    ['is answered', 200, {}],
    ['fails', 500, {}],
    ['is answered before the deadline', 200, { deadlineMs: 60_000 }],
    ['fails before the deadline', 500, { deadlineMs: 60_000 }],
  ])('%s as ever, and both guards are told', async (_what, step, setting) => {
    const closed: Step = (config) => {
      Object.defineProperty(config, 'timeout', { writable: false });
      return step;
    };
    const guards = [answering(pass('first', 300)), answering(pass('second'))];
    const { api } = guardedBy(guards, { ...setting, steps: [closed], retry: { retries: 0 } });
    const { status } = await api.get('/', { timeout: 5_000, validateStatus: null });
    expect(status).toBe(step);
    const outcome = step === 200 ? 'success' : 'failure';
    expect(settled).toEqual([`first: ${outcome}`, `second: ${outcome}`]);
  });
});

test('a timeout that cannot be read keeps no guard from being told', async () => {
  const { api } = guardedBy([answering(pass('first'))], { steps: [500], retry: { retries: 0 } });
  expect(await rejectionOf(api.get('/', { timeout: Symbol('none') as never }))).toBeInstanceOf(Error);
  expect(settled).toEqual(['first: neutral']);
});

describe('a pass that throws when it is settled', () => {
  const throwing: Pass = {
    admitted: true,
    settle: (outcome) => {
      settled.push(`broken: ${outcome}`);
      throw new Error('of the pass');
    },
  };

  test.each<[Step, Outcome]>([
    [200, 'success'],
    [500, 'failure'],
  ])('keeps none of the others from being told, once: %i', async (step, outcome) => {
    const guards = [answering(pass('first')), answering(throwing), answering(pass('third'))];
    const { api } = guardedBy(guards, { steps: [step], retry: { retries: 0 } });
    expect((await rejectionOf(api.get('/', { validateStatus: null }))).message).toBe('of the pass');
    expect(settled).toEqual([`first: ${outcome}`, `broken: ${outcome}`, `third: ${outcome}`]);
  });

  test('keeps none of the others from being given back where the attempt is not made', async () => {
    const guards = [answering(throwing), answering(pass('second')), answering(refusal)];
    const { api, adapter } = guardedBy(guards);
    await rejectionOf(api.get('/'));
    expect(settled).toEqual(['broken: neutral', 'second: neutral']);
    expect(adapter.attempts).toEqual([]);
  });
});

describe('a guard that lets an attempt wait', () => {
  test('lets it go on to the guards behind it, by what it says at last', async () => {
    const { later, leave, end } = waiting();
    const behind = answering(pass('behind'));
    const { api, adapter } = guardedBy([answering(pass('before')), answering(later), behind]);
    const call = api.get('/');
    await turns();
    expect([adapter.attempts, behind.asked]).toEqual([[], []]);
    end(pass('waited'));
    await call;
    expect(settled).toEqual(['before: neutral', 'before: success', 'waited: success', 'behind: success']);
    expect(leave).not.toHaveBeenCalled();
  });

  test('lets it hold nothing of the others: they are asked anew, and may refuse it then', async () => {
    const { later, end } = waiting();
    const before = answering(pass('before'), refusal);
    const { api, adapter } = guardedBy([before, answering(later)]);
    const call = rejectionOf(api.get('/'));
    await turns();
    expect(settled).toEqual(['before: neutral']);
    end(pass('waited'));
    expect(await call).toBe(REFUSED);
    expect(settled).toEqual(['before: neutral', 'waited: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('takes back what it gave after the wait, where another lets the attempt wait in turn', async () => {
    const first = waiting();
    const second = waiting();
    const before = answering(undefined, second.later);
    const behind = answering(first.later, pass('behind'));
    const { api, adapter } = guardedBy([before, behind]);
    const call = api.get('/');
    await turns();
    first.end(pass('given too early'));
    await vi.waitFor(() => expect(settled).toEqual(['given too early: neutral']));
    expect(adapter.attempts).toEqual([]);
    second.end(pass('before'));
    await call;
    expect(settled).toEqual(['given too early: neutral', 'before: success', 'behind: success']);
  });

  test('does not take it back where the other lets it pass in the same moment: both could wait for each other for ever', async () => {
    const first = waiting();
    const second = waiting();
    const before = answering(undefined, second.later);
    const behind = answering(first.later, refusal);
    const { api, adapter } = guardedBy([before, behind]);
    const call = api.get('/');
    await turns();
    first.end(pass('behind'));
    second.end(pass('before'));
    await call;
    expect(settled).toEqual(['before: success', 'behind: success']);
    expect(adapter.attempts).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(settled).toHaveLength(2);
  });

  test('takes it back where the other refuses', async () => {
    const first = waiting();
    const { api, adapter } = guardedBy([answering(undefined, refusal), answering(first.later)]);
    const call = rejectionOf(api.get('/'));
    await turns();
    first.end(pass('behind'));
    expect(await call).toBe(REFUSED);
    expect(settled).toEqual(['behind: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('may refuse it at last: what was given before goes back', async () => {
    const { later, end } = waiting();
    const { api, adapter } = guardedBy([answering(pass('before')), answering(later)]);
    const call = rejectionOf(api.get('/'));
    end(refusal);
    expect(await call).toBe(REFUSED);
    expect(settled).toEqual(['before: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('is left by a call that is aborted; a pass that comes all the same goes back', async () => {
    const { later, leave, end } = waiting();
    const { api, adapter } = guardedBy([answering(pass('before')), answering(later)]);
    const controller = new AbortController();
    const call = rejectionOf(api.get('/', { signal: controller.signal }));
    await turns();
    controller.abort();
    const error = await call;
    expect(axios.isCancel(error)).toBe(true);
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'aborted' });
    expect(leave).toHaveBeenCalledOnce();
    expect(settled).toEqual(['before: neutral']);
    end(pass('late'));
    await turns();
    expect(settled).toEqual(['before: neutral', 'late: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('before a retry, too, an abort ends the call with the cancellation', async () => {
    const { later, leave } = waiting();
    const guard = answering(undefined, later);
    const { api, adapter } = guardedBy([guard], { steps: [503] });
    const controller = new AbortController();
    const call = rejectionOf(api.get('/', { signal: controller.signal }));
    await vi.waitFor(() => expect(guard.asked).toEqual([0, 1]));
    controller.abort();
    const error = await call;
    expect(axios.isCancel(error)).toBe(true);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'aborted' });
    expect(adapter.attempts).toHaveLength(1);
    expect(leave).toHaveBeenCalledOnce();
  });

  test('is left at the deadline of the call', async () => {
    const { later, leave } = waiting();
    const { api, adapter } = guardedBy([answering(pass('before')), answering(later)], { deadlineMs: 20 });
    const error = await rejectionOf(api.get('/'));
    expect(error.message).toBe('deadline exceeded');
    expect(reportOf(error)).toMatchObject({ attempts: 0, stopped: 'deadline' });
    expect(leave).toHaveBeenCalledOnce();
    expect(settled).toEqual(['before: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test.each([
    ['while it waits', false],
    ['before', true],
  ])('is told to answer at once where all waits are ended %s, and is not left', async (_when, isBefore) => {
    const { later, leave } = waiting();
    const { api, adapter, pauses } = guardedBy([answering(pass('before')), answering(later)]);
    if (isBefore) pauses.close();
    const call = rejectionOf(api.get('/'));
    await turns();
    pauses.close();
    expect(await call).toBe(REFUSED);
    expect(leave).not.toHaveBeenCalled();
    expect(settled).toEqual(['before: neutral']);
    expect(adapter.attempts).toEqual([]);
  });

  test('does not count as a part of how long the attempt took', async () => {
    const { later, end } = waiting();
    const { api } = guardedBy([answering(later)]);
    const call = api.get('/');
    await new Promise((resolve) => setTimeout(resolve, 200));
    end(pass('waited'));
    const report = reportOf(await call);
    expect(report?.elapsedMs).toBeGreaterThanOrEqual(190);
    expect(report?.history[0]?.durationMs).toBeLessThan(150);
  });
});
