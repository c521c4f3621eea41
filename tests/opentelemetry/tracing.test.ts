import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import axios, { type AxiosRequestConfig } from 'axios';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { attach, type ResilienceOptions } from '../../src/index.js';
import { openTelemetrySink } from '../../src/opentelemetry/opentelemetry.js';
import { connectionError, type Step, scripted } from '../support/scripted-adapter.js';

const KEY = 'GET https://api.example.com';
const exporter = new InMemorySpanExporter();
const tracer = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }).getTracer('shop');

beforeAll(() => {
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => api.context.disable());
beforeEach(() => exporter.reset());

function start(options: ResilienceOptions, ...steps: Step[]) {
  const instance = axios.create({ baseURL: 'https://api.example.com', adapter: scripted(...steps) });
  const resilience = attach(instance, {
    retry: { backoff: () => 0 },
    ...options,
    sinks: [openTelemetrySink(api)],
  });
  /** Makes a call within a span of its own and returns that span's events. */
  const traced = async (config: AxiosRequestConfig = {}) => {
    await tracer.startActiveSpan('checkout', async (span) => {
      await instance.get('/users?token=secret', config).catch(() => undefined);
      span.end();
    });
    const [span] = exporter.getFinishedSpans().slice(-1);
    return span?.events.map(({ name, attributes }) => ({ name, attributes }));
  };
  return { instance, resilience, traced };
}

describe('events of the active span', () => {
  test('retries: what failed, and the ordinal of the request that follows', async () => {
    const { traced } = start({}, 503, connectionError('ECONNRESET'), 200);
    const attributes = { 'axios.resilience.key': KEY, 'http.request.method': 'GET', 'axios.resilience.retry.delay': 0 };
    expect(await traced()).toEqual([
      {
        name: 'axios.resilience.retry',
        attributes: { ...attributes, 'error.type': '503', 'http.request.resend_count': 1 },
      },
      {
        name: 'axios.resilience.retry',
        attributes: { ...attributes, 'error.type': 'ECONNRESET', 'http.request.resend_count': 2 },
      },
    ]);
  });

  test('a retry that a hook asked for has no type of error', async () => {
    const { traced } = start({ retry: { retries: 1, backoff: () => 0, shouldRetryResponse: () => true } }, 200);
    const [event] = (await traced()) ?? [];
    expect(event?.attributes).toMatchObject({ 'http.request.resend_count': 1 });
    expect(event?.attributes).not.toHaveProperty('error.type');
  });

  test('a rejection is of the type circuit_open, and so is the fallback that answers it', async () => {
    const { resilience, traced } = start({ fallback: 'kept' }, 200);
    resilience.breakers.ensure(KEY).trip();
    expect(await traced()).toEqual([
      { name: 'axios.resilience.rejected', attributes: { 'axios.resilience.key': KEY, 'error.type': 'circuit_open' } },
      {
        name: 'axios.resilience.fallback',
        attributes: {
          'axios.resilience.key': KEY,
          'error.type': 'circuit_open',
          'axios.resilience.stopped': 'circuit-open',
        },
      },
    ]);
  });

  test('a rejection that is only observed is no error', async () => {
    const { resilience, traced } = start({ breaker: { mode: 'observe' } }, 200);
    resilience.breakers.ensure(KEY).trip();
    expect(await traced()).toEqual([
      {
        name: 'axios.resilience.would_reject',
        attributes: { 'axios.resilience.key': KEY },
      },
    ]);
  });

  test('a fallback for another failure names its cause', async () => {
    const { traced } = start({ retry: 0, fallback: 'kept', fallbackOn: 'failure' }, 503);
    expect(await traced()).toEqual([
      {
        name: 'axios.resilience.fallback',
        attributes: { 'axios.resilience.key': KEY, 'axios.resilience.stopped': 'exhausted' },
      },
    ]);
  });

  test('a healthy call has none', async () => {
    const { traced } = start({}, 200);
    expect(await traced()).toEqual([]);
  });

  test('of calls at the same time, each has its own', async () => {
    const { traced } = start({}, 503, 503, 200);
    await Promise.all([traced(), traced()]);
    expect(exporter.getFinishedSpans().map(({ events }) => events.length)).toEqual([1, 1]);
  });

  test('a span that has ended is left alone: its SDK would complain of each event', async () => {
    const { instance } = start({}, 503, 200);
    const warn = vi.fn();
    api.diag.setLogger({ verbose: vi.fn(), debug: vi.fn(), info: vi.fn(), warn, error: vi.fn() });
    await tracer.startActiveSpan('checkout', async (span) => {
      span.end();
      await instance.get('/');
    });
    api.diag.disable();
    expect(warn).not.toHaveBeenCalled();
  });

  test('without an active span nothing is recorded, and the call goes on', async () => {
    const { instance } = start({}, 503, 200);
    expect((await instance.get('/')).status).toBe(200);
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});

test('instrumentation-http puts http.request.resend_count on the spans of retries, from the attempt header', async () => {
  const script = fileURLToPath(new URL('traced-process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script]);
  const spans = JSON.parse(stdout) as Record<string, unknown>[];
  expect(
    spans.map((attributes) => [attributes['http.response.status_code'], attributes['http.request.resend_count']]),
  ).toEqual([
    [503, undefined],
    [503, 1],
    [200, 2],
  ]);
});
