import axios, { AxiosError } from 'axios';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { attach, CircuitOpenError, isRejectedError } from '../../src/index.js';
import { CLASSIC } from '../support/classic.js';
import { manualClock } from './support.js';

const KEY = 'GET https://api.example.com';

/** The error of a call that an open circuit rejects, `elapsedMs` into a cooldown of 10 s. */
async function reject(elapsedMs = 0): Promise<CircuitOpenError> {
  const clock = manualClock();
  const api = axios.create({ baseURL: 'https://api.example.com' });
  const { breakers } = attach(api, { clock, breaker: CLASSIC });
  breakers.ensure(KEY).trip();
  clock.advance(elapsedMs);
  return api.get('/users', { headers: { 'X-Trace': 'abc' } }).then(
    () => {
      throw new Error('the call was answered');
    },
    (error: unknown) => error as CircuitOpenError,
  );
}

describe('CircuitOpenError', () => {
  test('is an AxiosError', async () => {
    const error = await reject();
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toBeInstanceOf(AxiosError);
    expect(error).toBeInstanceOf(Error);
    expect(axios.isAxiosError(error)).toBe(true);
    expect(axios.isCancel(error)).toBe(false);
  });

  test('says what, which circuit and when to try again', async () => {
    const error = await reject(7_500);
    expect(error).toMatchObject({
      name: 'CircuitOpenError',
      message: `The circuit "${KEY}" is open; retry in 2500 ms`,
      code: 'ERR_CIRCUIT_OPEN',
      key: KEY,
      retryAfterMs: 2_500,
      isAxiosError: true,
    });
    expect(error.stack).toContain('CircuitOpenError');
  });

  test('carries the config of the call, and neither request nor response', async () => {
    const error = await reject();
    expect(error.config).toMatchObject({ url: '/users', baseURL: 'https://api.example.com', method: 'get' });
    expect([error.request, error.response]).toEqual([undefined, undefined]);
  });

  test('carries what Express and Fastify answer with: status 503 and Retry-After', async () => {
    const { status, statusCode, headers } = await reject();
    expect({ status, statusCode, headers }).toEqual({ status: 503, statusCode: 503, headers: { 'Retry-After': '10' } });
  });

  test.each([
    [0, '0'],
    [0.001, '1'],
    [1, '1'],
    [999, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [9_999.5, '10'],
    [3_600_000, '3600'],
  ])('rounds %d ms up to Retry-After %s', (retryAfterMs, header) => {
    expect(new CircuitOpenError({ key: KEY, retryAfterMs }).headers).toEqual({ 'Retry-After': header });
  });

  test('has no config where the rejection is not of an axios call', () => {
    const error = new CircuitOpenError({ key: 'database', retryAfterMs: 1_500.4 });
    expect(error.config).toBeUndefined();
    expect(error.message).toBe('The circuit "database" is open; retry in 1501 ms');
  });

  test('goes through toJSON and JSON.stringify like any AxiosError', async () => {
    const error = await reject();
    const written = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
    expect(written).toMatchObject({
      name: 'CircuitOpenError',
      message: `The circuit "${KEY}" is open; retry in 10000 ms`,
      code: 'ERR_CIRCUIT_OPEN',
      status: 503,
      config: { url: '/users' },
    });
    expect(error.toJSON()).toMatchObject({ name: 'CircuitOpenError', code: 'ERR_CIRCUIT_OPEN', status: 503 });
    expect(() => JSON.stringify(new CircuitOpenError({ key: KEY, retryAfterMs: 1 }))).not.toThrow();
  });

  test('its stack starts where the circuit rejected', () => {
    function rejectHere() {
      return new CircuitOpenError({ key: KEY, retryAfterMs: 1 });
    }
    expect(rejectHere().stack).toContain('rejectHere');
  });
});

describe('isRejectedError', () => {
  afterEach(() => {
    vi.resetModules();
  });

  test('is true for a CircuitOpenError', async () => {
    expect(isRejectedError(await reject())).toBe(true);
    expect(isRejectedError(new CircuitOpenError({ key: KEY, retryAfterMs: 1 }))).toBe(true);
  });

  test("is true for another copy of this package's error, which instanceof is not", async () => {
    vi.resetModules();
    const other = await import('../../src/index.js');
    const error = new other.CircuitOpenError({ key: KEY, retryAfterMs: 1 });
    expect(error).not.toBeInstanceOf(CircuitOpenError);
    expect(isRejectedError(error)).toBe(true);
    expect(other.isRejectedError(new CircuitOpenError({ key: KEY, retryAfterMs: 1 }))).toBe(true);
  });

  test.each([
    ['null', null],
    ['undefined', undefined],
    ['a string', 'ERR_CIRCUIT_OPEN'],
    ['a number', 503],
    ['a function', () => 'ERR_CIRCUIT_OPEN'],
    ['an empty object', {}],
    ['an Error', new Error('ERR_CIRCUIT_OPEN')],
    ['another AxiosError', new AxiosError('Network Error', 'ERR_NETWORK')],
    ['an AxiosError with status 503', Object.assign(new AxiosError('down', 'ERR_BAD_RESPONSE'), { status: 503 })],
  ])('is false for %s', (_what, value) => {
    expect(isRejectedError(value)).toBe(false);
  });

  test('narrows the type, so key and retryAfterMs can be read', async () => {
    const error: unknown = await reject();
    if (!isRejectedError(error)) throw new Error('not narrowed');
    expect([error.key, error.retryAfterMs]).toEqual([KEY, 10_000]);
  });
});
