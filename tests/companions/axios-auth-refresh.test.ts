import axios from 'axios';
import { type AxiosAuthRefreshOptions, createAuthRefresh } from 'axios-auth-refresh';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reportOf } from '../../src/index.js';
import { attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { type Answer, json, startServer, type TestServer } from '../support/server.js';

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const asked = () => server.requests.map(({ method, url, headers }) => [method, url, headers.authorization]);

describe.each(ORDERS)('axios-auth-refresh, set up %s attach', (order) => {
  function setUp(options: AxiosAuthRefreshOptions = {}) {
    const api = axios.create({ baseURL: server.url });
    let token = 'old';
    let requestsSeen = 0;
    let responsesSeen = 0;
    api.interceptors.request.use((config) => {
      requestsSeen += 1;
      config.headers.set('Authorization', `Bearer ${token}`);
      return config;
    });
    const setUpRefresh = () => {
      createAuthRefresh(
        api,
        async () => {
          const { data } = await api.post<{ token: string }>('/token', undefined, { skipAuthRefresh: true } as object);
          token = data.token;
        },
        options,
      );
    };
    const resilience = attachWith(order, api, setUpRefresh);
    api.interceptors.response.use((response) => {
      responsesSeen += 1;
      return response;
    });
    return { api, resilience, seen: () => [requestsSeen, responsesSeen] };
  }

  const refused = json(401, {});
  const renewed = json(200, { token: 'new' });

  test('a 401 is refreshed, and the call is made anew', async () => {
    const { api, resilience } = setUp();
    server.script(refused, renewed, json(200, 'well'));
    const response = await api.get('/users');
    expect(response.data).toBe('well');
    expect(asked()).toEqual([
      ['GET', '/users', 'Bearer old'],
      ['POST', '/token', 'Bearer old'],
      ['GET', '/users', 'Bearer new'],
    ]);
    expect(reportOf(response)).toMatchObject({ attempts: 1, stopped: 'success' });
    const { counts } = resilience.breakers.get(`GET ${server.url}`)!.stats();
    expect(counts).toMatchObject({ success: 2, failure: 0, neutral: 0 });
  });

  test('the call that is made anew has fresh retries, with the new token on each attempt', async () => {
    const { api, resilience, seen } = setUp();
    server.script(503, refused, renewed, 503, 503, json(200, 'well'));
    const response = await api.get('/users');
    expect(response.data).toBe('well');
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(asked().map(([, url, token]) => `${url} ${token}`)).toEqual([
      '/users Bearer old',
      '/users Bearer old',
      '/token Bearer old',
      '/users Bearer new',
      '/users Bearer new',
      '/users Bearer new',
    ]);
    // The first call, the one for the token, and the one that is made anew.
    expect(seen()).toEqual([3, 3]);
    const { counts } = resilience.breakers.get(`GET ${server.url}`)!.stats();
    expect(counts).toMatchObject({ success: 2, failure: 3, neutral: 0 });
  });

  const byToken: Answer = (request, response, raw) => {
    const isAllowed = request.headers.authorization === 'Bearer new';
    const answer = request.url === '/token' ? renewed : isAllowed ? json(200, 'well') : refused;
    answer(request, response, raw);
  };
  const urls = (url: string) => server.requests.filter((request) => request.url === url);

  test('calls at the same time are refreshed once, where `deduplicateRefresh` is false', async () => {
    const { api } = setUp({ deduplicateRefresh: false });
    server.script(byToken);
    const responses = await Promise.all([1, 2, 3].map(() => api.get('/users')));
    expect(responses.map(({ data }) => data)).toEqual(['well', 'well', 'well']);
    expect(urls('/token')).toHaveLength(1);
    expect(urls('/users')).toHaveLength(6);
  });

  test('a refresh that fails ends the call with its error, without a retry of the 401', async () => {
    const { api } = setUp();
    server.script(refused, json(403, {}));
    const error = await rejectionOf(api.get('/users'));
    expect(error.response.status).toBe(403);
    expect(asked().map(([, url]) => url)).toEqual(['/users', '/token']);
  });
});
