import axios, { Axios, type AxiosError, type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, reportOf } from '../../src/index.js';
import { AT_ONCE, attachWith, ORDERS, rejectionOf } from '../support/orders.js';
import { json, startServer, type TestServer } from '../support/server.js';
import { INTERCEPTOR_ORDERINGS, isAtLeast } from '../support/versions.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const urls = () => server.requests.map(({ url }) => url);

function record(instance: AxiosInstance): string[] {
  const seen: string[] = [];
  instance.interceptors.request.use((config) => {
    seen.push('request');
    return config;
  });
  instance.interceptors.response.use(
    (response) => {
      seen.push(`response ${response.status}`);
      return response;
    },
    (error: AxiosError) => {
      seen.push(`error ${error.response?.status}`);
      return Promise.reject(error);
    },
  );
  return seen;
}

describe.each(ORDERS)("the user's interceptors, registered %s attach", (order) => {
  const recordWith = (options = AT_ONCE) => {
    let seen: string[] = [];
    attachWith(order, api, () => (seen = record(api)), options);
    return seen;
  };

  test('run once when the call takes one attempt', async () => {
    const seen = recordWith();
    await api.get('/');
    expect(seen).toEqual(['request', 'response 200']);
    expect(server.requests).toHaveLength(1);
  });

  test('run once when the call takes four attempts', async () => {
    const seen = recordWith();
    server.script(503, 502, 500, 200);
    await api.get('/');
    expect(seen).toEqual(['request', 'response 200']);
    expect(server.requests).toHaveLength(4);
  });

  test('run once, on the last error, when all four attempts fail', async () => {
    const seen = recordWith();
    server.script(500, 502, 503, 504);
    await rejectionOf(api.get('/'));
    expect(seen).toEqual(['request', 'error 504']);
    expect(server.requests).toHaveLength(4);
  });

  test('run once when they are synchronous', async () => {
    const seen: string[] = [];
    const register = () => {
      api.interceptors.request.use(
        (config) => {
          seen.push(`request ${config.url}`);
          return config;
        },
        undefined,
        { synchronous: true },
      );
    };
    attachWith(order, api, register);
    server.script(503, 503, 200);
    await api.get('/users');
    expect(seen).toEqual(['request /users']);
    expect(server.requests).toHaveLength(3);
  });

  test('are asked once whether they run at all', async () => {
    const asked: unknown[] = [];
    const register = () => {
      api.interceptors.request.use(
        (config) => {
          config.headers.set('X-Skipped', 'no');
          return config;
        },
        undefined,
        { runWhen: (config) => asked.push(config.url) === 0 },
      );
    };
    attachWith(order, api, register);
    server.script(503, 200);
    await api.get('/users');
    expect(asked).toEqual(['/users']);
    expect(server.requests.map(({ headers }) => headers['x-skipped'])).toEqual([undefined, undefined]);
  });

  test('unwrap the data of the first attempt, of a retry and of a fallback', async () => {
    const resilience = attachWith(order, api, () => {
      api.interceptors.response.use((response) => response.data);
    });
    const items = json(200, { items: [1] });

    server.script(items);
    expect(await api.get('/')).toEqual({ items: [1] });

    server.script(503, 503, items);
    expect(await api.get('/')).toEqual({ items: [1] });
    expect(server.requests).toHaveLength(4);

    resilience.breakers.ensure(`GET ${server.url}`).trip();
    expect(await api.get('/', { resilience: { fallback: { items: [] } } })).toEqual({ items: [] });
    expect(server.requests).toHaveLength(4);
  });

  test('map the last error without stopping the retries', async () => {
    class ApiError extends Error {}
    const mapped: unknown[] = [];
    attachWith(order, api, () => {
      api.interceptors.response.use(undefined, (error: AxiosError) => {
        mapped.push(error.response?.status);
        return Promise.reject(new ApiError('mapped', { cause: error }));
      });
    });

    server.script(503, 503, 200);
    expect((await api.get('/')).status).toBe(200);
    expect(mapped).toEqual([]);

    server.script(503, 503, 503, 502);
    const error = await rejectionOf(api.get('/'));
    expect(error).toBeInstanceOf(ApiError);
    expect(mapped).toEqual([502]);
    expect(reportOf(error)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('turn an error into an answer after the retries, not instead of them', async () => {
    attachWith(order, api, () => {
      api.interceptors.response.use(undefined, () => ({ data: 'nothing' }));
    });
    server.script(503);
    expect((await api.get('/')).data).toBe('nothing');
    expect(server.requests).toHaveLength(4);
  });

  test('prefix the URL once on every attempt', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => {
        config.url = `/v1${config.url}`;
        return config;
      });
    });
    server.script(503, 503, 503, 200);
    const response = await api.get('/users');
    expect(urls()).toEqual(['/v1/users', '/v1/users', '/v1/users', '/v1/users']);
    expect(response.config.url).toBe('/v1/users');
  });

  test('delete a default header and a default param from every attempt', async () => {
    api.defaults.headers.common['X-Tenant'] = 'default';
    api.defaults.headers.get['X-Trace'] = 'default';
    api.defaults.params = { token: 'secret', page: 1 };
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => {
        config.headers.delete('X-Tenant');
        config.headers.delete('X-Trace');
        config.headers.delete('Accept');
        delete config.params.token;
        return config;
      });
    });
    server.script(503, 503, 200);
    await api.get('/users');
    expect(urls()).toEqual(['/users?page=1', '/users?page=1', '/users?page=1']);
    for (const { headers } of server.requests) {
      expect(headers).not.toHaveProperty('x-tenant');
      expect(headers).not.toHaveProperty('x-trace');
      expect(headers.accept).toBe(server.requests[0]!.headers.accept);
    }
  });

  test('set a header that every attempt carries', async () => {
    let tokens = 0;
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => {
        config.headers.set('Authorization', `Bearer ${++tokens}`);
        return config;
      });
    });
    server.script(503, 503, 200);
    await api.get('/');
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 1', 'Bearer 1']);
  });

  test('return a copy of the config', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => ({ ...config, url: `/v1${config.url}` }));
    });
    server.script(503, 503, 200);
    const response = await api.get('/users');
    expect(urls()).toEqual(['/v1/users', '/v1/users', '/v1/users']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('return a copy that leaves out what attach put on the config', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use(
        ({ url, baseURL, method, headers, validateStatus, transformRequest, transformResponse }) =>
          ({
            url,
            baseURL,
            method,
            headers,
            validateStatus,
            transformRequest,
            transformResponse,
          }) as InternalAxiosRequestConfig,
      );
    });
    server.script(503, 503, 200);
    const response = await api.get('/users');
    expect(urls()).toEqual(['/users', '/users', '/users']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('return a promise', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use(async (config) => {
        await new Promise((resolve) => setImmediate(resolve));
        return { ...config, headers: config.headers.concat({ 'X-Token': 'late' }) };
      });
    });
    server.script(503, 200);
    await api.get('/');
    expect(server.requests.map(({ headers }) => headers['x-token'])).toEqual(['late', 'late']);
  });

  test('make no attempt and lose no permit when they throw', async () => {
    const failure = new Error('no token');
    let failing = true;
    const resilience = attachWith(
      order,
      api,
      () => {
        api.interceptors.request.use((config) => {
          if (failing) throw failure;
          return config;
        });
      },
      { ...AT_ONCE, breaker: { cooldownMs: 0 } },
    );
    const attempts: number[] = [];
    resilience.on('attempt', ({ attempt }) => attempts.push(attempt));
    const breaker = resilience.breakers.ensure(`GET ${server.url}`);
    breaker.trip();

    expect(await rejectionOf(api.get('/'))).toBe(failure);
    expect(server.requests).toHaveLength(0);
    expect(attempts).toEqual([]);
    expect(breaker.stats().inFlight).toBe(0);

    failing = false;
    await api.get('/');
    expect(attempts).toEqual([1]);
    expect(breaker.state).toBe('closed');
  });

  test('make no attempt when they throw synchronously, and the error is the one of bare axios', async () => {
    const failure = new Error('no token');
    const fail = () => {
      throw failure;
    };
    const bare = axios.create({ baseURL: server.url });
    bare.interceptors.request.use(fail, undefined, { synchronous: true });
    const resilience = attachWith(order, api, () => {
      api.interceptors.request.use(fail, undefined, { synchronous: true });
    });
    const events: string[] = [];
    for (const type of ['attempt', 'retry'] as const) resilience.on(type, () => events.push(type));

    const errorOf = (instance: AxiosInstance) => rejectionOf((async () => instance.get('/'))());
    const [expected, actual] = [await errorOf(bare), await errorOf(api)];
    expect(actual.message).toBe(expected.message);
    if (isAtLeast('1.19.0')) expect(actual).toBe(failure);
    expect(server.requests).toHaveLength(0);
    expect(events).toEqual([]);
  });

  test('recover from the failure of another, and the call is retried', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use(undefined, (error: { config: InternalAxiosRequestConfig }) => error.config);
      api.interceptors.request.use((config) => Promise.reject(Object.assign(new Error('no token'), { config })));
    });
    server.script(503, 503, 200);
    const response = await api.get('/users');
    expect(urls()).toEqual(['/users', '/users', '/users']);
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('that return no config make no attempt, and the error is the one of bare axios', async () => {
    const bare = axios.create({ baseURL: server.url });
    bare.interceptors.request.use(() => undefined as never);
    attachWith(order, api, () => {
      api.interceptors.request.use(() => undefined as never);
    });
    const [expected, actual] = [await rejectionOf(bare.get('/')), await rejectionOf(api.get('/'))];
    expect(actual).toBeInstanceOf(TypeError);
    expect(actual.message).toBe(expected.message);
    expect(server.requests).toHaveLength(0);
  });

  test('see the error of an open circuit and may answer it', async () => {
    const resilience = attachWith(order, api, () => {
      api.interceptors.response.use(undefined, (error: AxiosError) => ({ data: error.code }));
    });
    resilience.breakers.ensure(`GET ${server.url}`).trip();
    expect((await api.get('/')).data).toBe('ERR_CIRCUIT_OPEN');
    expect(server.requests).toHaveLength(0);
  });

  test('set the resilience of a call, also to false', async () => {
    attachWith(order, api, () => {
      api.interceptors.request.use((config) => {
        config.resilience = config.url === '/health' ? false : { retry: 1 };
        return config;
      });
    });
    server.script(503);
    const untouched = await rejectionOf(api.get('/health'));
    expect(server.requests).toHaveLength(1);
    expect(reportOf(untouched)).toBeUndefined();

    const retried = await rejectionOf(api.get('/users'));
    expect(server.requests).toHaveLength(3);
    expect(reportOf(retried)).toMatchObject({ attempts: 2, stopped: 'exhausted' });
  });
});

