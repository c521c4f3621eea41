import type { InternalAxiosRequestConfig } from 'axios';
import { pathWithoutCredentials, shortened, urlWithoutCredentials } from '../../redaction.js';

type Config = InternalAxiosRequestConfig;

/** As axios has it; every other URL is put behind the base URL. */
const ABSOLUTE = /^(?:[a-z][a-z\d+\-.]*:)?\/\//i;
/** What a parser may take for absolute all the same: it skips spaces before a URL, and slashes that are too many or too few. */
const MAYBE_ABSOLUTE = /^(?:[\0-\x20]|[/\\]{2}|[a-z][a-z\d+\-.\t\n\r]*:)/i;
const PLAIN_ORIGIN = /^(?:[a-z][a-z\d+\-.]*:)?\/\/[^/\\?#\s@]+(?=[/\\?#]|$)/i;
const ORIGIN = /^(?:[a-z][a-z\d+\-.]*:)?\/\/[^/?#]*/i;
/** A password that begins with a slash: its parser takes the user for the host. */
const EMPTY_PORT = /^[^:]*:[/\\]*[^/\\?#@:]*:[/\\?#]/;
/** These have neither host nor path: all of it is content. */
const CONTENT = /^[\0-\x20]*(data|blob):/i;

const LONGEST_URL = 2_000;
const MAX_REMEMBERED = 1000;
const MAX_METHODS = 32;

/** Keys by base URL as it was written, then by method: the same string each time, which makes maps fast. */
const remembered = new Map<string, Map<string, string>>();
/** The one that was asked for last: calls come in rows of their like. */
let latest: { readonly method: string; readonly base: string; readonly key: string } | undefined;
let latestOrigin: { readonly base: string; readonly origin: string } | undefined;

function keyOf(method: string, base: string, socket: string): string {
  if (!socket && base === latest?.base && method === latest.method) return latest.key;
  if (socket || base.length > LONGEST_URL) return named(method, base, socket);
  const key = remembered.get(base)?.get(method) ?? learnt(method, base);
  latest = { method, base, key };
  return key;
}

function learnt(method: string, base: string): string {
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  const key = named(method, base, '');
  const keys = remembered.get(base) ?? new Map<string, string>();
  if (keys.size >= MAX_METHODS) keys.clear();
  remembered.set(base, keys.set(method, key));
  return key;
}

const named = (method: string, base: string, socket: string): string =>
  joined(method.toUpperCase(), socket, withoutTrailingSlashes(plain(base)));

const joined = (...parts: readonly string[]): string => parts.filter(Boolean).join(' ');

function parse(url: string): URL | undefined {
  try {
    const parsed = new URL(url || '/', (globalThis.location as Location | undefined)?.href);
    return parsed.host || parsed.pathname.startsWith('/') ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Where a URL leads, without credentials, query and fragment; host in lower case, no default port. */
function plain(url: string): string {
  const content = CONTENT.exec(url);
  if (content) return `${content[1]}:`;
  const parsed = url.includes('@') && EMPTY_PORT.test(url) ? undefined : parse(url);
  if (parsed) return `${parsed.protocol}//${parsed.host}${pathWithoutCredentials(parsed.pathname)}`;
  // Relative, and not in a page; or nothing that a parser takes.
  const [path = ''] = urlWithoutCredentials(shortened(url, LONGEST_URL)).split(/[?#]/, 1);
  return path.replace(ORIGIN, (origin) => origin.toLowerCase());
}

function withoutTrailingSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end--;
  return text.slice(0, end);
}

/** axios also takes a `URL` object, whatever its types say. */
const textOf = (url: string | URL | undefined): string => (url ? String(url) : '');

const isOverridden = (url: string, { allowAbsoluteUrls }: Config): boolean =>
  allowAbsoluteUrls !== false && !isPath(url) && ABSOLUTE.test(url);

/** Tells the most usual URLs without a regular expression. */
const isPath = (url: string): boolean => url[0] === '/' && url[1] !== '/';

/** The base URL as it was written; empty where the URL leads elsewhere. */
function baseURLOf(config: Config, url: string): string {
  const baseURL = textOf(config.baseURL);
  return baseURL && isOverridden(url, config) ? '' : baseURL;
}

/** The base URL, or the origin of the URL in its place. */
function base(config: Config): string {
  const url = textOf(config.url);
  return baseURLOf(config, url) || originOf(url);
}

function originOf(url: string): string {
  if (!MAYBE_ABSOLUTE.test(url)) return '';
  const origin = url.includes('@') ? undefined : PLAIN_ORIGIN.exec(url)?.[0];
  if (origin !== undefined) return origin;
  const shown = plain(url);
  return CONTENT.test(url) ? shown : (ORIGIN.exec(shown)?.[0] ?? '');
}

const socketOf = ({ socketPath }: Config): string =>
  typeof socketPath === 'string' && socketPath ? `unix:${socketPath}` : '';

export const methodOf = ({ method }: Config): string => (method ?? 'get').toUpperCase();

/**
 * The default: the method in capitals and the base URL, e.g. `GET https://api.example.com/v1`. Where there is no base URL,
 * or an absolute URL overrides it, the URL's origin stands in its place. The path of a unix socket comes before it:
 * `GET unix:/var/run/docker.sock`.
 */
export const byMethodAndBaseUrl = (config: Config): string =>
  keyOf(config.method ?? 'get', base(config), socketOf(config));

/** One circuit per origin, whatever the method and the path of the base URL: `https://api.example.com`. */
export function byOrigin(config: Config): string {
  const from = base(config);
  const origin = from === latestOrigin?.base ? latestOrigin.origin : originBy(from);
  const socket = socketOf(config);
  return socket ? joined(socket, origin) : origin;
}

function originBy(from: string): string {
  const url = keyOf('', from, '');
  const origin = ORIGIN.exec(url)?.[0] ?? url;
  if (from.length <= LONGEST_URL) latestOrigin = { base: from, origin };
  return origin;
}

/** One circuit per method and origin: `GET https://api.example.com`. */
export const byMethodAndOrigin = (config: Config): string => `${methodOf(config)} ${byOrigin(config)}`;

/** Where a request goes, fit for a log: without credentials, query and fragment, and no longer than a line. */
export function urlWithoutSecrets(config: Config): string {
  const url = textOf(config.url);
  const baseURL = baseURLOf(config, url);
  const full = baseURL ? `${withoutTrailingSlashes(baseURL)}/${url.replace(/^\/+/, '')}` : url;
  return shortened(plain(full), LONGEST_URL);
}
