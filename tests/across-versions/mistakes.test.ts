import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { describe, expect, test } from 'vitest';
import { attach, concurrencyLimit, reportOf } from '../../src/index.js';

const errorOf = async (api: AxiosInstance, config: object): Promise<Error & { code?: string }> => {
  try {
    await api.request(config as AxiosRequestConfig);
  } catch (error) {
    return error as Error;
  }
  throw new Error('The call succeeded');
};
const shown = ({ name, message, code }: Error & { code?: string }) => ({ name, message, code });

describe.each([
  ['nothing at once, as `vi.fn()`', () => undefined],
  ['a promise of nothing', () => Promise.resolve(undefined)],
  ['a promise of null', () => Promise.resolve(null)],
])('an adapter that gives %s', (_what, given) => {
  const adapter = given as never;

  test('ends the call with the error of axios, after one attempt that says nothing, and leaks no slot', async () => {
    const bare = await errorOf(axios.create({ adapter }), { url: 'http://service.test/' });
    const api = axios.create({ adapter });
    const resilience = attach(api, { retry: { backoff: () => 0 }, limiter: { limit: concurrencyLimit(1) } });
    const told: string[] = [];
    resilience.on('attempt', ({ outcome }) => void told.push(`attempt: ${outcome}`));
    resilience.on('retry', ({ reason }) => void told.push(`retry: ${reason}`));
    resilience.on('call', ({ stopped, attempts }) => void told.push(`call: ${stopped}, ${attempts}`));
    for (let call = 0; call < 2; call++) {
      const error = await errorOf(api, { url: 'http://service.test/' });
      expect(shown(error)).toEqual(shown(bare));
      expect(reportOf(error)).toMatchObject({
        attempts: 1,
        stopped: 'not-retryable',
        history: [{ status: undefined }],
      });
    }
    const call = ['attempt: neutral', 'call: not-retryable, 1'];
    expect(told).toEqual([...call, ...call]);
    expect(resilience.breakers.get('GET http://service.test')?.stats()).toMatchObject({
      inFlight: 0,
      counts: { neutral: 2, failure: 0 },
    });
    expect(resilience.limiters['http://service.test']).toMatchObject({ inFlight: 0, counts: { started: 2 } });
  });

  test('is asked once, and no more, also within a deadline', async () => {
    const api = axios.create({ adapter });
    attach(api, { retry: { backoff: () => 0 }, deadlineMs: 10_000 });
    const error = await errorOf(api, { url: 'http://service.test/' });
    expect(error).toBeInstanceOf(TypeError);
    expect(reportOf(error)).toMatchObject({ attempts: 1, stopped: 'not-retryable' });
  });
});
