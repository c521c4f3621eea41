import axios from 'axios';
import { afterEach, expect, test, vi } from 'vitest';
import { attach, type Logger, logSink, type ResilienceEvent } from '../../src/index.js';
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
  return { lines, sink: logSink(logger) };
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
    { ...base, type: 'giveUp', attempts: 4, stopped: 'exhausted', elapsedMs: 1234.5 },
    `warn [axios-resilience] ${KEY}: gave up after 4 attempts in 1235 ms (exhausted)`,
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
    { ...base, type: 'fallback', cause: 'circuit-open' },
    `info [axios-resilience] ${KEY}: answered by fallback (circuit-open)`,
  ],
  [
    'a broken listener as an error',
    { ...base, type: 'listenerError', source: 'listener', error: new Error('broken') },
    `error [axios-resilience] ${KEY}: listener threw Error: broken`,
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
  },
  { ...base, type: 'rejected', retryAfterMs: 10, observed: false },
  { ...base, type: 'late', outcome: 'failure' },
  { ...base, type: 'evicted', state: 'closed' },
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
  attach(api, { retry: { retries: 1, backoff: () => 1 }, sinks: [sink] });
  for (let i = 0; i < 3; i++) {
    await api.get('/users?token=secret', { headers: { Authorization: 'Bearer secret' } }).catch(() => undefined);
  }
  const url = server.url;
  expect(lines.map((line) => line.replace(/in \d+ ms/, 'in n ms'))).toEqual([
    `warn [axios-resilience] GET ${url}/users: attempt 1 failed (503), next in n ms`,
    `warn [axios-resilience] GET ${url}: gave up after 2 attempts in n ms (exhausted)`,
    `warn [axios-resilience] GET ${url}/users: attempt 1 failed (503), next in n ms`,
    `warn [axios-resilience] GET ${url}: gave up after 2 attempts in n ms (exhausted)`,
    `error [axios-resilience] GET ${url}: circuit closed -> open (threshold, failures: 5)`,
    `warn [axios-resilience] GET ${url}: gave up after 1 attempts in n ms (circuit-open)`,
  ]);
  expect(lines.join()).not.toMatch(/secret|password/);
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
  sink.record({ ...base, type: 'fallback', cause: 'circuit-open' });
  sink.record({ ...base, type: 'giveUp', attempts: 1, stopped: 'disabled', elapsedMs: 1 });
  sink.record({ ...base, type: 'listenerError', source: 'listener', error: 'x' });
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
