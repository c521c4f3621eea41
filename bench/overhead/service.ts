import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { givenTask } from '../measure/processes.js';

/** Every request is answered with so many bytes in a JSON object. */
const bytes = givenTask() as number;
const body = JSON.stringify({ text: 'x'.repeat(bytes) });
const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
