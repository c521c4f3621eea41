import { Readable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import axios, { AxiosError, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attach,
  BreakerRegistry,
  consecutiveFailures,
  type ResilienceEvent,
  type ResilienceEvents,
  type ResilienceOptions,
  type RetryOptions,
  type Sink,
} from '../../src/index.js';
import { connectionError, type Step, scripted } from '../support/scripted-adapter.js';

const BASE_URL = 'https://api.example.com';
const KEY = `GET ${BASE_URL}`;
const START = new Date('2026-03-01T12:00:00Z').getTime();
const forever = () => new Promise<never>(() => undefined);

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(START);
});
afterEach(() => void vi.useRealTimers());

function start(options: ResilienceOptions = {}, ...steps: Step[]) {
  const adapter = scripted(...steps);
  const api = axios.create({ baseURL: BASE_URL, adapter });
  const events: ResilienceEvent[] = [];
  const resilience = attach(api, {
    ...options,
    retry: options.retry ?? { backoff: 100 },
    sinks: [{ record: (event) => void events.push(event) }],
  });
  const ofType = <Type extends keyof ResilienceEvents>(type: Type) =>
    events.filter((event): event is ResilienceEvents[Type] => event.type === type);
  /** Makes a call and lets all its waits pass. */
  const run = async (config: AxiosRequestConfig = {}): Promise<any> => {
    const settled = api.request({ url: '/', ...config }).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    return settled;
  };
  return { adapter, api, events, ofType, resilience, run };
}

/** An attempt that takes 20 ms. */
const slow =
  (step: Step): Step =>
  async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return step;
  };

