import { AxiosHeaders, type InternalAxiosRequestConfig } from 'axios';
import { hide } from '../../fields.js';
import { plainHeaders, writeHeader } from './headers.js';

/** Has put headers on its requests by itself, which are kept in lower case. */
interface Owner {
  ownHeaders: Set<string> | undefined;
}

/** Writes a header that is ours and not the user's: it is sent, and no JSON of an error shows it. Closed headers are copied. */
export function writeOwnHeader(owner: Owner, config: InternalAxiosRequestConfig, name: string, value: string): void {
  if (!Object.isExtensible(config.headers)) config.headers = new AxiosHeaders(plainHeaders(config.headers));
  writeHeader(config.headers, name, value);
  owner.ownHeaders = (owner.ownHeaders ?? new Set()).add(name.toLowerCase());
}

/**
 * Leaves out of the JSON of a config the headers that the plugin has put there: axios's errors show their whole config. The
 * headers themselves stay as they are, so that the config can be sent again.
 */
export function conceal({ ownHeaders: names }: Owner, config: InternalAxiosRequestConfig): void {
  if (names) hideIn(config.headers, (name) => names.has(name.toLowerCase()));
}

/** The same for the fallback data of the request, before anybody copies the config. */
export function concealFallback(config: InternalAxiosRequestConfig): void {
  const resilience = Object.hasOwn(config, 'resilience') && config.resilience;
  if (!resilience || !Object.hasOwn(resilience, 'fallback') || Object.hasOwn(resilience, 'toJSON')) return;
  const shown = { ...resilience };
  hideIn(shown, (name) => name === 'fallback');
  Reflect.set(config, 'resilience', shown);
}

/** `JSON.stringify` calls `toJSON` with the name of the field, a text; axios itself calls that of headers without one. */
function hideIn(target: object, isHidden: (name: string) => boolean): void {
  if (Object.hasOwn(target, 'toJSON')) return;
  const { toJSON: whole } = target as { toJSON?: (asStrings?: unknown) => object };
  const toJSON = (asStrings?: unknown): object => {
    const fields = whole ? whole.call(target, asStrings) : { ...target };
    if (typeof asStrings !== 'string') return fields;
    return Object.fromEntries(Object.entries(fields).filter(([name]) => !isHidden(name)));
  };
  hide(target, 'toJSON', toJSON);
}
