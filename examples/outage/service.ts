import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What the service does: answers, answers 503, takes requests and never answers, or refuses connections. */
export type Phase = 'healthy' | 'failing' | 'hanging' | 'down';

/** A request as it reached the service. */
export interface Arrival {
  readonly at: number;
  readonly from: string;
  readonly phase: Phase;
}

/** A real HTTP server on loopback that can fall ill. */
export interface Service {
  readonly url: string;
  readonly phase: Phase;
  readonly arrivals: readonly Arrival[];
  enter(phase: Phase): Promise<void>;
  close(): Promise<void>;
}

/** Callers tell who they are in this header. */
export const CALLER_HEADER = 'x-caller';

export async function startService(latencyMs: number, now: () => number): Promise<Service> {
  let phase: Phase = 'healthy';
  const arrivals: Arrival[] = [];
  const sockets = new Set<Socket>();

  const server = createServer((request, response) => {
    arrivals.push({ at: now(), from: String(request.headers[CALLER_HEADER]), phase });
    if (phase !== 'hanging') void answer(response, phase === 'healthy' ? 200 : 503);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  async function answer(response: ServerResponse, status: number): Promise<void> {
    await delay(latencyMs);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? { widget: 4.2 } : { error: 'try again later' }));
  }

  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get phase() {
      return phase;
    },
    arrivals,
    async enter(next) {
      phase = next;
      if (next === 'down') await stop();
      else if (!server.listening) await listen(port);
    },
    close: stop,
  };
}
