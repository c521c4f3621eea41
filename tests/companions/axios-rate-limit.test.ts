import axios from 'axios';
import rateLimitCalls from 'axios-rate-limit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, rateLimit, reportOf } from '../../src/index.js';
import { AT_ONCE, attachWith, ORDERS } from '../support/orders.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const WINDOW_MS = 300;

describe.each(ORDERS)('axios-rate-limit, set up %s attach', (order) => {
  const setUp = () => {
    const api = axios.create({ baseURL: server.url });
    const resilience = attachWith(order, api, () => {
      rateLimitCalls(api, { maxRequests: 2, perMilliseconds: WINDOW_MS });
    });
    return { api, resilience };
  };

  test('limits calls, not attempts: two calls with two retries send four requests within the window', async () => {
    const { api } = setUp();
    server.script(503, 503, 200);
    const begin = performance.now();
    const responses = [await api.get('/a'), await api.get('/b')];
    expect(performance.now() - begin).toBeLessThan(WINDOW_MS);
    expect(responses.map((response) => reportOf(response)?.attempts)).toEqual([3, 1]);
    expect(server.requests.map(({ url }) => url)).toEqual(['/a', '/a', '/a', '/b']);
  });

  test('the call beyond its limit waits before its first attempt, and no attempt is timed with that wait', async () => {
    const { api, resilience } = setUp();
    const durations: number[] = [];
    resilience.on('attempt', ({ durationMs }) => durations.push(durationMs));
    const begin = performance.now();
    const [, , third] = await Promise.all([api.get('/a'), api.get('/b'), api.get('/c')]);
    expect(performance.now() - begin).toBeGreaterThan(WINDOW_MS - 50);
    expect(reportOf(third)).toMatchObject({ attempts: 1, stopped: 'success' });
    expect(durations).toHaveLength(3);
    expect(Math.max(...durations)).toBeLessThan(WINDOW_MS - 50);
  });
});

test('the limiter of this package limits attempts: a call with two retries takes three of its tokens', async () => {
  const api = axios.create({ baseURL: server.url });
  const resilience = attach(api, { ...AT_ONCE, limiter: rateLimit({ perSecond: 10, burst: 1 }) });
  server.script(503, 503, 200);
  const begin = performance.now();
  const response = await api.get('/a');
  expect(performance.now() - begin).toBeGreaterThan(190);
  expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  expect(resilience.limiters[server.url]).toMatchObject({ inFlight: 0, queued: 0 });
});
