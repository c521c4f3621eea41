import axios, { AxiosError, type InternalAxiosRequestConfig } from 'axios';
import fc from 'fast-check';
import pino from 'pino';
import * as promClient from 'prom-client';
import { describe, expect, test } from 'vitest';
import {
  attach,
  BreakerRegistry,
  byMethodAndOrigin,
  byOrigin,
  type CircuitOpenError,
  concurrencyLimit,
  consecutiveFailures,
  isRejectedError,
  logSink,
  memorySink,
  reportOf,
} from '../../src/index.js';
import { byMethodAndBaseUrl, urlWithoutSecrets } from '../../src/interceptors/call/key.js';
import { spanEventOf } from '../../src/opentelemetry/span-events.js';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { redisStore } from '../../src/redis/index.js';
import { keysOf } from '../../src/redis/names.js';
import { type UrlWithSecret, urlWithSecret } from './generators.js';

const config = (fields: Partial<InternalAxiosRequestConfig>) => ({ method: 'get', ...fields }) as never;
const keyOf = (baseURL: string) => byMethodAndBaseUrl(config({ baseURL }));
const urlOf = (fields: Partial<InternalAxiosRequestConfig>) => urlWithoutSecrets(config(fields));

describe('a base URL of which the password was not escaped', () => {
  test.each([
    ['a slash', 'https://user:pa/ss@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['a question mark', 'https://user:pa?ss@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['a hash', 'https://user:pa#ss@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['a backslash', 'https://user:pa\\ss@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['a slash at its beginning', 'https://user:/pass@api.example.com/v1', 'GET https://api.example.com/v1'],
    ['a slash at its end', 'https://user:pass/@api.example.com/v1', 'GET https://api.example.com/v1'],
    [
      'digits and a slash: the user is the host, for axios too',
      'https://user:12/ss@h/v1',
      'GET https://user:12/***/h/v1',
    ],
    ['an at sign', 'https://user:pa@ss@api.example.com/v1', 'GET https://api.example.com/v1'],
  ])('has no part of it in the key: %s', (_what, baseURL, key) => {
    expect(keyOf(baseURL)).toBe(key);
  });
});

describe('a malformed URL that older versions of axios send', () => {
  test.each([
    'http:/user:pass@h',
    'http:user:pass@h',
    'http:\\\\user:pass@h',
    'http:\\user:pass@h',
    'http:///user:pass@h',
  ])('%s has the key of its host and no credentials', (url) => {
    expect(byMethodAndBaseUrl(config({ url }))).toBe('GET http://h');
    expect(byOrigin(config({ url }))).toBe('http://h');
    expect(keyOf(url)).toBe('GET http://h');
    expect(urlOf({ url })).toBe('http://h/');
  });

  test('behind a base URL it is a path of that', () => {
    const request = { baseURL: 'https://api.example.com', url: 'http:/user:pass@h/v1' };
    expect(byMethodAndBaseUrl(config(request))).toBe('GET https://api.example.com');
    expect(urlOf(request)).toBe('https://api.example.com/***/h/v1');
  });

  test('without a scheme it has the text behind the credentials', () => {
    expect(keyOf('user:pass@api.example.com/v1')).toBe('GET api.example.com/v1');
  });
});

test.each([
  ['in clear', 'https://proxy.example.com/https://user:pass@h/v1', 'GET https://proxy.example.com/***/h/v1'],
  ['encoded', 'https://proxy.example.com/https%3A%2F%2Fuser%3Apass%40h', 'GET https://proxy.example.com/***/h'],
  [
    'encoded twice',
    'https://proxy.example.com/https%253A%252F%252Fuser%253Apass%2540h',
    'GET https://proxy.example.com/***/h',
  ],
])('a URL in the path of a base URL has its credentials hidden (%s)', (_how, baseURL, key) => {
  expect(keyOf(baseURL)).toBe(key);
});

test.each([
  ['a scope of npm', 'https://registry.example.com/@scope/pkg', 'GET https://registry.example.com/@scope/pkg'],
  ['a port and a scope', 'https://registry.example.com:8443/@scope', 'GET https://registry.example.com:8443/@scope'],
  ['a session in a parameter of the path', 'https://h/v1;jsessionid=secret/a', 'GET https://h/v1/a'],
])('of the path of a base URL the key shows %s', (_what, baseURL, key) => {
  expect(keyOf(baseURL)).toBe(key);
});

test('the content of a data URL is in neither key nor event', () => {
  const url = `data:text/plain,${'secret'.repeat(1_000)}`;
  expect([byMethodAndBaseUrl(config({ url })), urlOf({ url })]).toEqual(['GET data:', 'data:']);
});

test.each([
  ['logSink', () => logSink('redis://user:pass/word@h:6379' as never)],
  ['redisStore', () => redisStore('redis://:pa?ssword@h:6379' as never)],
  ['an option', () => attach(axios.create(), { breaker: 'https://user:password@h' as never })],
  ['the name of an option', () => attach(axios.create(), { 'https://user:password@h': 1 } as never)],
])('an address that %s is given in the place of a client is not quoted with its password', (_what, act) => {
  expect(act).toThrow(/@|h:6379|h"|h`/);
  expect(act).not.toThrow(/pass|word/);
});

test('an option whose value holds itself is refused like any other', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const message = 'Expected `retry.statusCodes[0]` to be a status or a range [from, to], got [[a list]]';
  expect(() => attach(axios.create(), { retry: { statusCodes: [cyclic] as never } })).toThrow(new TypeError(message));
});

test('a long value is quoted up to its tenth item', () => {
  const act = () => attach(axios.create(), { retry: { retries: Array(1_000).fill(1) as never } });
  expect(act).toThrow('got [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, …]');
});

/** Everything that an attached instance tells others of calls that fail until the circuit opens, and of one that is rejected. */
async function everythingShown({ url }: UrlWithSecret, place: 'baseURL' | 'url'): Promise<string> {
  const lines: unknown[] = [];
  const write = (...line: unknown[]) => void lines.push(line);
  const spans: unknown[] = [];
  const memory = memorySink();
  const register = new promClient.Registry();
  const registry = new BreakerRegistry({ detector: consecutiveFailures(5), cooldownMs: 60_000 });
  const adapter = (sent: InternalAxiosRequestConfig) =>
    Promise.reject(new AxiosError(`no answer from ${sent.baseURL ?? ''}`, 'ECONNRESET', sent));
  const api = axios.create({ adapter });
  const resilience = attach(api, {
    breaker: registry,
    limiter: concurrencyLimit(10),
    retry: { backoff: () => 0 },
    sinks: [
      memory,
      prometheusSink(promClient, { register }),
      logSink({ info: write, warn: write, error: write }),
      logSink(pino({ level: 'trace' }, { write })),
      (event) => void spans.push(spanEventOf(event)),
      {
        record(event) {
          if (event.type === 'call') throw new Error(`cannot record ${url}`);
        },
      },
    ],
  });
  for (let calls = 0; calls < 3; calls++) await api.get('/users', { [place]: url }).catch(() => undefined);
  const keys = Array.from(resilience.breakers, ({ key }) => key);
  expect(Array.from(resilience.breakers, ({ state }) => state)).toEqual(['open']);
  const end: unknown = await api.get('/users', { [place]: url }).catch((error: unknown) => error);
  expect(isRejectedError(end)).toBe(true);
  const { key, message, headers } = end as CircuitOpenError;
  const events = memory.events.map((event) => ('error' in event ? { ...event, error: undefined } : event));
  const told = [
    [lines, events, memory.summary(), registry.snapshot(), resilience.limiters, keys],
    [key, message, headers, reportOf(end), spans, keys.map((name) => keysOf('prefix', name))],
  ];
  return JSON.stringify(told) + (await register.metrics());
}

test.each(['baseURL', 'url'] as const)(
  'no secret of a %s is in any event, log, metric, snapshot or name',
  async (place) => {
    const property = fc.asyncProperty(urlWithSecret, async (given) => {
      const shown = await everythingShown(given, place);
      expect(given.fragments.filter((fragment) => shown.includes(fragment))).toEqual([]);
    });
    await fc.assert(property, { numRuns: 150 });
  },
);

test('keys by origin hold no secret either', () => {
  const property = fc.property(urlWithSecret, ({ url, fragments }) => {
    const shown = [byOrigin, byMethodAndOrigin]
      .flatMap((by) => [by(config({ baseURL: url })), by(config({ url }))])
      .join();
    expect(fragments.filter((fragment) => shown.includes(fragment))).toEqual([]);
  });
  fc.assert(property, { numRuns: 2_000 });
});
