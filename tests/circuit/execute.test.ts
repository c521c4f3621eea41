import { getEventListeners } from 'node:events';
import axios from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, CircuitBreaker, type CircuitBreakerOptions, consecutiveFailures, retry } from '../../src/index.js';
import { scripted } from '../support/scripted-adapter.js';
import { acquire, ask, fail, listen, type ManualClock, manualClock, ofType } from './support.js';

let clock: ManualClock;
beforeEach(() => {
  clock = manualClock();
});

const CLASSIC = { detector: consecutiveFailures(1), cooldownMs: 10_000 };
const create = (options: CircuitBreakerOptions = {}) => new CircuitBreaker('a', { clock, ...CLASSIC, ...options });
const errorOf = (call: Promise<unknown>): Promise<any> => call.then(() => undefined).catch((error: unknown) => error);

describe('classify', () => {
  test('makes a failure of a result, and none of an error (execute)', async () => {
    const bad = create();
    await bad.execute(async () => 'bad', { classify: ({ result }) => (result === 'bad' ? 'failure' : undefined) });
    expect(bad.state).toBe('open');
    const good = create();
    const options = { classify: () => 'success' as const };
    await errorOf(good.execute(() => Promise.reject(new Error('not found')), options));
    expect(good.stats()).toMatchObject({ state: 'closed', counts: { success: 1, failure: 0 } });
  });

  test('makes a failure of a result (retry)', async () => {
    const breaker = create();
    await retry(async () => 'bad', { breaker, classify: ({ result }) => (result === 'bad' ? 'failure' : undefined) });
    expect(breaker.state).toBe('open');
  });

  test('that says nothing decides as usual, and is no fault', async () => {
    const breaker = create();
    const events = listen(breaker);
    await breaker.execute(async () => 1, { classify: () => undefined });
    await errorOf(breaker.execute(() => Promise.reject(new Error('down')), { classify: () => undefined }));
    expect(breaker.stats().counts).toMatchObject({ success: 1, failure: 1 });
    expect(ofType(events, 'callbackError')).toEqual([]);
  });

  test('that throws is reported and the call counts as usual', async () => {
    const breaker = create();
    const events = listen(breaker);
    const classify = () => {
      throw new Error('oops');
    };
    await expect(breaker.execute(async () => 1, { classify })).resolves.toBe(1);
    expect(breaker.stats().counts.success).toBe(1);
    expect(ofType(events, 'callbackError')).toMatchObject([{ source: 'classify' }]);
  });
});

test('onRetry is told of each retry before its wait', async () => {
  const told: unknown[] = [];
  const error = new Error('down');
  const options = { retries: 2, backoff: ({ attempt }: { attempt: number }) => attempt };
  await errorOf(retry(() => Promise.reject(error), { ...options, onRetry: (notice) => void told.push(notice) }));
  expect(told).toEqual([
    { attempt: 1, error, delayMs: 1 },
    { attempt: 2, error, delayMs: 2 },
  ]);
});

test.each(['execute', 'retry'] as const)(
  'a probe of %s is aborted at probeTimeoutMs, and that is a failure',
  async (name) => {
    const breaker = create({ halfOpen: { probeTimeoutMs: 20 } });
    breaker.trip({ cooldownMs: 0 });
    const hang = ({ signal }: { signal: AbortSignal | undefined }) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
    const call = name === 'execute' ? breaker.execute(hang) : retry(hang, { breaker, retries: 0 });
    expect(await errorOf(call)).toMatchObject({ name: 'TimeoutError' });
    expect(breaker.stats()).toMatchObject({ state: 'open', inFlight: 0, counts: { failure: 1 } });
  },
);

test('onRetry that throws ends the call with its error, whose cause is the failure', async () => {
  const failure = new Error('down');
  const thrown = new Error('cannot log');
  const fn = vi.fn().mockRejectedValue(failure);
  const onRetry = () => Promise.reject(thrown);
  expect(await errorOf(retry(fn, { backoff: 0, onRetry }))).toBe(thrown);
  expect(thrown.cause).toBe(failure);
  expect(fn).toHaveBeenCalledTimes(1);
});

