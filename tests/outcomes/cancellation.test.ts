import { AxiosError, CanceledError } from 'axios';
import { describe, expect, test } from 'vitest';
import { diagnose, failed } from '../../src/interceptors/outcome/diagnosis.js';

const config = { headers: {}, env: {} } as never;

/** What axios's fetch adapter throws when a body ends with an `AbortError`, the request's signal being so. */
function aborted(signal: AbortSignal): AxiosError {
  const request = new Request('https://api.example.com/', { signal });
  const cause = new DOMException('The operation was aborted. ', 'AbortError');
  return AxiosError.from(cause, undefined, config, request);
}
const by = (reason: unknown): AbortSignal => AbortSignal.abort(reason);

const CANCELLED = { outcome: 'neutral', cancelled: true };

describe('an AbortError of the fetch adapter', () => {
  test('is a body that broke off, if nobody aborted the request: so in Firefox', () => {
    expect(diagnose(failed(aborted(new AbortController().signal)), config)).toMatchObject({
      outcome: 'failure',
      broken: true,
    });
  });

  test('is a timeout, if that is why the request was aborted: so in older versions of axios', () => {
    const reason = new AxiosError('timeout 100 of ms exceeded', 'ETIMEDOUT');
    expect(diagnose(failed(aborted(by(reason))), config)).toMatchObject({
      outcome: 'failure',
      code: 'ETIMEDOUT',
      broken: true,
    });
  });

  test.each([
    ['its CancelToken', new CanceledError()],
    ['its signal', undefined],
    ['its signal, with a reason', new Error('left')],
  ])('is the own doing of the caller that cancelled by %s', (_by, reason) => {
    expect(diagnose(failed(aborted(by(reason))), config)).toMatchObject(CANCELLED);
  });

  test('is the own doing of the caller whose fetch it is', () => {
    const own = { headers: {}, env: { fetch } } as never;
    expect(diagnose(failed(aborted(new AbortController().signal)), own)).toMatchObject(CANCELLED);
  });

  test('is the own doing of the caller where it comes from an adapter of its own', () => {
    const error = new DOMException('The operation was aborted. ', 'AbortError');
    expect(diagnose(failed(error), config)).toMatchObject(CANCELLED);
  });
});

describe('messages of fetch for arguments that it does not take: Firefox, undici, Deno, Bun, workerd', () => {
  test.each([
    'Headers.append: "x y" is an invalid header name.',
    'Headers.set: "a\nb" is an invalid header value.',
    'Headers constructor: x y is an invalid header name.',
    'Cannot convert argument to a ByteString because the character at index 0 has a value of 55357 which is greater than 255.',
    "'GE T' is not a valid HTTP method.",
    'Request with GET/HEAD method cannot have body.',
    'unknown scheme',
    'bad port',
    'Invalid header name: "x y"',
    'Invalid header value: "a\nb"',
    'Method is not valid',
    "Url scheme 'foo' not supported",
    'Fetch failed: Requests to port 9 are blocked',
    "Invalid header name: 'x y'",
    "Header 'x' has invalid value",
    'Invalid header name.',
    'Invalid HTTP method string: GE T',
    'Fetch API cannot load: foo://x',
    'Request constructor: Invalid request method TRACE.',
    'Request constructor: HEAD or GET Request cannot have a body.',
    'Request constructor: x a is an invalid header name.',
    'Window.fetch: Request mode navigate is invalid.',
    'WorkerGlobalScope.fetch: Request mode navigate is invalid.',
  ])('%s: the own doing of the caller', (message) => {
    const error = AxiosError.from(new TypeError(message), undefined, config);
    const diagnosis = diagnose(failed(error), config);
    expect(diagnosis).toMatchObject({ outcome: 'neutral' });
    expect(diagnosis.broken).toBeUndefined();
  });
});
