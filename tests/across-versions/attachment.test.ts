import axios, { Axios, type AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type Resilience, reportOf } from '../../src/index.js';
import { AT_ONCE, rejectionOf } from '../support/orders.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let api: AxiosInstance;

beforeEach(async () => {
  server = await startServer();
  api = axios.create({ baseURL: server.url });
});
afterEach(() => server.close());

const defaults = (): AxiosRequestConfig => ({ ...(axios.defaults as AxiosRequestConfig), baseURL: server.url });

async function expectThreeAttempts(send: () => Promise<unknown>): Promise<void> {
  const before = server.requests.length;
  server.script(503, 503, 200);
  expect(reportOf(await send())).toMatchObject({ attempts: 3, stopped: 'success' });
  expect(server.requests).toHaveLength(before + 3);
}

async function expectOneAttempt(send: () => Promise<unknown>): Promise<void> {
  const before = server.requests.length;
  server.script(503);
  const error = await rejectionOf(send());
  expect(error.response.status).toBe(503);
  expect(reportOf(error)).toBeUndefined();
  expect(server.requests).toHaveLength(before + 1);
}

describe('attach works for', () => {
  test('the global axios, in all the ways of calling it, and leaves it clean', async () => {
    const resilience = attach(axios, AT_ONCE);
    try {
      await expectThreeAttempts(() => axios.get(server.url));
      await expectThreeAttempts(() => axios(server.url));
      await expectThreeAttempts(() => axios({ url: server.url }));
      await expectThreeAttempts(() => axios.request({ url: server.url, method: 'PUT', data: { a: 1 } }));
    } finally {
      resilience.detach();
    }
    await expectOneAttempt(() => axios.get(server.url));
  });

  test('axios.create(), in all the ways of calling it', async () => {
    attach(api, AT_ONCE);
    await expectThreeAttempts(() => api.get('/'));
    await expectThreeAttempts(() => api('/'));
    await expectThreeAttempts(() => api({ url: '/', method: 'delete' }));
    await expectThreeAttempts(() => api.put('/', { a: 1 }));
  });

  test('new Axios() with the defaults of axios', async () => {
    const instance = new Axios(defaults());
    attach(instance, AT_ONCE);
    await expectThreeAttempts(() => instance.get('/'));
    server.script(503, 200);
    expect((await instance.put('/', { a: 1 })).data).toMatchObject({ status: 200 });
  });

  test('new Axios() without any defaults, which accepts every status and parses nothing', async () => {
    const instance = new Axios({});
    attach(instance, AT_ONCE);
    await expectThreeAttempts(() => instance.get(server.url));
    server.script(503);
    const response = await instance.get(server.url);
    expect(response.status).toBe(503);
    expect(JSON.parse(response.data)).toMatchObject({ status: 503 });
    expect(reportOf(response)).toMatchObject({ attempts: 4, stopped: 'exhausted' });
  });

  test('a subclass that attaches in its constructor', async () => {
    let constructed = 0;
    class Client extends Axios {
      readonly resilience: Resilience;

      constructor(config: AxiosRequestConfig) {
        super(config);
        constructed++;
        this.resilience = attach(this, AT_ONCE);
      }
    }
    const client = new Client(defaults());
    expect(constructed).toBe(1);
    await expectThreeAttempts(() => client.get('/'));
    expect([...client.resilience.breakers].map(({ key }) => key)).toEqual([`GET ${server.url}`]);
    const other = new Client(defaults());
    await expectThreeAttempts(() => other.get('/'));
    expect(client.resilience.breakers).not.toBe(other.resilience.breakers);
  });

  test('a subclass that overrides request(), which runs once per call', async () => {
    class Client extends Axios {
      calls = 0;

      override request(config: AxiosRequestConfig): Promise<any> {
        this.calls++;
        return super.request(Object.assign({}, config, { params: { call: this.calls } }));
      }
    }
    class Special extends Client {}
    const client = new Special(defaults());
    attach(client, AT_ONCE);
    await expectThreeAttempts(() => client.get('/'));
    expect(client.calls).toBe(1);
    expect(server.requests.map(({ url }) => url)).toEqual(['/?call=1', '/?call=1', '/?call=1']);
  });

  test('a subclass whose constructor takes something else than a config', async () => {
    class Client extends Axios {
      constructor(readonly settings: { url: { host: string } }) {
        super({ ...(axios.defaults as AxiosRequestConfig), baseURL: settings.url.host });
      }
    }
    const client = new Client({ url: { host: server.url } });
    attach(client, AT_ONCE);
    await expectThreeAttempts(() => client.get('/'));
  });

  test.each([
    ['the instance itself', (instance: AxiosInstance) => instance],
    ['nothing', () => undefined],
    [
      'something that has the defaults of the instance',
      ({ defaults }: AxiosInstance) => ({ defaults, interceptors: {} }),
    ],
  ])('an instance whose create() is stubbed to return %s', async (_what, create) => {
    api.create = () => create(api) as AxiosInstance;
    const before = JSON.stringify(api.defaults);
    attach(api, AT_ONCE);
    expect(JSON.stringify(api.defaults)).toBe(before);
    await expectThreeAttempts(() => api.get('/'));
    server.script(503, 200);
    await api.put('/', { a: 1 });
    expect(server.requests.slice(-2).map(({ body }) => body.toString())).toEqual(['{"a":1}', '{"a":1}']);
  });

  test('an instance made with create() by an attached one, by itself', async () => {
    attach(api, AT_ONCE);
    const child = api.create();
    attach(child, AT_ONCE);
    await expectThreeAttempts(() => child.get('/'));
  });
});

