import axios, { AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, type Outcome, type ResilienceOptions } from '../../src/index.js';

/** A call on a page, and what is heard of it. */
function call(adapter: () => Promise<never>, options: ResilienceOptions = {}) {
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const heard: (Outcome | 'retry')[] = [];
  const resilience = attach(api, { retry: { retries: 1, backoff: 0 }, ...options });
  resilience.on('attempt', ({ outcome }) => void heard.push(outcome));
  resilience.on('retry', () => void heard.push('retry'));
  const controller = new AbortController();
  const ended = api.get('/', { signal: controller.signal }).catch((error: unknown) => error);
  return { heard, ended, controller, resilience };
}

const broken = async () => {
  throw new AxiosError('Network Error', 'ERR_NETWORK');
};
const leave = (type = 'beforeunload') => page.dispatchEvent(new Event(type));

/** The same for all tests, as in a browser. */
const page = new EventTarget();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('window', page);
});
afterEach(async () => {
  await vi.advanceTimersByTimeAsync(1_000);
  vi.useRealTimers();
});

describe.each(['beforeunload', 'pagehide'])('a page that is being left (%s)', (type) => {
  test('makes what breaks off neutral, and lets no retry be heard of before it must be gone', async () => {
    const { heard, ended } = call(
      () => {
        leave(type);
        return broken();
      },
      { retry: { retries: 1, backoff: 50 } },
    );
    await vi.advanceTimersByTimeAsync(999);
    expect(heard).toEqual(['neutral']);
    await vi.advanceTimersByTimeAsync(1);
    expect(heard).toEqual(['neutral', 'retry']);
    await vi.advanceTimersByTimeAsync(50);
    expect(heard.slice(2)).toEqual(['neutral']);
    await vi.runAllTimersAsync();
    await ended;
  });
});

test('a page that is still there after a second makes nothing neutral any more', async () => {
  call(broken).resilience.detach();
  leave();
  await vi.advanceTimersByTimeAsync(1_000);
  const { heard, ended } = call(broken);
  await vi.runAllTimersAsync();
  await ended;
  expect(heard).toEqual(['failure', 'retry', 'failure']);
});

test('a call that is cancelled while the page is being left ends at once', async () => {
  const { heard, ended, controller } = call(() => {
    leave();
    return broken();
  });
  await vi.advanceTimersByTimeAsync(100);
  controller.abort();
  expect(await ended).toMatchObject({ code: 'ERR_CANCELED' });
  expect(heard).toEqual(['neutral']);
  expect(vi.getTimerCount()).toBe(0);
});

test('a call whose deadline would pass does not wait for the page', async () => {
  const { heard, ended } = call(
    () => {
      leave();
      return broken();
    },
    { retry: { retries: 1, backoff: 50 }, deadlineMs: 1_050 },
  );
  await vi.advanceTimersByTimeAsync(50);
  await ended;
  expect(heard).toEqual(['neutral', 'retry', 'neutral']);
});

test('an answer of the service counts as ever while the page is being left', async () => {
  const { heard, ended } = call(
    async () => {
      leave();
      throw new AxiosError('down', 'ERR_BAD_RESPONSE', undefined, undefined, { status: 503, data: '' } as never);
    },
    { retry: false },
  );
  await ended;
  expect(heard).toEqual(['failure']);
});

test('a page is listened to once, however many instances are attached', () => {
  const fresh = new EventTarget();
  const listen = vi.spyOn(fresh, 'addEventListener');
  vi.stubGlobal('window', fresh);
  for (let count = 0; count < 3; count++) attach(axios.create());
  expect(listen.mock.calls.map(([type]) => type)).toEqual(['beforeunload', 'pagehide']);
});
