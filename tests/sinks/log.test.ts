import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import axios, { AxiosError, AxiosHeaders } from 'axios';
import pino from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import winston from 'winston';
import { attach, BreakerRegistry, logSink, type ResilienceEvent } from '../../src/index.js';
import type { Logger, LogLevel } from '../../src/sinks/log.js';
import { CLASSIC } from '../support/classic.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

const KEY = 'GET https://api.example.com';
const base = { key: KEY, at: 1 };

/** The lines that a logger is given, each with its level. */
function createLog() {
  const lines: string[] = [];
  const write = (level: string) => (message: string) => {
    lines.push(`${level} ${message}`);
  };
  const logger: Logger = { info: write('info'), warn: write('warn'), error: write('error') };
  return { lines, logger, sink: logSink(logger) };
}

test.each<[string, ResilienceEvent, string]>([
  [
    'a retry as a warning',
    {
      ...base,
      type: 'retry',
      attempt: 1,
      delayMs: 99.7,
      reason: '503',
      method: 'GET',
      url: 'https://api.example.com/users',
    },
    'warn [axios-resilience] GET https://api.example.com/users: attempt 1 failed (503), next in 100 ms',
  ],
  [
    'the end of a call without success as a warning',
    { ...base, type: 'call', attempts: 4, stopped: 'exhausted', elapsedMs: 1234.5, fallback: false },
    `warn [axios-resilience] ${KEY}: gave up after 4 attempts in 1235 ms (exhausted)`,
  ],
  [
    'the end of a call that was cancelled as information',
    { ...base, type: 'call', attempts: 1, stopped: 'aborted', elapsedMs: 5, fallback: false },
    `info [axios-resilience] ${KEY}: gave up after 1 attempt in 5 ms (aborted)`,
  ],
  [
    'the status that a call ended with',
    {
      ...base,
      type: 'call',
      attempts: 2,
      stopped: 'exhausted',
      outcome: 'failure',
      elapsedMs: 5,
      fallback: false,
      error: { code: 'ERR_BAD_RESPONSE', response: { status: 503 } as never },
    },
    `warn [axios-resilience] ${KEY}: gave up after 2 attempts in 5 ms (exhausted: 503)`,
  ],
  [
    'the code where no answer came',
    {
      ...base,
      type: 'call',
      attempts: 1,
      stopped: 'method',
      outcome: 'failure',
      elapsedMs: 5,
      fallback: false,
      error: { code: 'ECONNRESET' },
    },
    `warn [axios-resilience] ${KEY}: gave up after 1 attempt in 5 ms (method: ECONNRESET)`,
  ],
  [
    'a text with line breaks on one line',
    {
      ...base,
      key: 'my\r\nkey\u001b[31m',
      type: 'callbackError',
      source: 'listener',
      error: new Error('a\n\tb\u2028c'),
    },
    'error [axios-resilience] my key [31m: listener threw Error: a b c',
  ],
  [
    'an opening as an error',
    { ...base, type: 'stateChange', from: 'closed', to: 'open', reason: 'threshold', failures: 5, cooldownMs: 10_000 },
    `error [axios-resilience] ${KEY}: circuit closed -> open (threshold, failures: 5)`,
  ],
  [
    'a recovery as information',
    {
      ...base,
      type: 'stateChange',
      from: 'half-open',
      to: 'closed',
      reason: 'probe-succeeded',
      failures: 0,
      cooldownMs: 0,
    },
    `info [axios-resilience] ${KEY}: circuit half-open -> closed (probe-succeeded, failures: 0)`,
  ],
  [
    'an answer by fallback as information',
    { ...base, type: 'call', attempts: 0, stopped: 'circuit-open', elapsedMs: 5, fallback: true },
    `info [axios-resilience] ${KEY}: answered by fallback (circuit-open)`,
  ],
  [
    'a broken listener as an error',
    { ...base, type: 'callbackError', source: 'listener', error: new Error('broken') },
    `error [axios-resilience] ${KEY}: listener threw Error: broken`,
  ],
  [
    'a store that does not answer as an error',
    { type: 'store', status: 'degraded', key: null, at: 1, error: new Error('connect ECONNREFUSED') },
    'error [axios-resilience] the store of shared circuits does not answer: Error: connect ECONNREFUSED',
  ],
  [
    'a store that answers again as information',
    { type: 'store', status: 'recovered', key: null, at: 1, degradedMs: 1234.5 },
    'info [axios-resilience] the store of shared circuits answers again after 1235 ms',
  ],
])('logs %s', (_what, event, line) => {
  const { lines, sink } = createLog();
  sink.record(event);
  expect(lines).toEqual([line]);
});