describe('attach leaves alone', () => {
  test('the children of instance.create(), made before it and after it', async () => {
    const before = api.create();
    const resilience = attach(api, AT_ONCE);
    const after = api.create();
    await expectOneAttempt(() => before.get('/'));
    await expectOneAttempt(() => after.get('/'));
    expect(resilience.breakers.size).toBe(0);
  });

  test('other instances, and the global axios', async () => {
    attach(api, AT_ONCE);
    await expectOneAttempt(() => axios.get(server.url));
    await expectOneAttempt(() => axios.create().get(server.url));
  });

  test("the user's handlers: their order, and the ids that use() gives", async () => {
    const bare = axios.create();
    const pass = <T>(value: T) => value;
    const use = () => {
      const [id, expected] = [api, bare].map(({ interceptors }) => interceptors.request.use(pass));
      expect(id).toBe(expected);
    };
    const { handlers } = api.interceptors.request as unknown as { handlers: unknown[] };
    use();
    const before = [...handlers];
    attach(api, AT_ONCE);
    expect(handlers).toEqual(before);
    use();
    await api.get('/');
    use();
    expect(handlers).toHaveLength(3);
  });
});

describe('use(), eject() and clear() of an attached instance', () => {
  const note = (seen: string[], name: string) =>
    [
      api.interceptors.request.use((config) => {
        seen.push(`request ${name}`);
        return config;
      }),
      api.interceptors.response.use((response) => {
        seen.push(`response ${name}`);
        return response;
      }),
    ] as const;

  test('take out what was registered before attach and after it, and nothing else', async () => {
    const seen: string[] = [];
    const [request1, response1] = note(seen, '1');
    note(seen, '2');
    attach(api, AT_ONCE);
    const [request3, response3] = note(seen, '3');
    note(seen, '4');

    api.interceptors.request.eject(request1);
    api.interceptors.response.eject(response1);
    await expectThreeAttempts(() => api.get('/'));
    expect(seen).toEqual(['request 4', 'request 3', 'request 2', 'response 2', 'response 3', 'response 4']);

    seen.length = 0;
    api.interceptors.request.eject(request3);
    api.interceptors.response.eject(response3);
    await expectThreeAttempts(() => api.get('/'));
    expect(seen).toEqual(['request 4', 'request 2', 'response 2', 'response 4']);
  });

  test("clear the user's interceptors and not the retries", async () => {
    const seen: string[] = [];
    note(seen, '1');
    attach(api, AT_ONCE);
    note(seen, '2');
    api.interceptors.request.clear();
    api.interceptors.response.clear();
    await expectThreeAttempts(() => api.get('/'));
    expect(seen).toEqual([]);
    note(seen, '3');
    await expectThreeAttempts(() => api.get('/'));
    expect(seen).toEqual(['request 3', 'response 3']);
  });
});

describe('attach refuses', () => {
  const methodsOfManagers = () =>
    [api.interceptors.request, api.interceptors.response].map((manager) => Object.getOwnPropertyDescriptors(manager));

  test('an instance to which it is attached already, which works on', async () => {
    const first = attach(api, AT_ONCE);
    expect(() => attach(api, { retry: 5 })).toThrow('attached to this instance already');
    await expectThreeAttempts(() => api.get('/'));
    first.detach();
    attach(api, AT_ONCE);
    await expectThreeAttempts(() => api.get('/'));
  });

  test.each(['request', 'response'] as const)(
    'an instance with a frozen manager of %s interceptors, and says so',
    async (side) => {
      Object.freeze(api.interceptors[side]);
      expect(() => attach(api, AT_ONCE)).toThrow(/frozen/);
      await expectOneAttempt(() => api.get('/'));
    },
  );

  test.each(['request', 'response'] as const)(
    'an instance whose %s forEach cannot be replaced, and leaves it as it was',
    async (side) => {
      const manager = api.interceptors[side] as unknown as { forEach: () => void };
      Object.defineProperty(manager, 'forEach', { value: manager.forEach, writable: false, configurable: false });
      const before = methodsOfManagers();
      expect(() => attach(api, AT_ONCE)).toThrow(TypeError);
      expect(methodsOfManagers()).toEqual(before);
      await expectOneAttempt(() => api.get('/'));
    },
  );

  test('what is not an axios instance, and says so', () => {
    for (const other of [undefined, null, {}, { request: () => undefined }, fetch]) {
      expect(() => attach(other as never)).toThrow(/^Expected `instance` to be an axios instance/);
    }
  });
});