test('onRetry is waited for, until the deadline', async () => {
  const log: string[] = [];
  const fn = async ({ attempt }: { attempt: number }) => {
    log.push(`attempt ${attempt}`);
    throw new Error('down');
  };
  const onRetry = async () => {
    await Promise.resolve();
    log.push('told');
  };
  await errorOf(retry(fn, { retries: 1, backoff: 0, onRetry }));
  expect(log).toEqual(['attempt 1', 'told', 'attempt 2']);
  const hanging = retry(fn, { backoff: 0, deadlineMs: 20, onRetry: () => new Promise<void>(() => undefined) });
  expect(await errorOf(hanging)).toMatchObject({ name: 'TimeoutError', cause: { message: 'down' } });
});

describe('a probe with probeTimeoutMs', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const probed = () => {
    const breaker = create({ halfOpen: { probeTimeoutMs: 20 } });
    breaker.trip({ cooldownMs: 0 });
    return breaker;
  };
  /** Hangs until its signal aborts, and says then that it was cancelled. */
  const cancelled = ({ signal }: { signal: AbortSignal | undefined }) =>
    new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () =>
        reject(Object.assign(new DOMException('cancelled', 'AbortError'), { cause: signal.reason as unknown })),
      );
    });

  test('has failed at its end also where it says that it was cancelled', async () => {
    const breaker = probed();
    const ended = errorOf(breaker.execute(cancelled));
    await vi.advanceTimersByTimeAsync(20);
    expect((await ended).cause).toMatchObject({ name: 'TimeoutError', message: 'The probe took longer than 20 ms' });
    expect(breaker.stats()).toMatchObject({ state: 'open', counts: { failure: 1, neutral: 0 } });
  });

  test.each(['execute', 'retry'] as const)('has failed at its end, whatever classify says (%s)', async (name) => {
    const breaker = probed();
    const classify = () => 'neutral' as const;
    const ended = errorOf(
      name === 'execute'
        ? breaker.execute(cancelled, { classify })
        : retry(cancelled, { breaker, retries: 0, classify }),
    );
    await vi.advanceTimersByTimeAsync(19);
    expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 1 });
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toBeInstanceOf(DOMException);
    expect(breaker.stats()).toMatchObject({ state: 'open', counts: { failure: 1, neutral: 0 } });
  });

  test.each(['execute', 'retry'] as const)(
    "is aborted with the caller's reason before, and that counts nothing (%s)",
    async (name) => {
      const breaker = probed();
      const controller = new AbortController();
      const { signal } = controller;
      const given: (AbortSignal | undefined)[] = [];
      const hang = (context: { signal: AbortSignal | undefined }) => {
        given.push(context.signal);
        return cancelled(context);
      };
      const call =
        name === 'execute' ? breaker.execute(hang, { signal }) : retry(hang, { breaker, retries: 0, signal });
      const ended = errorOf(call);
      await vi.advanceTimersByTimeAsync(10);
      const reason = new Error('gone');
      controller.abort(reason);
      await ended;
      expect(given[0]?.reason).toBe(reason);
      expect(breaker.stats()).toMatchObject({ state: 'half-open', inFlight: 0, counts: { failure: 0, neutral: 1 } });
    },
  );

  test.each(['execute', 'retry'] as const)(
    'leaves neither timer nor listener once it has ended, and its signal as it is (%s)',
    async (name) => {
      const breaker = probed();
      const { signal } = new AbortController();
      let given: AbortSignal | undefined;
      const fn = async (context: { signal: AbortSignal | undefined }) => {
        given = context.signal;
        return 'done';
      };
      const call = name === 'execute' ? breaker.execute(fn, { signal }) : retry(fn, { breaker, signal });
      expect(await call).toBe('done');
      expect([vi.getTimerCount(), getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
      await vi.advanceTimersByTimeAsync(20);
      expect([given?.aborted, breaker.state]).toEqual([false, 'closed']);
    },
  );
});

