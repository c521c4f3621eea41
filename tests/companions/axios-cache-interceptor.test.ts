import axios from 'axios';
import { type AxiosCacheInstance, setupCache } from 'axios-cache-interceptor';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reportOf } from '../../src/index.js';
import { attachWith, ORDERS } from '../support/orders.js';
import { json, startServer, type TestServer } from '../support/server.js';

// How it behaves in an outage, in each version of axios: tests/across-versions/cache-interceptor.test.ts.

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

describe.each(ORDERS)('axios-cache-interceptor, set up %s attach', (order) => {
  test('a hit is no attempt: no event, no count of the circuit, no token of the budget', async () => {
    const api = axios.create({ baseURL: server.url }) as AxiosCacheInstance;
    const resilience = attachWith(order, api, () => setupCache(api));
    const attempts: number[] = [];
    const calls: string[] = [];
    resilience.on('attempt', ({ attempt }) => attempts.push(attempt));
    resilience.on('call', ({ stopped }) => calls.push(stopped));
    let interceptors = 0;
    api.interceptors.response.use((response) => {
      interceptors += 1;
      return response;
    });
    server.script(503, json(200, { n: 1 }));
    const [first, second, third] = [await api.get('/a'), await api.get('/a'), await api.get('/a')];
    expect([first.cached, second.cached, third.cached]).toEqual([false, true, true]);
    expect(server.requests).toHaveLength(2);
    expect(attempts).toEqual([1, 2]);
    expect(calls).toEqual(['success', 'adapter-replaced', 'adapter-replaced']);
    expect(interceptors).toBe(3);
    expect([first, second].map((response) => reportOf(response)?.attempts)).toEqual([2, 0]);
    expect(resilience.breakers.get(`GET ${server.url}`)!.stats().counts).toMatchObject({ success: 1, failure: 1 });
  });
});
