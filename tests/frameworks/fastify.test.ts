import axios from 'axios';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attach, type BreakerRegistry } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let upstream: TestServer;
let app: FastifyInstance;
let url: string;
let breakers: BreakerRegistry;

/** A service whose handler calls the upstream and lets its errors through. */
beforeEach(async () => {
  upstream = await startServer(200);
  const api = axios.create({ baseURL: upstream.url });
  ({ breakers } = attach(api, { clock: { now: () => 0 } }));
  app = fastify();
  app.get('/users', async () => (await api.get('/users')).data as unknown);
  url = await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(async () => {
  await app.close();
  await upstream.close();
});

test('a CircuitOpenError that a Fastify 5 handler lets through is answered 503 with Retry-After', async () => {
  breakers.ensure(`GET ${upstream.url}`).trip({ cooldownMs: 7_001 });
  const response = await fetch(`${url}/users`);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('8');
  expect(await response.json()).toMatchObject({
    statusCode: 503,
    code: 'ERR_CIRCUIT_OPEN',
    error: 'Service Unavailable',
  });
  expect(upstream.requests).toEqual([]);
});

test('while the circuit is closed the handler answers as ever', async () => {
  const response = await fetch(`${url}/users`);
  expect(response.status).toBe(200);
  expect(response.headers.get('retry-after')).toBeNull();
});
