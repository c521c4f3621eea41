import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as it arrived, body and all. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** How one request is answered: a status, or a function that does it. */
export type Answer = number | ((request: Received, response: ServerResponse, raw: IncomingMessage) => void);

/** A real HTTP server on loopback that answers from a script and remembers what it received. */
export interface TestServer {
  readonly url: string;
  readonly requests: Received[];
  /** Answers in this order; the last one again and again. */
  script(...answers: Answer[]): void;
  close(): Promise<void>;
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Exclude<Answer, number> =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };

/** Breaks the connection off before any answer. */
export const reset: Answer = (_request, _response, raw) => {
  raw.socket.resetAndDestroy();
};

/** Never answers. */
export const hang: Answer = () => undefined;

/** Sends the head and half of the body, then breaks off. */
export const cutOff: Answer = (_request, response, raw) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  response.write('{"half":');
  setTimeout(() => raw.socket.destroy(), 20);
};

export async function startServer(...answers: Answer[]): Promise<TestServer> {
  const requests: Received[] = [];
  const sockets = new Set<Socket>();
  let script: Answer[] = answers.length > 0 ? answers : [200];
  const server = createServer((raw, response) => {
    const chunks: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => chunks.push(chunk));
    raw.on('error', () => undefined);
    raw.on('end', () => {
      const { method = '', url = '', headers } = raw;
      const request = { method, url, headers, body: Buffer.concat(chunks) };
      requests.push(request);
      const answer = (script.length > 1 ? script.shift() : script[0]) ?? 200;
      const respond = typeof answer === 'number' ? json(answer, { status: answer, attempt: requests.length }) : answer;
      respond(request, response, raw);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script: (...next) => {
      script = next;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
