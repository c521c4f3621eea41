import { AxiosHeaders, type InternalAxiosRequestConfig, type RawAxiosHeaders } from 'axios';
import { type AnyHeaders, readHeader } from '../../retry-after.js';

export const IDEMPOTENCY_KEY = 'Idempotency-Key';

interface HeaderMethods {
  set?: (name: string, value: string) => unknown;
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
