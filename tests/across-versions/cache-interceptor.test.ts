import axios from 'axios';
import type { AxiosCacheInstance, CacheOptions } from 'axios-cache-interceptor';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isRejectedError, type Resilience, type ResilienceOptions, reportOf } from '../../src/index.js';
import { AT_ONCE, attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { json, startServer, type TestServer } from '../support/server.js';
import { isAtLeast } from '../support/versions.js';

const { setupCache } = isAtLeast('1.19.0')
  ? await import('axios-cache-interceptor')
  : await import('axios-cache-interceptor-1.12.0');

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

interface SetUp {
  readonly api: AxiosCacheInstance;
  readonly resilience: Resilience;
  /** Opens the circuit of GET. */
  open(): void;
}

describe.each(ORDERS)('axios-cache-interceptor, set up %s attach', (order) => {
  function setUp(options: ResilienceOptions = AT_ONCE, cache: CacheOptions = {}): SetUp {
    const api = axios.create({ baseURL: server.url }) as AxiosCacheInstance;
    const resilience = attachWith(order, api, () => setupCache(api, cache), options);
    return { api, resilience, open: () => resilience.breakers.ensure(`GET ${server.url}`).trip() };
  }

  const WITHOUT_BREAKER = { ...AT_ONCE, breaker: false } as const;

  test('keeps an answer, which is then given without an attempt', async () => {
    const { api } = setUp();
    server.script(json(200, { n: 1 }), json(200, { n: 2 }));
    expect((await api.get('/a')).data).toEqual({ n: 1 });
    const again = await api.get('/a');
    expect(again.data).toEqual({ n: 1 });
    expect(again.cached).toBe(true);
    expect(server.requests).toHaveLength(1);
    expect(reportOf(again)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced' });
  });

  test('keeps the answer that came after retries', async () => {
    const { api } = setUp();
    server.script(503, 503, json(200, { n: 1 }), json(200, { n: 2 }));
    const first = await api.get('/a');
    expect(first.data).toEqual({ n: 1 });
    expect(reportOf(first)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect((await api.get('/a')).data).toEqual({ n: 1 });
    expect(server.requests).toHaveLength(3);
  });

  test('has failing GETs end in an error, one after the other', async () => {
    const { api } = setUp(WITHOUT_BREAKER);
    server.script(503);
    for (let call = 1; call <= 3; call++) {
      const error = await rejectionOf(api.get('/a'));
      expect(error.response.status).toBe(503);
      expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
      expect(server.requests).toHaveLength(4 * call);
    }
    server.script(json(200, 'well'));
    expect((await api.get('/a')).data).toBe('well');
  });

  test('has failing GETs end in an error, all at the same time', async () => {
    const { api } = setUp(WITHOUT_BREAKER);
    server.script(503);
    const errors = await Promise.all([1, 2, 3].map(() => rejectionOf(api.get('/a'))));
    expect(errors.map((error) => error.response.status)).toEqual([503, 503, 503]);
    expect(server.requests).toHaveLength(4);
  });

  test('answers GETs at the same time with the one that is retried', async () => {
    const { api } = setUp();
    server.script(503, json(200, 'well'));
    const responses = await Promise.all([1, 2, 3].map(() => api.get('/a')));
    expect(responses.map(({ data }) => data)).toEqual(['well', 'well', 'well']);
    expect(server.requests).toHaveLength(2);
  });

  test('has GETs end in an error when the circuit is open, one after the other and at the same time', async () => {
    const { api, open } = setUp();
    open();
    expect(isRejectedError(await rejectionOf(api.get('/a')))).toBe(true);
    const errors = await Promise.all([1, 2, 3].map(() => rejectionOf(api.get('/a'))));
    expect(errors.map(isRejectedError)).toEqual([true, true, true]);
    expect(server.requests).toHaveLength(0);
  });

  test('gives kept answers while the circuit is open', async () => {
    const { api, open } = setUp();
    server.script(json(200, 'kept'));
    await api.get('/a');
    open();
    const again = await api.get('/a');
    expect(again.data).toBe('kept');
    expect(reportOf(again)).toMatchObject({ attempts: 0, stopped: 'adapter-replaced', fallback: false });
    expect(isRejectedError(await rejectionOf(api.get('/b')))).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  test('serves a stale answer where the circuit rejects', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { api, open, resilience } = setUp(AT_ONCE, { ttl: 1_000, interpretHeader: false, staleIfError: true });
    const rejected: string[] = [];
    resilience.on('rejected', ({ key }) => rejected.push(key));
    server.script(json(200, 'old', { etag: '"1"' }));
    await api.get('/a');
    vi.setSystemTime(Date.now() + 1_001);
    open();
    const stale = await api.get('/a');
    expect(stale).toMatchObject({ data: 'old', status: 200, cached: true, stale: true });
    expect(rejected).toEqual([`GET ${server.url}`]);
    expect(server.requests).toHaveLength(1);
  });

  test('serves a stale answer where all attempts failed', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { api } = setUp(AT_ONCE, { ttl: 1_000, interpretHeader: false, staleIfError: true });
    server.script(json(200, 'old', { etag: '"1"' }), 503);
    await api.get('/a');
    vi.setSystemTime(Date.now() + 1_001);
    const stale = await api.get('/a');
    expect(stale).toMatchObject({ data: 'old', cached: true, stale: true });
    expect(server.requests).toHaveLength(5);
    expect(server.requests.slice(1).map(({ headers }) => headers['if-none-match'])).toEqual(Array(4).fill('"1"'));
  });

  test('is told by a 304 after a retry that what it keeps is still good', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { api } = setUp(AT_ONCE, { ttl: 1_000, interpretHeader: false });
    server.script(json(200, 'old', { etag: '"1"' }), 503, (_request, response) => {
      response.writeHead(304, { etag: '"1"' });
      response.end();
    });
    await api.get('/a');
    vi.setSystemTime(Date.now() + 1_001);
    const again = await api.get('/a');
    expect(again).toMatchObject({ data: 'old', status: 200, cached: true });
    expect(reportOf(again)).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('does not keep fallback data', async () => {
    const { api, open, resilience } = setUp();
    open();
    const request = { resilience: { fallback: 'fallback' } };
    expect((await api.get('/a', request)).data).toBe('fallback');
    expect((await api.get('/a', request)).data).toBe('fallback');
    expect(server.requests).toHaveLength(0);

    resilience.breakers.get(`GET ${server.url}`)!.reset();
    server.script(json(200, 'real'), json(200, 'other'));
    expect((await api.get('/a', request)).data).toBe('real');
    expect((await api.get('/a', request)).data).toBe('real');
    expect(server.requests).toHaveLength(1);
  });

  test('answers GETs at the same time with fallback data each', async () => {
    const { api, open } = setUp();
    open();
    const request = { resilience: { fallback: () => 'fallback' } };
    const responses = await Promise.all([1, 2, 3].map(() => api.get('/a', request)));
    expect(responses.map(({ data }) => data)).toEqual(['fallback', 'fallback', 'fallback']);
    expect(responses.map((response) => reportOf(response)?.fallback)).toEqual([true, true, true]);
  });
});
