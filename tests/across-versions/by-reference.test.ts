import { Agent } from 'node:http';
import axios, { type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type RetryContext, reportOf } from '../../src/index.js';
import { AT_ONCE, attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

/** What people put on a config of their own. */
interface Extended extends InternalAxiosRequestConfig {
  ticket?: object;
  tickets?: object[];
}

interface Node {
  readonly name: string;
  parent?: Node;
  readonly children: Node[];
}

function cyclic(): Node {
  const parent: Node = { name: 'parent', children: [] };
  parent.children.push({ name: 'child', parent, children: [] });
  return parent;
}

describe.each(ORDERS)('what a request interceptor registered %s attach puts on the config', (order) => {
  test('comes back as the same objects after two retries', async () => {
    const ticket = { id: 1 };
    const tickets = [ticket];
    const params = { page: 2, filter: { name: 'Zoë' } };
    const setUp = () => {
      api.interceptors.request.use((config) => Object.assign(config, { ticket, tickets, params }));
    };
    attachWith(order, api, setUp);
    server.script(503, 503, 200);
    const response = await api.get('/users');
    const config = response.config as Extended;
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(config.ticket).toBe(ticket);
    expect(config.tickets).toBe(tickets);
    expect(config.params).toBe(params);
    expect(new Set(server.requests.map(({ url }) => url)).size).toBe(1);
  });

  test('finds its entry in a WeakMap, so that what was begun with it can be ended', async () => {
    let spinning = 0;
    const begun = new WeakMap<object, () => void>();
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => {
        const ticket = {};
        spinning++;
        begun.set(ticket, () => spinning--);
        return Object.assign(config, { ticket });
      });
      const end = (config: Extended) => begun.get(config.ticket as object)?.();
      api.interceptors.response.use(
        (response) => {
          end(response.config);
          return response;
        },
        (error) => {
          end(error.config);
          throw error;
        },
      );
    });
    server.script(503, 503, 200);
    await api.get('/');
    server.script(503);
    await rejectionOf(api.get('/'));
    expect(spinning).toBe(0);
  });

  test('may be cyclic: after three retries the call fails with the 503', async () => {
    const tree = cyclic();
    const setUp = () => {
      api.interceptors.request.use((config) => Object.assign(config, { ticket: tree }));
    };
    attachWith(order, api, setUp);
    server.script(503);
    const error = await rejectionOf(api.get('/'));
    expect(error.response.status).toBe(503);
    expect(error.config.ticket).toBe(tree);
    expect(server.requests).toHaveLength(4);
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('may have getters, which are asked at each attempt and stay what they are', async () => {
    let asked = 0;
    const ticket = Object.defineProperty({}, 'id', { enumerable: true, get: () => ++asked });
    const seen: number[] = [];
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => Object.assign(config, { ticket }));
      api.defaults.transformRequest = function read(this: Extended, data: unknown) {
        seen.push((this.ticket as { id: number }).id);
        return data;
      } as never;
    });
    server.script(503, 503, 200);
    const { config } = await api.get('/');
    expect(seen).toEqual([1, 2, 3]);
    expect(Object.getOwnPropertyDescriptor((config as Extended).ticket, 'id')?.get).toBeTypeOf('function');
  });
});

describe('a config that is sent again', () => {
  test('keeps a getter and a symbol of its own', async () => {
    const symbol = Symbol('mine');
    let asked = 0;
    api.interceptors.request.use((config) =>
      Object.defineProperty(Object.assign(config, { [symbol]: 'kept' }), 'count', {
        enumerable: true,
        configurable: true,
        get: () => ++asked,
      }),
    );
    attach(api, AT_ONCE);
    server.script(503, 503, 200);
    const { config } = await api.get('/');
    expect(server.requests).toHaveLength(3);
    expect(Object.getOwnPropertyDescriptor(config, 'count')?.get).toBeTypeOf('function');
    expect(Reflect.get(config, symbol)).toBe('kept');
  });

  test('has the same agent, the same signal and the same nested data by reference', async () => {
    const { signal } = new AbortController();
    const httpAgent = new Agent();
    const data = { nested: { list: [1, 2] } };
    const bodies: unknown[] = [];
    attach(api, AT_ONCE);
    api.defaults.transformRequest = [
      (body: unknown) => {
        bodies.push(body);
        return JSON.stringify(body);
      },
    ];
    api.interceptors.request.use((config) => Object.assign(config, { ticket: data }));
    server.script(503, 200);
    const response = await api.put('/', data, { signal, httpAgent, headers: { 'content-type': 'application/json' } });
    expect(bodies).toHaveLength(2);
    expect(bodies[1]).toBe(bodies[0]);
    expect(response.config.signal).toBe(signal);
    expect((response.config as Extended).ticket).toBe(data);
    expect(response.config.httpAgent).toBe(httpAgent);
    expect(server.requests.map(({ body }) => body.toString())).toEqual(Array(2).fill('{"nested":{"list":[1,2]}}'));
  });

  test('has fresh headers: what one attempt adds to them is not on the next', async () => {
    api.defaults.transformRequest = [
      (data: unknown, headers) => {
        expect(headers.get('X-Attempt')).toBeUndefined();
        headers.set('X-Attempt', 'one');
        return data;
      },
    ];
    attach(api, AT_ONCE);
    server.script(503, 503, 200);
    await api.get('/');
    expect(server.requests.map(({ headers }) => headers['x-attempt'])).toEqual(['one', 'one', 'one']);
  });

  test('fails by what `beforeRetry` left, a cyclic body, as bare axios fails by it', async () => {
    const beforeRetry = ({ config }: RetryContext) => {
      config.data = cyclic();
    };
    attach(api, { retry: { ...AT_ONCE.retry, beforeRetry } });
    server.script(503);
    const error = await rejectionOf(api.put('/', { a: 1 }));
    const bare = await rejectionOf(axios.put(`${server.url}/`, cyclic()));
    expect(error.name).toBe(bare.name);
    expect(server.requests).toHaveLength(1);
  });
});