describe('detach', () => {
  const managers = () => [api.interceptors.request, api.interceptors.response] as unknown as { forEach: unknown }[];

  test('ends the retries and the guarding, and leaves the circuits as they are', async () => {
    const resilience = attach(api, AT_ONCE);
    resilience.breakers.ensure(`GET ${server.url}`).trip();
    resilience.detach();
    await expectOneAttempt(() => api.get('/'));
    expect(resilience.breakers.get(`GET ${server.url}`)?.state).toBe('open');
    expect(resilience.breakers.get(`GET ${server.url}`)?.stats().inFlight).toBe(0);
  });

  test('can be called again without harm, also to a later attach', async () => {
    const first = attach(api, AT_ONCE);
    first.detach();
    first.detach();
    attach(api, AT_ONCE);
    first.detach();
    await expectThreeAttempts(() => api.get('/'));
    expect(() => attach(api)).toThrow('attached to this instance already');
  });

  test('leaves no property of its own behind', () => {
    const names = () => managers().map((manager) => Reflect.ownKeys(manager));
    const before = names();
    attach(api, AT_ONCE).detach();
    expect(names()).toEqual(before);
    expect(managers().map((manager) => Object.hasOwn(manager, 'forEach'))).toEqual([false, false]);
  });

  test("restores the instance's own forEach exactly", async () => {
    let visits = 0;
    for (const manager of managers()) {
      const inherited = manager.forEach as (visit: unknown) => void;
      Object.defineProperty(manager, 'forEach', {
        value(visit: unknown) {
          visits++;
          inherited.call(this, visit);
        },
        writable: false,
        enumerable: true,
        configurable: true,
      });
    }
    const descriptors = () => managers().map((manager) => Object.getOwnPropertyDescriptor(manager, 'forEach'));
    const before = descriptors();
    const resilience = attach(api, AT_ONCE);
    await expectThreeAttempts(() => api.get('/'));
    expect(visits).toBe(2);
    resilience.detach();
    expect(descriptors()).toEqual(before);
    await expectOneAttempt(() => api.get('/'));
    expect(visits).toBe(4);
  });

  test('lets calls in flight finish as they began', async () => {
    const seen: string[] = [];
    api.interceptors.response.use((response) => {
      seen.push(`response ${response.status}`);
      return response;
    });
    const resilience = attach(api, {
      retry: {
        ...AT_ONCE.retry,
        beforeRetry: () => {
          resilience.detach();
        },
      },
    });
    const attempts: number[] = [];
    resilience.on('attempt', ({ attempt }) => attempts.push(attempt));
    server.script(503, 503, 200);
    const response = await api.get('/');
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
    expect(attempts).toEqual([1, 2, 3]);
    expect(seen).toEqual(['response 200']);
    await expectOneAttempt(() => api.get('/'));
  });

  test("in a request interceptor of the user's leaves that call whole", async () => {
    api.interceptors.request.use((config) => {
      resilience.detach();
      return config;
    });
    const resilience = attach(api, AT_ONCE);
    await expectThreeAttempts(() => api.get('/'));
    await expectOneAttempt(() => api.get('/'));
  });

  test('turns transparent where somebody else has replaced forEach since', async () => {
    const resilience = attach(api, AT_ONCE);
    const visited: unknown[] = [];
    const theirs = managers().map((manager) => {
      const ours = manager.forEach as (visit: (handler: unknown) => void) => void;
      const replacement = (visit: (handler: unknown) => void) =>
        ours((handler) => {
          visited.push(handler);
          visit(handler);
        });
      manager.forEach = replacement;
      return replacement;
    });
    await expectThreeAttempts(() => api.get('/'));
    resilience.detach();

    expect(managers().map(({ forEach }) => forEach)).toEqual(theirs);
    visited.length = 0;
    await expectOneAttempt(() => api.get('/'));
    expect(visited).toEqual([]);

    attach(api, AT_ONCE);
    await expectThreeAttempts(() => api.get('/'));
  });

  test('leaves an error mapper and its registration working', async () => {
    const resilience = attach(api, AT_ONCE);
    const id = api.interceptors.response.use(undefined, (error: AxiosError) => ({ data: error.response?.status }));
    resilience.detach();
    server.script(503);
    expect((await api.get('/')).data).toBe(503);
    api.interceptors.response.eject(id);
    await expectOneAttempt(() => api.get('/'));
  });
});