test.each<[string, (breaker: CircuitBreaker, thrown: Error) => Promise<unknown>]>([
  ['execute', (breaker, thrown) => breaker.execute(() => Promise.reject(thrown))],
  ['execute with options', (breaker, thrown) => breaker.execute(() => Promise.reject(thrown), {})],
  ['retry', (breaker, thrown) => retry(() => Promise.reject(thrown), { breaker, retries: 0 })],
  ['acquire', async (breaker, thrown) => (await breaker.acquire()).settle('failure', thrown)],
])('cooldownMs is given what failed: %s', async (_name, run) => {
  const errors: unknown[] = [];
  const breaker = create({ cooldownMs: ({ error }: { error?: unknown }) => errors.push(error) });
  const thrown = new Error('down');
  await errorOf(run(breaker, thrown));
  expect(errors).toEqual([thrown]);
});

describe('bad options are named', () => {
  const execute = (options: object) => create().execute(async () => 1, options);
  const acquirePermit = (options: object) => create().acquire(options);

  test.each<[string, (options: object) => Promise<unknown>, object, string]>([
    ['execute', execute, { signal: 1 }, 'Expected `execute(options).signal` to be an AbortSignal, got 1'],
    [
      'execute',
      execute,
      { classify: 'failure' },
      'Expected `execute(options).classify` to be a function, got "failure"',
    ],
    [
      'execute',
      execute,
      { maxWaitMs: -1 },
      'Expected `execute(options).maxWaitMs` to be a number of milliseconds >= 0, got -1',
    ],
    ['acquire', acquirePermit, { signal: 1 }, 'Expected `acquire(options).signal` to be an AbortSignal, got 1'],
    [
      'acquire',
      acquirePermit,
      { maxWaitMs: '1s' },
      'Expected `acquire(options).maxWaitMs` to be a number of milliseconds >= 0, got "1s"',
    ],
  ])('of %s', async (_name, call, options, text) => {
    expect((await errorOf(call(options))).message).toBe(text);
  });

  test.each([undefined, {}])('a function that is none, too, with options %o', async (options) => {
    const { message } = await errorOf(create().execute('fn' as never, options));
    expect(message).toBe('Expected `execute(fn)` to be a function, got "fn"');
  });
});

describe('the last failure', () => {
  const early = new Error('early');

  test('stays through successes, and is forgotten when the circuit has closed again', () => {
    const breaker = create({ detector: consecutiveFailures(2) });
    acquire(breaker).settle('failure', undefined, { error: early });
    acquire(breaker).settle('success');
    expect(breaker.stats().lastFailure).toBe(early);
    fail(breaker, 2);
    clock.advance(10_000);
    acquire(breaker).settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'closed', lastFailure: undefined });
  });

  test('is that of a probe where one failed, and stays while others succeed', () => {
    const breaker = create({ halfOpen: { probes: 2, failureRate: 0.5 } });
    fail(breaker);
    clock.advance(10_000);
    const [first, second] = [acquire(breaker), acquire(breaker)];
    first.settle('failure', undefined, { error: early });
    expect(breaker.stats()).toMatchObject({ state: 'half-open', lastFailure: early });
    second.settle('success');
    expect(breaker.stats()).toMatchObject({ state: 'closed', lastFailure: undefined });
    fail(breaker);
    clock.advance(10_000);
    const [third, fourth] = [acquire(breaker), acquire(breaker)];
    third.settle('failure', undefined, { error: early });
    fourth.settle('failure', undefined, { error: new Error('late') });
    expect(breaker.stats()).toMatchObject({ state: 'open', lastFailure: { message: 'late' } });
  });
});

test('an outcome that is none throws, gives the permit back, and neither counts nor breaks a row of failures', () => {
  const breaker = create({ detector: consecutiveFailures(3) });
  fail(breaker, 2);
  expect(() => acquire(breaker).settle('ok' as never)).toThrow(
    new TypeError('Expected `outcome` to be "success" or "failure" or "neutral", got "ok"'),
  );
  expect(breaker.stats()).toMatchObject({
    failures: 2,
    inFlight: 0,
    counts: { success: 0, failure: 2, neutral: 0, late: 0 },
  });
  fail(breaker);
  expect(breaker.state).toBe('open');
});

