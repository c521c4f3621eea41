import { createRequire } from 'node:module';
import axios, { type AxiosInstance, type AxiosStatic } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AT_ONCE, rejectionOf } from './support/orders.js';
import { startServer, type TestServer } from './support/server.js';

type Plugin = typeof import('../src/index.js');

const require = createRequire(import.meta.url);
const built = {
  ESM: (await import(new URL('../dist/index.js', import.meta.url).href)) as Plugin,
  CommonJS: require('../dist/index.cjs') as Plugin,
} as const;
const copies = { ESM: axios, CommonJS: require('axios') as AxiosStatic } as const;

type Format = keyof typeof built;
const FORMATS: readonly Format[] = ['ESM', 'CommonJS'];
const PAIRS = FORMATS.flatMap((ours) => FORMATS.map((theirs) => ({ ours, theirs })));
const OTHER = { ESM: 'CommonJS', CommonJS: 'ESM' } as const;

let server: TestServer;
const makeApi = (format: Format): AxiosInstance => copies[format].create({ baseURL: server.url });

beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

test('the two builds, and the two copies of axios, are separate', () => {
  expect(built.CommonJS.attach).not.toBe(built.ESM.attach);
  expect(copies.CommonJS.AxiosHeaders).not.toBe(copies.ESM.AxiosHeaders);
});

test('the two builds export the same names', () => {
  expect(Object.keys(built.CommonJS).sort()).toEqual(Object.keys(built.ESM).sort());
});

describe.each(PAIRS)('our $ours build on a $theirs instance of axios', ({ ours, theirs }) => {
  const { attach, reportOf, isRejectedError } = built[ours];

  test('sends Authorization, Content-Type and the body on each attempt', async () => {
    const api = makeApi(theirs);
    attach(api, AT_ONCE);
    server.script(503, 503, 200);
    const response = await api.put('/', { a: 1 }, { headers: { Authorization: 'Bearer 1' } });
    expect(
      server.requests.map(({ headers, body }) => [headers.authorization, headers['content-type'], body.toString()]),
    ).toEqual(Array(3).fill(['Bearer 1', 'application/json', '{"a":1}']));
    expect(reportOf(response)).toMatchObject({ attempts: 3, stopped: 'success' });
  });

  test('rejects with an error that both copies of axios take for one of theirs', async () => {
    const api = makeApi(theirs);
    attach(api, AT_ONCE).breakers.ensure(`GET ${server.url}`).trip();
    const error = await rejectionOf(api.get('/'));
    expect(FORMATS.map((format) => copies[format].isAxiosError(error))).toEqual([true, true]);
    expect(isRejectedError(error)).toBe(true);
  });

  test('yields reports and errors that the other build reads', async () => {
    const api = makeApi(theirs);
    const resilience = attach(api, AT_ONCE);
    const other = built[OTHER[ours]];
    server.script(503, 200);
    expect(other.reportOf(await api.get('/'))).toMatchObject({ attempts: 2, stopped: 'success' });
    resilience.breakers.get(`GET ${server.url}`)!.trip();
    expect(other.isRejectedError(await rejectionOf(api.get('/')))).toBe(true);
  });

  test('refuses an instance to which the other build is attached', async () => {
    const api = makeApi(theirs);
    const first = built[OTHER[ours]].attach(api, AT_ONCE);
    expect(() => attach(api)).toThrow('attached to this instance already');
    first.detach();
    attach(api, AT_ONCE);
    server.script(503, 200);
    await api.get('/');
    expect(server.requests).toHaveLength(2);
  });

  test('guards with a registry that the other build made', async () => {
    const registry = new built[OTHER[ours]].BreakerRegistry();
    const [one, two] = [makeApi(theirs), makeApi(OTHER[theirs])];
    attach(one, { ...AT_ONCE, breaker: registry });
    built[OTHER[ours]].attach(two, { ...AT_ONCE, breaker: registry });
    registry.ensure(`GET ${server.url}`).trip();
    expect(isRejectedError(await rejectionOf(one.get('/')))).toBe(true);
    expect(isRejectedError(await rejectionOf(two.get('/')))).toBe(true);
    expect(server.requests).toHaveLength(0);
  });
});
