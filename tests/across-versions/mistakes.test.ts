import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, concurrencyLimit, type Outcome, reportOf } from '../../src/index.js';
import { json, startServer, type TestServer } from '../support/server.js';
import { ADAPTERS, isAtLeast } from '../support/versions.js';

const refuses = (message: string) => () => {
  throw new Error(message);
};
const lockedStream = () => {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
};

/** What a caller gets wrong, and how many requests are sent all the same. */
type Mistake = [what: string, sent: number, mistaken: () => object];

const EVERYWHERE: readonly Mistake[] = [
  ['a number as url', 0, () => ({ url: 42 })],
  ['an object as url', 0, () => ({ url: {} })],
  ['a URL as baseURL', 0, () => ({ url: '/', baseURL: new URL('http://localhost') })],
  ['a username that is a symbol', 0, () => ({ auth: { username: Symbol('x'), password: '' } })],
  ['params that are a text', 0, () => ({ params: 'a=1' })],
  ['a param that is a symbol', 0, () => ({ params: { a: Symbol('x') } })],
  ['a param that is no date', 0, () => ({ params: { a: new Date(Number.NaN) } })],
  ['a paramsSerializer that throws', 0, () => ({ params: { a: 1 }, paramsSerializer: { serialize: refuses('no a') } })],
  ['a file: URL', 0, () => ({ url: 'file:///etc/hosts' })],
  ...(isAtLeast('1.13.0') ? ([['a signal that is none', 0, () => ({ signal: {} })]] satisfies Mistake[]) : []),
];

const IN_HTTP: readonly Mistake[] = [
  ['a beforeRedirect that refuses', 1, () => ({ url: '/moved', beforeRedirect: refuses('blocked') })],
  ['a beforeRedirect that is none', 1, () => ({ url: '/moved', beforeRedirect: 5 })],
  ['a responseEncoding that there is not', 1, () => ({ responseEncoding: 'nope' })],
  ['a transport that is none', 0, () => ({ transport: {} })],
  ['a lookup that is none', 0, () => ({ url: 'http://localhost:1/', lookup: 5 })],
  ['an agent that is none', 0, () => ({ httpAgent: {} })],
  ['a proxy of another protocol', 0, () => ({ proxy: { protocol: 'ftp', host: '127.0.0.1', port: 1 } })],
];

const IN_FETCH: readonly Mistake[] = [
  ['a method that fetch does not have', 0, () => ({ method: 'trace' })],
  ['a body that is read already', 0, () => ({ method: 'post', data: lockedStream() })],
  ['options of fetch that do not go together', 0, () => ({ fetchOptions: { cache: 'only-if-cached' } })],
];

let server: TestServer;
beforeEach(async () => {
  server = await startServer((request, response, raw) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' }).end();
    else json(200, {})(request, response, raw);
  });
});
afterEach(() => server.close());

const CALLS = 6;
const errorOf = async (api: AxiosInstance, config: object): Promise<Error & { code?: string }> => {
  try {
    await api.request(config as AxiosRequestConfig);
  } catch (error) {
    return error as Error;
  }
  throw new Error('The call succeeded');
};
const shown = ({ name, message, code }: Error & { code?: string }) => ({ name, message, code });

describe.each(ADAPTERS)("the %s adapter: a caller's own mistake opens no circuit, and is not repeated", (adapter) => {
  test.each<Mistake>([...EVERYWHERE, ...(adapter === 'http' ? IN_HTTP : IN_FETCH)])(
    '%s',
    async (_what, sent, mistaken) => {
      const defaults = { baseURL: server.url, url: '/', adapter, proxy: false } as const;
      const bare = await errorOf(axios.create(defaults), { url: '/', ...mistaken() });
      const requests = server.requests.length;
      const api = axios.create(defaults);
      const resilience = attach(api, { retry: { backoff: () => 0 }, key: () => 'service' });
      const outcomes: Outcome[] = [];
      resilience.on('attempt', ({ outcome }) => void outcomes.push(outcome));
      for (let call = 0; call < CALLS; call++) {
        const error = await errorOf(api, { url: '/', ...mistaken() });
        expect(shown(error)).toEqual(shown(bare));
        expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
      }
      expect(outcomes).toEqual(Array<Outcome>(CALLS).fill('neutral'));
      expect([requests, server.requests.length]).toEqual([sent, sent * (1 + CALLS)]);
      expect(resilience.breakers.get('service')?.stats()).toMatchObject({ state: 'closed', inFlight: 0 });
      expect((await api.get('/')).status).toBe(200);
    },
  );
});

describe.each([
  ['nothing at once, as `vi.fn()`', () => undefined],
  ['a promise of nothing', () => Promise.resolve(undefined)],
  ['a promise of null', () => Promise.resolve(null)],
])('an adapter that gives %s', (_what, given) => {
  const adapter = given as never;

  test('ends the call with the error of axios, after one attempt that says nothing, and leaks no slot', async () => {
    const bare = await errorOf(axios.create({ adapter }), { url: 'http://service.test/' });
    const api = axios.create({ adapter });
    const resilience = attach(api, { retry: { backoff: () => 0 }, limiter: { limit: concurrencyLimit(1) } });
    const told: string[] = [];
    resilience.on('attempt', ({ outcome }) => void told.push(`attempt: ${outcome}`));
    resilience.on('retry', ({ reason }) => void told.push(`retry: ${reason}`));
    resilience.on('call', ({ stopped, attempts }) => void told.push(`call: ${stopped}, ${attempts}`));
    for (let call = 0; call < 2; call++) {
      const error = await errorOf(api, { url: 'http://service.test/' });
      expect(shown(error)).toEqual(shown(bare));
      expect(reportOf(error)).toMatchObject({
        attempts: 1,
        stopped: 'not-retryable',
        history: [{ status: undefined }],
      });
    }
    const call = ['attempt: neutral', 'call: not-retryable, 1'];
    expect(told).toEqual([...call, ...call]);
    expect(resilience.breakers.get('GET http://service.test')?.stats()).toMatchObject({
      inFlight: 0,
      counts: { neutral: 2, failure: 0 },
    });
    expect(resilience.limiters['http://service.test']).toMatchObject({ inFlight: 0, counts: { started: 2 } });
  });

  test('is asked once, and no more, also within a deadline', async () => {
    const api = axios.create({ adapter });
    attach(api, { retry: { backoff: () => 0 }, deadlineMs: 10_000 });
    const error = await errorOf(api, { url: 'http://service.test/' });
    expect(error).toBeInstanceOf(TypeError);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
  });
});
