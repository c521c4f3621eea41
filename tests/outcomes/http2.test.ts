import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type RawServer, rawServer, type Told, told } from './support.js';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };
const ONCE = { outcomes: ['failure'], stopped: 'method' };

let close: () => Promise<void> = async () => undefined;
afterEach(() => close());

/** Calls a real HTTP/2 server, which does this with each stream. */
async function calling(method: string, respond: (stream: ServerHttp2Stream) => void): Promise<Told> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    respond(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  const { port } = server.address() as AddressInfo;
  return told({ method, url: `http://127.0.0.1:${port}/`, httpVersion: 2, adapter: 'http', timeout: 4_000 } as object);
}

const half = (then: (stream: ServerHttp2Stream) => void) => (stream: ServerHttp2Stream) => {
  stream.respond({ ':status': 200 });
  stream.write('half');
  setTimeout(() => then(stream), 30);
};

describe('HTTP/2 (axios with httpVersion: 2)', () => {
  test.each(['get', 'post'])('a stream that was refused was not processed: %s is retried', async (method) => {
    expect(await calling(method, (stream) => stream.close(NGHTTP2_REFUSED_STREAM))).toEqual({
      ...TWICE,
      codes: ['NGHTTP2_REFUSED_STREAM', 'NGHTTP2_REFUSED_STREAM'],
    });
  });

  test.each<[string, string, (stream: ServerHttp2Stream) => void]>([
    ['a stream that broke', 'ERR_HTTP2_STREAM_ERROR', (stream) => stream.close(NGHTTP2_INTERNAL_ERROR)],
    ['a GOAWAY with an error', 'ERR_HTTP2_SESSION_ERROR', (stream) => stream.session?.goaway(NGHTTP2_INTERNAL_ERROR)],
    [
      'a session that broke',
      'ERR_HTTP2_SESSION_ERROR',
      (stream) => stream.session?.destroy(new Error('broken'), NGHTTP2_INTERNAL_ERROR),
    ],
    [
      'a body cut off with its stream',
      'ERR_HTTP2_STREAM_ERROR',
      half((stream) => void stream.destroy(new Error('broken'))),
    ],
    [
      'a body cut off with its session',
      'ERR_HTTP2_SESSION_ERROR',
      half((stream) => stream.session?.goaway(NGHTTP2_INTERNAL_ERROR)),
    ],
  ])('%s is a failure: a GET is retried, a POST is not', async (_what, code, respond) => {
    const get = await calling('get', respond);
    await close();
    expect(get).toMatchObject(TWICE);
    expect(get.codes[0]).toBe(code);
    expect(await calling('post', respond)).toMatchObject(ONCE);
  });
});

describe('a GOAWAY whose last stream is before the request', () => {
  let raw: RawServer;
  afterEach(() => raw.close());

  /** Frames of RFC 9113, sections 6.5 and 6.8: settings, and a GOAWAY without an error that knows of no stream. */
  const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

  test('a POST is retried: it was not processed', async () => {
    let connections = 0;
    raw = await rawServer((socket) => {
      connections++;
      socket.write(SETTINGS);
      let received = Buffer.alloc(0);
      socket.on('data', (bytes) => {
        received = Buffer.concat([received, bytes]);
        // A frame of type 1 (HEADERS) on stream 1.
        if (received.includes(Buffer.from([0, 0, 0, 1])) && received.length > 60) socket.write(GOAWAY);
      });
    });
    const request = { method: 'post', url: raw.url, data: 'x', httpVersion: 2, adapter: 'http', timeout: 4_000 };
    const answer = await told(request as object);
    expect(answer).toEqual({ ...TWICE, codes: ['NGHTTP2_REFUSED_STREAM', 'NGHTTP2_REFUSED_STREAM'] });
    expect(connections).toBe(2);
  });
});
