import axios from 'axios';
import { delay, HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';

const URL = 'http://service.test';
const server = setupServer();

beforeAll(() => server.listen({ onUnhandledRequest: 'error' }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

describe.each(['http', 'fetch'])('msw under the %s adapter', (adapter) => {
  const setUp = () => {
    const api = axios.create({ baseURL: URL, adapter });
    return { api, resilience: attach(api, AT_ONCE) };
  };

  test('a handler is called once per attempt, and `once` fails the first alone', async () => {
    const { api, resilience } = setUp();
    let asked = 0;
    server.use(
      http.get(`${URL}/users`, () => HttpResponse.json({}, { status: 503 }), { once: true }),
      http.get(`${URL}/users`, () => {
        asked += 1;
        return HttpResponse.json({ id: 1 });
      }),
    );
    const response = await api.get('/users');
    expect(response.data).toEqual({ id: 1 });
    expect(asked).toBe(1);
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(resilience.breakers.get(`GET ${URL}`)!.stats().counts).toMatchObject({ success: 1, failure: 1 });
  });

  test('the body arrives whole on each attempt', async () => {
    const { api } = setUp();
    const bodies: unknown[] = [];
    server.use(
      http.put(`${URL}/users/1`, async ({ request }) => {
        bodies.push(await request.json());
        return HttpResponse.json({}, { status: bodies.length === 1 ? 503 : 200 });
      }),
    );
    await api.put('/users/1', { name: 'ü' });
    expect(bodies).toEqual([{ name: 'ü' }, { name: 'ü' }]);
  });

  test('`HttpResponse.error()` is a failure of the network, which is retried', async () => {
    const { api } = setUp();
    server.use(
      http.get(`${URL}/users`, () => HttpResponse.error(), { once: true }),
      http.get(`${URL}/users`, () => HttpResponse.json({ id: 1 })),
    );
    expect(reportOf(await api.get('/users'))).toMatchObject({ attempts: 2, stopped: 'success' });
  });

  test('a `delay` longer than the timeout is a timeout, which is retried', async () => {
    const { api } = setUp();
    server.use(
      http.get(
        `${URL}/users`,
        async () => {
          await delay(400);
          return HttpResponse.json({});
        },
        { once: true },
      ),
      http.get(`${URL}/users`, () => HttpResponse.json({ id: 1 })),
    );
    const response = await api.get('/users', { timeout: 50 });
    expect(reportOf(response)).toMatchObject({ attempts: 2, stopped: 'success' });
    expect(reportOf(response)?.history[0]?.code).toMatch(/^(ECONNABORTED|ETIMEDOUT)$/);
  });

  test('a Retry-After of a handler is kept', async () => {
    const { api } = setUp();
    server.use(
      http.get(`${URL}/users`, () => HttpResponse.json({}, { status: 429, headers: { 'Retry-After': '61' } })),
    );
    const error = await rejectionOf(api.get('/users'));
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'retry-after' });
  });
});
