import type { InternalAxiosRequestConfig } from 'axios';

const ORIGIN_OF_ABSOLUTE_URL = /^(?:[a-z][a-z\d+\-.]*:)?\/\/[^/?#]*/i;
const MAX_REMEMBERED = 1000;

/** Keys by base URL as it was written, then by method: the same string each time, which makes maps fast. */
const remembered = new Map<string, Map<string, string>>();
let latest = { method: '', url: '', key: '' };

function keyOf(method: string, url: string): string {
  if (latest.method !== method || latest.url !== url) latest = { method, url, key: lookUp(method, url) };
  return latest.key;
}

function lookUp(method: string, url: string): string {
  const known = remembered.get(url)?.get(method);
  if (known !== undefined) return known;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  const key = `${method.toUpperCase()} ${normalise(url)}`.trim();
  remembered.set(url, new Map(remembered.get(url)).set(method, key));
  return key;
}

/** Host in lower case; no default port, credentials, query, fragment or trailing slash. */
function normalise(url: string): string {
  let plain = url
    .replace(/[?#].*$/s, '')
    .replace(/\/\/(?:[^/]*@)?([^/]*)/, (_match, host: string) => `//${host.toLowerCase()}`);
  try {
    const { protocol, host, pathname } = new URL(plain || '/', (globalThis.location as Location | undefined)?.href);
    plain = `${protocol}//${host}${pathname}`;
  } catch {
    // Relative, and not in a page: it stays as it was written.
  }
  return plain.replace(/\/+$/, '');
}

/** axios also takes a `URL` object, whatever its types say. */
const textOf = (url: string | URL | undefined): string => (url === undefined ? '' : String(url));

/** The base URL, or the origin of an absolute URL, as it was written. */
function base({ baseURL, url, allowAbsoluteUrls }: InternalAxiosRequestConfig): string {
  const origin = baseURL && allowAbsoluteUrls === false ? undefined : ORIGIN_OF_ABSOLUTE_URL.exec(textOf(url))?.[0];
  return origin ?? (baseURL || '');
}

export const methodOf = ({ method }: InternalAxiosRequestConfig): string => (method ?? 'get').toUpperCase();

/**
 * The default: the method in capitals and the base URL, e.g. `GET https://api.example.com/v1`. Where there is no base URL,
 * or an absolute URL overrides it, the URL's origin stands in its place.
 */
export const byMethodAndBaseUrl = (config: InternalAxiosRequestConfig): string =>
  keyOf(config.method ?? 'get', base(config));

/** One circuit per origin, whatever the method and the path of the base URL: `https://api.example.com`. */
export function byOrigin(config: InternalAxiosRequestConfig): string {
  const url = keyOf('', base(config));
  return ORIGIN_OF_ABSOLUTE_URL.exec(url)?.[0] ?? url;
}

/** One circuit per method and origin: `GET https://api.example.com`. */
export const byMethodAndOrigin = (config: InternalAxiosRequestConfig): string =>
  `${methodOf(config)} ${byOrigin(config)}`;

/** Where a request goes, fit for a log: without credentials, query and fragment. */
export function urlWithoutSecrets(config: InternalAxiosRequestConfig): string {
  const url = textOf(config.url);
  const full = ORIGIN_OF_ABSOLUTE_URL.test(url)
    ? url
    : [base(config).replace(/\/+$/, ''), url.replace(/^\/+/, '')].join('/');
  return full.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
}
