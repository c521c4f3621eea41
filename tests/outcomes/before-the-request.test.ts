import { Agent } from 'node:http';
import { AxiosError, getAdapter } from 'axios';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { diagnose, failed } from '../../src/interceptors/outcome/diagnosis.js';
import { freePort, told } from './support.js';

const config = { headers: {} } as never;
const outcomeOf = (error: unknown, adapter?: unknown, request: object = config) =>
  diagnose(failed(error), request as never, adapter as never).outcome;

const wrapped = (error: Error, request?: object) => AxiosError.from(error, undefined, config, request);
const refusing = () => {
  throw new Error('no healthy upstream');
};
const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('an error without a code and without a request', () => {
  test.each([
    ['http', new TypeError('url.replace is not a function')],
    ['fetch', new RangeError('Invalid time value')],
    ['xhr', new Error('of a paramsSerializer')],
    [['xhr', 'http', 'fetch'], wrapped(new TypeError('PUT is unsupported in no-cors mode.'))],
    ['http', 'no error at all'],
    ['http', undefined],
  ])('of the adapter %j of axios was made before there was a request: neutral', (adapter, error) => {
    expect(outcomeOf(error, adapter)).toBe('neutral');
    expect(diagnose(failed(error), config, adapter as never).broken).toBeUndefined();
  });

  test.each([
    ['an adapter of the user', () => undefined],
    ['one of several adapters', ['http', () => undefined]],
    ['an adapter that was handed on', getAdapter('http')],
    ['an adapter that is not known', undefined],
  ])('of %s says nothing of the caller: failure', (_what, adapter) => {
    for (const message of ['fetch failed', 'Failed to fetch', 'Load failed', 'x is not a function'])
      expect(outcomeOf(new TypeError(message), adapter)).toBe('failure');
  });
});

describe('an error of an adapter of axios', () => {
  test.each(['fetch failed', 'terminated', 'Network connection lost.', 'Network request failed', 'Load failed'])(
    '%s with its request: failure',
    (message) => {
      expect(outcomeOf(wrapped(new TypeError(message), new Request('http://localhost')), 'fetch')).toBe('failure');
    },
  );

  test.each(['ERR_HTTP2_GOAWAY_SESSION', 'ERR_HTTP2_INVALID_SESSION'])(
    '%s, thrown before there is a stream: failure, surely not sent',
    (code) => {
      const error = Object.assign(new Error('The session is closing'), { code });
      expect(diagnose(failed(error), config, 'http')).toMatchObject({ outcome: 'failure', broken: true, unsent: true });
    },
  );

  test('an assertion of the client is no mistake of the caller, unless it says which: failure', () => {
    const assertion = (message: string) => Object.assign(new Error(message), { code: 'ERR_ASSERTION' });
    expect(outcomeOf(assertion('The expression evaluated to a falsy value'), 'http')).toBe('failure');
    expect(outcomeOf(assertion('protocol mismatch'), 'http')).toBe('neutral');
  });

  test('where fetch is of the user, or there is no `Request`, none is missed: failure', () => {
    const error = wrapped(new TypeError('terminated'));
    expect(outcomeOf(error, 'fetch', { headers: {}, env: { fetch } })).toBe('failure');
    expect(outcomeOf(new TypeError('terminated'), 'fetch', { headers: {}, env: { fetch } })).toBe('failure');
    expect(outcomeOf(error, 'fetch', { headers: {}, env: { Request: null } })).toBe('failure');
    expect(outcomeOf(error, 'fetch')).toBe('neutral');
    vi.stubGlobal('Request', undefined);
    expect(outcomeOf(error, 'fetch')).toBe('failure');
  });
});

