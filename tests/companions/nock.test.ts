import axios from 'axios';
import nock from 'nock';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, isRejectedError, type ResilienceOptions, reportOf } from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';

const URL = 'http://service.test';

beforeEach(() => {
  if (!nock.isActive()) nock.activate();
  nock.disableNetConnect();
});
afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
  nock.restore();
});

describe.each(['http', 'fetch'])('nock under the %s adapter', (adapter) => {
  const setUp = (options: ResilienceOptions = AT_ONCE) => {
    const api = axios.create({ baseURL: URL, adapter });
    return { api, resilience: attach(api, options) };
  };

  test('each attempt uses up one interceptor', async () => {
    const { api, resilience } = setUp();
    const scope = nock(URL).get('/users').reply(503).get('/users').reply(503).get('/users').reply(200, { id: 1 });
    const response = await api.get('/users');
    expect(response.data).toEqual({ id: 1 });
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(scope.isDone()).toBe(true);
    const { counts } = resilience.breakers.get(`GET ${URL}`)!.stats();
    expect(counts).toMatchObject({ success: 1, failure: 2 });
  });

  test('the body matches on each attempt, and the idempotency key is the same', async () => {
    const { api } = setUp({ retry: { backoff: 0 }, idempotencyKey: true });
    const keys: unknown[] = [];
    nock(URL)
      .post('/orders', { item: 7 })
      .times(2)
      .reply(function () {
        keys.push([this.req.headers['idempotency-key']].flat()[0]);
        return [keys.length === 1 ? 503 : 201];
      });
    expect((await api.post('/orders', { item: 7 })).status).toBe(201);
    expect(keys[0]).toMatch(/^[\da-f-]{36}$/);
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  test('an interceptor that is missing for the retry shows as a failure of the connection', async () => {
    const { api } = setUp();
    nock(URL).get('/users').reply(503);
    const error = await rejectionOf(api.get('/users'));
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
    expect(reportOf(error)?.history[0]).toMatchObject({ status: 503 });
    expect(reportOf(error)?.history[1]).toMatchObject({ status: undefined, code: 'ERR_NOCK_NO_MATCH' });
  });

  test('an open circuit uses up none', async () => {
    const { api } = setUp({ ...AT_ONCE, breaker: CLASSIC });
    const scope = nock(URL).get('/users').times(5).reply(503).get('/users').reply(200);
    await rejectionOf(api.get('/users'));
    await rejectionOf(api.get('/users'));
    expect(isRejectedError(await rejectionOf(api.get('/users')))).toBe(true);
    expect(scope.pendingMocks()).toEqual([`GET ${URL}:80/users`]);
  });
});
