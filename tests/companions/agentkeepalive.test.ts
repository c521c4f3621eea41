import { HttpAgent, type HttpOptions } from 'agentkeepalive';
import axios from 'axios';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';
import { hang, startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let agent: HttpAgent;

const setUp = (options: HttpOptions = {}) => {
  agent = new HttpAgent({ maxSockets: 1, ...options });
  const api = axios.create({ baseURL: server.url, httpAgent: agent });
  const resilience = attach(api, AT_ONCE);
  return { api, resilience };
};

/** Sockets in use and free, and requests that wait for one. */
const held = () => {
  const count = (lists: Record<string, readonly unknown[] | undefined>) =>
    Object.values(lists).reduce((sum, list) => sum + (list?.length ?? 0), 0);
  return { inUse: count(agent.sockets), free: count(agent.freeSockets), waiting: count(agent.requests) };
};

/** A socket comes back to its agent in the turn after the response has ended. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  agent.destroy();
  await server.close();
});

test('all attempts go over one kept connection, which is free at the end', async () => {
  const { api } = setUp();
  server.script(503, 503, 200);
  const response = await api.get('/a');
  await settled();
  expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  expect(agent.getCurrentStatus()).toMatchObject({ createSocketCount: 1, closeSocketCount: 0, requestCount: 3 });
  expect(held()).toEqual({ inUse: 0, free: 1, waiting: 0 });
});

test('the body of a failed streamed response is destroyed, so that the next attempt gets the only socket', async () => {
  const { api } = setUp();
  server.script(503, 503, 200);
  const response = await api.get('/a', { responseType: 'stream' });
  response.data.resume();
  await new Promise((resolve) => response.data.once('end', resolve));
  await settled();
  expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  expect(held()).toEqual({ inUse: 0, free: 1, waiting: 0 });
});

test('a call that is rejected by its open circuit takes no socket', async () => {
  const { api, resilience } = setUp();
  resilience.breakers.ensure(`GET ${server.url}`).trip();
  await rejectionOf(api.get('/a'));
  expect(agent.getCurrentStatus()).toMatchObject({ createSocketCount: 0, requestCount: 0 });
});

test("an attempt that timed out frees its socket for the next one; `timeout` is that of axios, since the agent's does nothing here", async () => {
  const { api } = setUp({ timeout: 30 });
  server.script(hang, 200);
  const response = await api.get('/a', { timeout: 90 });
  expect(reportOf(response)).toMatchObject({
    attempts: 2,
    stopped: 'success',
    history: [{ code: 'ECONNABORTED' }, { status: 200 }],
  });
  expect(reportOf(response)?.history[0]?.durationMs).toBeGreaterThan(80);
  await settled();
  expect(held()).toEqual({ inUse: 0, free: 1, waiting: 0 });
});

test('an attempt that is cancelled frees its socket', async () => {
  const { api } = setUp();
  server.script(hang);
  const controller = new AbortController();
  const call = rejectionOf(api.get('/a', { signal: controller.signal }));
  await settled();
  expect(held()).toMatchObject({ inUse: 1 });
  controller.abort();
  expect((await call).code).toBe('ERR_CANCELED');
  await settled();
  expect(held()).toEqual({ inUse: 0, free: 0, waiting: 0 });
});
