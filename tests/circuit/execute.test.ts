import axios from 'axios';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, CircuitBreaker, type CircuitBreakerOptions, consecutiveFailures, retry } from '../../src/index.js';
import { scripted } from '../support/scripted-adapter.js';
import { acquire, ask, listen, type ManualClock, manualClock, ofType } from './support.js';

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

test('cooldownMs is given what execute and retry caught', async () => {
  const errors: unknown[] = [];
  const cooldownMs = ({ error }: { error?: unknown }) => errors.push(error);
  const thrown = new Error('down');
  await errorOf(create({ cooldownMs }).execute(() => Promise.reject(thrown)));
  await errorOf(retry(() => Promise.reject(thrown), { breaker: create({ cooldownMs }), retries: 0 }));
  expect(errors).toEqual([thrown, thrown]);
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
