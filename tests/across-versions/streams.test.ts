import { once } from 'node:events';
import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import NodeFormData from 'form-data';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type FallbackContext, reportOf } from '../../src/index.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';
import { type Answer, json, startServer, type TestServer } from '../support/server.js';
import { isAtLeast } from '../support/versions.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const HAS_FETCH = isAtLeast('1.7.0');

const readable = () => Readable.from(['half ', 'and half']);

function formDataStream(): NodeFormData {
  const form = new NodeFormData();
  form.append('file', Readable.from(['half ', 'and half']), { filename: 'a.txt' });
  return form;
}

interface OneShot {
  readonly name: string;
  readonly data: () => unknown;
  readonly config?: AxiosRequestConfig;
}

const ONE_SHOT: readonly OneShot[] = [
  { name: 'a Node Readable', data: readable },
  { name: 'a form-data stream', data: formDataStream },
  {
    name: 'an object that holds a Readable, sent as multipart',
    data: () => ({ name: 'a', file: readable() }),
    config: {
      headers: { 'Content-Type': 'multipart/form-data' },
    },
  },
  ...(HAS_FETCH
    ? [
        {
          name: 'a ReadableStream with the fetch adapter',
          data: () => Readable.toWeb(readable()),
          config: { adapter: 'fetch' } as const,
        },
      ]
    : []),
];

describe.each(ONE_SHOT)('$name as a body', ({ data, config = {} }) => {
  test('is sent once and whole, and not again: the call ends with the error of the service', async () => {
    attach(api, AT_ONCE);
    server.script(503, 200);
    const error = await rejectionOf(api.put('/', data(), config));
    expect(error.response.status).toBe(503);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]!.body.toString()).toContain('half and half');
    expect(reportOf(error)).toMatchObject({ attempts: 1, delaysMs: [], stopped: 'body' });
  });

  test('is sent once where the service takes it', async () => {
    attach(api, AT_ONCE);
    const response = await api.put('/', data(), config);
    expect(server.requests[0]!.body.toString()).toContain('half and half');
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'success' });
  });

  test('is sent again where beforeRetry brings a new one', async () => {
    attach(api, {
      retry: {
        ...AT_ONCE.retry,
        beforeRetry: (context) => {
          context.config.data = data();
        },
      },
    });
    server.script(503, 503, 200);
    const response = await api.put('/', data(), config);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(server.requests).toHaveLength(3);
    for (const { body } of server.requests) expect(body.toString()).toContain('half and half');
  });

  test('is not sent again where beforeRetry leaves it in its place', async () => {
    attach(api, { retry: { ...AT_ONCE.retry, beforeRetry: () => undefined } });
    server.script(503, 200);
    const error = await rejectionOf(api.put('/', data(), config));
    expect(error.response.status).toBe(503);
    expect(server.requests).toHaveLength(1);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'body' });
  });
});

test('a body that transformRequest turns into a stream is encoded again for each attempt', async () => {
  attach(api, AT_ONCE);
  server.script(503, 200);
  await api.put('/', { words: ['a', 'b'] }, { transformRequest: ({ words }) => Readable.from(words) });
  expect(server.requests.map(({ body }) => body.toString())).toEqual(['ab', 'ab']);
});

const LARGE = 'x'.repeat(4 * 1024 * 1024);
const large =
  (status: number): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(LARGE);
  };

describe("responseType: 'stream' with maxSockets: 1", { timeout: 5_000 }, () => {
  let httpAgent: Agent;

  beforeEach(() => {
    httpAgent = new Agent({ keepAlive: true, maxSockets: 1 });
    api = axios.create({ baseURL: server.url, httpAgent, responseType: 'stream' });
  });
  afterEach(() => httpAgent.destroy());

  test('destroys the 503 that is thrown away, so that the next attempt gets the socket', async () => {
    attach(api, AT_ONCE);
    server.script(large(503), large(503), json(200, 'well'));
    const response = await api.get('/');
    expect(await text(response.data)).toBe('"well"');
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('destroys a 503 that validateStatus accepts', async () => {
    attach(api, AT_ONCE);
    server.script(large(503), json(200, 'well'));
    const response = await api.get('/', { validateStatus: () => true });
    expect(await text(response.data)).toBe('"well"');
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('frees the socket of a 503 when the retry is decided, not after the wait', async () => {
    const waits: number[] = [];
    attach(api, {
      ...AT_ONCE,
      retry: {
        retries: 1,
        backoff: () => 60_000,
        shouldRetry: ({ response }) => {
          waits.push(response?.data.destroyed);
          return undefined;
        },
      },
    });
    server.script(large(503), json(200, 'other'));
    const controller = new AbortController();
    const waiting = rejectionOf(api.get('/', { signal: controller.signal }));
    // It needs the one socket that there is.
    const other = await axios.get(server.url, { httpAgent });
    expect(other.data).toBe('other');
    expect(waits).toEqual([false]);
    controller.abort();
    expect((await waiting).code).toBe('ERR_CANCELED');
  });

  test('a fallback still sees status and headers of the 503 whose socket was freed', async () => {
    let seen: unknown;
    const { breakers, on } = attach(api, {
      retry: { retries: 1, backoff: () => 20 },
      fallback: ({ response }: FallbackContext) => {
        seen = [response?.status, response?.headers['content-type']];
        return 'stale';
      },
    });
    server.script(large(503));
    on('retry', ({ key }) => breakers.get(key ?? '')?.trip());
    expect((await api.get('/')).data).toBe('stale');
    expect(seen).toEqual([503, 'text/plain']);
  });

  test('leaves an accepted response whole that is to be fetched again, where no further attempt can be made', async () => {
    const { breakers, on } = attach(api, { retry: { retries: 1, backoff: () => 20, shouldRetryResponse: () => true } });
    on('retry', ({ key }) => breakers.get(key ?? '')?.trip());
    server.script(large(200));
    const response = await api.get('/');
    expect(await text(response.data)).toBe(LARGE);
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'circuit-open' });
  });

  test('leaves the last response whole when the retries run out', async () => {
    attach(api, AT_ONCE);
    server.script(large(503));
    const error = await rejectionOf(api.get('/'));
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    expect(await text(error.response.data)).toBe(LARGE);
  });

  test('leaves a large answer that came at last whole', async () => {
    attach(api, AT_ONCE);
    server.script(large(503), large(200));
    const response = await api.get('/');
    expect(await text(response.data)).toBe(LARGE);
  });

  test('leaves the response whole where it is not retried', async () => {
    attach(api, AT_ONCE);
    server.script(large(404));
    const error = await rejectionOf(api.get('/'));
    expect(await text(error.response.data)).toBe(LARGE);
  });
});

if (HAS_FETCH) {
  describe("responseType: 'stream' with the fetch adapter", () => {
    test('cancels the 503 that is thrown away, and its connection with it', async () => {
      let closed: Promise<unknown> | undefined;
      attach(api, AT_ONCE);
      const endless: Answer = (_request, response) => {
        closed = once(response, 'close');
        response.writeHead(503);
        response.write('never ends');
      };
      server.script(endless, json(200, 'well'));
      const response = await api.get('/', { adapter: 'fetch', responseType: 'stream' });
      expect(await new Response(response.data).text()).toBe('"well"');
      expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
      await closed;
    });

    test('leaves the last response whole when the retries run out', async () => {
      attach(api, AT_ONCE);
      server.script(large(503));
      const error = await rejectionOf(api.get('/', { adapter: 'fetch', responseType: 'stream' }));
      expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
      expect(await new Response(error.response.data).text()).toBe(LARGE);
    });
  });
}
