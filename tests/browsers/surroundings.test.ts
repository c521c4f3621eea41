import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResilienceOptions } from '../../src/options.js';
import { ask, type Bed, BROWSER, startBed } from './bed.js';

let bed: Bed;
let page: Page;

beforeAll(async () => {
  bed = await startBed();
  page = await bed.open();
});
afterAll(() => bed.close());

describe(`${BROWSER}, a page without a bundler`, () => {
  test('loads the modules by an import map, and a retry succeeds', async () => {
    const modules = await bed.open('/modules');
    await modules.waitForFunction(() => 'statuses' in globalThis);
    expect(await modules.evaluate(() => (globalThis as { statuses?: number[] }).statuses)).toEqual([503, 200]);
    await modules.close();
  });
});

describe(`${BROWSER}, a page that is loaded again`, () => {
  test('takes up its circuits from the session', async () => {
    await ask(page, 'keep');
    await page.reload();
    expect(await ask(page, 'kept')).toBe('open');
  });
});

describe.each(['xhr', 'fetch'])(`${BROWSER}, its %s, a service of another origin`, (adapter) => {
  const told = (url: string, method: string, options: ResilienceOptions) =>
    ask(page, 'told', { adapter, baseURL: bed.elsewhere, url, method }, options);

  test('is waited for as its Retry-After says only if it shows that header', async () => {
    const hidden = `/shared?${adapter}`;
    expect(await told(hidden, 'GET', {})).toMatchObject({ outcomes: ['failure', 'failure'], stopped: 'exhausted' });
    const shown = await told('/shared?retry-after', 'GET', {});
    expect(shown).toMatchObject({ outcomes: ['failure'], stopped: 'retry-after' });
  });

  test('gets a POST with an idempotency key only if it allows that header', async () => {
    const forbidding = `/shared?${adapter}-post`;
    const refused = await told(forbidding, 'POST', { idempotencyKey: true });
    expect(refused).toMatchObject({ outcomes: ['failure', 'failure'], stopped: 'exhausted' });
    expect(bed.asked(forbidding)).toBe(0);
    const allowed = await told('/shared?idempotency-key', 'POST', { idempotencyKey: true });
    expect(allowed).toMatchObject({ outcomes: ['success'], stopped: 'success' });
  });
});

describe.each(['xhr', 'fetch'])(`${BROWSER}, its %s in a worker`, (adapter) => {
  test('a body cut off is a failure that is retried, what is not sent is the own doing of the caller', async () => {
    expect(await ask(page, 'inWorker', { adapter, url: '/rst' })).toMatchObject({
      outcomes: ['failure', 'failure'],
      stopped: 'exhausted',
    });
    expect(await ask(page, 'inWorker', { adapter, url: '/ok', headers: { 'x a': '1' } })).toMatchObject({
      outcomes: ['neutral'],
      stopped: 'not-retryable',
    });
  });
});
