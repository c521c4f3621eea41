import axios, { type AxiosInstance } from 'axios';
import MockAdapter from 'axios-mock-adapter';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isRejectedError, type ResilienceOptions, reportOf } from '../../src/index.js';
import { attachWith, ORDERS, rejectionOf } from '../support/orders.js';

// What it does in each version of axios: tests/across-versions/adapters.test.ts.

let api: AxiosInstance;
let mock: MockAdapter;

beforeEach(() => {
  vi.useFakeTimers();
  api = axios.create({ baseURL: 'https://api.example.com', timeout: 1_000 });
});
afterEach(() => vi.useRealTimers());

describe.each(ORDERS)('axios-mock-adapter under fake timers, set up %s attach', (order) => {
  const setUp = (options: ResilienceOptions = { random: () => 0.5 }, mockOptions = {}) =>
    attachWith(
      order,
      api,
      () => {
        mock = new MockAdapter(api, mockOptions);
      },
      options,
    );

  test('waits are skipped by vi.runAllTimersAsync, and the report has them as they are', async () => {
    setUp();
    mock.onGet('/users').replyOnce(503).onGet('/users').replyOnce(503).onGet('/users').reply(200, []);
    const answer = api.get('/users');
    await vi.runAllTimersAsync();
    const report = reportOf(await answer);
    expect(report).toMatchObject({ attempts: 3, stopped: 'success', delaysMs: [50, 100] });
    expect(report?.elapsedMs).toBe(150);
    expect(mock.history.get).toHaveLength(3);
  });

  test('its delayed responses pass in fake time, too', async () => {
    setUp(undefined, { delayResponse: 400 });
    mock.onGet('/users').replyOnce(503).onGet('/users').reply(200, []);
    const answer = api.get('/users');
    await vi.runAllTimersAsync();
    expect(reportOf(await answer)).toMatchObject({ attempts: 2, elapsedMs: 850 });
  });

  test('what the mock does not know is a 404, which is not retried', async () => {
    const resilience = setUp();
    const error = await rejectionOf(api.get('/nothing'));
    expect(error.response.status).toBe(404);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
    expect(resilience.breakers.get('GET https://api.example.com')!.stats().counts).toMatchObject({ success: 1 });
  });

  test('a circuit that one test opened is closed for the next when its breakers are deleted', async () => {
    const resilience = setUp();
    mock.onGet('/users').reply(200, []);
    resilience.breakers.ensure('GET https://api.example.com').trip();
    expect(isRejectedError(await rejectionOf(api.get('/users')))).toBe(true);
    expect(mock.history.get).toHaveLength(0);
    for (const { key } of [...resilience.breakers]) resilience.breakers.delete(key);
    expect((await api.get('/users')).status).toBe(200);
  });
});
