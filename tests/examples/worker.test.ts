import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.js';
import { run } from './running.js';

let upstream: TestServer;

beforeEach(async () => {
  upstream = await startServer();
});
afterEach(() => upstream.close());

describe('examples/worker', { timeout: 60_000 }, () => {
  test('books each order with the key of its job on every attempt, also after a 409', async () => {
    upstream.script(503, 409, 201, 201);
    const { exitCode, output } = await run('worker/worker.ts', ['order-1', 'order-2'], upstream.url);
    expect([exitCode, output]).toEqual([0, 'order-1: booked\norder-2: booked\n']);
    expect(upstream.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([
      'order-1',
      'order-1',
      'order-1',
      'order-2',
    ]);
    expect(upstream.requests[0]?.body.toString()).toBe('{"order":"order-1"}');
  });

  test('hands an order back that is refused, and goes on with the next', async () => {
    upstream.script(422, 201);
    const { exitCode, output } = await run('worker/worker.ts', ['order-1', 'order-2'], upstream.url);
    expect(exitCode).toBe(1);
    expect(output).toContain('order-1: back to the queue (not-retryable after 1 attempts)\n');
    expect(output).toContain('order-2: booked\n');
  });
});
