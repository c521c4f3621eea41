import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { AxiosRequestConfig } from 'axios';
import { afterEach, describe, expect, test } from 'vitest';
import { hang, startServer } from '../support/server.js';
import { answering, type RawServer, rawServer, told } from './support.js';

const ADAPTERS = ['http', 'fetch'] as const;
const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };
const ONCE = { outcomes: ['failure'], stopped: 'method' };
const NEUTRAL = { outcomes: ['neutral'], stopped: 'not-retryable' };

let server: RawServer | undefined;
afterEach(() => server?.close());

async function url(...args: Parameters<typeof answering>): Promise<string> {
  server = await rawServer(answering(...args));
  return server.url;
}

describe.each(ADAPTERS)('the %s adapter: what is not HTTP', (adapter) => {
  test.each([
    ['garbage', 'garbage garbage\r\n\r\n', 'HPE_INVALID_CONSTANT'],
    ['nothing', '', adapter === 'http' ? 'ECONNRESET' : 'UND_ERR_SOCKET'],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-', expect.stringMatching(/^(ECONNRESET|UND_ERR_SOCKET)$/)],
  ])('%s instead of an answer is a failure that is retried', async (_what, bytes, code) => {
    expect(await told({ url: await url(bytes), adapter })).toEqual({ ...TWICE, codes: [code, code] });
  });

  test('more headers than this side takes is a limit of the caller: neutral', async () => {
    const bytes = `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`;
    expect(await told({ url: await url(bytes), adapter })).toMatchObject(NEUTRAL);
  });
});

const HEAD = 'HTTP/1.1 200 OK\r\n';

const CUT: readonly [string, string, 'end' | 'reset'][] = [
  ['ended before its length', `${HEAD}content-length: 100\r\n\r\nhalf`, 'end'],
  ['reset before its length', `${HEAD}content-length: 100\r\n\r\nhalf`, 'reset'],
  ['ended between chunks', `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`, 'end'],
  ['reset between chunks', `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`, 'reset'],
  ['with a chunk of an illegal size', `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nhalf\r\n`, 'end'],
  ['that is no gzip', `${HEAD}content-encoding: gzip\r\ncontent-length: 4\r\n\r\nhalf`, 'end'],
];

describe.each(ADAPTERS)('the %s adapter: a body', (adapter) => {
  describe.each(CUT)('%s', (_what, bytes, then) => {
    test.each(['get', 'put', 'delete'])('is a failure, and retried for %s', async (method) => {
      expect(await told({ method, url: await url(bytes, then), adapter })).toMatchObject(TWICE);
    });

    test('is not retried for POST: it was done', async () => {
      expect(await told({ method: 'post', url: await url(bytes, then), adapter })).toMatchObject(ONCE);
    });

    test('is retried for POST with an idempotency key', async () => {
      const headers = { 'Idempotency-Key': 'k' };
      expect(await told({ method: 'post', url: await url(bytes, then), headers, adapter })).toMatchObject(TWICE);
    });
  });
});

test('a 204 with a body breaks the connection: the http adapter retries', async () => {
  const bytes = 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello';
  expect(await told({ url: await url(bytes), adapter: 'http' })).toMatchObject({
    ...TWICE,
    codes: ['HPE_INVALID_CONSTANT', 'HPE_INVALID_CONSTANT'],
  });
});

test.each([600, 999])('status %i is a failure: RFC 9110, section 15', async (status) => {
  const bytes = `HTTP/1.1 ${status} Odd\r\ncontent-length: 0\r\n\r\n`;
  expect(await told({ url: await url(bytes, 'nothing'), adapter: 'http' })).toMatchObject({
    outcomes: ['failure'],
    stopped: 'not-retryable',
  });
});

describe.each(ADAPTERS)('the %s adapter: what cannot be sent', (adapter) => {
  test.each<[string, AxiosRequestConfig]>([
    ['the name of a header', { headers: { 'x y': '1' } }],
    ['the method', { method: 'GE T' }],
    ['the scheme', { url: 'foo://localhost/' }],
    ['the port', { url: 'http://localhost:99999/' }],
    ['the host', { url: 'http://[' }],
    ...(adapter === 'fetch'
      ? ([
          ['the body of a GET', { data: 'x' }],
          ['a port that fetch blocks', { url: 'http://localhost:9/' }],
        ] satisfies [string, AxiosRequestConfig][])
      : []),
  ])('%s is the own doing of the caller', async (_what, request) => {
    expect(await told({ url: await url('', 'end'), adapter, ...request })).toMatchObject({
      outcomes: ['neutral'],
      stopped: 'not-retryable',
    });
  });
});

test.each([
  ['axios follows them', 'http', {}, 'ERR_FR_TOO_MANY_REDIRECTS'],
  ['fetch follows them', 'fetch', {}, 'ERR_NETWORK'],
  ['fetch is not to follow any', 'fetch', { fetchOptions: { redirect: 'error' } }, 'ERR_NETWORK'],
])('redirects that go round, where %s: neutral, and not retried', async (_who, adapter, request, code) => {
  let requests = 0;
  const loop = createServer((_request, response) => {
    requests++;
    response.writeHead(302, { location: '/again' }).end();
  });
  await new Promise<void>((resolve) => loop.listen(0, '127.0.0.1', resolve));
  const { port } = loop.address() as AddressInfo;
  const answer = await told({ url: `http://127.0.0.1:${port}/`, adapter, ...request });
  expect(answer).toEqual({ ...NEUTRAL, codes: [code] });
  expect(requests).toBeLessThanOrEqual(22);
  loop.closeAllConnections();
  await new Promise((resolve) => loop.close(resolve));
});

describe('sockets and names', () => {
  test('a unix socket that is missing: a failure, surely not sent, so a POST is retried', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'outcomes-'));
    const answer = await told({ method: 'post', url: 'http://x/', socketPath: join(folder, 'none'), adapter: 'http' });
    await rm(folder, { recursive: true });
    expect(answer).toEqual({ ...TWICE, codes: ['ENOENT', 'ENOENT'] });
  });

  test.each(['ETIMEOUT', 'ESERVFAIL'])('a lookup that fails with %s: a failure that is retried', async (code) => {
    const lookup = (_host: string, _options: object, done: (error: Error) => void) =>
      done(Object.assign(new Error(`queryA ${code} x`), { code, syscall: 'queryA' }));
    const answer = await told({ url: 'http://x/', adapter: 'http', lookup: lookup as never });
    expect(answer).toEqual({ ...TWICE, codes: [code, code] });
  });
});

describe("the caller's own body", () => {
  test('a file that is not there says nothing of the service', async () => {
    const service = await startServer(hang);
    const data = createReadStream(join(tmpdir(), 'there-is-no-such-file'));
    expect(await told({ method: 'put', url: service.url, data, adapter: 'http' })).toMatchObject({
      outcomes: ['neutral'],
    });
    await service.close();
  });

  test('a stream that fails says nothing of the service', async () => {
    const service = await startServer(hang);
    const data = new Readable({ read: () => undefined });
    setTimeout(() => data.destroy(new Error('the disk is gone')), 20);
    expect(await told({ method: 'put', url: service.url, data, adapter: 'http' })).toMatchObject({
      outcomes: ['neutral'],
    });
    await service.close();
  });
});
