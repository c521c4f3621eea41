import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

interface Told {
  /** The header `sentry-trace` of each request. */
  readonly traces: readonly string[];
  readonly clientSpans: readonly { name: string; trace: string; status: number }[];
  readonly errors: readonly { type: string; resilience: unknown; requests: readonly number[] }[];
}

describe('@sentry/node, of a call that succeeds at the third attempt, one that fails, and one that is rejected', () => {
  let told: Told;

  beforeAll(async () => {
    const script = fileURLToPath(new URL('sentry-process.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script]);
    told = JSON.parse(stdout) as Told;
  }, 60_000);

  test('has one span per attempt, and each request carries the trace of its own', () => {
    expect(told.clientSpans.map(({ status }) => status)).toEqual([503, 503, 200, 503, 503, 503]);
    expect(told.traces).toEqual(told.clientSpans.map(({ trace }) => trace));
    expect(new Set(told.traces).size).toBe(6);
  });

  test('is told of one error per failed call, and of none for a call that a retry saved', () => {
    expect(told.errors.map(({ type }) => type)).toEqual(['AxiosError', 'CircuitOpenError']);
  });

  test('has a breadcrumb per attempt, those of earlier calls included', () => {
    expect(told.errors.map(({ requests }) => requests)).toEqual(Array(2).fill([503, 503, 200, 503, 503, 503]));
  });

  test('shows the report as a context, by the beforeSend of the recipe', () => {
    expect(told.errors.map(({ resilience }) => resilience)).toEqual([
      expect.objectContaining({ attempts: 3, stopped: 'exhausted' }),
      expect.objectContaining({ attempts: 0, stopped: 'circuit-open' }),
    ]);
  });
});
