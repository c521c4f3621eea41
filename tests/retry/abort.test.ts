import axios, { type AxiosRequestConfig, CanceledError, type CancelToken } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, type ResilienceOptions, type RetryOptions, reportOf } from '../../src/index.js';
import { type Step, scripted, untilCancelled } from '../support/scripted-adapter.js';
import { hang, json, startServer } from '../support/server.js';

vi.setConfig({ testTimeout: 4_000 });

const BASE_URL = 'https://api.example.com';
const forever = () => new Promise<never>(() => undefined);

/** One way of cancelling, which counts the listeners that are on it. */
interface Canceller {
  readonly config: AxiosRequestConfig;
  cancel(): void;
  listeners(): number;
}

function bySignal(): Canceller {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  const present = new Set<unknown>();
  signal.addEventListener = (...parameters: Parameters<typeof add>) => {
    present.add(parameters[1]);
    listeners = present.size;
    add(...parameters);
  };
  signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
    present.delete(parameters[1]);
    listeners = present.size;
    remove(...parameters);
  };
  return { config: { signal }, cancel: () => controller.abort(), listeners: () => listeners };
}

function byToken(): Canceller {
  const source = axios.CancelToken.source();
  const token = source.token as CancelToken & { readonly _listeners?: readonly unknown[] | null };
  return {
    config: { cancelToken: token },
    cancel: () => source.cancel('enough'),
    listeners: () => token._listeners?.length ?? 0,
  };
}

const WAYS: [string, () => Canceller][] = [
  ['an AbortSignal', bySignal],
  ['a CancelToken', byToken],
];

