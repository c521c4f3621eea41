import { Window } from 'happy-dom';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answering, freePort, rawServer, told } from './support.js';

/** axios looks for XMLHttpRequest when it is loaded. */
const page = vi.hoisted(() => {
  const page: { window?: { XMLHttpRequest: new () => object } } = {};
  function XMLHttpRequest() {
    return new (page.window as NonNullable<typeof page.window>).XMLHttpRequest();
  }
  Object.assign(globalThis, { XMLHttpRequest });
  return page;
});

const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };
const NO_POLICY = { settings: { fetch: { disableSameOriginPolicy: true } } };

let window: Window;
beforeEach(() => {
  window = new Window({ url: 'http://page.test/', ...NO_POLICY });
  page.window = window;
});
afterEach(() => window.happyDOM.close());

describe.each(['xhr', 'fetch'])('happy-dom, its %s', (adapter) => {
  const call = (url: string) => {
    const { Request, Response } = window;
    const env = adapter === 'fetch' ? { fetch: window.fetch.bind(window), Request, Response } : {};
    return told({ url, adapter, env } as object);
  };

  test('a connection that is refused is a failure that is retried', async () => {
    expect(await call(`http://127.0.0.1:${await freePort()}/`)).toMatchObject(TWICE);
  });

  test('a connection that is closed instead of an answer is a failure that is retried', async () => {
    const server = await rawServer(answering(''));
    expect(await call(server.url)).toMatchObject(TWICE);
    await server.close();
  });
});
