// Tests of code that retries. Run: npx vitest run examples/vitest
import MockAdapter from 'axios-mock-adapter';
import { reportOf } from 'axios-resilience';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { api, nameOf, resilience } from './users.js';

let mock: MockAdapter;

beforeEach(() => {
  vi.useFakeTimers(); // no test waits for a backoff
  mock = new MockAdapter(api, { onNoMatch: 'throwException' });
});
afterEach(() => {
  vi.useRealTimers();
  mock.restore();
  resilience.breakers.clear(); // circuits outlive a test
});

test('a 503 is retried', async () => {
  mock.onGet('/users/42').replyOnce(503).onGet('/users/42').reply(200, { name: 'Ada' });

  const name = nameOf('42');
  await vi.runAllTimersAsync();

  expect(await name).toBe('Ada');
  expect(mock.history.get).toHaveLength(2);
});

test('a service that stays ill fails the call with its last error', async () => {
  mock.onGet('/users/42').reply(503);

  const failure = nameOf('42').catch((error: unknown) => error);
  await vi.runAllTimersAsync();

  const error = await failure;
  expect(error).toMatchObject({ response: { status: 503 } });
  expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
});

test('while the circuit is open there is a name all the same', async () => {
  resilience.breakers.ensure('GET https://api.example.com').trip();

  expect(await nameOf('42')).toBe('somebody');
  expect(mock.history.get).toHaveLength(0);
});