describe('payloads', () => {
  test('a retry carries its failure and the config of its call, which no log shows', async () => {
    const { ofType, run } = start(
      { retry: { backoff: 100, statusCodes: [202] } },
      connectionError('ECONNRESET'),
      202,
      200,
    );
    const response = await run();
    const [failed, accepted] = ofType('retry');
    expect(failed?.error).toMatchObject({ code: 'ECONNRESET' });
    expect(accepted).toMatchObject({ reason: '202' });
    expect(accepted?.error).toBeUndefined();
    expect([failed?.config, accepted?.config]).toEqual([response.config, response.config]);
    expect(failed?.config).toBe(response.config);
    expect(Object.keys(failed ?? {})).toEqual(['type', 'key', 'attempt', 'delayMs', 'reason', 'method', 'url', 'at']);
  });

  test('a call with two retries: registered, attempt, retry, attempt, retry, attempt, call', async () => {
    const { events, run } = start({}, slow(503), slow(connectionError('ECONNRESET')), slow(200));
    await run({ url: '/users', params: { id: 7 } });
    expect(events).toEqual([
      { type: 'breakerAdded', key: KEY, state: 'closed', at: START },
      {
        type: 'attempt',
        key: KEY,
        attempt: 1,
        outcome: 'failure',
        status: 503,
        code: 'ERR_BAD_RESPONSE',
        durationMs: 20,
        guarded: true,
        at: START + 20,
      },
      {
        type: 'retry',
        key: KEY,
        attempt: 1,
        delayMs: 100,
        reason: '503',
        method: 'GET',
        url: `${BASE_URL}/users`,
        at: START + 20,
      },
      {
        type: 'attempt',
        key: KEY,
        attempt: 2,
        outcome: 'failure',
        status: undefined,
        code: 'ECONNRESET',
        durationMs: 20,
        guarded: true,
        at: START + 140,
      },
      {
        type: 'retry',
        key: KEY,
        attempt: 2,
        delayMs: 100,
        reason: 'ECONNRESET',
        method: 'GET',
        url: `${BASE_URL}/users`,
        at: START + 140,
      },
      {
        type: 'attempt',
        key: KEY,
        attempt: 3,
        outcome: 'success',
        status: 200,
        code: undefined,
        durationMs: 20,
        guarded: true,
        at: START + 260,
      },
      {
        type: 'call',
        key: KEY,
        attempts: 3,
        stopped: 'success',
        outcome: 'success',
        elapsedMs: 260,
        fallback: false,
        at: START + 260,
      },
    ]);
  });

  test('call: how many attempts a call made, and why it made no more, whatever it came to', async () => {
    const { adapter, api, ofType, resilience, run } = start({ retry: { retries: 1, backoff: 100 } });
    const ends = async (config?: AxiosRequestConfig) => {
      await run(config);
      const { attempts, stopped, elapsedMs } = ofType('call').at(-1)!;
      return [attempts, stopped, elapsedMs];
    };
    adapter.script(slow(200));
    expect(await ends()).toEqual([1, 'success', 20]);
    adapter.script(slow(503));
    expect(await ends()).toEqual([2, 'exhausted', 140]);
    adapter.script(404);
    expect(await ends()).toEqual([1, 'not-retryable', 0]);
    resilience.breakers.ensure(KEY).trip();
    expect(await ends()).toEqual([0, 'circuit-open', 0]);
    api.interceptors.request.use((config) => ({ ...config, adapter: scripted(200) }));
    expect(await ends()).toEqual([0, 'adapter-replaced', 0]);
    expect(ofType('call')).toHaveLength(5);
  });

  test('registered: once for each circuit, when it is made', async () => {
    const { ofType, resilience, run } = start({}, 200);
    await run();
    await run();
    await run({ method: 'put' });
    resilience.breakers.ensure('queue');
    expect(ofType('breakerAdded').map(({ key, state }) => [key, state])).toEqual([
      [KEY, 'closed'],
      [`PUT ${BASE_URL}`, 'closed'],
      ['queue', 'closed'],
    ]);
  });

  test('registered: the circuits of a registry that was there before, as they are when it is attached', () => {
    const registry = new BreakerRegistry();
    registry.ensure('one').trip();
    registry.ensure('two');
    const { events } = start({ breaker: registry });
    expect(events).toEqual([
      { type: 'breakerAdded', key: 'one', state: 'open', at: START },
      { type: 'breakerAdded', key: 'two', state: 'closed', at: START },
    ]);
  });

  test('call, of one that failed: its error does not show in JSON', async () => {
    const { events, run } = start({ retry: { retries: 1, backoff: 100 } }, slow(503));
    const error = await run();
    const event = events.at(-1) as ResilienceEvents['call'];
    expect({ ...event }).toEqual({
      type: 'call',
      key: KEY,
      attempts: 2,
      stopped: 'exhausted',
      outcome: 'failure',
      elapsedMs: 140,
      fallback: false,
      at: START + 140,
    });
    expect(event.error).toBe(error);
  });

  test('stateChange: closed, open, half-open, open, half-open, closed', async () => {
    const breaker = { detector: consecutiveFailures(2), cooldownMs: 5_000 };
    const { adapter, ofType, run } = start({ breaker, retry: false }, 503);
    await run();
    await run();
    vi.advanceTimersByTime(5_000);
    await run();
    vi.advanceTimersByTime(5_000);
    adapter.script(200);
    await run();
    const change = { type: 'stateChange', key: KEY };
    expect(ofType('stateChange')).toEqual([
      { ...change, from: 'closed', to: 'open', reason: 'threshold', failures: 2, cooldownMs: 5_000, at: START },
      {
        ...change,
        from: 'open',
        to: 'half-open',
        reason: 'cooldown-elapsed',
        failures: 0,
        cooldownMs: 0,
        at: START + 5_000,
      },
      {
        ...change,
        from: 'half-open',
        to: 'open',
        reason: 'probe-failed',
        failures: expect.any(Number),
        cooldownMs: 5_000,
        at: START + 5_000,
      },
      {
        ...change,
        from: 'open',
        to: 'half-open',
        reason: 'cooldown-elapsed',
        failures: 0,
        cooldownMs: 0,
        at: START + 10_000,
      },
      {
        ...change,
        from: 'half-open',
        to: 'closed',
        reason: 'probe-succeeded',
        failures: 0,
        cooldownMs: 0,
        at: START + 10_000,
      },
    ]);
  });

  test('stateChange by hand', () => {
    const { ofType, resilience } = start();
    resilience.breakers.ensure(KEY).trip({ cooldownMs: 700 });
    resilience.breakers.ensure(KEY).reset();
    expect(ofType('stateChange')).toEqual([
      {
        type: 'stateChange',
        key: KEY,
        from: 'closed',
        to: 'open',
        reason: 'manual',
        failures: 0,
        cooldownMs: 700,
        at: START,
      },
      {
        type: 'stateChange',
        key: KEY,
        from: 'open',
        to: 'closed',
        reason: 'manual',
        failures: 0,
        cooldownMs: 0,
        at: START,
      },
    ]);
  });

  test('rejected', async () => {
    const { ofType, resilience, run } = start({}, 200);
    resilience.breakers.ensure(KEY).trip({ cooldownMs: 700 });
    vi.advanceTimersByTime(300);
    await run();
    expect(ofType('rejected')).toEqual([
      { type: 'rejected', by: 'circuit', key: KEY, retryAfterMs: 400, at: START + 300 },
    ]);
  });

  test('wouldReject, in mode observe: the attempt is made, so that nothing is told as rejected', async () => {
    const { ofType, resilience, run } = start({ breaker: { mode: 'observe' } }, 200);
    resilience.breakers.ensure(KEY).trip({ cooldownMs: 700 });
    expect((await run()).status).toBe(200);
    expect(ofType('wouldReject')).toEqual([{ type: 'wouldReject', key: KEY, retryAfterMs: 700, at: START }]);
    expect(ofType('rejected')).toEqual([]);
    expect(ofType('attempt')).toHaveLength(1);
  });

  test('call, of one that a fallback answered: told once, after the fallback, without an error', async () => {
    const fallback = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return 'data';
    };
    const { events, run } = start({ retry: 0, fallback, fallbackOn: 'failure' }, 503);
    expect((await run()).data).toBe('data');
    expect(events.map(({ type }) => type)).toEqual(['breakerAdded', 'attempt', 'call']);
    const event = events.at(-1) as ResilienceEvents['call'];
    expect(event).toMatchObject({ stopped: 'exhausted', fallback: true, elapsedMs: 30, at: START + 30 });
    expect(event.error).toBeUndefined();
  });

  test('call, for an open circuit that a fallback answers', async () => {
    const { ofType, resilience, run } = start({ fallback: 'data' });
    resilience.breakers.ensure(KEY).trip();
    await run();
    expect(ofType('call')).toMatchObject([{ key: KEY, attempts: 0, stopped: 'circuit-open', fallback: true }]);
  });

  test('a key that is null is told as null', async () => {
    const { events, run } = start({ key: () => null, retry: { retries: 1, backoff: 0 } }, 503, 200);
    await run();
    expect(events.map(({ type, key }) => [type, key])).toEqual([
      ['attempt', null],
      ['retry', null],
      ['attempt', null],
      ['call', null],
    ]);
  });

  test('late', async () => {
    const { ofType, resilience, run } = start({}, () => {
      resilience.breakers.get(KEY)?.trip();
      return 200;
    });
    expect((await run()).status).toBe(200);
    expect(ofType('late')).toEqual([{ type: 'late', key: KEY, outcome: 'success', at: START }]);
  });

  test('breakerRemoved', async () => {
    const { ofType, run } = start({ breaker: { maxBreakers: 1 } }, 200);
    await run();
    await run({ method: 'put' });
    expect(ofType('breakerRemoved')).toEqual([
      { type: 'breakerRemoved', key: KEY, state: 'closed', byHand: false, at: START },
    ]);
  });

  test('callbackError of a callback among the options names its path', async () => {
    const thrown = new Error('cannot judge');
    const classify = () => {
      throw thrown;
    };
    const { ofType, run } = start({ classify }, 200);
    expect((await run()).status).toBe(200);
    expect(ofType('callbackError')).toEqual([
      { type: 'callbackError', key: KEY, source: 'classify', error: thrown, at: START },
    ]);
  });

  test('the reason of a retry is the status, the code, or the hook that asked for it', async () => {
    const retry: RetryOptions = {
      retries: 4,
      backoff: 0,
      budget: false,
      shouldRetry: ({ response }) => (response?.status === 404 ? true : undefined),
      shouldRetryResponse: ({ response }) => response.status === 202,
    };
    const { ofType, run } = start({ retry }, 429, connectionError('ETIMEDOUT'), 404, 202, 200);
    await run();
    expect(ofType('retry').map(({ reason }) => reason)).toEqual([
      '429',
      'ETIMEDOUT',
      'shouldRetry',
      'shouldRetryResponse',
    ]);
  });

  test('times are those of the wall clock, whatever `clock` says', async () => {
    const { events, run } = start({ clock: { now: () => 7 } }, 503, 200);
    await run();
    expect(events.map(({ at }) => at)).toEqual([START, START, START, START + 100, START + 100]);
  });

  test.each<[string, AxiosRequestConfig, string]>([
    ['a query and a fragment', { url: '/users?token=secret#secret' }, `${BASE_URL}/users`],
    ['params', { url: '/users', params: { token: 'secret' } }, `${BASE_URL}/users`],
    [
      'credentials',
      { baseURL: 'https://user:secret@api.example.com/v1/', url: 'users' },
      'https://api.example.com/v1/users',
    ],
    [
      'credentials with an @ in the password',
      { url: 'https://user:sec@secret@api.example.com/users' },
      'https://api.example.com/users',
    ],
    ['an absolute url', { url: 'https://other.example.com:8443/a/b?c=secret' }, 'https://other.example.com:8443/a/b'],
    ['auth', { url: '/users', auth: { username: 'user', password: 'secret' } }, `${BASE_URL}/users`],
  ])('the url of a retry shows nothing of %s', async (_name, config, url) => {
    const { events, ofType, run } = start({ retry: { retries: 1, backoff: 0 } }, 503);
    await run(config);
    expect(ofType('retry').map((event) => event.url)).toEqual([url]);
    expect(JSON.stringify(events)).not.toContain('secret');
  });
});

