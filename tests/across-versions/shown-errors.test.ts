import { inspect } from 'node:util';
import axios, { AxiosError, type AxiosInstance } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type ResilienceOptions, reportOf } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;
beforeEach(async () => {
  server = await startServer(503);
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const rejection = (call: Promise<unknown>) =>
  call.then(
    () => Promise.reject(new Error('The call succeeded')),
    (error: unknown): any => error,
  );

const IDEMPOTENT = { idempotencyKey: true, retry: { backoff: () => 0, attemptHeader: 'X-Attempt' } } as const;

describe('the JSON of an error', () => {
  test('has no header of ours, on whatever way it is made', async () => {
    attach(api, { breaker: false, ...IDEMPOTENT });
    const error = await rejection(api.post('/orders', {}, { headers: { 'X-Mine': 'kept' } }));
    expect(server.requests).toHaveLength(4);
    const key = server.requests[0]?.headers['idempotency-key'] as string;
    for (const text of [
      JSON.stringify(error),
      JSON.stringify(error.toJSON()),
      JSON.stringify({ err: { ...error } }, shallow),
    ]) {
      expect(text).not.toMatch(/idempotency-key|x-attempt|resilienceState/i);
      expect(text).not.toContain(key);
      expect(text).toContain('"X-Mine":"kept"');
    }
  });

  test('has none either where a hook is shown the error between attempts', async () => {
    const seen: string[] = [];
    attach(api, {
      breaker: false,
      ...IDEMPOTENT,
      retry: { ...IDEMPOTENT.retry, shouldRetry: ({ error }) => void seen.push(JSON.stringify(error)) },
    });
    await rejection(api.post('/orders', {}));
    expect(seen).toHaveLength(3);
    expect(seen.join()).not.toMatch(/idempotency-key|x-attempt|resilienceState/i);
  });

  test('has a header that the user wrote under the same name', async () => {
    attach(api, { breaker: false, retry: { backoff: () => 0 }, idempotencyKey: true });
    const error = await rejection(api.post('/orders', {}, { headers: { 'Idempotency-Key': 'mine' } }));
    expect(JSON.stringify(error)).toContain('"Idempotency-Key":"mine"');
  });

  test('of a call that was rejected has no header of ours', async () => {
    attach(api, IDEMPOTENT).breakers.ensure(`POST ${server.url}`).trip();
    const error = await rejection(api.post('/orders', {}));
    expect(error.code).toBe('ERR_CIRCUIT_OPEN');
    expect(JSON.stringify(error)).not.toMatch(/idempotency-key|resilienceState/i);
  });

  test('of a call that was rejected has none either where createError is shown the config', async () => {
    const seen: string[] = [];
    const createError = ({ config }: { config?: object | undefined }) => {
      seen.push(JSON.stringify(config));
      return new Error('not now');
    };
    attach(api, { ...IDEMPOTENT, breaker: { createError } })
      .breakers.ensure(`POST ${server.url}`)
      .trip();
    await rejection(api.post('/orders', {}, { resilience: { fallback: 'secret', fallbackOn: () => false } }));
    expect(seen).toHaveLength(1);
    expect(seen.join()).not.toMatch(/idempotency-key|secret/i);
  });

  test('has no fallback data of the request either where an adapter copies the config', async () => {
    const adapter = (config: object) => Promise.reject(new AxiosError('down', 'ECONNRESET', { ...config } as never));
    attach(api, { breaker: false, retry: { backoff: () => 0 } });
    const error = await rejection(api.get('/feed', { adapter, resilience: { fallback: 'secret' } }));
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('has no fallback data of the request, though it has its other options', async () => {
    attach(api, { breaker: false, retry: { backoff: () => 0 } });
    const resilience = { retry: 1, fallback: { text: 'fallback-secret' } };
    const error = await rejection(api.get('/feed', { resilience }));
    expect(JSON.stringify(error)).not.toContain('fallback-secret');
    expect(JSON.parse(JSON.stringify(error)).config.resilience).toEqual({ retry: 1 });
    expect(error.config.resilience.fallback).toEqual({ text: 'fallback-secret' });
    expect(resilience).toEqual({ retry: 1, fallback: { text: 'fallback-secret' } });
  });
});

/** As loggers write an error: its fields, without what refers to itself. */
const shallow = (name: string, value: unknown) => (name === 'request' || name === 'response' ? undefined : value);

test('a config that is sent again carries the same idempotency key and the same fallback', async () => {
  const resilience = attach(api, IDEMPOTENT);
  const error = await rejection(api.post('/orders', {}, { resilience: { fallback: { stale: true } } }));
  resilience.breakers.ensure(`POST ${server.url}`).reset();
  server.script(200);
  expect(reportOf(await api.request(error.config))).toMatchObject({ attempts: 1, stopped: 'success' });
  expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
  expect(new Set(keys).size).toBe(1);
  expect(server.requests.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '2', '3', '4', '1']);
  resilience.breakers.ensure(`POST ${server.url}`).trip();
  expect((await api.request(error.config)).data).toEqual({ stale: true });
});

describe('the error of a hook that throws on an accepted response', () => {
  const failing = () => {
    throw new Error('cannot read');
  };

  test('can be cloned and looked at, and shows nothing of the request', async () => {
    server.script(200);
    attach(api, { retry: { shouldRetryResponse: failing } });
    const error = await rejection(api.get('/', { headers: { Authorization: 'Bearer header-secret' } }));
    expect(error.cause).toBeInstanceOf(Error);
    expect(structuredClone(error).cause.message).toBe('The attempt was answered with status 200');
    expect(inspect(error, { depth: 10 })).not.toContain('header-secret');
    expect(JSON.stringify(error)).not.toContain('header-secret');
    expect(Object.keys(error)).toEqual([]);
    expect(error.cause.response.status).toBe(200);
    expect(reportOf(error)).toEqual(reportOf(error.cause));
  });

  test.each<[string, ResilienceOptions]>([
    ['fallback', { fallback: failing, fallbackOn: () => true }],
    ['fallbackOn', { fallback: 'old', fallbackOn: failing }],
    ['shouldRetry', { retry: { shouldRetry: failing } }],
    ['beforeRetry', { retry: { backoff: 0, beforeRetry: failing } }],
  ])('also where it is %s that throws', async (_what, options) => {
    attach(api, { retry: { retries: 0 }, ...options });
    const error = await rejection(
      api.get('/', { validateStatus: () => true, headers: { Authorization: 'Bearer header-secret' } }),
    );
    expect(error.message).toBe('cannot read');
    expect(error.cause.message).toBe('The attempt was answered with status 503');
    expect(inspect(error, { depth: 10 })).not.toContain('header-secret');
    expect(() => structuredClone(error)).not.toThrow();
  });
});