test.each<ResilienceEvent>([
  {
    ...base,
    type: 'attempt',
    attempt: 1,
    outcome: 'success',
    status: 200,
    code: undefined,
    durationMs: 5,
    guarded: true,
  },
  { ...base, type: 'rejected', by: 'circuit', retryAfterMs: 10 },
  { ...base, type: 'wouldReject', retryAfterMs: 10 },
  { ...base, type: 'late', outcome: 'failure' },
  { ...base, type: 'call', attempts: 1, stopped: 'success', elapsedMs: 5, fallback: false },
  { ...base, type: 'call', attempts: 1, stopped: 'not-retryable', outcome: 'success', elapsedMs: 5, fallback: false },
  { ...base, type: 'call', attempts: 1, stopped: 'disabled', outcome: 'success', elapsedMs: 5, fallback: false },
  { ...base, type: 'breakerAdded', state: 'closed' },
  { ...base, type: 'breakerRemoved', state: 'closed' },
  { ...base, type: 'store', status: 'dropped', outcomes: 3 },
  { ...base, type: 'store', status: 'resync', circuits: 3 },
])('logs nothing for $type', (event) => {
  const { lines, sink } = createLog();
  sink.record(event);
  expect(lines).toEqual([]);
});

test('attached, it logs an outage line by line, without query strings and header values', async () => {
  server = await startServer(503);
  const { host } = new URL(server.url);
  const { lines, sink } = createLog();
  const api = axios.create({ baseURL: `http://user:password@${host}` });
  attach(api, { retry: { retries: 1, backoff: () => 1 }, breaker: CLASSIC, sinks: [sink] });
  for (let i = 0; i < 3; i++) {
    await api.get('/users?token=secret', { headers: { Authorization: 'Bearer secret' } }).catch(() => undefined);
  }
  const url = server.url;
  expect(lines.map((line) => line.replace(/in \d+ ms/, 'in n ms'))).toEqual([
    `warn [axios-resilience] GET ${url}/users: attempt 1 failed (503), next in n ms`,
    `warn [axios-resilience] GET ${url}: gave up after 2 attempts in n ms (exhausted: 503)`,
    `warn [axios-resilience] GET ${url}/users: attempt 1 failed (503), next in n ms`,
    `warn [axios-resilience] GET ${url}: gave up after 2 attempts in n ms (exhausted: 503)`,
    `error [axios-resilience] GET ${url}: circuit closed -> open (threshold, failures: 5)`,
    `warn [axios-resilience] GET ${url}: gave up after 1 attempt in n ms (circuit-open: 503)`,
  ]);
  expect(lines.join()).not.toMatch(/secret|password/);
});

test('logs nothing for a 404, and a warning where it was to be repeated', async () => {
  server = await startServer(404);
  const { lines, sink } = createLog();
  const api = axios.create({ baseURL: server.url });
  attach(api, { retry: { retries: 1, backoff: 0 }, sinks: [sink] });
  await api.get('/users').catch(() => undefined);
  expect(lines).toEqual([]);
  const shouldRetry = () => true;
  await api.get('/users', { resilience: { retry: { shouldRetry } } }).catch(() => undefined);
  expect(lines.at(-1)).toMatch(/gave up after 2 attempts in \d+ ms \(exhausted: 404\)$/);
});