describe('case 32: exactly one call event on every final path', () => {
  const fast = (retry: RetryOptions = {}): ResilienceOptions => ({
    retry: { retries: 1, backoff: 0, ...retry },
  });

  test.each<[string, string, ResilienceOptions, Step[], AxiosRequestConfig?]>([
    ['all retries used', 'exhausted', fast(), [503]],
    ['all retries used, the response accepted', 'exhausted', fast(), [503], { validateStatus: () => true }],
    ['no retries at all', 'exhausted', fast({ retries: 0 }), [503]],
    ['a status that is not retried', 'not-retryable', fast(), [404]],
    ['an error that is not retried', 'not-retryable', fast(), [new AxiosError('odd', 'ERR_BAD_OPTION')]],
    ['not retryable after a retry', 'not-retryable', fast({ retries: 2 }), [503, 404]],
    ['a POST', 'method', fast(), [503], { method: 'post' }],
    ['an accepted response to a POST', 'method', fast(), [503], { method: 'post', validateStatus: () => true }],
    ['a stream', 'body', fast(), [503], { method: 'put', data: Readable.from(['once']) }],
    ['no budget', 'budget', fast({ retries: 9, budget: { ratio: 0.001, minPerSecond: 0.1 } }), [503]],
    ['a wait that does not fit', 'deadline', { ...fast({ backoff: 20 }), deadlineMs: 10 }, [503]],
    ['a server that does not answer in time', 'deadline', { ...fast(), deadlineMs: 10 }, [forever]],
    ['a server that asks for too much', 'retry-after', fast(), [{ status: 503, headers: { 'retry-after': '3600' } }]],
    ['shouldRetry that says no', 'vetoed', fast({ shouldRetry: () => false }), [503]],
    ['shouldRetry that rejects', 'hook-failed', fast({ shouldRetry: () => Promise.reject(new Error('no')) }), [503]],
    ['beforeRetry that rejects', 'hook-failed', fast({ beforeRetry: () => Promise.reject(new Error('no')) }), [503]],
    [
      'shouldRetryResponse that rejects',
      'hook-failed',
      fast({ shouldRetryResponse: () => Promise.reject('no') }),
      [200],
    ],
    ['retry: false', 'disabled', { retry: false }, [503]],
    ['cancelled before the start', 'aborted', fast(), [200], { signal: AbortSignal.abort() }],
    [
      'a circuit that opens under the loop',
      'circuit-open',
      { ...fast(), breaker: { detector: consecutiveFailures(1), maxWaitMs: 0 } },
      [503],
    ],
    [
      'a throwing transformRequest',
      'not-retryable',
      fast(),
      [200],
      {
        transformRequest: () => {
          throw new Error('no');
        },
      },
    ],
  ])('%s', async (_name, stopped, options, steps, config) => {
    const { ofType, run } = start(options, ...steps);
    await run(config);
    expect(ofType('call').map((event) => event.stopped)).toEqual([stopped]);
  });

  test('an open circuit', async () => {
    const { ofType, resilience, run } = start({}, 200);
    resilience.breakers.ensure(KEY).trip({ cooldownMs: 60_000 });
    await run();
    expect(ofType('call')).toMatchObject([{ attempts: 0, stopped: 'circuit-open', fallback: false, at: START }]);
  });

  test('cancelled in the backoff', async () => {
    const controller = new AbortController();
    const { ofType, resilience, run } = start({}, 503);
    resilience.on('retry', () => controller.abort());
    await run({ signal: controller.signal });
    expect(ofType('call').map(({ stopped }) => stopped)).toEqual(['aborted']);
  });

  test('an error of an adapter that an interceptor put there', async () => {
    const { api, ofType, run } = start({}, 200);
    api.interceptors.request.use((config) => {
      config.adapter = scripted(503);
      return config;
    });
    await run();
    expect(ofType('call').map(({ stopped }) => stopped)).toEqual(['adapter-replaced']);
  });

  test('a failure that fallback answers', async () => {
    const { ofType, run } = start({ ...fast(), fallback: 'data', fallbackOn: 'failure' }, 503);
    await run();
    expect(ofType('call').map(({ stopped }) => stopped)).toEqual(['exhausted']);
  });

  test('without an error on success, at the first attempt or after retries', async () => {
    const { adapter, ofType, run } = start({}, 200);
    await run();
    adapter.script(503, 503, 200);
    await run();
    expect(ofType('call').map(({ stopped, error }) => [stopped, error])).toEqual([
      ['success', undefined],
      ['success', undefined],
    ]);
  });

  test('without an error where an interceptor answers with an adapter of its own', async () => {
    const { api, ofType, run } = start({}, 200);
    api.interceptors.request.use((config) => {
      config.adapter = scripted(200);
      return config;
    });
    await run();
    expect(ofType('call').map(({ stopped, error }) => [stopped, error])).toEqual([['adapter-replaced', undefined]]);
  });

  test('no event at all for resilience: false', async () => {
    const { events, run } = start({}, 503);
    await run({ resilience: false });
    expect(events).toEqual([]);
  });
});

