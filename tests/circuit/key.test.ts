import axios, { type AxiosAdapter, type AxiosRequestConfig, type CreateAxiosDefaults } from 'axios';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { attach, byMethodAndOrigin, byOrigin, type KeyFunction, reportOf } from '../../src/index.js';

const answer: AxiosAdapter = async (config) => ({
  data: '',
  status: 200,
  statusText: 'OK',
  headers: {},
  config,
});

/** The key of the circuit that guards a request. */
async function keyOf(defaults: CreateAxiosDefaults, request: AxiosRequestConfig = {}, key?: KeyFunction) {
  const api = axios.create({ ...defaults, adapter: answer });
  const { breakers } = attach(api, { key });
  const response = await api.request(request);
  const [breaker] = breakers;
  expect(breakers.size).toBe(1);
  expect(reportOf(response)?.key).toBe(breaker?.key);
  return breaker?.key;
}

describe('the default key', () => {
  test.each([
    ['the method in capitals and the base URL', 'https://api.example.com/v1', 'GET https://api.example.com/v1'],
    ['no trailing slash', 'https://api.example.com/', 'GET https://api.example.com'],
    ['no trailing slashes after a path', 'https://api.example.com/v1//', 'GET https://api.example.com/v1'],
    [
      'scheme and host in lower case, the path as it is',
      'HTTPS://API.Example.COM/V1',
      'GET https://api.example.com/V1',
    ],
    ['no default port of https', 'https://api.example.com:443/v1', 'GET https://api.example.com/v1'],
    ['no default port of http', 'http://api.example.com:80', 'GET http://api.example.com'],
    ['any other port', 'https://api.example.com:8443', 'GET https://api.example.com:8443'],
    ['a default port of another scheme', 'http://api.example.com:443', 'GET http://api.example.com:443'],
    ['no credentials', 'https://user:secret@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['no query', 'https://api.example.com/v1?token=secret', 'GET https://api.example.com/v1'],
    ['no fragment', 'https://api.example.com/v1#part', 'GET https://api.example.com/v1'],
    ['no slash before a query', 'https://api.example.com/v1/?a=/', 'GET https://api.example.com/v1'],
    ['IPv6 hosts in their brackets', 'http://[::1]:8080/v1', 'GET http://[::1]:8080/v1'],
    ['a relative base URL as it is', '/api/v1/', 'GET /api/v1'],
    ['a relative base URL without query', '/api?token=secret', 'GET /api'],
  ])('has %s', async (_what, baseURL, key) => {
    expect(await keyOf({ baseURL }, { url: '/users/42?page=1' })).toBe(key);
  });

  test('is one for all paths of a base URL', async () => {
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: answer });
    const { breakers } = attach(api);
    await Promise.all(['/users', '/users/1', 'orders', '/users?id=3'].map((url) => api.get(url)));
    expect([...breakers].map(({ key }) => key)).toEqual(['GET https://api.example.com']);
  });

  test.each([
    ['get', 'GET'],
    ['POST', 'POST'],
    ['Delete', 'DELETE'],
    [undefined, 'GET'],
  ])('writes the method %s as %s', async (method, written) => {
    const request = { url: '/', ...(method !== undefined && { method }) };
    expect(await keyOf({ baseURL: 'https://api.example.com' }, request)).toBe(`${written} https://api.example.com`);
  });

  test('takes the origin of the URL where there is no base URL', async () => {
    const url = 'https://User:Secret@Other.Example.com:443/deep/path?q=1#x';
    expect(await keyOf({}, { url })).toBe('GET https://other.example.com');
    expect(await keyOf({}, { url: 'http://other.example.com?q=1' })).toBe('GET http://other.example.com');
  });

  test('takes the origin of an absolute URL that perKey the base URL', async () => {
    const baseURL = 'https://api.example.com/v1';
    expect(await keyOf({ baseURL }, { url: 'https://cdn.example.com:8443/a/b' })).toBe(
      'GET https://cdn.example.com:8443',
    );
  });

  test('takes the host of a protocol-relative URL, which perKey the base URL too', async () => {
    const baseURL = 'https://api.example.com/v1';
    expect(await keyOf({ baseURL }, { url: '//cdn.example.com/a/b?q=1' })).toBe('GET //cdn.example.com');
  });

  test('keeps to the base URL with allowAbsoluteUrls: false, if there is one', async () => {
    const url = 'https://cdn.example.com/a';
    expect(await keyOf({ baseURL: 'https://api.example.com/v1', allowAbsoluteUrls: false }, { url })).toBe(
      'GET https://api.example.com/v1',
    );
    expect(await keyOf({ allowAbsoluteUrls: false }, { url })).toBe('GET https://cdn.example.com');
  });

  test('goes by the base URL of the request, where it has its own', async () => {
    const baseURL = 'https://api.example.com';
    expect(await keyOf({ baseURL }, { baseURL: 'https://eu.example.com/v2', url: '/' })).toBe(
      'GET https://eu.example.com/v2',
    );
  });

  test('goes by what the request interceptors left', async () => {
    const api = axios.create({ baseURL: 'https://api.example.com', adapter: answer });
    const { breakers } = attach(api);
    api.interceptors.request.use((config) => {
      config.baseURL = 'https://eu.example.com';
      return config;
    });
    await api.get('/');
    expect([...breakers].map(({ key }) => key)).toEqual(['GET https://eu.example.com']);
  });

  test.each([
    ['https://user:secret@[not-a-host/v1', 'an invalid base URL'],
    ['//user:secret@cdn.example.com/v1', 'a protocol-relative base URL'],
  ])('shows no credentials of %s (%s)', async (baseURL) => {
    expect(await keyOf({ baseURL }, { url: '/' })).not.toContain('secret');
  });

  test('shows no credentials of a protocol-relative URL and writes its host in lower case', async () => {
    expect(await keyOf({}, { url: '//user:secret@CDN.Example.com/a' })).toBe('GET //cdn.example.com');
  });
});

