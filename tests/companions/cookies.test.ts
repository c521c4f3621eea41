import axios, { type AxiosInstance } from 'axios';
import { wrapper } from 'axios-cookiejar-support';
import { CookieJar } from 'tough-cookie';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reportOf } from '../../src/index.js';
import { attachWith, ORDERS } from '../support/orders.js';
import { json, startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let jar: CookieJar;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  jar = new CookieJar();
  api = axios.create({ baseURL: server.url, jar });
});
afterEach(() => server.close());

const setting = (status: number, cookie: string) => json(status, {}, { 'set-cookie': cookie });
const cookiesSent = () => server.requests.map(({ headers }) => headers.cookie);

describe.each(ORDERS)('axios-cookiejar-support with tough-cookie, set up %s attach', (order) => {
  const setUp = () => attachWith(order, api, () => wrapper(api));

  test('each attempt carries the cookies of the jar', async () => {
    setUp();
    await jar.setCookie('session=1', server.url);
    server.script(503, 503, 200);
    const response = await api.get('/a');
    expect(cookiesSent()).toEqual(['session=1', 'session=1', 'session=1']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('a cookie that a failed attempt set is sent by the next one', async () => {
    setUp();
    server.script(setting(503, 'affinity=b; Path=/'), 200);
    await api.get('/a');
    expect(cookiesSent()).toEqual([undefined, 'affinity=b']);
    expect(await jar.getCookieString(server.url)).toBe('affinity=b');
  });

  test('a cookie that a failed attempt deleted is not sent again', async () => {
    setUp();
    await jar.setCookie('affinity=a', server.url);
    server.script(setting(503, 'affinity=a; Path=/; Max-Age=0'), 200);
    await api.get('/a');
    expect(cookiesSent()).toEqual(['affinity=a', undefined]);
  });

  test('a session that a login set is carried by a later call, and by its retries', async () => {
    const { breakers } = setUp();
    server.script(setting(200, 'session=2; Path=/'), 503, 200);
    await api.post('/login');
    await api.get('/a');
    expect(cookiesSent()).toEqual([undefined, 'session=2', 'session=2']);
    expect(breakers.get(`GET ${server.url}`)!.stats().counts).toMatchObject({ success: 1, failure: 1 });
  });
});
