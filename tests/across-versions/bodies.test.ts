import { gzipSync } from 'node:zlib';
import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type ResilienceOptions, type RetryContext, reportOf } from '../../src/index.js';
import { AT_ONCE } from '../support/orders.js';
import { type Received, startServer, type TestServer } from '../support/server.js';
import { ADAPTERS } from '../support/versions.js';

let server: TestServer;
let bare: AxiosInstance;
let api: AxiosInstance;

const OPTIONS = { retry: { ...AT_ONCE.retry }, idempotencyKey: true } satisfies ResilienceOptions;

beforeEach(async () => {
  server = await startServer();
  bare = axios.create({ baseURL: server.url });
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

interface Sent {
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
  readonly chunked: boolean;
  readonly body: string;
}

/** A request as it arrived, with the boundary of a multipart body (new for each attempt) replaced. */
function sent({ headers, body }: Received): Sent {
  const boundary = /^--(\S+)\r\nContent-Disposition: form-data/.exec(body.toString('latin1'))?.[1];
  const unify = (text: string) => (boundary === undefined ? text : text.replaceAll(boundary, '<boundary>'));
  return {
    contentType: headers['content-type'] && unify(headers['content-type']),
    contentLength: headers['content-length'],
    chunked: headers['transfer-encoding'] === 'chunked',
    body: unify(body.toString('latin1')),
  };
}

/** Sends once with bare axios and three times with the attached instance; what arrived. */
async function sendBothWays(send: (instance: AxiosInstance) => Promise<unknown>): Promise<Sent[]> {
  server.script(200, 503, 503, 200);
  await send(bare);
  attach(api, OPTIONS);
  expect(reportOf(await send(api))).toMatchObject({ attempts: 3, stopped: 'success' });
  expect(server.requests).toHaveLength(4);
  return server.requests.map(sent);
}

function expectLengthsToFit(): void {
  for (const { headers, body } of server.requests) expect(Number(headers['content-length'])).toBe(body.length);
}

const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);

function form(): FormData {
  const data = new FormData();
  data.append('name', 'Zoë');
  data.append('tag', 'a');
  data.append('tag', 'b');
  data.append('file', new Blob([bytes], { type: 'image/png' }), 'pixel.png');
  return data;
}

interface Kind {
  readonly name: string;
  readonly data: unknown;
  readonly contentType?: string;
  /** What has to arrive at the least, so that two empty bodies are not taken for two good ones. */
  readonly containing: string;
  readonly sentAs: RegExp;
  /** The fetch adapter of axios cannot send it in Node. */
  readonly httpOnly?: true;
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

const KINDS: readonly Kind[] = [
  {
    name: 'JSON',
    data: { name: 'Zoë', list: [1, { a: null }] },
    containing: '"list":[1,{"a":null}]',
    sentAs: /^application\/json/,
  },
  { name: 'a JSON array', data: [1, 2, 3], containing: '[1,2,3]', sentAs: /^application\/json/ },
  {
    name: 'a string of JSON',
    data: '{"name":"Zoë"}',
    contentType: 'application/json',
    containing: latin1('{"name":"Zoë"}'),
    sentAs: /^application\/json/,
  },
  {
    name: 'a string',
    data: 'plain Zoë',
    contentType: 'text/plain',
    containing: latin1('plain Zoë'),
    sentAs: /^text\/plain/,
  },
  {
    name: 'a string without a content type',
    data: 'a=1&b=2',
    containing: 'a=1&b=2',
    sentAs: /^application\/x-www-form-urlencoded/,
  },
  {
    name: 'an object sent urlencoded',
    data: { name: 'Zoë', list: [1, 2] },
    contentType: 'application/x-www-form-urlencoded',
    containing: 'name=Zo%C3%AB',
    sentAs: /^application\/x-www-form-urlencoded/,
  },
  {
    name: 'URLSearchParams',
    data: new URLSearchParams({ name: 'Zoë', q: 'a b' }),
    containing: 'name=Zo%C3%AB&q=a+b',
    sentAs: /^application\/x-www-form-urlencoded/,
  },
  {
    name: 'a Buffer',
    data: Buffer.from(bytes),
    contentType: 'application/octet-stream',
    containing: Buffer.from(bytes).toString('latin1'),
    sentAs: /^application\/octet-stream$/,
  },
  {
    name: 'a Uint8Array',
    data: bytes,
    contentType: 'application/octet-stream',
    containing: Buffer.from(bytes).toString('latin1'),
    sentAs: /^application\/octet-stream$/,
  },
  {
    name: 'an ArrayBuffer',
    data: bytes.buffer,
    contentType: 'application/octet-stream',
    containing: Buffer.from(bytes).toString('latin1'),
    sentAs: /^application\/octet-stream$/,
  },
  {
    name: 'a native FormData',
    data: form(),
    containing: Buffer.from(bytes).toString('latin1'),
    sentAs: /^multipart\/form-data; boundary=/,
  },
  {
    name: 'an object sent as multipart',
    data: { name: 'Zoë', list: [1, 2] },
    contentType: 'multipart/form-data',
    containing: 'name="list[]"',
    sentAs: /^multipart\/form-data; boundary=/,
    httpOnly: true,
  },
];

describe.each(ADAPTERS)('each attempt of the %s adapter', (adapter) => {
  test.each(KINDS.filter(({ httpOnly }) => adapter === 'http' || !httpOnly))(
    'sends $name as bare axios does, byte for byte',
    async ({ data, contentType, containing, sentAs }) => {
      const config: AxiosRequestConfig = { adapter, headers: contentType ? { 'Content-Type': contentType } : {} };
      const [expected, ...attempts] = await sendBothWays((instance) => instance.put('/', data, config));
      expect(attempts).toEqual([expected, expected, expected]);
      expect(expected!.body).toContain(containing);
      // In Node, axios names no boundary for a FormData that it gives to fetch.
      if (adapter === 'http' || !(data instanceof FormData)) expect(expected!.contentType).toMatch(sentAs);
    },
  );

  test('sends no body and no content type with a DELETE without data', async () => {
    const [expected, ...attempts] = await sendBothWays((instance) => instance.delete('/', { adapter }));
    expect(attempts).toEqual([expected, expected, expected]);
    expect(expected).toMatchObject({ contentType: undefined, body: '' });
  });

  test('sends the body of a DELETE', async () => {
    const [expected, ...attempts] = await sendBothWays((instance) =>
      instance.delete('/', { adapter, data: { id: 1 } }),
    );
    expect(attempts).toEqual([expected, expected, expected]);
    expect(expected).toMatchObject({ contentType: 'application/json', body: '{"id":1}' });
  });

  test('carries the Authorization and the content type that an interceptor set', async () => {
    for (const instance of [bare, api]) {
      instance.interceptors.request.use((config) => {
        config.headers.set('Authorization', 'Bearer 1');
        config.headers.setContentType('application/vnd.api+json');
        return config;
      });
    }
    const [expected, ...attempts] = await sendBothWays((instance) => instance.patch('/', { a: 1 }, { adapter }));
    expect(attempts).toEqual([expected, expected, expected]);
    expect(expected).toMatchObject({ contentType: 'application/vnd.api+json', body: '{"a":1}' });
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(Array(4).fill('Bearer 1'));
  });

  test('runs a custom transformRequest once, on the original data', async () => {
    const seen: unknown[] = [];
    attach(api, OPTIONS);
    server.script(503, 503, 200);
    await api.put(
      '/',
      { text: 'a"b' },
      {
        adapter,
        headers: { 'Content-Type': 'text/plain' },
        transformRequest: (data) => {
          seen.push(data);
          return `envelope:${JSON.stringify(data)}`;
        },
      },
    );
    expect(seen).toEqual([{ text: 'a"b' }, { text: 'a"b' }, { text: 'a"b' }]);
    expect(server.requests.map(({ body }) => body.toString())).toEqual(Array(3).fill('envelope:{"text":"a\\"b"}'));
    expectLengthsToFit();
  });

  test('runs a transformRequest after the one of axios once, on the encoded data', async () => {
    const seen: unknown[] = [];
    api.defaults.transformRequest = [
      ...[axios.defaults.transformRequest!].flat(),
      (data, headers) => {
        seen.push(data);
        headers.set('Content-Encoding', 'gzip');
        return gzipSync(data);
      },
    ];
    attach(api, OPTIONS);
    server.script(503, 503, 200);
    await api.put('/', { name: 'Zoë' }, { adapter });
    expect(seen).toEqual(['{"name":"Zoë"}', '{"name":"Zoë"}', '{"name":"Zoë"}']);
    for (const { headers, body } of server.requests) {
      expect(body).toEqual(gzipSync('{"name":"Zoë"}'));
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'content-encoding': 'gzip' });
    }
    expectLengthsToFit();
  });

  test.each([
    ['longer', { a: 'é'.repeat(500) }],
    ['shorter', {}],
  ])('fits the Content-Length to a %s body that beforeRetry put in its place', async (_what, replacement) => {
    const beforeRetry = ({ config }: RetryContext) => {
      config.data = replacement;
    };
    attach(api, { retry: { ...AT_ONCE.retry, beforeRetry } });
    server.script(503, 503, 200);
    await api.put('/', { a: 1, b: 'two' }, { adapter });
    expect(server.requests.map(({ body }) => body.toString())).toEqual([
      '{"a":1,"b":"two"}',
      JSON.stringify(replacement),
      JSON.stringify(replacement),
    ]);
    expectLengthsToFit();
    expect(server.requests.map(({ headers }) => headers['content-type'])).toEqual(Array(3).fill('application/json'));
  });

  test('keeps what beforeRetry did to the body of one attempt from the next', async () => {
    attach(api, {
      retry: {
        ...AT_ONCE.retry,
        beforeRetry: ({ config, attempt }) => {
          if (attempt === 1) config.data = 'replaced';
        },
      },
    });
    server.script(503, 503, 200);
    await api.put('/', { a: 1 }, { adapter });
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['{"a":1}', 'replaced', '{"a":1}']);
    expectLengthsToFit();
  });
});

describe('each attempt of a form', () => {
  test.each(['post', 'put', 'patch'] as const)(
    'sends %sForm(object) as bare axios does, byte for byte',
    async (method) => {
      const fields = { name: 'Zoë', list: [1, 2], nested: { a: 1 } };
      const [expected, ...attempts] = await sendBothWays((instance) => instance[`${method}Form`]('/', fields));
      expect(attempts).toEqual([expected, expected, expected]);
      expect(expected!.contentType).toBe('multipart/form-data; boundary=<boundary>');
      expect(expected!.body).toContain('name="nested[a]"');
      expect(expected!.body).toContain(latin1('Zoë'));
    },
  );
});
