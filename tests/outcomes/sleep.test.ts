import { spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import axios, { AxiosError, CanceledError } from 'axios';
import { describe, expect, test } from 'vitest';
import { attach, CircuitBreaker, type Outcome } from '../../src/index.js';
import { hang, startServer } from '../support/server.js';

const SLEEPER = fileURLToPath(new URL('sleeper.ts', import.meta.url));

describe.each(['http', 'fetch'])('a process with calls under way on the %s adapter', (adapter) => {
  /** What 20 calls to a service that hangs came to in a process that is stopped for so long. */
  async function after(stoppedMs: number): Promise<unknown> {
    const server = await startServer(hang);
    const child = spawn(process.execPath, ['--import', 'tsx', SLEEPER, server.url, adapter], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      const before = printed;
      printed += String(text);
      if (before !== '' || stoppedMs === 0) continue;
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), stoppedMs);
    }
    await server.close();
    return JSON.parse(printed.split('\n')[1] ?? '');
  }

  test('that is stopped for three seconds: their timeouts count nothing', async () => {
    expect(await after(3_000)).toEqual({ outcomes: { neutral: 20 }, state: 'closed' });
  });

  test('that is awake: they are failures', async () => {
    expect(await after(0)).toEqual({ outcomes: { failure: 20 }, state: 'open' });
  });
});

test('a process that is awake, whose requests wait for the only connection: all are failures', async () => {
  const server = await startServer(hang);
  const api = axios.create({ baseURL: server.url, timeout: 600, httpAgent: new Agent({ maxSockets: 1 }) });
  const attempts: [Outcome, boolean][] = [];
  attach(api, { retry: false, breaker: false }).on('attempt', ({ outcome, durationMs }) => {
    attempts.push([outcome, durationMs > 1_100]);
  });
  await Promise.allSettled(Array.from({ length: 4 }, () => api.get('/')));
  await server.close();
  expect(attempts).toEqual([
    ['failure', false],
    ['failure', true],
    ['failure', true],
    ['failure', true],
  ]);
});

describe('a timeout that fires late', () => {
  /** Makes calls whose timeout of `timeout` ms ends them after `durations`, by a clock of the test. */
  async function outcomesOf(timeout: number, durations: readonly number[], between?: () => Promise<unknown>) {
    let now = 1_000;
    const outcomes: Outcome[] = [];
    const api = axios.create({ baseURL: 'https://api.example.com', timeout });
    attach(api, { retry: false, clock: { now: () => now } }).on(
      'attempt',
      ({ outcome }) => void outcomes.push(outcome),
    );
    for (const durationMs of durations) {
      const adapter = async () => {
        now += durationMs / 2;
        if (between)
          await api.get('/', {
            adapter: async (config) => ({ data: '', status: 200, statusText: '', headers: {}, config }),
          });
        now += durationMs / 2;
        throw new AxiosError('timeout', 'ECONNABORTED');
      };
      await api.get('/', { adapter }).catch(() => undefined);
    }
    return outcomes.filter((outcome) => outcome !== 'success');
  }

  test.each([
    [100, 600, 'failure'],
    [100, 601, 'neutral'],
    [2_000, 3_000, 'failure'],
    [2_000, 3_001, 'neutral'],
    [2_000, 4_226, 'neutral'],
  ])('of %i ms, after %i: %s', async (timeout, durationMs, outcome) => {
    expect(await outcomesOf(timeout, [durationMs])).toEqual([outcome]);
  });

  test('is neutral also where it is given as a text, which axios takes', async () => {
    expect(await outcomesOf('2000' as never, [4_226])).toEqual(['neutral']);
  });

  test('though the process was awake, since the request waited for a connection: a failure', async () => {
    expect(await outcomesOf(2_000, [4_226], async () => undefined)).toEqual(['failure']);
  });
});

test('a probe that is out while the process sleeps holds nobody off when it wakes, and its success closes the circuit', async () => {
  let now = 1_000;
  const clock = { now: () => now };
  const breaker = new CircuitBreaker('x', { clock, cooldownMs: 500, halfOpen: { leaseMs: 1_000 } });
  breaker.trip();
  now += 500;
  const asleep = await breaker.acquire();
  now += 60_000;
  expect(breaker.state).toBe('half-open');
  const next = await breaker.acquire();
  asleep.settle('success');
  expect(breaker.state).toBe('closed');
  next.settle('success');
  expect(breaker.stats().inFlight).toBe(0);
});

test('a sleep does not show in the time of a signal: each call is a failure, and the default circuit stays closed', async () => {
  let now = 1_000;
  const controller = new AbortController();
  const adapter = () =>
    new Promise<never>((_resolve, reject) => {
      controller.signal.addEventListener('abort', () => reject(new CanceledError()));
    });
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const resilience = attach(api, { clock: { now: () => now } });
  const calls = Array.from({ length: 20 }, () => api.get('/', { signal: controller.signal }));
  await new Promise(setImmediate);
  now += 60_000;
  controller.abort(new DOMException('The operation timed out.', 'TimeoutError'));
  await Promise.allSettled(calls);
  expect(resilience.breakers.get('GET https://api.example.com')?.stats()).toMatchObject({
    state: 'closed',
    counts: { failure: 20, neutral: 0 },
  });
});
