import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { pathOf } from '../support/suites-with-programs.js';
import type { Trial } from './page.js';

/** The browser of this run: the suite runs once for each. */
export const BROWSER = process.env['BROWSER'] === 'firefox' ? 'firefox' : 'chromium';

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const QUIET = ['no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-component-update', 'disable-sync'];

/** A service of which the path says how it answers; it serves the pages, too. */
export interface Bed {
  readonly url: string;
  /** The same service by another origin, of which no page may read an answer but `/shared`. */
  readonly elsewhere: string;
  /** An origin at which nobody listens. */
  readonly refused: string;
  /** Requests for a path, query string included, without those by which browsers ask for leave. */
  asked(path: string): number;
  /** Opens a page, by default one with the plugin on it; the query string names the copy of axios. */
  open(path?: string): Promise<Page>;
  close(): Promise<void>;
}

/** Has the page do something, and waits for what it comes to. */
export async function ask<Name extends keyof Trial>(
  page: Page,
  name: Name,
  ...given: Parameters<Trial[Name]>
): Promise<Awaited<ReturnType<Trial[Name]>>> {
  const ended: unknown = await page.evaluate(
    (what, args) =>
      (globalThis as unknown as { trial: Record<string, (...args: unknown[]) => unknown> }).trial[what]?.(...args),
    name,
    given,
  );
  return ended as Awaited<ReturnType<Trial[Name]>>;
}

export async function startBed(): Promise<Bed> {
  const asked = new Map<string, number>();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { url: path = '', method } = request;
    const count = (asked.get(path) ?? 0) + 1;
    if (method !== 'OPTIONS') asked.set(path, count);
    request.resume();
    request.on('end', () => void answer(request, response, count));
  };
  const servers = [createServer(serve), createServer(serve)];
  const listen = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const [url = '', elsewhere = ''] = await Promise.all(servers.map(listen));
  const gone = createServer();
  const refused = await listen(gone);
  gone.close();
  const browser = await launch();
  return {
    url,
    elsewhere,
    refused,
    asked: (path) => asked.get(path) ?? 0,
    open: async (path = '/page?axios') => {
      const page = await browser.newPage();
      await page.goto(`${url}${path}`);
      return page;
    },
    close: async () => {
      await browser.close();
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function launch(): Promise<Browser> {
  const isFirefox = BROWSER === 'firefox';
  return puppeteer.launch({
    browser: isFirefox ? 'firefox' : 'chrome',
    executablePath: pathOf(isFirefox ? 'firefox-esr' : 'chromium') ?? '',
    args: isFirefox ? [] : QUIET.map((name) => `--${name}`),
  });
}

/** A page without a bundler: it loads the modules as they are published. */
const MODULES = `<script type="importmap">{ "imports": {
  "axios": "/file/node_modules/axios/dist/esm/axios.js",
  "axios-resilience": "/file/dist/index.js"
} }</script>
<script type="module">
  import axios from 'axios';
  import { attach, reportOf } from 'axios-resilience';
  attach(axios, { retry: { backoff: 0 } });
  globalThis.statuses = reportOf(await axios.get('/flaky?modules')).history.map(({ status }) => status);
</script>`;

const scripts = new Map<string, Promise<string>>();

/** The page's script: the built package, with this copy of axios. */
function scriptWith(axios: string): Promise<string> {
  const known = scripts.get(axios);
  if (known) return known;
  const script = build({
    entryPoints: [root('tests/browsers/page.ts')],
    alias: { axios },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    plugins: [
      {
        name: 'the built package',
        setup: ({ onResolve }) => onResolve({ filter: /\/src\/index\.js$/ }, () => ({ path: root('dist/index.js') })),
      },
    ],
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? '');
  scripts.set(axios, script);
  return script;
}

async function answer(request: IncomingMessage, response: ServerResponse, count: number): Promise<void> {
  const { socket } = request;
  const [path, query = ''] = (request.url ?? '').split('?');
  const script = (text: string) => response.writeHead(200, { 'content-type': 'text/javascript' }).end(text);
  const later = (act: () => void, ms: number) => void setTimeout(act, ms);
  const html = (body: string) => response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html>${body}`);
  const json = (status: number) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"ok":true}');
  /** The head of an answer and half of its body. */
  const half = (head: Record<string, string> = { 'content-length': '100' }) => {
    response.writeHead(200, { 'content-type': 'application/json', ...head });
    response.write('{"half":');
  };
  if (request.method === 'OPTIONS') {
    const allowed = path === '/shared' ? query : '';
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': `user-agent, ${allowed}` };
    return void response.writeHead(204, headers).end();
  }
  if (path?.startsWith('/file/')) return void script(await readFile(root(path.slice('/file/'.length)), 'utf8'));
  switch (path) {
    case '/page':
      return void html(`<title>page</title><body><script src="/script.js?${query}"></script>`);
    case '/script.js':
      return void script(await scriptWith(query));
    case '/modules':
      return void html(MODULES);
    case '/other':
      return later(() => html('<title>other</title>'), 300);
    case '/download':
      return void response.writeHead(200, { 'content-disposition': 'attachment; filename=rows.csv' }).end('a,b');
    case '/shared': // with every page, of which it says what that may send and read
      return void response
        .writeHead(request.method === 'POST' ? 200 : 503, {
          'access-control-allow-origin': '*',
          'access-control-expose-headers': query,
          'retry-after': '120',
        })
        .end();
    case '/ok':
      return void json(200);
    case '/down':
      return void json(503);
    case '/flaky':
      return void json(count === 1 ? 503 : 200);
    case '/slow-at-first':
      return later(() => json(200), count === 1 ? 600 : 0);
    case '/hang-at-first':
      if (count > 1) json(200);
      return;
    case '/half':
      return half();
    case '/fin':
      half();
      return later(() => socket.end(), 30);
    case '/rst':
      half();
      return later(() => socket.resetAndDestroy(), 30);
    case '/chunk':
      half({});
      return later(() => socket.end(), 30);
    case '/close':
      return void socket.end();
    case '/reset':
      return void socket.resetAndDestroy();
    case '/round':
      return void response.writeHead(302, { location: request.url }).end();
    default: // never answers
  }
}