describe('what chooses a host, or connects to it, may know of an outage', () => {
  const error = new TypeError("Cannot destructure property 'address' of 'undefined'");

  test('an error with a lookup or a transport of the user: failure', () => {
    expect(outcomeOf(error, 'http', { lookup: () => undefined })).toBe('failure');
    expect(outcomeOf(error, 'http', { transport: { request: () => undefined } })).toBe('failure');
  });

  test('one with something else in their place: neutral', () => {
    expect(outcomeOf(error, 'http', { lookup: 5 })).toBe('neutral');
    expect(outcomeOf(error, 'http', { transport: {} })).toBe('neutral');
  });

  test.each(['httpAgent', 'httpsAgent'])('one with an %s: failure, unless it is a mistake of code', (agent) => {
    expect(outcomeOf(new Error('no healthy upstream'), 'http', { [agent]: {} })).toBe('failure');
    expect(outcomeOf(error, 'http', { [agent]: {} })).toBe('neutral');
  });

  test.each<[string, object]>([
    ['an agent that has no host', { httpAgent: Object.assign(new Agent(), { createConnection: refusing }) }],
    [
      'a lookup that finds nothing',
      { lookup: (_h: string, _o: unknown, done: (...all: unknown[]) => void) => done(null, []) },
    ],
    ['a transport that has no host', { transport: { request: refusing } }],
  ])('%s: a failure that is retried', async (_what, request) => {
    expect(await told({ url: 'http://service.test/', adapter: 'http', ...request })).toMatchObject(TWICE);
  });
});

test.each(['NetworkError', 'TimeoutError', 'AbortError'])('a DOMException %s of `send`: failure', (name) => {
  expect(outcomeOf(new DOMException('blocked', name), 'xhr')).toBe(name === 'AbortError' ? 'neutral' : 'failure');
});

test.each([
  "'get stack' called on an object that does not implement interface DOMException.",
  'The DOMException.name getter can only be used on instances of DOMException',
  'Illegal invocation',
])('older versions of axios that cannot copy an error of fetch (%s): failure', (message) => {
  expect(outcomeOf(new TypeError(message), 'fetch')).toBe('failure');
});

test.each([
  ['blocked', 'neutral'],
  ['Unsupported protocol ftp:', 'failure'],
])('a redirect that failed with "%s": %s', (why, outcome) => {
  const error = new AxiosError(`Redirected request failed: ${why}`, 'ERR_FR_REDIRECTION_FAILURE', config, {});
  expect(outcomeOf(error, 'http')).toBe(outcome);
});

test.each<[string, object]>([
  ['that breaks', { env: { fetch: () => Promise.reject(new Error('offline')) } }],
  ['without `Request`', { env: { fetch: () => Promise.reject(new Error('offline')), Request: null, Response: null } }],
])('a fetch of the user %s: a failure that is retried', async (_what, request) => {
  expect(await told({ url: 'http://service.test/', adapter: 'fetch', ...request })).toMatchObject(TWICE);
});

test.each(['http', 'fetch'])('the %s adapter: a refused connection is a failure that is retried', async (adapter) => {
  const url = `http://127.0.0.1:${await freePort()}/`;
  expect(await told({ url, adapter })).toEqual({ ...TWICE, codes: ['ECONNREFUSED', 'ECONNREFUSED'] });
});

test('a mistake is not repeated, unless `shouldRetry` asks for it', async () => {
  const mistake = { url: 'http://service.test/', params: { a: Symbol('x') }, adapter: 'fetch' };
  expect(await told(mistake)).toEqual({ outcomes: ['neutral'], stopped: 'not-retryable', codes: [undefined] });
  expect(await told(mistake, { retry: { retries: 1, backoff: () => 0, shouldRetry: () => true } })).toMatchObject({
    outcomes: ['neutral', 'neutral'],
    stopped: 'exhausted',
  });
});

describe('a timeout that no timer holds is over at once, and says nothing', () => {
  test.each([
    'timeout of -1ms exceeded',
    'timeout -1 of ms exceeded',
    'timeout of 3000000000ms exceeded',
    'timeout of Infinityms exceeded',
  ])('%s: neutral', (message) => {
    expect(outcomeOf(new AxiosError(message, 'ETIMEDOUT', config, {}), 'fetch')).toBe('neutral');
  });

  test.each([
    'timeout of 1ms exceeded',
    'timeout of 999999999ms exceeded',
    'timeout exceeded',
    'timeout 500 of ms',
    'timeout - the service did not answer',
  ])('%s: failure', (message) => {
    expect(outcomeOf(new AxiosError(message, 'ETIMEDOUT', config, {}), 'fetch')).toBe('failure');
  });
});

test('a redirect to a file, which fetch does not follow, is what the server says: failure', () => {
  const cause = new Error('URL scheme must be a HTTP(S) scheme');
  const error = Object.assign(new AxiosError('Network Error', 'ERR_NETWORK', config, {}), { cause });
  expect(outcomeOf(error, 'fetch')).toBe('failure');
});
