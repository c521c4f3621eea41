import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { givenTask } from '../measure/processes.js';

export interface ServiceTask {
  readonly latencyMs: number;
  /** One of so many requests is answered 503, of those that do not go to `/bare`; 0 for none. */
  readonly failsOneOf: number;
}

const { latencyMs, failsOneOf } = givenTask() as ServiceTask;
let received = 0;

const server = createServer(({ url }, response) => {
  const fails = failsOneOf > 0 && url !== '/bare' && ++received % failsOneOf === 0;
  const status = fails ? 503 : 200;
  setTimeout(() => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end('{"price":4.2}');
  }, latencyMs);
});
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