test('calls the methods on the logger, so that those which need their `this` work', () => {
  class CountingLogger implements Logger {
    count = 0;
    info(): void {
      this.count++;
    }
    warn(): void {
      this.count++;
    }
    error(): void {
      this.count++;
    }
  }
  const logger = new CountingLogger();
  const sink = logSink(logger);
  sink.record({ ...base, type: 'call', attempts: 0, stopped: 'circuit-open', elapsedMs: 5, fallback: true });
  sink.record({ ...base, type: 'call', attempts: 1, stopped: 'disabled', elapsedMs: 1, fallback: false });
  sink.record({ ...base, type: 'callbackError', source: 'listener', error: 'x' });
  expect(logger.count).toBe(3);
});

test('a logger that throws fails no call', async () => {
  server = await startServer(503, 200);
  const broken = vi.fn(() => {
    throw new Error('disk full');
  });
  const api = axios.create({ baseURL: server.url });
  attach(api, {
    retry: { backoff: () => 1 },
    sinks: [logSink({ info: broken, warn: broken, error: broken })],
  });
  await expect(api.get('/')).resolves.toMatchObject({ status: 200 });
  expect(broken).toHaveBeenCalled();
});

const RETRY: ResilienceEvent = {
  ...base,
  type: 'retry',
  attempt: 1,
  delayMs: 99.7,
  reason: '503',
  method: 'GET',
  url: 'https://api.example.com/users',
};
const OPENED: ResilienceEvent = {
  ...base,
  type: 'stateChange',
  from: 'closed',
  to: 'open',
  reason: 'threshold',
  failures: 5,
  cooldownMs: 10_000,
};
const RETRY_TEXT = '[axios-resilience] GET https://api.example.com/users: attempt 1 failed (503), next in 100 ms';

test.each<[LogLevel | undefined, string[]]>([
  [undefined, ['info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
])('from level %s on it writes %j', (level, written) => {
  const { lines, logger } = createLog();
  const sink = logSink(logger, { level });
  for (const event of [
    { ...base, type: 'call', attempts: 0, stopped: 'budget', elapsedMs: 5, fallback: true } as const,
    RETRY,
    OPENED,
  ])
    sink.record(event);
  expect(lines.map((line) => line.split(' ')[0])).toEqual(written);
});

test.each<[string, unknown, unknown, string]>([
  ['no logger', undefined, {}, 'Expected `logSink(logger)` to be a logger with methods info, warn and error'],
  ['a logger without warn', { info() {}, error() {} }, {}, 'Expected `logSink(logger)` to be a logger'],
  ['a level that there is not', console, { level: 'trace' }, '.level` to be "info" or "warn" or "error", got "trace"'],
  ['an unknown option', console, { levels: [] }, 'did you mean `level`?'],
])('%s is refused', (_what, logger, options, message) => {
  expect(() => logSink(logger as never, options as never)).toThrow(message);
});

/** Collects what is written, one JSON object a line. */
function jsonLines() {
  const written: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().trim().split('\n')) written.push(JSON.parse(line) as Record<string, unknown>);
      done();
    },
  });
  return { written, stream };
}

const FIELDS = {
  event: 'retry',
  key: KEY,
  attempt: 1,
  delayMs: 99.7,
  reason: '503',
  method: 'GET',
  url: 'https://api.example.com/users',
};

test('pino writes the fields of the event beside the text, at its level', () => {
  const { written, stream } = jsonLines();
  const sink = logSink(pino({ base: null, timestamp: false }, stream));
  sink.record(RETRY);
  sink.record(OPENED);
  expect(written).toEqual([
    { level: 40, ...FIELDS, msg: RETRY_TEXT },
    expect.objectContaining({ level: 50, event: 'stateChange', from: 'closed', to: 'open', failures: 5 }),
  ]);
});

test('a child logger of pino keeps its bindings', () => {
  const { written, stream } = jsonLines();
  logSink(pino({ base: null, timestamp: false }, stream).child({ module: 'orders' })).record(RETRY);
  expect(written).toEqual([{ level: 40, module: 'orders', ...FIELDS, msg: RETRY_TEXT }]);
});

test('winston writes the fields of the event beside the text, at its level', async () => {
  const { written, stream } = jsonLines();
  const transport = new winston.transports.Stream({ stream }) as unknown as winston.transport;
  const logger = winston.createLogger({ transports: [transport] });
  const sink = logSink(logger);
  sink.record(RETRY);
  sink.record(OPENED);
  await vi.waitFor(() => expect(written).toHaveLength(2));
  expect(written).toEqual([
    { level: 'warn', ...FIELDS, message: RETRY_TEXT },
    expect.objectContaining({ level: 'error', event: 'stateChange', from: 'closed', to: 'open', failures: 5 }),
  ]);
});

