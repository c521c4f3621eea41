import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { now } from '../load/calls.js';
import { givenTask } from '../measure/processes.js';

/** What the service does while it is down. */
export type Illness = 'answers 503' | 'hangs';

export interface OutageTask {
  readonly illness: Illness;
  readonly healthyMs: number;
  readonly downMs: number;
  readonly latencyMs: number;
}

export interface OutageReport {
  readonly downAt: number;
  readonly upAt: number;
  /** Requests that came in between. */
  readonly requestsWhileDown: number;
}

const { illness, healthyMs, downMs, latencyMs } = givenTask() as OutageTask;
let isDown = false;
let downAt = 0;
let upAt = 0;
let requestsWhileDown = 0;

const server = createServer((_request, response) => {
  const status = isDown ? 503 : 200;
  if (isDown) requestsWhileDown++;
  if (isDown && illness === 'hangs') return;
  setTimeout(() => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end('{"price":4.2}');
  }, latencyMs);
});

async function fallIll(): Promise<void> {
  await delay(healthyMs);
  isDown = true;
  downAt = now();
  await delay(downMs);
  isDown = false;
  upAt = now();
}

process.on('message', (message) => {
  if (message === 'begin') void fallIll();
  else process.send?.({ downAt, upAt, requestsWhileDown } satisfies OutageReport);
});

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
