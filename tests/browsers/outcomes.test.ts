import type { AxiosRequestConfig } from 'axios';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, type Bed, BROWSER, startBed } from './bed.js';
import type { Told } from './page.js';

let bed: Bed;
let page: Page;

beforeAll(async () => {
  bed = await startBed();
  page = await bed.open();
});
afterAll(() => bed.close());

/** What a call of these attempts is to come to. */
function came(outcomes: Told['outcomes'], stopped: string): Told {
  const count = (outcome: string) => outcomes.filter((name) => name === outcome).length;
  return {
    outcomes,
    stopped,
    counts: { success: count('success'), failure: count('failure'), neutral: count('neutral') },
  };
}

const RETRIED = came(['failure', 'failure'], 'exhausted');
const NOT_REPEATED = came(['failure'], 'method');
const OWN_DOING = came(['neutral'], 'not-retryable');
const CANCELLED = came(['neutral'], 'aborted');
const OUT_OF_TIME = came(['failure'], 'aborted');

describe.each(['xhr', 'fetch'])(`${BROWSER}, its %s`, (adapter) => {
  const told = (request: AxiosRequestConfig) => ask(page, 'told', { adapter, ...request });
  /** A path that nobody else asks for. */
  const of = (path: string, what = '') => `${path}?${adapter}${what}`;

  test('a whole answer is a success', async () => {
    expect(await told({ url: '/ok' })).toEqual(came(['success'], 'success'));
  });

  test('a 503 is a failure, and the retry succeeds', async () => {
    expect(await told({ url: of('/flaky') })).toEqual(came(['failure', 'success'], 'success'));
  });

  test.each([
    ['/fin', 'an end before its length is reached'],
    ['/rst', 'a reset'],
    ['/chunk', 'an end between two chunks'],
  ])('a body cut off (%s: %s) is a failure: a GET is sent again, a POST is not', async (path) => {
    expect(await told({ url: of(path) })).toEqual(RETRIED);
    expect(bed.asked(of(path))).toBe(2);
    expect(await told({ url: of(path, 'post'), method: 'post', data: { item: 7 } })).toEqual(NOT_REPEATED);
    expect(bed.asked(of(path, 'post'))).toBe(1);
  });

  test('a body cut off is sent again for a POST with an idempotency key', async () => {
    const headers = { 'Idempotency-Key': '7' };
    expect(await told({ url: of('/rst', 'key'), method: 'post', headers })).toEqual(RETRIED);
    expect(bed.asked(of('/rst', 'key'))).toBe(2);
  });

  test.each(['/close', '/reset'])('a connection that ends before an answer (%s) is a failure', async (url) => {
    expect(await told({ url })).toEqual(RETRIED);
    expect(await told({ url, method: 'post' })).toEqual(NOT_REPEATED);
  });

  test('a connection refused is a failure; that a POST was not sent cannot be told', async () => {
    const baseURL = bed.refused;
    expect(await told({ baseURL })).toEqual(RETRIED);
    expect(await told({ baseURL, method: 'post' })).toEqual(NOT_REPEATED);
  });

  test('an answer that the page may not read is a failure', async () => {
    expect(await told({ url: of('/ok', 'elsewhere'), baseURL: bed.elsewhere })).toEqual(RETRIED);
    expect(bed.asked(of('/ok', 'elsewhere'))).toBe(2);
  });

  test('a redirect that goes round cannot be told from a broken connection, and is a failure', async () => {
    expect(await told({ url: of('/round') })).toEqual(RETRIED);
    expect(bed.asked(of('/round'))).toBe(42);
  });

  test.each(['/hang', '/half'])('a timeout is a failure (%s)', async (url) => {
    expect(await told({ url, timeout: 150 })).toEqual(RETRIED);
    expect(await told({ url, timeout: 150, method: 'post' })).toEqual(NOT_REPEATED);
  });

  test.each(['/hang', '/half'])('a signal whose time runs out is a failure that is not repeated (%s)', async (url) => {
    expect(await ask(page, 'timed', { url, adapter }, 150)).toEqual(OUT_OF_TIME);
  });

  test.each(['/hang', '/half'])('a deadline that passes is a failure that is not repeated (%s)', async (url) => {
    const retry = { retries: 1, backoff: 0 };
    expect(await ask(page, 'told', { url, adapter }, { retry, deadlineMs: 150 })).toEqual(
      came(['failure'], 'deadline'),
    );
  });

  test.each(['/hang', '/half'])('a call that its caller cancels is neutral (%s)', async (url) => {
    expect(await ask(page, 'cancelled', { url, adapter })).toEqual(CANCELLED);
  });

  test('what fails while the browser is offline is neutral, and is retried', async () => {
    await page.setOfflineMode(true);
    const ended = await told({ url: '/ok' }).finally(() => page.setOfflineMode(false));
    expect(ended).toEqual(came(['neutral', 'neutral'], 'exhausted'));
    expect(await told({ url: '/ok' })).toEqual(came(['success'], 'success'));
  });

  test.each<[string, AxiosRequestConfig]>([
    ['URL', { baseURL: 'http://[' }],
    ['method', { method: 'TRACE' }],
    ['name of a header', { headers: { 'x a': '1' } }],
    ...(adapter === 'fetch'
      ? ([
          ['body of a GET', { data: { item: 7 } }],
          ['mode', { fetchOptions: { mode: 'nonsense' } }],
        ] satisfies [string, AxiosRequestConfig][])
      : []),
  ])('a %s that the browser does not send is the own doing of the caller', async (what, request) => {
    const url = of('/ok', what.replaceAll(' ', '-'));
    expect(await told({ url, ...request })).toMatchObject({ outcomes: ['neutral'], stopped: OWN_DOING.stopped });
    expect(bed.asked(url)).toBe(0);
  });

  test('five failures open the circuit, fallback data answers, and detach takes it all off', async () => {
    expect(await ask(page, 'outage', adapter)).toEqual({
      states: ['closed', 'closed', 'closed', 'closed', 'open'],
      told: [{ old: true }, 0, true],
      after: [503, true],
    });
    expect(bed.asked('/down')).toBe(6 * (adapter === 'xhr' ? 1 : 2));
  });
});

describe.each(['1.7.9', '1.8.4', '1.13.2'])(`${BROWSER}, the fetch of axios %s`, (version) => {
  test('its timeout in a body is a failure, a body cut off too, and a cancelled call is neutral', async () => {
    const old = await bed.open(`/page?axios-${version}`);
    const request = { adapter: 'fetch' };
    expect(await ask(old, 'told', { ...request, url: '/half', timeout: 150 })).toEqual(RETRIED);
    expect(await ask(old, 'told', { ...request, url: '/rst' })).toEqual(RETRIED);
    expect(await ask(old, 'cancelled', { ...request, url: '/half' })).toEqual(CANCELLED);
    await old.close();
  });
});
