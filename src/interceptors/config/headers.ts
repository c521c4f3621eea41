import { AxiosHeaders, type InternalAxiosRequestConfig, type RawAxiosHeaders } from 'axios';
import { type AnyHeaders, readHeader } from '../../retry-after.js';

export const IDEMPOTENCY_KEY = 'Idempotency-Key';

interface HeaderMethods {
  set?: (name: string, value: string) => unknown;
}

interface KeyOptions {
  readonly header?: string | undefined;
}

export function writeHeader(headers: object, name: string, value: string): void {
  const { set } = headers as HeaderMethods;
  if (typeof set === 'function') set.call(headers, name, value);
  else (headers as Record<string, string>)[name] = value;
}

/** The headers as a plain object, which every copy and version of axios understands. */
export const plainHeaders = (headers: AnyHeaders): RawAxiosHeaders => ({ ...headers });

/**
 * The key that is sent with a request; `undefined` where none is, or an empty one, by which no service can tell a repetition.
 * axios leaves out a header that is `false`.
 */
export function idempotencyKeyOf(headers: AnyHeaders, { header = IDEMPOTENCY_KEY }: KeyOptions): string | undefined {
  const value = readHeader(headers, header) as string | false | undefined;
  return value !== false && /[^\s"]/.test(value ?? '') ? value : undefined;
}

/** Puts the key of the call back where a hook has lost it: without it the service would do the work twice. */
export function keepIdempotencyKey(
  config: InternalAxiosRequestConfig,
  sent: RawAxiosHeaders,
  { idempotencyKey }: { readonly idempotencyKey: KeyOptions },
): void {
  const key = idempotencyKeyOf(sent, idempotencyKey);
  if (key && !idempotencyKeyOf(config.headers, idempotencyKey)) {
    const { header = IDEMPOTENCY_KEY } = idempotencyKey;
    config.headers = new AxiosHeaders({ ...plainHeaders(config.headers), [header]: key });
  }
}
