import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import axios from 'axios';
import express from 'express';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attach } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let upstream: TestServer;
let service: Server;
let url: string;

/** A service whose handler calls the upstream and lets its errors through. */
beforeEach(async () => {
  upstream = await startServer(503);
  const api = axios.create({ baseURL: upstream.url });
  const { breakers } = attach(api, { clock: { now: () => 0 } });
  const app = express();
  app.get('/users', async (_request, response) => {
    response.json((await api.get('/users')).data);
  });
  app.get('/outage', (_request, response) => {
    breakers.ensure(`GET ${upstream.url}`).trip({ cooldownMs: 7_001 });
    response.end();
  });
  service = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
});
afterEach(async () => {
  service.closeAllConnections();
  service.close();
  await upstream.close();
});

test('a CircuitOpenError that an Express 5 handler lets through is answered 503 with Retry-After', async () => {
  await fetch(`${url}/outage`);
  const response = await fetch(`${url}/users`);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('8');
  expect(upstream.requests).toEqual([]);
});

test('while the circuit is closed the handler answers as ever', async () => {
  upstream.script(200);
  const response = await fetch(`${url}/users`);
  expect(response.status).toBe(200);
  expect(response.headers.get('retry-after')).toBeNull();
});
