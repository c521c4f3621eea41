import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ask, type Bed, BROWSER, startBed } from './bed.js';

let bed: Bed;
let page: Page;

beforeAll(async () => {
  bed = await startBed();
});
afterAll(() => bed.close());
beforeEach(async () => {
  page = await bed.open();
});
afterEach(() => page.close());

const isFirefox = BROWSER === 'firefox';
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let calls = 0;

/** Begins a call, and waits until the service has it and the page what it answers. */
async function begin(path: string, adapter: string): Promise<void> {
  const url = `${path}?${++calls}`;
  await ask(page, 'begin', { url, adapter });
  while (bed.asked(url) === 0) await pause(20);
  await pause(100);
}

/** What the page tells until it is gone, when it is left with a call under way. */
async function toldWhenLeft(url: string, adapter: string): Promise<string[]> {
  await begin(url, adapter);
  await Promise.all([page.waitForNavigation(), ask(page, 'follow', '/other')]);
  expect(await page.title()).toBe('other');
  return page.evaluate(() => JSON.parse(sessionStorage.getItem('notes') ?? '[]') as string[]);
}

describe.each(['xhr', 'fetch'])(`${BROWSER}, its %s: a page that is left`, (adapter) => {
  // Chromium keeps the page with its calls; Firefox ends them first.
  test('while a call waits for its answer: nothing is a failure, no retry is announced', async () => {
    expect(await toldWhenLeft('/hang', adapter)).toEqual(isFirefox ? ['neutral'] : []);
  });

  test('while a body arrives: nothing is a failure, no retry is announced', async () => {
    const notes = await toldWhenLeft('/half', adapter);
    // Firefox lets an XHR end as if its body were whole.
    expect(notes).toEqual(isFirefox ? [adapter === 'xhr' ? 'success' : 'neutral'] : []);
  });
});

describe(`${BROWSER}, a link to a download`, () => {
  test('leaves the page where it is: a call of fetch that it ended succeeds with its retry', async () => {
    await ask(page, 'begin', { url: '/slow-at-first?download', adapter: 'fetch' });
    await ask(page, 'follow', '/download');
    const outcomes = isFirefox ? ['neutral', 'success'] : ['success'];
    expect(await ask(page, 'ended')).toMatchObject({ outcomes, stopped: 'success', counts: { failure: 0 } });
    expect(bed.asked('/slow-at-first?download')).toBe(outcomes.length);
  });
});

describe(`${BROWSER}, window.stop()`, () => {
  test.each(['/hang', '/half'])('is neutral for XHR, and not retried (%s)', async (url) => {
    await begin(url, 'xhr');
    expect(await ask(page, 'stopped')).toEqual({
      outcomes: ['neutral'],
      stopped: 'not-retryable',
      counts: { success: 0, failure: 0, neutral: 1 },
    });
  });

  test('cannot be told from a broken connection with fetch: a failure, and the retry succeeds', async () => {
    await begin('/hang-at-first', 'fetch');
    expect(await ask(page, 'stopped')).toEqual({
      outcomes: ['failure', 'success'],
      stopped: 'success',
      counts: { success: 1, failure: 1, neutral: 0 },
    });
  });
});

if (!isFirefox) {
  const LATE = { outcomes: ['neutral'], stopped: 'disabled', counts: { success: 0, failure: 0, neutral: 1 } };

  describe.each(['xhr', 'fetch'])('chromium, its %s: a timeout that fires late is neutral', (adapter) => {
    const beginShort = () => ask(page, 'begin', { url: '/hang', adapter, timeout: 400 }, { retry: false });

    test('on a page that was frozen', async () => {
      const session = await page.createCDPSession();
      await beginShort();
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await pause(1_300);
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      expect(await ask(page, 'ended')).toEqual(LATE);
    });

    test('on a page that comes back from the cache', async () => {
      await beginShort();
      await Promise.all([page.waitForNavigation(), ask(page, 'follow', '/other')]);
      await pause(1_300);
      await page.goBack();
      expect(await ask(page, 'ended')).toEqual(LATE);
    });
  });
}