describe.each(WAYS)('case 30: %s', (_name, make) => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function start({ deadlineMs, ...retry }: RetryOptions & Pick<ResilienceOptions, 'deadlineMs'>, ...steps: Step[]) {
    const adapter = scripted(...steps);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    const resilience = attach(api, { deadlineMs, retry: { backoff: 1_000, ...retry } });
    const giveUps: string[] = [];
    resilience.on('call', ({ stopped, error }) => {
      if (error !== undefined) giveUps.push(stopped);
    });
    const canceller = make();
    const settled = vi.fn();
    const call = () => {
      const promise = api.get('/', canceller.config).catch((error: unknown) => error as any);
      void promise.then(settled);
      return promise;
    };
    return { adapter, api, call, canceller, giveUps, resilience, settled };
  }

  /** Lets everything run that needs no timer. */
  const flush = () => vi.advanceTimersByTimeAsync(0);

  function expectCancelled(error: unknown): void {
    expect(error).toBeInstanceOf(CanceledError);
    expect(axios.isCancel(error)).toBe(true);
    expect(error).toMatchObject({ name: 'CanceledError', code: 'ERR_CANCELED' });
    expect(vi.getTimerCount()).toBe(0);
  }

  test('before the start: no attempt is made', async () => {
    const { adapter, call, canceller, giveUps } = start({}, 200);
    canceller.cancel();
    expectCancelled(await call());
    expect(adapter.attempts).toHaveLength(0);
    expect(giveUps).toEqual(['aborted']);
    expect(canceller.listeners()).toBe(0);
  });

  test('in flight: the attempt is the last one, and says nothing about the service', async () => {
    const { adapter, call, canceller, giveUps, resilience } = start({ shouldRetry: () => true }, untilCancelled);
    const outcomes: string[] = [];
    resilience.on('attempt', ({ outcome }) => outcomes.push(outcome));
    const result = call();
    await flush();
    canceller.cancel();
    expectCancelled(await result);
    expect(adapter.attempts).toHaveLength(1);
    expect(outcomes).toEqual(['neutral']);
    expect(giveUps).toEqual(['aborted']);
    expect(canceller.listeners()).toBe(0);
    expect(resilience.breakers.get(`GET ${BASE_URL}`)?.inFlight).toBe(0);
  });

  test('in flight of a retry', async () => {
    const { adapter, call, canceller, giveUps } = start({}, 503, untilCancelled);
    const result = call();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(adapter.attempts).toHaveLength(2);
    canceller.cancel();
    expectCancelled(await result);
    expect(adapter.attempts).toHaveLength(2);
    expect(giveUps).toEqual(['aborted']);
    expect(canceller.listeners()).toBe(0);
  });

  test('in backoff: the call rejects at once, without the rest of the wait', async () => {
    const beforeRetry = vi.fn();
    const { adapter, call, canceller, giveUps, settled } = start({ beforeRetry }, 503);
    const result = call();
    await vi.advanceTimersByTimeAsync(400);
    expect(vi.getTimerCount()).toBe(1);
    expect(canceller.listeners()).toBe(1);
    canceller.cancel();
    await flush();
    expect(settled).toHaveBeenCalledTimes(1);
    expectCancelled(await result);
    expect(canceller.listeners()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(beforeRetry).not.toHaveBeenCalled();
    expect(adapter.attempts).toHaveLength(1);
    expect(giveUps).toEqual(['aborted']);
  });

  test('in the second backoff', async () => {
    const { adapter, call, canceller, giveUps } = start({}, 503);
    const result = call();
    await vi.advanceTimersByTimeAsync(1_500);
    canceller.cancel();
    expectCancelled(await result);
    expect(adapter.attempts).toHaveLength(2);
    expect(giveUps).toEqual(['aborted']);
    expect(canceller.listeners()).toBe(0);
  });

  test.each(['shouldRetry', 'beforeRetry'] as const)(
    'inside %s: the call rejects at once although the hook never ends',
    async (name) => {
      const hook = vi.fn(forever);
      const { adapter, call, canceller, giveUps, settled } = start({ [name]: hook }, 503);
      const result = call();
      await vi.advanceTimersByTimeAsync(1_000);
      expect(hook).toHaveBeenCalledTimes(1);
      canceller.cancel();
      await flush();
      expect(settled).toHaveBeenCalledTimes(1);
      expectCancelled(await result);
      expect(adapter.attempts).toHaveLength(1);
      expect(giveUps).toEqual(['aborted']);
      expect(canceller.listeners()).toBe(0);
    },
  );

  test('inside shouldRetryResponse', async () => {
    const { adapter, call, canceller, giveUps } = start({ shouldRetryResponse: forever }, 200);
    const result = call();
    await flush();
    canceller.cancel();
    expectCancelled(await result);
    expect(adapter.attempts).toHaveLength(1);
    expect(giveUps).toEqual(['aborted']);
    expect(canceller.listeners()).toBe(0);
  });

  test.each(['shouldRetry', 'beforeRetry'] as const)(
    'by %s itself, which then returns: no further hook, no further attempt',
    async (name) => {
      const other = name === 'shouldRetry' ? 'beforeRetry' : 'shouldRetryResponse';
      const later = vi.fn();
      let cancel = (): void => undefined;
      const { adapter, call, canceller, giveUps } = start(
        {
          [name]: () => {
            cancel();
          },
          [other]: later,
        },
        503,
        200,
      );
      cancel = () => canceller.cancel();
      const result = call();
      await vi.advanceTimersByTimeAsync(1_000);
      expectCancelled(await result);
      expect(adapter.attempts).toHaveLength(1);
      expect(later).not.toHaveBeenCalled();
      expect(giveUps).toEqual(['aborted']);
    },
  );

  test('by a listener of the retry event: the wait does not begin', async () => {
    const { adapter, call, canceller, resilience } = start({}, 503);
    resilience.on('retry', () => canceller.cancel());
    const result = call();
    await flush();
    expectCancelled(await result);
    expect(adapter.attempts).toHaveLength(1);
    expect(canceller.listeners()).toBe(0);
  });

  test('by a request interceptor: no attempt is made', async () => {
    const { adapter, api, call, canceller, giveUps } = start({}, 200);
    api.interceptors.request.use(async (config) => {
      canceller.cancel();
      return config;
    });
    expectCancelled(await call());
    expect(adapter.attempts).toHaveLength(0);
    expect(giveUps).toEqual(['aborted']);
  });

  test.each<[string, Step[]]>([
    ['succeeds after retries', [503, 503, 200]],
    ['fails after all retries', [503]],
    ['fails at once', [404]],
  ])('a call that %s leaves no timer and no listener', async (_result, steps) => {
    const { call, canceller } = start(
      { beforeRetry: async () => undefined, shouldRetry: async () => undefined },
      ...steps,
    );
    const result = call();
    await vi.runAllTimersAsync();
    await result;
    expect(vi.getTimerCount()).toBe(0);
    expect(canceller.listeners()).toBe(0);
  });

  test('under a deadline: in flight, in backoff and afterwards no timer and no listener is left', async () => {
    for (const [steps, waitedMs] of [
      [[untilCancelled], 0],
      [[503], 400],
    ] as const) {
      const { call, canceller, giveUps } = start({ deadlineMs: 60_000 }, ...steps);
      const result = call();
      await vi.advanceTimersByTimeAsync(waitedMs);
      canceller.cancel();
      expectCancelled(await result);
      expect(canceller.listeners()).toBe(0);
      expect(giveUps).toEqual(['aborted']);
    }
    const { call, canceller } = start({ deadlineMs: 60_000 }, 503, 200);
    const result = call();
    await vi.runAllTimersAsync();
    expect((await result).status).toBe(200);
    expect(vi.getTimerCount()).toBe(0);
    expect(canceller.listeners()).toBe(0);
  });

  test('a cancelled call gets no fallback', async () => {
    const adapter = scripted(503);
    const api = axios.create({ baseURL: BASE_URL, adapter });
    attach(api, { retry: { backoff: 1_000 }, fallback: 'data', fallbackOn: () => true });
    const canceller = make();
    const result = api.get('/', canceller.config).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(400);
    canceller.cancel();
    expectCancelled(await result);
  });
});

