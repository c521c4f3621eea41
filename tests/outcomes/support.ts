import { type AddressInfo, createServer, type Socket } from 'node:net';
import axios, { type AxiosRequestConfig } from 'axios';
import { attach, type Outcome, type ResilienceOptions, reportOf } from '../../src/index.js';

/** What a call came to. */
export interface Told {
  readonly outcomes: readonly Outcome[];
  readonly stopped: string | undefined;
  readonly codes: readonly (string | undefined)[];
}

/** Makes one call that is retried once at once, and says what its attempts told. */
export async function told(request: AxiosRequestConfig, options: ResilienceOptions = {}): Promise<Told> {
  const api = axios.create({ proxy: false });
  const outcomes: Outcome[] = [];
  const resilience = attach(api, { retry: { retries: 1, backoff: () => 0 }, ...options });
  resilience.on('attempt', ({ outcome }) => void outcomes.push(outcome));
  const end: unknown = await api.request(request).catch((error: unknown) => error);
  const report = reportOf(end);
  return { outcomes, stopped: report?.stopped, codes: report?.history.map(({ code }) => code) ?? [] };
}

/** A server of raw bytes. */
export interface RawServer {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export async function rawServer(onConnection: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Answers each request with these bytes, and then ends or resets the connection, or leaves it open. */
export const answering =
  (bytes: string, then: 'end' | 'reset' | 'nothing' = 'end') =>
  (socket: Socket): void => {
    socket.on('data', () => {
      socket.write(bytes);
      setTimeout(() => {
        if (then === 'end') socket.end();
        if (then === 'reset') socket.resetAndDestroy();
      }, 20);
    });
  };

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = await rawServer(() => undefined);
  await server.close();
  return server.port;
}
