import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Step } from '../faults/rows.js';
import type { Condition } from '../faults/service.js';
import { givenTask } from '../measure/processes.js';

/** A real service that goes through a fault. */
export interface ServiceTask {
  readonly workers: number;
  readonly workMs: number;
  readonly steps: readonly Step[];
  readonly endMs: number;
  /** How long it is healthy before, ms. */
  readonly beforeMs: number;
}

export interface ServiceReport {
  /** From the beginning of the fault. */
  readonly requests: number;
  readonly mostSockets: number;
}

type Fault = Pick<Condition, 'state' | 'workers'>;

const HEALTHY: Fault = { state: 'up', workers: 1 };

const { workers, workMs, steps, endMs, beforeMs } = givenTask() as ServiceTask;
const sockets = new Set<Socket>();
let queue: ServerResponse[] = [];
const running = new Set<ServerResponse>();
let fault = HEALTHY;
let requests = 0;
let mostSockets = 0;

const answer = (response: ServerResponse, status: number): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end('{"price":4.2}');
};

/** The next in the queue gets the worker, also when the one who asked is long gone. */
function work(): void {
  while (fault.state === 'up' && running.size < Math.max(1, Math.round(workers * fault.workers))) {
    const response = queue.shift();
    if (!response) return;
    running.add(response);
    setTimeout(() => finish(response), workMs);
  }
}

/** Work that ends while it hangs is answered once it wakes. */
function finish(response: ServerResponse): void {
  if (fault.state === 'hanging') {
    setTimeout(() => finish(response), workMs);
    return;
  }
  if (running.delete(response)) answer(response, 200);
  work();
}

const server = createServer((_request, response) => {
  requests++;
  if (fault.state === 'unavailable') answer(response, 503);
  else queue.push(response);
  work();
});
server.on('connection', (socket) => {
  sockets.add(socket);
  mostSockets = Math.max(mostSockets, sockets.size);
  socket.on('close', () => sockets.delete(socket));
});

const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));

/** One that goes down drops what it has. */
async function become(next: Fault): Promise<void> {
  fault = next;
  const dropped = next.state === 'unavailable' || next.state === 'refusing' ? [...running, ...queue] : [];
  if (dropped.length > 0) {
    running.clear();
    queue = [];
  }
  if (next.state === 'unavailable') for (const response of dropped) answer(response, 503);
  if (next.state === 'refusing') {
    server.close();
    for (const socket of sockets) socket.destroy();
  } else if (!server.listening) await listen(port);
  work();
}

async function goThroughFault(): Promise<void> {
  await delay(beforeMs);
  requests = 0;
  mostSockets = sockets.size;
  let at = 0;
  for (const { atMs, condition } of [...steps, { atMs: endMs, condition: HEALTHY }]) {
    await delay(atMs - at);
    at = atMs;
    await become({ ...HEALTHY, ...condition });
  }
}

process.on('message', (message) => {
  if (message === 'begin') void goThroughFault();
  else process.send?.({ requests, mostSockets } satisfies ServiceReport);
});

await listen(0);
const { port } = server.address() as AddressInfo;
process.send?.(`http://127.0.0.1:${port}`);