test('options of null are refused', () => {
  expect(() => logSink(console, null as never)).toThrow('Expected `logSink(options)` to be');
});

test('on a console each event is one line of text', () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  logSink(console).record(RETRY);
  expect(warn.mock.calls).toEqual([[RETRY_TEXT]]);
  warn.mockRestore();
});

test('the error of a listener is logged by name and message: an object of it would show headers, a URL its query', () => {
  const { written, stream } = jsonLines();
  const headers = new AxiosHeaders({ Authorization: 'Bearer secret' });
  const message = 'GET https://user:secret@api.example.com/a/b?token=secret#secret failed, see http://localhost/help';
  const error = new AxiosError(message, 'ERR_BAD_RESPONSE', { headers });
  logSink(pino({ base: null, timestamp: false }, stream)).record({
    ...base,
    type: 'callbackError',
    source: 'sink',
    error,
  });
  const shown = 'AxiosError: GET https://api.example.com/a/b failed, see http://localhost/help';
  expect(written).toEqual([
    {
      level: 50,
      event: 'callbackError',
      key: KEY,
      source: 'sink',
      error: shown,
      msg: `[axios-resilience] ${KEY}: sink threw ${shown}`,
    },
  ]);
  expect(inspect(written)).not.toContain('secret');
});

test.each<[string, string]>([
  ['GET /users?token=secret failed', 'GET /users failed'],
  ['no answer from users/42?a=1&token=secret#secret', 'no answer from users/42'],
  ['redirected to //user:secret@api.example.com/a?token=secret', 'redirected to //api.example.com/a'],
  ['connect to redis://:secret@or@secret@cache:6379/0', 'connect to redis://cache:6379/0'],
  ['https://user:se@secret@api.example.com/a/@b failed', 'https://api.example.com/a/@b failed'],
  [
    'Headers.append: "Bearer secret" is an invalid header value.',
    'Headers.append: "Bearer ***" is an invalid header value.',
  ],
  ['sent Authorization: Digest secret="1", secret', 'sent Authorization: ***'],
  ['sent {"x-api-key":"secret","cookie":"secret"}', 'sent {"x-api-key":***'],
  ['is /a/b there? yes', 'is /a/b there? yes'],
])('of the error %j it writes %j', (message, shown) => {
  const { lines, sink } = createLog();
  sink.record({ type: 'store', status: 'degraded', key: null, at: 1, error: new Error(message) });
  expect(lines).toEqual([`error [axios-resilience] the store of shared circuits does not answer: Error: ${shown}`]);
});

test('a logger given to both instances of a shared registry has one line for each of its transitions', () => {
  const { lines, sink } = createLog();
  const registry = new BreakerRegistry();
  for (let count = 0; count < 2; count++) attach(axios.create(), { breaker: registry, sinks: [sink] });
  registry.ensure(KEY).trip();
  expect(lines).toEqual([`error [axios-resilience] ${KEY}: circuit closed -> open (manual, failures: 0)`]);
});

const SECRET = new Error('cannot reach redis://user:zqsecret@cache:6379');

test.each<[string, ResilienceEvent]>([
  ['a store that does not answer', { type: 'store', status: 'degraded', key: null, at: 1, error: SECRET }],
  ['messages that do not arrive', { type: 'store', status: 'unsubscribed', key: null, at: 1, error: SECRET }],
  ['a callback that threw', { type: 'callbackError', source: 'sink', key: null, at: 1, error: SECRET }],
])('neither the line nor the fields of %s have a secret of the error', (_what, event) => {
  const written: unknown[] = [];
  logSink(pino({ level: 'trace' }, { write: (line: string) => void written.push(line) })).record(event);
  expect(written).toHaveLength(1);
  expect(String(written)).toContain('cannot reach');
  expect(String(written)).not.toContain('zqsecret');
});
