import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What the service does: answers, answers 503, takes requests and lets them wait, or refuses connections. */
export type Phase = 'healthy' | 'failing' | 'hanging' | 'down';

/** A request as it reached the service. */
export interface Arrival {
  readonly at: number;
  readonly from: string;
  readonly phase: Phase;
}

/** A real HTTP server on loopback that can fall ill. It has few workers, and works also for callers who gave up. */
export interface Service {
  readonly url: string;
  enter(phase: Phase): Promise<void>;
  close(): Promise<void>;
}

/** Callers tell who they are in this header. */
export const CALLER_HEADER = 'x-caller';

export interface ServiceOptions {
  readonly workers: number;
  readonly workMs: number;
  readonly now: () => number;
  /** Told of each request. */
  readonly onArrival: (arrival: Arrival) => void;
}

export async function startService({ workers, workMs, now, onArrival }: ServiceOptions): Promise<Service> {
  let phase: Phase = 'healthy';
  let busy = 0;
  const queue: ServerResponse[] = [];
  const sockets = new Set<Socket>();

  const server = createServer((request, response) => {
    onArrival({ at: now(), from: String(request.headers[CALLER_HEADER]), phase });
    if (phase === 'failing') answer(response, 503);
    else queue.push(response);
    work();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  function work(): void {
    while (phase === 'healthy' && busy < workers) {
      const response = queue.shift();
      if (!response) return;
      busy++;
      setTimeout(() => {
        busy--;
        answer(response, phase === 'failing' ? 503 : 200);
        work();
      }, workMs);
    }
  }

  function answer(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? { widget: 4.2 } : { error: 'try again later' }));
  }

  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      queue.length = 0;
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async enter(next) {
      phase = next;
      if (next === 'down') await stop();
      else if (!server.listening) await listen(port);
      if (next === 'failing') for (const response of queue.splice(0)) answer(response, 503);
      work();
    },
    close: stop,
  };
}
