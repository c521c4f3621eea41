import { aws4Interceptor } from 'aws4-axios';
import axios, { type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { ORDERS } from '../support/orders.js';
import { type Answer, json, startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;

type Sign = (config: InternalAxiosRequestConfig) => Promise<InternalAxiosRequestConfig>;

function signWith(options: { signQuery?: boolean } = {}): Sign {
  const sign = aws4Interceptor({
    instance: api,
    options: { region: 'eu-west-1', service: 'execute-api', ...options },
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  });
  return sign as Sign;
}

/** The recipe of docs/with-other-libraries.md. */
async function signAgain(sign: Sign, config: InternalAxiosRequestConfig): Promise<void> {
  for (const name of ['Authorization', 'X-Amz-Date', 'X-Amz-Security-Token', 'X-Amz-Content-Sha256']) {
    config.headers.delete(name);
  }
  delete (config as { _originalHeaders?: unknown })._originalHeaders; // or all headers since the first attempt are lost
  const entries = Object.entries((config.params ?? {}) as object).filter(([name]) => !name.startsWith('X-Amz-'));
  config.params = Object.fromEntries(entries); // of `signQuery`
  await sign(config);
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1, 12, 0, 0) });
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

/** Answers, after which a minute has passed by the wall clock. */
const aMinuteLater =
  (status: number): Answer =>
  (request, response, raw) => {
    vi.setSystemTime(Date.now() + 60_000);
    json(status, {})(request, response, raw);
  };

const signatures = () =>
  server.requests.map(({ headers }) => /Signature=(\w+)$/.exec(headers.authorization ?? '')?.[1]);
const signedHeaders = () =>
  server.requests.map(({ headers }) => /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]);
const dates = () => server.requests.map(({ headers }) => headers['x-amz-date']);

test('alone it signs once per call: each attempt carries the signature of the first', async () => {
  api.interceptors.request.use(signWith());
  attach(api, { retry: { backoff: 0 } });
  server.script(aMinuteLater(503), aMinuteLater(503), 200);
  await api.get('/items');
  expect(dates()).toEqual(['20260101T120000Z', '20260101T120000Z', '20260101T120000Z']);
  expect(new Set(signatures()).size).toBe(1);
});

describe.each(ORDERS)('with beforeRetry, the interceptor registered %s attach', (order) => {
  function setUp(options: { signQuery?: boolean } = {}) {
    const sign = signWith(options);
    if (order === 'before') api.interceptors.request.use(sign);
    attach(api, {
      idempotencyKey: true,
      retry: {
        backoff: 0,
        attemptHeader: 'X-Attempt',
        beforeRetry: ({ config }) => signAgain(sign, config),
      },
    });
    if (order === 'after') api.interceptors.request.use(sign);
  }

  test('each attempt is signed afresh', async () => {
    setUp();
    server.script(aMinuteLater(503), aMinuteLater(503), 200);
    const response = await api.get('/items');
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(dates()).toEqual(['20260101T120000Z', '20260101T120100Z', '20260101T120200Z']);
    expect(new Set(signatures()).size).toBe(3);
  });

  test('a POST is signed over the body that is sent, and keeps its idempotency key', async () => {
    setUp();
    server.script(aMinuteLater(503), 200);
    await api.post('/items', { name: 'ü' });
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['{"name":"ü"}', '{"name":"ü"}']);
    const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[\da-f-]{36}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(server.requests.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '2']);
    expect(server.requests.map(({ headers }) => headers['content-type'])).toEqual([
      'application/json',
      'application/json',
    ]);
    expect(new Set(signatures()).size).toBe(2);
    expect(signedHeaders()[1]).toContain('idempotency-key');
  });

  test('with `signQuery` each attempt carries one signature of its own in the query', async () => {
    setUp({ signQuery: true });
    server.script(aMinuteLater(503), 200);
    await api.get('/items', { params: { page: 2 } });
    const queries = server.requests.map(({ url }) => new URLSearchParams(url.split('?')[1]));
    expect(queries.map((query) => query.getAll('page'))).toEqual([['2'], ['2']]);
    expect(queries.map((query) => query.getAll('X-Amz-Date'))).toEqual([['20260101T120000Z'], ['20260101T120100Z']]);
    const [first, second] = queries.map((query) => query.getAll('X-Amz-Signature'));
    expect([first?.length, second?.length]).toEqual([1, 1]);
    expect(first).not.toEqual(second);
  });
});
