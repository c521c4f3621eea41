/** Reads a response header by its lower-case name. */
export type HeaderReader = (name: string) => unknown;

/** Headers as they come: an `AxiosHeaders` of any copy of axios, the `Headers` of fetch, or a plain object. */
export type AnyHeaders = object | null | undefined;

/** The value of a header, whatever its spelling; `undefined` where there is none. */
export function readHeader(headers: AnyHeaders, name: string): unknown {
  const { get } = (headers ?? {}) as { get?: HeaderReader };
  if (typeof get === 'function') return get.call(headers, name) ?? undefined;
  const lower = name.toLowerCase();
  return Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === lower)?.[1];
}

const NUMBER = /^\d+(\.\d+)?$/;
const HTTP_DATE = /^[A-Z][a-z]{2}.*\d\d:\d\d:\d\d/;

/**
 * How long the server asks to wait, in ms >= 0; `undefined` where it does not say, or says nonsense.
 *
 * `retry-after-ms` comes before `Retry-After` (RFC 9110, section 10.2.3), which is seconds or an HTTP-date. A date is
 * taken against the response's own `Date`, since the local clock may be wrong.
 */
export function retryAfterMs(header: HeaderReader): number | undefined {
  const text = (name: string) => String([header(name)].flat()[0]).trim();
  const number = (name: string) => (NUMBER.test(text(name)) ? Number(text(name)) : Number.NaN);
  const date = (name: string) =>
    HTTP_DATE.test(text(name)) ? Date.parse(`${text(name).replace(/ ?GMT$/, '')} GMT`) : Number.NaN;
  const candidates = [
    number('retry-after-ms'),
    number('retry-after') * 1000,
    Math.max(0, date('retry-after') - date('date')),
    Math.max(0, date('retry-after') - Date.now()),
  ];
  return candidates.find((delayMs) => !Number.isNaN(delayMs));
}

/** How long the response of a failure asks to wait, ms; `undefined` where it does not say. */
export function serverDelay(failure: {
  readonly response?: { readonly headers: object } | undefined;
}): number | undefined {
  try {
    const { response } = failure;
    return response && retryAfterMs((name) => readHeader(response.headers, name));
  } catch {
    return undefined; // headers of an adapter's own that cannot be read
  }
}