describe('of servers that have nothing in common', () => {
  test.each<[string, AxiosRequestConfig, string]>([
    ['a unix socket', { socketPath: '/run/a.sock', url: '/info' }, 'GET unix:/run/a.sock'],
    [
      'a unix socket behind a base URL',
      { socketPath: '/run/a.sock', baseURL: 'http://localhost/v1', url: '/info' },
      'GET unix:/run/a.sock http://localhost/v1',
    ],
    ['a named pipe', { socketPath: '\\\\.\\pipe\\docker', url: '/info' }, 'GET unix:\\\\.\\pipe\\docker'],
    ['a URL behind a space', { url: ' http://a.example.com/x' }, 'GET http://a.example.com'],
    ['a URL behind a line break', { url: '\n http://a.example.com/x' }, 'GET http://a.example.com'],
    ['a URL with a slash too many', { url: 'http:///a.example.com/x' }, 'GET http://a.example.com'],
    ['a URL with a tab in its host', { url: 'http://a\t.example.com/x' }, 'GET http://a.example.com'],
    ['a base URL behind a space', { baseURL: ' http://a.example.com', url: '/x' }, 'GET http://a.example.com'],
    ['a base URL with a slash too many', { baseURL: 'http:///a.example.com', url: '/x' }, 'GET http://a.example.com'],
    ['a URL behind a space is a path of its base URL', { baseURL: 'http://a', url: ' http://b/' }, 'GET http://a'],
  ])('the key tells %s', async (_what, request, key) => {
    expect(await keyOf({}, request)).toBe(key);
  });

  test('two sockets have two circuits by origin, too', async () => {
    const baseURL = 'http://localhost/v1';
    expect(await keyOf({ baseURL }, { socketPath: '/run/a.sock' }, byOrigin)).toBe('unix:/run/a.sock http://localhost');
    expect(await keyOf({ baseURL }, { socketPath: '/run/b.sock' }, byMethodAndOrigin)).toBe(
      'GET unix:/run/b.sock http://localhost',
    );
  });
});

describe('byOrigin', () => {
  test.each([
    ['https://user:secret@API.example.com:443/v1/?q=1', '/users', 'https://api.example.com'],
    ['https://api.example.com:8443/v1', '/users', 'https://api.example.com:8443'],
    ['https://api.example.com/v1', 'https://cdn.example.com/a', 'https://cdn.example.com'],
    [undefined, 'https://cdn.example.com/a', 'https://cdn.example.com'],
  ])('of base URL %s and URL %s is %s', async (baseURL, url, key) => {
    const defaults = baseURL === undefined ? {} : { baseURL };
    expect(await keyOf(defaults, { url }, byOrigin)).toBe(key);
    expect(await keyOf(defaults, { url, method: 'post' }, byOrigin)).toBe(key);
  });
});

describe('byMethodAndOrigin', () => {
  test('is the method in capitals and the origin, whatever the path of the base URL', async () => {
    const baseURL = 'https://api.example.com/v1';
    expect(await keyOf({ baseURL }, { url: '/users' }, byMethodAndOrigin)).toBe('GET https://api.example.com');
    expect(await keyOf({ baseURL }, { url: '/users', method: 'patch' }, byMethodAndOrigin)).toBe(
      'PATCH https://api.example.com',
    );
  });
});

describe('in a page', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  /** The key as a page at this address sees it; a fresh copy of the module each time, as after a page load. */
  async function keyInPage(href: string, defaults: CreateAxiosDefaults, request: AxiosRequestConfig, by?: 'byOrigin') {
    vi.resetModules();
    vi.stubGlobal('location', new URL(href));
    const page = await import('../../src/index.js');
    const api = axios.create({ ...defaults, adapter: answer });
    const { breakers } = page.attach(api, { key: by && page[by] });
    await api.request(request);
    return [...breakers].map(({ key }) => key).join();
  }

  test.each([
    ['an absolute path', '/api/', 'GET https://page.example/api'],
    ['a protocol-relative URL', '//CDN.example.com/api/', 'GET https://cdn.example.com/api'],
  ])('a base URL that is %s is resolved', async (_what, baseURL, key) => {
    expect(await keyInPage('https://page.example/app/index.html', { baseURL }, { url: '/users' })).toBe(key);
  });

  test("the page's origin stands in the place of a missing base URL, on whatever page", async () => {
    const keys = [
      await keyInPage('https://page.example/', {}, { url: '/api/users' }),
      await keyInPage('https://page.example/orders/42?tab=1', {}, { url: '/api/users' }),
    ];
    expect(keys).toEqual(['GET https://page.example', 'GET https://page.example']);
  });

  test("byOrigin takes the page's origin for a relative base URL", async () => {
    const href = 'https://page.example/orders/42';
    expect(await keyInPage(href, { baseURL: '/api' }, { url: '/users' }, 'byOrigin')).toBe('https://page.example');
  });
});
