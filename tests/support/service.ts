import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from './server.js';

/** Workers of a fleet tell who they are in this header. */
export const WORKER_HEADER = 'x-worker';

/** How the service answers. */
interface Health {
  /** @default 200 */
  readonly status?: number;
  /** How long it takes, ms. @default 0 */
  readonly afterMs?: number;
  /** Answers no sooner than this is settled. */
  readonly until?: Promise<unknown>;
  /** Never answers. @default false */
  readonly hang?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A real HTTP service on loopback that several processes call. */
export interface Service {
  readonly url: string;
  /** How many requests arrived since the start or the last `forget`, from everybody or from one worker. */
  received(worker?: string): number;
  forget(): void;
  /** Answers everybody so from now on; what was said of single workers is over. */
  answer(health: Health): void;
  /** Answers this worker so from now on. */
  answerTo(worker: string, health: Health): void;
  close(): Promise<void>;
}

async function respond(response: ServerResponse, health: Health): Promise<void> {
  const { status = 200, afterMs = 0, until, hang = false, headers = {} } = health;
  if (hang) return;
  await until;
  if (afterMs > 0) await delay(afterMs, undefined, { ref: false });
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ status }));
}

export async function startService(): Promise<Service> {
  const special = new Map<string, Health>();
  let health: Health = {};
  const server = await startServer((request, response) => {
    void respond(response, special.get(String(request.headers[WORKER_HEADER])) ?? health);
  });
  return {
    url: server.url,
    received: (worker) =>
      worker === undefined
        ? server.requests.length
        : server.requests.filter(({ headers }) => headers[WORKER_HEADER] === worker).length,
    forget() {
      server.requests.length = 0;
    },
    answer(next) {
      special.clear();
      health = next;
    },
    answerTo(worker, next) {
      special.set(worker, next);
    },
    close: () => server.close(),
  };
}
