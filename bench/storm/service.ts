import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { now } from '../load/calls.js';
import { givenTask } from '../measure/processes.js';

export interface StormTask {
  readonly workers: number;
  /** What a request keeps a worker busy. */
  readonly workMs: number;
  /** Of the requests whose number ends in one of these digits the answer is 503, after the work. */
  readonly failingDigits: readonly number[];
}

export interface StormReport {
  /** When each request came in. */
  readonly arrivals: readonly number[];
  /** How many requests waited for a worker, at most. */
  readonly longestQueue: number;
}

const { workers, workMs, failingDigits } = givenTask() as StormTask;
const arrivals: number[] = [];
const queue: (() => void)[] = [];
let free = workers;
let longestQueue = 0;
let received = 0;
let hasBegun = false;

/** The next in the queue gets the worker, also when the one who asked is long gone. */
function work(answer: () => void): void {
  free--;
  setTimeout(() => {
    free++;
    answer();
    const next = queue.shift();
    if (next) work(next);
  }, workMs);
}

const server = createServer((_request, response) => {
  arrivals.push(now());
  const status = hasBegun && failingDigits.includes(received++ % 10) ? 503 : 200;
  const answer = () => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end('{"price":4.2}');
  };
  if (free > 0) {
    work(answer);
  } else {
    queue.push(answer);
    longestQueue = Math.max(longestQueue, queue.length);
  }
});

process.on('message', (message) => {
  if (message === 'begin') {
    hasBegun = true;
    arrivals.length = 0;
    longestQueue = 0;
  } else {
    process.send?.({ arrivals, longestQueue } satisfies StormReport);
  }
});

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