describe('listeners and sinks', () => {
  test('on() returns a function that takes the listener out', async () => {
    const { resilience, run } = start({}, 200);
    const listener = vi.fn();
    const off = resilience.on('attempt', listener);
    await run();
    off();
    off();
    await run();
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test("on('*') hears all, as a sink does, and a sink may be a function", async () => {
    const { events, resilience, run } = start({}, 503, 200);
    const heard: ResilienceEvent[] = [];
    const recorded: ResilienceEvent[] = [];
    resilience.on('*', (event) => heard.push(event));
    const off = resilience.on('*', { record: (event) => recorded.push(event) });
    await run();
    expect(heard).toEqual(events);
    expect(recorded).toEqual(events);
    off();
    await run();
    expect(heard).toHaveLength(events.length);
    expect(recorded.length).toBeLessThan(events.length);
    const sink = vi.fn();
    const api = axios.create({ adapter: scripted(200) });
    attach(api, { sinks: [sink] });
    await api.get('/');
    expect(sink.mock.calls.map(([{ type }]) => type)).toEqual(['breakerAdded', 'attempt', 'call']);
  });

  test("on('*') of a registry and of a breaker hear what happens to circuits", () => {
    const registry = new BreakerRegistry();
    const [ofAll, ofOne]: [string[], string[]] = [[], []];
    registry.on('*', ({ type, key }) => ofAll.push(`${type} ${key}`));
    registry.ensure('a').on('*', ({ type }) => ofOne.push(type));
    registry.ensure('b').trip();
    registry.ensure('a').trip();
    expect(ofAll).toEqual(['breakerAdded a', 'breakerAdded b', 'stateChange b', 'stateChange a']);
    expect(ofOne).toEqual(['stateChange']);
  });

  test('a listener receives its type only', async () => {
    const { resilience, run } = start({}, 503, 200);
    const types: string[] = [];
    resilience.on('retry', ({ type }) => types.push(type));
    await run();
    expect(types).toEqual(['retry']);
  });

  test('a listener that takes itself out keeps no other from its event', async () => {
    const { resilience, run } = start({}, 200);
    const later = vi.fn();
    const off = resilience.on('attempt', () => off());
    resilience.on('attempt', later);
    await run();
    await run();
    expect(later).toHaveBeenCalledTimes(2);
  });

  test('listeners of stateChange see the state that was announced', () => {
    const { resilience } = start();
    const seen: unknown[] = [];
    resilience.on('stateChange', ({ key, to }) => seen.push([to, resilience.breakers.get(key)?.state]));
    resilience.breakers.ensure(KEY).trip();
    resilience.breakers.ensure(KEY).reset();
    expect(seen).toEqual([
      ['open', 'open'],
      ['closed', 'closed'],
    ]);
  });

  test('after detach nothing is received from the circuits', () => {
    const { events, resilience } = start();
    const breaker = resilience.breakers.ensure(KEY);
    resilience.detach();
    breaker.trip();
    expect(events.map(({ type }) => type)).toEqual(['breakerAdded']);
  });

  test('the events of a shared registry reach every attached instance', () => {
    const registry = new BreakerRegistry();
    const [one, other] = [start({ breaker: registry }), start({ breaker: registry })];
    registry.ensure(KEY).trip();
    expect(one.ofType('stateChange')).toHaveLength(1);
    expect(other.ofType('stateChange')).toHaveLength(1);
  });

  test('a sink that is given to both instances of a shared registry is told of its circuits once, of calls by each', async () => {
    const registry = new BreakerRegistry();
    const adapter = scripted(200);
    const [one, other] = [axios.create({ baseURL: BASE_URL, adapter }), axios.create({ baseURL: BASE_URL, adapter })];
    const events: ResilienceEvent[] = [];
    const sink: Sink = { record: (event) => void events.push(event) };
    attach(one, { breaker: registry, sinks: [sink] });
    const resilience = attach(other, { breaker: registry, sinks: [sink] });
    await Promise.all([one.get('/'), other.get('/')]);
    registry.ensure(KEY).trip();
    expect(events.map(({ type }) => type).sort()).toEqual([
      'attempt',
      'attempt',
      'breakerAdded',
      'call',
      'call',
      'stateChange',
    ]);
    resilience.detach();
    registry.ensure(KEY).reset();
    expect(events.filter(({ type }) => type === 'stateChange')).toHaveLength(2);
  });
});

describe('case 44: what listeners and sinks throw fails nothing', () => {
  const rejecting = (error: unknown) => (): never => Promise.reject(error) as never;
  const throwing = (error: unknown) => (): void => {
    throw error;
  };
  const ways: [string, (error: unknown) => () => void][] = [
    ['throws', throwing],
    ['rejects', rejecting],
  ];

  test.each(ways)('a listener that %s becomes a callbackError', async (_how, failing) => {
    const thrown = new Error('broken listener');
    const { ofType, resilience, run } = start({}, 200);
    resilience.on('attempt', failing(thrown));
    expect((await run()).status).toBe(200);
    expect(ofType('callbackError')).toEqual([
      { type: 'callbackError', key: KEY, source: 'listener', error: thrown, at: START },
    ]);
    expect(resilience.breakers.get(KEY)?.stats().failures).toBe(0);
  });

  test.each(ways)('a sink that %s becomes a callbackError', async (_how, failing) => {
    const thrown = new Error('broken sink');
    const seen: unknown[] = [];
    const record = ({ type }: ResilienceEvent) => (type === 'attempt' ? failing(thrown)() : undefined);
    const api = axios.create({ baseURL: BASE_URL, adapter: scripted(200) });
    const resilience = attach(api, { sinks: [{ record }, { record: (event) => void seen.push(event) }] });
    expect((await api.get('/')).status).toBe(200);
    await vi.advanceTimersByTimeAsync(0);
    expect(seen.filter((event) => (event as ResilienceEvent).type === 'callbackError')).toEqual([
      { type: 'callbackError', key: KEY, source: 'sink', error: thrown, at: START },
    ]);
    expect(resilience.breakers.get(KEY)?.stats().failures).toBe(0);
  });

  test.each(ways)(
    'on every event of a call that fails: one that %s changes neither result nor attempts',
    async (_how, failing) => {
      const { adapter, resilience, run } = start(
        { retry: { retries: 2, backoff: 0 }, breaker: { detector: consecutiveFailures(3), maxWaitMs: 0 } },
        503,
      );
      const types: (keyof ResilienceEvents)[] = [
        'breakerAdded',
        'attempt',
        'retry',
        'call',
        'stateChange',
        'rejected',
        'callbackError',
      ];
      for (const type of types) resilience.on(type, failing(new Error(`broken for ${type}`)));
      expect((await run()).response.status).toBe(503);
      expect(adapter.attempts).toHaveLength(3);
      expect(resilience.breakers.get(KEY)?.state).toBe('open');
      expect((await run()).code).toBe('ERR_CIRCUIT_OPEN');
    },
  );

  test('a broken listener keeps no other from its event', async () => {
    const { resilience, run } = start({}, 200);
    const other = vi.fn();
    resilience.on('attempt', throwing(new Error('broken')));
    resilience.on('attempt', other);
    await run();
    expect(other).toHaveBeenCalledTimes(1);
  });

  test('a listener of callbackError that throws does not call itself again', async () => {
    const { resilience, run } = start({}, 200);
    const broken = vi.fn(throwing(new Error('broken too')));
    resilience.on('attempt', throwing(new Error('broken')));
    resilience.on('callbackError', broken);
    expect((await run()).status).toBe(200);
    expect(broken).toHaveBeenCalledTimes(1);
  });

  test('a rejected promise of another realm is caught too', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { ofType, resilience, run } = start({}, 200);
      resilience.on('attempt', () => runInNewContext('Promise.reject(new Error("far away"))') as undefined);
      await run();
      vi.useRealTimers();
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(unhandled).not.toHaveBeenCalled();
      expect(ofType('callbackError')).toHaveLength(1);
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  test('a listener of a shared registry that throws fails no call', async () => {
    const registry = new BreakerRegistry({ detector: consecutiveFailures(1) });
    registry.on('stateChange', throwing(new Error('broken')));
    const { run } = start({ breaker: registry, retry: false }, 503);
    expect((await run()).response.status).toBe(503);
    expect(registry.get(KEY)?.state).toBe('open');
  });
});

test('a sink of an instance that could not be attached is told nothing of the registry', () => {
  const registry = new BreakerRegistry();
  registry.ensure(KEY);
  const api = axios.create();
  Object.freeze(api.interceptors.response);
  const record = vi.fn();
  expect(() => attach(api, { breaker: registry, sinks: [{ record }] })).toThrow(/frozen/);
  registry.get(KEY)?.trip();
  expect(record).not.toHaveBeenCalled();
});