describe("the order of the user's interceptors", () => {
  function recordTwo(instance: Axios): string[] {
    const seen: string[] = [];
    for (const name of ['first', 'second']) {
      instance.interceptors.request.use((config) => {
        seen.push(`request ${name}`);
        config.url = `${config.url}/${name}`;
        return config;
      });
      instance.interceptors.response.use((response) => {
        seen.push(`response ${name}`);
        return response;
      });
    }
    return seen;
  }

  const reversed = ['request second', 'request first', 'response first', 'response second'];
  const inOrder = ['request first', 'request second', 'response first', 'response second'];

  test('stays the one of axios: the last request interceptor first', async () => {
    attach(api, AT_ONCE);
    const seen = recordTwo(api);
    server.script(503, 503, 200);
    await api.get('/a');
    expect(seen).toEqual(reversed);
    expect(urls()).toEqual(Array(3).fill('/a/second/first'));
  });

  test.each(ORDERS)(
    'is the same with one interceptor registered before attach and one after it (%s first)',
    async (order) => {
      const seen: string[] = [];
      const use = (name: string) =>
        api.interceptors.request.use((config) => {
          seen.push(name);
          return config;
        });
      if (order === 'before') use('first');
      attach(api, AT_ONCE);
      if (order === 'after') use('first');
      use('second');
      server.script(503, 200);
      await api.get('/');
      expect(seen).toEqual(['second', 'first']);
    },
  );

  for (const legacy of INTERCEPTOR_ORDERINGS) {
    const expected = legacy ? reversed : inOrder;
    const path = legacy ? '/a/second/first' : '/a/first/second';

    test(`follows legacyInterceptorReqResOrdering: ${legacy} of the instance on every attempt`, async () => {
      api = axios.create({ baseURL: server.url, transitional: { legacyInterceptorReqResOrdering: legacy } });
      attach(api, AT_ONCE);
      const seen = recordTwo(api);
      server.script(503, 503, 200);
      const response = await api.get('/a');
      expect(seen).toEqual(expected);
      expect(urls()).toEqual([path, path, path]);
      expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    });

    test(`follows legacyInterceptorReqResOrdering: ${legacy} of one request on every attempt`, async () => {
      attach(api, AT_ONCE);
      const seen = recordTwo(api);
      server.script(503, 503, 200);
      const response = await api.get('/a', { transitional: { legacyInterceptorReqResOrdering: legacy } });
      expect(seen).toEqual(expected);
      expect(urls()).toEqual([path, path, path]);
      expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    });

    test(`takes the circuit of what the interceptors left with legacyInterceptorReqResOrdering: ${legacy}`, async () => {
      api = axios.create({ transitional: { legacyInterceptorReqResOrdering: legacy } });
      api.interceptors.request.use((config) => {
        config.baseURL = server.url;
        return config;
      });
      const resilience = attach(api, AT_ONCE);
      resilience.breakers.ensure(`GET ${server.url}`).trip();
      expect(await rejectionOf(api.get('/a'))).toMatchObject({
        code: 'ERR_CIRCUIT_OPEN',
        key: `GET ${server.url}`,
      });
      expect(urls()).toEqual([]);
    });
  }

  test('is the one of bare axios where a partial transitional of new Axios() does not name it', async () => {
    const defaults = { ...axios.defaults, baseURL: server.url, transitional: { silentJSONParsing: true } };
    const bare = new Axios(defaults as never);
    const attached = new Axios(defaults as never);
    attach(attached, AT_ONCE);
    const [expected, actual] = [recordTwo(bare), recordTwo(attached)];
    await bare.get('/a');
    server.script(503, 503, 200);
    const response = await attached.get('/a');
    expect(actual).toEqual(expected);
    expect(urls()).toEqual(Array(4).fill(urls()[0]));
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });
});