test('a signal of a polyfill, without throwIfAborted and reason, ends execute and retry with an AbortError', async () => {
  const signal = { aborted: true, addEventListener() {}, removeEventListener() {} } as unknown as AbortSignal;
  expect(await errorOf(create().execute(async () => 1, { signal }))).toMatchObject({ name: 'AbortError' });
  expect(await errorOf(retry(async () => 1, { signal }))).toMatchObject({ name: 'AbortError' });
});

test('what opened a circuit is the cause of its rejections and of its event, and is not enumerable', async () => {
  const breaker = create();
  const events = listen(breaker);
  const down = new Error('down');
  await errorOf(breaker.execute(() => Promise.reject(down)));
  const rejection = await errorOf(breaker.execute(async () => 1));
  expect((await errorOf(retry(async () => 1, { breaker, retries: 0 }))).cause).toBe(down);
  const [opened] = ofType(events, 'stateChange');
  expect([rejection.cause, opened?.cause, breaker.stats().lastFailure]).toEqual([down, down, down]);
  expect([Object.keys(rejection).includes('cause'), Object.keys(opened!).includes('cause')]).toEqual([false, false]);
  breaker.trip();
  expect((await errorOf(breaker.execute(async () => 1))).cause).toBeUndefined();
});

test('the cause of an attached rejection has status and code, and neither config nor response', async () => {
  const api = axios.create({ adapter: scripted(503) });
  attach(api, { retry: false, clock, breaker: CLASSIC });
  await errorOf(api.get('https://api.example.com/', { headers: { Authorization: 'secret' } }));
  const { cause } = await errorOf(api.get('https://api.example.com/'));
  expect(cause).toMatchObject({ name: 'AxiosError', status: 503 });
  expect([cause.config, cause.request, cause.response]).toEqual([undefined, undefined, undefined]);
});

test('an async createError rejects with its error, which an outer breaker does not count', async () => {
  const api = axios.create({ adapter: scripted(200) });
  const own = new Error('closed for today');
  const { breakers } = attach(api, { retry: false, clock, breaker: { createError: async () => own } });
  breakers.ensure('GET https://api.example.com').trip();
  const outer = create();
  expect(await errorOf(outer.execute(() => api.get('https://api.example.com/')))).toBe(own);
  expect(outer.stats()).toMatchObject({ state: 'closed', counts: { neutral: 1, failure: 0 } });
});

test.each(['ERR_CIRCUIT_OPEN', 'ERR_LIMITED'])(
  'a copy of a rejection that has its code %s alone counts nothing',
  async (code) => {
    const breaker = create();
    await errorOf(breaker.execute(() => Promise.reject(Object.assign(new Error('rejected'), { code }))));
    expect(breaker.stats()).toMatchObject({ state: 'closed', counts: { neutral: 1, failure: 0 } });
  },
);

test.each([
  [0, 'admitted'],
  [1, 10_000],
] as const)('with retryAfter.opens a Retry-After of %i ms leaves the circuit %s', (retryAfterMs, answer) => {
  const breaker = create({ detector: consecutiveFailures(9), retryAfter: { opens: true } });
  acquire(breaker).settle('failure', undefined, { status: 503, retryAfterMs });
  expect(ask(breaker)).toBe(answer);
});

test('attempts that observe lets through are not counted as rejected', () => {
  const breaker = create({ mode: 'observe' });
  breaker.trip();
  acquire(breaker).settle('success');
  expect(breaker.stats().counts.rejected).toBe(0);
});

test('without crypto a POST has an idempotency key all the same', async () => {
  vi.stubGlobal('crypto', undefined);
  const adapter = scripted(200);
  const api = axios.create({ adapter });
  attach(api, { idempotencyKey: true });
  const { config } = await api.post('https://api.example.com/').finally(() => vi.unstubAllGlobals());
  expect(config.headers.get('Idempotency-Key')).toMatch(
    /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
  );
});