test('the CanceledError of an AbortSignal carries the report', async () => {
  const controller = new AbortController();
  const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
  attach(api, { retry: { backoff: 60_000 } }).on('retry', () => controller.abort());
  const error = await api.get('/', { signal: controller.signal }).catch((reason: unknown) => reason);
  expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [60_000], stopped: 'aborted' });
});

test('the CanceledError of a CancelToken is the very reason of the token', async () => {
  const source = axios.CancelToken.source();
  const api = axios.create({ baseURL: BASE_URL, adapter: scripted(503) });
  attach(api, { retry: { backoff: 60_000 } }).on('retry', () => source.cancel('enough'));
  const error = await api.get('/', { cancelToken: source.token }).catch((reason: unknown) => reason);
  expect(error).toBe(source.token.reason);
  expect(error).toMatchObject({ message: 'enough' });
});

describe.each(WAYS)('case 30 over real HTTP: %s', (_name, make) => {
  test.each(['http', 'fetch'])('ends an attempt of the %s adapter in flight', async (adapter) => {
    const server = await startServer(hang);
    const api = axios.create({ baseURL: server.url, adapter });
    const resilience = attach(api);
    const canceller = make();
    const result = api.get('/', canceller.config).catch((error: unknown) => error);
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    canceller.cancel();
    expect(await result).toMatchObject({ name: 'CanceledError', code: 'ERR_CANCELED' });
    await server.close();
    expect(server.requests).toHaveLength(1);
    expect(canceller.listeners()).toBe(0);
    expect(resilience.breakers.get(`GET ${server.url}`)?.stats()).toMatchObject({ failures: 0, inFlight: 0 });
  });

  test.each(['http', 'fetch'])('ends the backoff after a response of the %s adapter', async (adapter) => {
    const server = await startServer(json(503, {}, { 'retry-after': '50' }));
    const api = axios.create({ baseURL: server.url, adapter });
    const canceller = make();
    attach(api).on('retry', () => setTimeout(canceller.cancel, 5));
    const startedAt = performance.now();
    const error = await api.get('/', canceller.config).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'CanceledError', code: 'ERR_CANCELED' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await server.close();
    expect(server.requests).toHaveLength(1);
    expect(canceller.listeners()).toBe(0);
  });
});
