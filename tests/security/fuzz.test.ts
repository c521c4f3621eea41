import axios, { AxiosError, type AxiosRequestConfig, type InternalAxiosRequestConfig } from 'axios';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  adaptiveLimit,
  attach,
  BreakerRegistry,
  byMethodAndOrigin,
  byOrigin,
  CircuitBreaker,
  exponential,
  failureRate,
  Limiter,
  logSink,
  type ResilienceOptions,
  RetryBudget,
  rateLimit,
  reportOf,
  retry,
} from '../../src/index.js';
import { byMethodAndBaseUrl, urlWithoutSecrets } from '../../src/interceptors/call/key.js';
import { withoutSecrets } from '../../src/redaction.js';
import { anything, messageWithSecret, urlWithSecret } from './generators.js';
import { OPTION_NAMES } from './option-names.js';

/** 100,000 in all. */
const RUNS = { urls: 40_000, texts: 30_000, options: 20_000, requests: 4_000, errors: 6_000 };
const LONG = 60_000;

const config = (fields: Partial<InternalAxiosRequestConfig>) => ({ method: 'get', ...fields }) as never;

test('no URL has a secret of it in a key or an event', { timeout: LONG }, () => {
  const property = fc.property(urlWithSecret, fc.boolean(), ({ url, fragments }, isBase) => {
    const request = config(isBase ? { baseURL: url, url: '/users/42' } : { url });
    const shown = [byMethodAndBaseUrl, byOrigin, byMethodAndOrigin, urlWithoutSecrets].map((of) => of(request)).join();
    for (const fragment of fragments) if (shown.includes(fragment)) throw new Error(`${shown} has ${fragment}`);
  });
  fc.assert(property, { numRuns: RUNS.urls });
});

test('no error has a secret that its message quotes in the log', { timeout: LONG }, () => {
  const property = fc.property(messageWithSecret, ({ message, fragments }) => {
    const shown = withoutSecrets(new Error(message));
    for (const fragment of fragments) if (shown.includes(fragment)) throw new Error(`${shown} has ${fragment}`);
  });
  fc.assert(property, { numRuns: RUNS.texts });
});

/** The error that names an option, or nothing. */
function refusal(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    const isOurs = error instanceof TypeError || error instanceof RangeError;
    if (!isOurs || !/^(?:Expected `|Unknown option `)/.test(error.message)) throw error;
    expect(error.message.length).toBeLessThan(3_000);
  }
}

const GROUPS = [
  'retry',
  'breaker',
  'limiter',
  'fallback',
  'fallbackOn',
  'deadlineMs',
  'idempotencyKey',
  'key',
  'sinks',
  'clock',
  'random',
  'any',
];
const FIELDS = [...OPTION_NAMES, '__proto__', 'constructor', 'toString'];

const group = fc.oneof(anything, fc.dictionary(fc.constantFrom(...FIELDS), anything, { maxKeys: 3 }));
const anyOptions = fc.oneof(anything, fc.dictionary(fc.constantFrom(...GROUPS), group, { maxKeys: 3 }));

test('any options are taken, or refused by an error that names the option', { timeout: LONG }, () => {
  const property = fc.property(anyOptions, (given) => {
    const options = given as never;
    const perhaps = options as undefined;
    refusal(() => attach(axios.create(), perhaps).update(options));
    refusal(() => new BreakerRegistry(perhaps));
    refusal(() => new CircuitBreaker('key', perhaps));
    refusal(() => logSink(console, perhaps));
    refusal(() => failureRate(perhaps));
    refusal(() => exponential(perhaps));
    refusal(() => adaptiveLimit(perhaps));
    refusal(() => rateLimit(options));
    refusal(() => new Limiter('key', options));
    refusal(() => new RetryBudget(perhaps));
    refusal(() => attach(axios.create(), { limiter: options }));
    new BreakerRegistry().restore(options);
    new CircuitBreaker('key').restore(options);
  });
  fc.assert(property, { numRuns: RUNS.options });
});

const settings: ResilienceOptions = {
  retry: { backoff: () => 0, retries: 1 },
  sinks: [logSink({ info() {}, warn() {}, error() {} })],
};

/** Ends within a moment: nothing here takes time. */
async function ended<T>(call: Promise<T>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hangs = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('The call hangs')), 5_000);
  });
  return Promise.race([call.catch((error: unknown) => error), hangs]).finally(() => clearTimeout(timer));
}

describe('a call ends, and its circuit has no permit out', () => {
  test('whatever `resilience` it is given', { timeout: LONG }, async () => {
    const property = fc.asyncProperty(anyOptions, async (resilience) => {
      const api = axios.create({
        adapter: async (sent) => ({ data: '', status: 200, statusText: '', headers: {}, config: sent }),
      });
      const { breakers } = attach(api, settings);
      await ended(api.get('http://h/', { resilience } as AxiosRequestConfig));
      expect([...breakers].filter(({ inFlight }) => inFlight > 0)).toEqual([]);
    });
    await fc.assert(property, { numRuns: RUNS.requests });
  });

  test('whatever an adapter rejects with, and that is what the caller gets', { timeout: LONG }, async () => {
    const field = fc.constantFrom(
      'message',
      'code',
      'name',
      'cause',
      'errors',
      'response',
      'config',
      'status',
      'request',
    );
    const fields = fc.dictionary(field, anything, { maxKeys: 5 });
    const shapes = fc.oneof(
      anything,
      fields,
      fields.map((given) => Object.assign(new Error('odd'), given)),
      fields.map((given) => Object.assign(new AxiosError('odd', 'ECONNRESET'), given)),
      fields.map((given) => Object.freeze(Object.assign(new Error('frozen'), given))),
    );
    const property = fc.asyncProperty(shapes, async (thrown) => {
      const api = axios.create({ adapter: () => Promise.reject(thrown) });
      const { breakers } = attach(api, settings);
      // axios itself fails where a response is a text.
      const bare = await ended(axios.create({ adapter: () => Promise.reject(thrown) }).post('http://h/'));
      const caught = await ended(api.post('http://h/'));
      if (bare === thrown) expect(caught).toBe(thrown);
      else expect(caught).toEqual(bare);
      expect([...breakers].filter(({ inFlight }) => inFlight > 0)).toEqual([]);
      reportOf(thrown);
      withoutSecrets(thrown);
    });
    await fc.assert(property, { numRuns: RUNS.errors / 2 });
  });

  test('whatever a function rejects with that `retry` repeats', { timeout: LONG }, async () => {
    const property = fc.asyncProperty(anything, async (thrown) => {
      const repeated = retry(() => Promise.reject(thrown), { retries: 1, backoff: () => 0 });
      expect(await ended(repeated)).toBe(thrown);
    });
    await fc.assert(property, { numRuns: RUNS.errors / 2 });
  });
});
