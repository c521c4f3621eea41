import type { InternalAxiosRequestConfig } from 'axios';
import { describe, expect, test } from 'vitest';
import {
  attach,
  BreakerRegistry,
  byMethodAndOrigin,
  byOrigin,
  logSink,
  type ResilienceEvent,
  reportOf,
} from '../../src/index.js';
import { byMethodAndBaseUrl, urlWithoutSecrets } from '../../src/interceptors/call/key.js';
import { diagnose, failed } from '../../src/interceptors/outcome/diagnosis.js';
import { quotaOf } from '../../src/limiter/limits/quota.js';
import { limitedReason } from '../../src/limiter/reason.js';
import { isTimeoutError } from '../../src/out-of-time.js';
import { prometheusSink } from '../../src/prometheus/prometheus.js';
import { pathWithoutCredentials, withoutCredentials, withoutSecrets } from '../../src/redaction.js';
import { keysOf } from '../../src/redis/names.js';
import { readHeader, retryAfterMs, serverDelay } from '../../src/retry-after.js';
import { options, unexpected } from '../../src/validation.js';

const MEGABYTE = 1_000_000;
const fill = (part: string, end = ''): string => part.repeat(MEGABYTE / part.length) + end;

/** Each is the worst for some pattern that goes back and tries again. */
const KINDS: Readonly<Record<string, string>> = {
  'authorities without an end': fill('://'),
  'authorities with a bad port': fill('//a:b'),
  'protocol-relative URLs': fill('//a'),
  'inner slashes': `http://h${fill('/', 'x')}`,
  'inner backslashes': `http:\\h${fill('\\', 'x')}`,
  'at signs': fill('@', '/'),
  'at signs in a path': `http://h/${fill('a@/')}`,
  'encoded at signs': `http://h/${fill('%25', '40')}`,
  colons: fill(':', '@'),
  commas: fill(','),
  'quotas without an end': fill('remaining =', 'x'),
  'marks of queries': fill('?', '#'),
  'pairs of a query': fill('&a=b'),
  'names of a query': fill('&a'),
  'parameters of a path': `http://h/${fill(';a')}`,
  quotes: fill('"\''),
  brackets: fill('[', ']'),
  'names of secrets': fill('token '),
  'names of secrets that go on': fill('authorization'),
  'schemes of authentication': fill('bearer '),
  'the beginnings of tokens': fill('eyJ'),
  spaces: fill(' ', 'x'),
  'spaces after a name': `password${fill(' ', 'x')}`,
  'tabs and line breaks': fill('\t\r\n', 'x'),
  digits: fill('1', 'x'),
  'digits with a point': fill('1', '.x'),
  letters: fill('a', '!'),
  'a date without an end': `Mon${fill(' 00:00', 'x')}`,
  'time zones': `Mon, 01 Jan 2026 00:00:00${fill(' GMT', 'x')}`,
  punctuation: fill('!', ':x'),
  'dots and schemes': fill('a.', ':'),
  'control characters': fill('\u0000', 'x'),
  surrogates: fill('\ud800'),
  'half a megabyte of keys in braces': fill('{"a":'),
};

const config = (fields: Partial<InternalAxiosRequestConfig>) => ({ method: 'get', ...fields }) as never;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const log = logSink(silent);
const base = { key: 'GET http://h', at: 1 };
const shown = options({ known: () => undefined });

const ignoringErrors = (run: () => unknown) => {
  try {
    run();
  } catch {
    // A refusal is an answer, too.
  }
};

