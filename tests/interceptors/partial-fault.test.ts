import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { describe, expect, test } from 'vitest';
import type { DelayContext } from '../../src/delay.js';
import { attach, consecutiveFailures, memorySink } from '../../src/index.js';

const HANG = 'an adapter that waits for the signal';

/** A status, the code of an error without a response, or `HANG`. */
type Answer = number | string;

const answering =
  (answer: Answer): AxiosAdapter =>
  async (config) => {
    if (answer === HANG) {
      await new Promise((resolve) => config.signal?.addEventListener?.('abort', resolve));
      throw new axios.CanceledError('canceled', config);
    }
    if (typeof answer === 'string') throw new AxiosError(answer, answer, config);
    const response = { data: '', status: answer, statusText: '', headers: {}, config };
    if (answer < 400) return response;
    throw new AxiosError(`status ${answer}`, AxiosError.ERR_BAD_RESPONSE, config, {}, response);
  };

/** Whether failures that end so, before a success and an opening, are taken for a partial fault. */
async function isPartialAfter(answers: readonly Answer[]): Promise<boolean | undefined> {
  let isPartial: boolean | undefined;
  const cooldownMs = (context: DelayContext) => {
    ({ isPartial } = context);
    return 1_000;
  };
  const api = axios.create({ baseURL: 'https://api.example.com' });
  attach(api, { retry: false, breaker: { detector: consecutiveFailures(4), cooldownMs } });
  for (const answer of [...answers, 200, 500, 500, 500, 500]) {
    const signal = answer === HANG && { signal: AbortSignal.timeout(150) };
    await api.get('/', { adapter: answering(answer), ...signal }).catch(() => undefined);
  }
  return isPartial;
}

describe('a partial fault is told by failures that are', () => {
  test.each([
    ['answers', [500, 502, 500]],
    ['refused connections', ['ECONNREFUSED', 'ECONNRESET', 'ECONNREFUSED']],
  ])('%s', async (_, answers) => {
    expect(await isPartialAfter(answers)).toBe(true);
  });

  test.each([
    ['a timeout of axios', 'ECONNABORTED'],
    ['a timeout of the connection', 'ETIMEDOUT'],
    ['the timeout of a gateway', 504],
    ['the timeout of the server', 408],
    ['a service that sheds', 503],
    ['a rate limit', 429],
    ['the end of a signal of AbortSignal.timeout', HANG],
  ] satisfies [string, Answer][])('not by those with %s among them', async (_, answer: Answer) => {
    expect(await isPartialAfter([500, answer, 500])).toBe(false);
  });
});

test('a good path is answered again as soon as one of its calls has succeeded among the failures of a bad one', async () => {
  const memory = memorySink();
  const api = axios.create({ baseURL: 'https://api.example.com' });
  attach(api, { retry: false, breaker: { detector: consecutiveFailures(5), maxWaitMs: 0 }, sinks: [memory] });
  const bad = () => api.get('/bad', { adapter: answering(500) }).catch(() => undefined);
  const good = () => api.get('/good', { adapter: answering(200) });
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  await bad();
  const slow = api.get('/good', { adapter: (config) => finished.then(() => answering(200)(config)) });
  for (let call = 0; call < 4; call++) await bad();
  await expect(good()).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  finish();
  await slow;
  expect((await good()).status).toBe(200);
  expect(memory.events.filter(({ type }) => type === 'stateChange')).toMatchObject([
    { to: 'open', reason: 'threshold' },
    { to: 'closed', reason: 'late-success' },
  ]);
});
