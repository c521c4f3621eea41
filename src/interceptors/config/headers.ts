import { AxiosHeaders, type AxiosResponse, type InternalAxiosRequestConfig, type RawAxiosHeaders } from 'axios';
import { retryAfterMs } from '../../retry-after.js';

export const IDEMPOTENCY_KEY = 'Idempotency-Key';

/** Headers as they come: an `AxiosHeaders` of any copy of axios, or a plain object. */
type AnyHeaders = object | null | undefined;

interface HeaderMethods {
  get?: (name: string) => unknown;
  set?: (name: string, value: string) => unknown;
}

/** The value of a header, whatever its spelling; `undefined` where there is none. */
export function readHeader(headers: AnyHeaders, name: string): unknown {
  const { get } = (headers ?? {}) as HeaderMethods;
  if (typeof get === 'function') return get.call(headers, name) ?? undefined;
  const lower = name.toLowerCase();
  return Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === lower)?.[1];
}

export function writeHeader(headers: object, name: string, value: string): void {
  const { set } = headers as HeaderMethods;
  if (typeof set === 'function') set.call(headers, name, value);
  else (headers as Record<string, string>)[name] = value;
}

/** The headers as a plain object, which every copy and version of axios understands. */
export const plainHeaders = (headers: AnyHeaders): RawAxiosHeaders => ({ ...headers });

/** Puts the key of the call back where a hook has lost it: without it the service would do the work twice. */
export function keepIdempotencyKey(
  config: InternalAxiosRequestConfig,
  sent: RawAxiosHeaders,
  {
    idempotencyKey: { header = IDEMPOTENCY_KEY },
  }: { readonly idempotencyKey: { readonly header?: string | undefined } },
): void {
  const key = readHeader(sent, header);
  if (key && !readHeader(config.headers, header)) {
    config.headers = new AxiosHeaders({ ...plainHeaders(config.headers), [header]: key as string });
  }
}

/** How long a response asks to wait, ms; `undefined` where it does not say. */
export function serverDelay({ response }: { readonly response: AxiosResponse | undefined }): number | undefined {
  try {
    return response && retryAfterMs((name) => readHeader(response.headers, name));
  } catch {
    return undefined; // headers of an adapter's own that cannot be read
  }
}
