import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

interface Told {
  readonly spans: readonly { name: string; id: string; trace: string; parent?: string; status?: number }[];
  /** The header `traceparent` of each request. */
  readonly received: readonly string[];
  /** What an AsyncLocalStorage had in `beforeRetry`. */
  readonly seen: readonly string[];
}

describe('@opentelemetry/instrumentation-http, under a span of the caller', () => {
  let told: Told;

  beforeAll(async () => {
    const script = fileURLToPath(new URL('instrumented-process.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script]);
    told = JSON.parse(stdout) as Told;
  }, 60_000);

  const attempts = () => told.spans.filter(({ name }) => name !== 'checkout');

  test('each attempt is a span of its own, and a child of the span that made the call', () => {
    const checkout = told.spans.find(({ name }) => name === 'checkout');
    expect(attempts().map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(attempts().map(({ parent }) => parent)).toEqual([checkout?.id, checkout?.id, checkout?.id]);
    expect(new Set(told.spans.map(({ trace }) => trace)).size).toBe(1);
  });

  test('each attempt sends the traceparent of its own span', () => {
    expect(told.received).toEqual(attempts().map(({ trace, id }) => `00-${trace}-${id}-01`));
  });

  test('the store of an AsyncLocalStorage is there in hooks, after the waits', () => {
    expect(told.seen).toEqual(['request 7', 'request 7']);
  });
});