/** Everything that takes text from outside: from the upstream, from the store, or from options. */
const FUNCTIONS: Readonly<Record<string, (text: string) => unknown>> = {
  'the default key, of a base URL': (text) => byMethodAndBaseUrl(config({ baseURL: text })),
  'the default key, of a URL': (text) => byMethodAndBaseUrl(config({ url: text })),
  'the default key, of the URL behind a base URL': (text) =>
    byMethodAndBaseUrl(config({ baseURL: 'http://h', url: text })),
  'the default key, of a method': (text) => byMethodAndBaseUrl(config({ method: text, baseURL: 'http://h' })),
  'the default key, of a socket': (text) => byMethodAndBaseUrl(config({ socketPath: text })),
  byOrigin: (text) => byOrigin(config({ baseURL: text })),
  'byOrigin, of a URL': (text) => byOrigin(config({ url: text })),
  byMethodAndOrigin: (text) => byMethodAndOrigin(config({ baseURL: text })),
  'the URL of an event': (text) => urlWithoutSecrets(config({ url: text })),
  'the URL of an event behind a base URL': (text) => urlWithoutSecrets(config({ baseURL: text, url: text })),
  'the log of the error of a listener': (text) =>
    log.record({ ...base, type: 'callbackError', source: 'x', error: new Error(text) }),
  'the log of the error of a store': (text) => log.record({ ...base, type: 'store', status: 'degraded', error: text }),
  'the log of a key': (text) =>
    log.record({
      ...base,
      key: text,
      type: 'call',
      attempts: 0,
      stopped: 'circuit-open',
      elapsedMs: 0,
      fallback: true,
    }),
  'the log of a retry': (text) =>
    log.record({ ...base, type: 'retry', attempt: 1, delayMs: 1, reason: text, method: text, url: text }),
  withoutSecrets: withoutSecrets,
  'withoutCredentials, of what a line takes': (text) => withoutCredentials(text.slice(0, 2_000)),
  pathWithoutCredentials,
  'Retry-After': (text) => retryAfterMs((name) => (name === 'retry-after' ? text : undefined)),
  'retry-after-ms': (text) => retryAfterMs((name) => (name === 'retry-after-ms' ? text : undefined)),
  'Retry-After against Date': (text) => retryAfterMs(() => text),
  'a header': (text) => readHeader({ [text]: text }, text),
  'the delay of a response': (text) => serverDelay({ response: { headers: { 'Retry-After': text } } }),
  'an error of the adapter': (text) =>
    diagnose(failed({ message: text, code: text, cause: { message: text, code: text } }), config({})),
  'an error that holds many': (text) =>
    diagnose(failed({ errors: Array.from(text.slice(0, 10_000), (code) => ({ code })) }), config({})),
  'a report': (text) => reportOf({ config: { resilienceState: { key: text, history: text, delaysMs: text } } }),
  RateLimit: (text) => quotaOf((name) => (name === 'ratelimit' ? text : undefined)),
  'X-RateLimit-Remaining and -Reset': (text) => quotaOf((name) => (name === 'ratelimit' ? undefined : text)),
  'the reason of a limiter': (text) => limitedReason(text, isTimeoutError({ code: text, name: text })),
  "the names of the store's keys": (text) => keysOf('prefix', text),
  'a value that is not what was expected': (text) => unexpected('path', 'a number', [text, [text, [text]]]),
  'the name of an unknown option': (text) => shown({ [text]: 1 }, ''),
  'an option of attach': (text) => attach(undefined as never, { [text]: text }),
  'a snapshot': (text) => new BreakerRegistry().restore(text as never),
  'the prefix of metrics': (text) =>
    prometheusSink({ Counter() {}, Gauge() {}, register: {} } as never, { prefix: text }),
};

/** CPU time of this process in ms, the best of a few: what a loaded machine or a collection adds is no fault of the function. */
function cpuMs(run: () => void, enough: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5 && best >= enough; round++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1_000);
  }
  return best;
}

const MOST_MS = 50;

describe.each(Object.keys(FUNCTIONS))('%s', (name) => {
  test.each(Object.keys(KINDS))('takes less than 50 ms of CPU for 1 MB of %s', (kind) => {
    const take = FUNCTIONS[name] as (text: string) => unknown;
    const text = KINDS[kind] as string;
    expect(text.length).toBeGreaterThan(0.9 * MEGABYTE);
    expect(cpuMs(() => ignoringErrors(() => take(text)), MOST_MS)).toBeLessThan(MOST_MS);
  });
});

test('a list of options of a megabyte is refused within 50 ms of CPU', () => {
  const statuses = new Array<number>(MEGABYTE / 2).fill(42);
  const refuse = () =>
    attach({ interceptors: { request: [], response: [] }, request() {} } as never, {
      retry: { statusCodes: statuses },
    });
  expect(cpuMs(() => ignoringErrors(refuse), MOST_MS)).toBeLessThan(MOST_MS);
});

test('2,000 made-up methods on one base URL take less than 50 ms of CPU', () => {
  const run = () => {
    for (let index = 0; index < 2_000; index++) {
      byMethodAndBaseUrl(config({ method: `m${index}`, baseURL: 'http://methods.example.com' }));
    }
  };
  expect(cpuMs(run, MOST_MS)).toBeLessThan(MOST_MS);
});

test('a line of the log is no longer than 5,000 characters, whatever an error says', () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const sink = logSink({ info: write, warn: write, error: write });
  for (const text of Object.values(KINDS)) {
    const event: ResilienceEvent = { ...base, type: 'callbackError', source: 'x', error: new Error(text) };
    sink.record(event);
  }
  expect(lines).toHaveLength(Object.keys(KINDS).length);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(5_000);
});