describe('a request interceptor that throws', () => {
  const thrown = new Error('of the interceptor');
  const rethrow = (error: unknown) => {
    throw error;
  };

  test.each<[string, number, ((error: unknown) => unknown) | undefined, boolean]>([
    ['nothing is sent', 0, undefined, false],
    ['nothing is sent where it is synchronous', 0, undefined, true],
    ['nothing is sent where its own handler throws on', 0, rethrow, true],
    [
      'axios sends past all handlers where it is synchronous and its own handler takes the error',
      1,
      () => undefined,
      true,
    ],
  ])('ends the call as without the plugin, and nothing is told: %s', async (_what, sent, rejected, synchronous) => {
    const told: string[] = [];
    const endOf = async (isAttached: boolean) => {
      const one = axios.create({ baseURL: server.url });
      one.interceptors.request.use(() => rethrow(thrown), rejected, { synchronous });
      if (isAttached) attach(one, { ...AT_ONCE, sinks: [({ type }) => told.push(type)] });
      const error = await rejectionOf((async () => one.get('/'))());
      return { message: error.message, status: error.response?.status, report: reportOf(error) };
    };
    server.script(503);
    const without = await endOf(false);
    expect(server.requests).toHaveLength(sent);
    expect(await endOf(true)).toEqual(without);
    expect(server.requests).toHaveLength(2 * sent);
    expect(told).toEqual([]);
  });
});
