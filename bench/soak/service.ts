import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { givenTask } from '../measure/processes.js';
import { ATTEMPT_HEADER, bitOf, CALL_HEADER, MOST_CALLS, SEEN_PATH } from './marks.js';
import { pick, randomOf } from './random.js';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const random = randomOf(givenTask() as number);
const body = JSON.stringify({ text: 'x'.repeat(400) });

const answer =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };

const slow: Answer = (response, request) => void setTimeout(() => answer(200)(response, request), 20 + random() * 150);

const reset: Answer = (_response, { socket }) => void socket.resetAndDestroy();

const blackHole: Answer = () => undefined;

const truncated: Answer = (response, { socket }) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) });
  response.write(body.slice(0, 100));
  setTimeout(() => socket.destroy(), 5);
};

/** Trickles in, for longer than some deadlines allow. */
const slowBody: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) });
  let sent = 0;
  const drip = setInterval(() => {
    if (!response.destroyed) response.write(body.slice(sent, sent + 50));
    sent += 50;
    if (sent < body.length && !response.destroyed) return;
    clearInterval(drip);
    response.end();
  }, 20);
};

const USUALLY: readonly (readonly [number, Answer])[] = [
  [75, answer(200)],
  [5, slow],
  [2, answer(404)],
  [3, answer(500)],
  [3, answer(503)],
  [2, answer(503, { 'retry-after': '0' })],
  [2, answer(429, { 'retry-after-ms': '20' })],
  [3, reset],
  [2, blackHole],
  [3, truncated],
  [4, slowBody],
];

const IN_AN_OUTAGE: readonly (readonly [number, Answer])[] = [
  [60, answer(503)],
  [20, reset],
  [20, blackHole],
];

/** Two of fifteen seconds. */
const isOutage = (): boolean => Math.floor(performance.now() / 1_000) % 15 >= 13;

const seen = new Uint16Array(MOST_CALLS);
let highest = 0;
let seenTwice = 0;
let requests = 0;

const server = createServer((request, response) => {
  if (request.url === SEEN_PATH) {
    response.writeHead(200, { 'x-requests': String(requests), 'x-seen-twice': String(seenTwice) });
    response.end(Buffer.from(seen.buffer, 0, (highest + 1) * 2));
    return;
  }
  const call = Number(request.headers[CALL_HEADER]);
  const bit = bitOf(Number(request.headers[ATTEMPT_HEADER] ?? 1));
  requests++;
  if ((seen[call] ?? 0) & bit) seenTwice++;
  seen[call] = (seen[call] ?? 0) | bit;
  highest = Math.max(highest, call);
  request.resume();
  request.once('error', () => undefined);
  request.once('end', () => pick(isOutage() ? IN_AN_OUTAGE : USUALLY, random)(response, request));
});

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
