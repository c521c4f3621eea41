import type { Readable } from 'node:stream';
import axios, { type AxiosInstance } from 'axios';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attach, concurrencyLimit, type Resilience } from '../../src/index.js';
import { cutOff, hang, startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;
let resilience: Resilience;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
  resilience = attach(api, { limiter: concurrencyLimit(1), retry: false });
});
afterEach(() => server.close());

const stats = () => resilience.limiters[server.url];
const ended = (call: Promise<unknown>) => call.catch((error: unknown) => error);

test.each(['http', 'fetch'])(
  'an attempt of %s for a stream ends with the headers, and the body holds no place',
  async (adapter) => {
    server.script((_request, response) => response.write('begun'));
    const options = { adapter, responseType: 'stream', timeout: 5_000 } as const;
    const first = await api.get<Readable | ReadableStream>('/', options);
    expect(stats()).toMatchObject({ inFlight: 0, counts: { success: 1 } });
    const second = await api.get<Readable | ReadableStream>('/', options);
    for (const { data } of [first, second]) void ('destroy' in data ? data.destroy() : data.cancel());
    expect(stats()).toMatchObject({ inFlight: 0, counts: { started: 2, success: 2, failure: 0, neutral: 0 } });
  },
);

test.each<[string, () => Promise<unknown>, object]>([
  ['a body that breaks off', () => api.get('/'), { failure: 1 }],
  ['a timeout', () => api.get('/', { timeout: 50 }), { failure: 1 }],
  ['a timeout by a signal', () => api.get('/', { signal: AbortSignal.timeout(150) }), { failure: 1 }],
  ['a timeout of fetch', () => api.get('/', { timeout: 50, adapter: 'fetch' }), { failure: 1 }],
  ['the end of the deadline', () => api.get('/', { resilience: { deadlineMs: 150 } }), { failure: 1 }],
  ['a redirect without end', () => api.get('/'), { neutral: 1 }],
])('the place comes back after %s', async (what, call, counts) => {
  const redirect = (_request: unknown, response: { writeHead(...head: unknown[]): { end(): void } }) =>
    response.writeHead(302, { location: '/' }).end();
  server.script(what.startsWith('a body') ? cutOff : what.startsWith('a redirect') ? redirect : hang);
  expect(await ended(call())).toBeInstanceOf(Error);
  expect(stats()).toMatchObject({ inFlight: 0, queued: 0, counts: { started: 1, success: 0, ...counts } });
  server.script(200);
  expect(await api.get('/')).toMatchObject({ status: 200 });
});
