import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A real HTTP service on loopback that answers 503 to some of its callers, or to all. */
export interface Service {
  readonly url: string;
  /** Who is answered 503 from now on. */
  failFor(isIll: (caller: string) => boolean): void;
  /** How many requests have arrived. */
  readonly arrivals: number;
  close(): void;
}

export async function startService(): Promise<Service> {
  let isIll: (caller: string) => boolean = () => false;
  let arrivals = 0;
  const server = createServer((request, response) => {
    arrivals++;
    response.statusCode = isIll(String(request.headers['x-caller'])) ? 503 : 200;
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failFor: (next) => {
      isIll = next;
    },
    get arrivals() {
      return arrivals;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
