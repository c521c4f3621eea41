import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { json, startServer, type TestServer } from '../support/server.js';
import { type Running, serve } from './running.js';

let upstream: TestServer;
let service: Running | undefined;

beforeEach(async () => {
  upstream = await startServer();
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
  await upstream.close();
});

/** Asks until it is answered 503, which the upstream alone never brings about. */
async function untilRejected(url: string): Promise<Response> {
  for (;;) {
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => fetch(url)));
    const rejected = answers.find(({ status }) => status === 503);
    if (rejected) return rejected;
  }
}

describe('examples/express', { timeout: 60_000 }, () => {
  test('answers from its upstream, and retries what fails', async () => {
    service = await serve('express/service.ts', upstream.url);
    upstream.script(503, json(200, { name: 'Ada' }));
    const response = await fetch(`${service.url}/users/42`);
    expect([response.status, await response.json()]).toEqual([200, { name: 'Ada' }]);
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/users/42', '/users/42']);
  });

  test('answers 502 while the upstream fails, and 503 with Retry-After once its circuit is open', async () => {
    service = await serve('express/service.ts', upstream.url);
    upstream.script(500);
    const failed = await fetch(`${service.url}/users/42`);
    expect([failed.status, await failed.json()]).toEqual([502, { error: 'bad gateway' }]);
    const rejected = await untilRejected(`${service.url}/users/42`);
    expect(rejected.headers.get('retry-after')).toMatch(/^[12]$/);
    expect(await rejected.json()).toEqual({ error: 'try again later' });
    expect(service.output()).toContain(`GET ${upstream.url}: circuit closed -> open`);
  });

  test('answers an empty feed in place of a failure', async () => {
    service = await serve('express/service.ts', upstream.url);
    upstream.script(500);
    const response = await fetch(`${service.url}/feed`);
    expect([response.status, await response.json()]).toEqual([200, { items: [] }]);
    expect(upstream.requests).toHaveLength(4);
  });

  test('ends by itself on SIGTERM', async () => {
    service = await serve('express/service.ts', upstream.url);
    await (await fetch(`${service.url}/users/42`)).json();
    expect(await service.stop('SIGTERM')).toBe(0);
  });
});

describe('examples/nestjs', { timeout: 60_000 }, () => {
  test('answers from its upstream, and retries what fails', async () => {
    service = await serve('nestjs/main.ts', upstream.url);
    upstream.script(503, json(200, { name: 'Ada' }));
    const response = await fetch(`${service.url}/users/42`);
    expect([response.status, await response.json()]).toEqual([200, { name: 'Ada' }]);
    expect(upstream.requests).toHaveLength(2);
  });

  test('answers 503 with Retry-After once the circuit of its upstream is open', async () => {
    service = await serve('nestjs/main.ts', upstream.url);
    upstream.script(500);
    const rejected = await untilRejected(`${service.url}/users/42`);
    expect(rejected.headers.get('retry-after')).toMatch(/^[12]$/);
    expect(await rejected.json()).toMatchObject({ statusCode: 503 });
  });
});
