import type { InternalAxiosRequestConfig } from 'axios';
import { isRejection } from '../../errors.js';
import { read } from '../../fields.js';
import type { Link } from './error-chain.js';

/**
 * What a caller does to itself, and so says nothing of the service. Whatever is not here, and ended an attempt without a
 * whole answer, is a failure. `docs/outcomes.md` has the same list.
 */
export const OWN_CODES: ReadonlySet<string> = new Set([
  // axios: options, the URL, what it cannot do, data that cannot be sent
  'ERR_BAD_OPTION',
  'ERR_BAD_OPTION_VALUE',
  'ERR_BAD_REQUEST',
  'ERR_DEPRECATED',
  'ERR_FORM_DATA_DEPTH_EXCEEDED',
  'ERR_INVALID_URL',
  'ERR_NOT_SUPPORT',
  // Node and undici: arguments and headers
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_HTTP2_INVALID_CONNECTION_HEADERS',
  'ERR_HTTP2_INVALID_HEADER_VALUE',
  'ERR_HTTP2_INVALID_PSEUDOHEADER',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_INVALID_PROTOCOL',
  'ERR_SOCKET_BAD_PORT',
  'ERR_UNESCAPED_CHARACTERS',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // limits of this side
  'ERR_FR_MAX_BODY_LENGTH_EXCEEDED',
  'HPE_HEADER_OVERFLOW',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  // redirects that go round, or are not allowed
  'ERR_FR_TOO_MANY_REDIRECTS',
  'ERR_TOO_MANY_REDIRECTS',
  'TooManyRedirects',
  'UnexpectedRedirect',
]);

const OWN_MESSAGES = [
  /^maxContentLength size of \d+ exceeded/,
  // fetch has no codes for these: undici, Deno, Bun, browsers
  /redirect count exceeded|unexpected redirect|maximum number of redirects|redirected too many times/i,
  /^Failed to (construct|parse URL)|^Failed to execute '\w+' on |^Invalid URL|is not a valid URL|^fetch\(\) URL is invalid/,
  // its arguments, where they cannot be sent: undici, Deno, Bun, workerd
  /^Headers(?:\.\w+| constructor): |^Invalid header (?:name|value)(?:: ["']|\.$)|^Header '[^']*' has invalid value$|^Cannot convert argument to a ByteString /,
  /^'[^']*' is not a valid HTTP method|^Method is not valid$|^Invalid HTTP method string: |^Request with (?:a )?GET\b.* body/,
  /^unknown scheme$|^Url scheme '[^']*' not supported$|^Fetch API cannot load: |^bad port$|^Fetch failed: Requests to port \d+ are blocked/,
  // Firefox, whatever is wrong with the arguments
  /^Request constructor: |^(Window|WorkerGlobalScope)\.fetch: /,
];

/** Exceptions of the DOM that a request raises before it is sent. */
export const OWN_EXCEPTIONS: ReadonlySet<string> = new Set([
  'DataCloneError',
  'InvalidAccessError',
  'InvalidStateError',
  'NotSupportedError',
  'SecurityError',
  'SyntaxError',
]);

const FILE_CODES = new Set(['EACCES', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EPERM']);

/** A file of this host that could not be read, as against a socket that could not be connected to. */
const isOfFile = ({ code, syscall }: Link): boolean => FILE_CODES.has(code) && syscall !== '' && syscall !== 'connect';

/** The XHR adapter: the page was left, or stopped. */
export const isDismissed = ([first]: readonly Link[]): boolean =>
  first?.code === 'ECONNABORTED' && first.message === 'Request aborted';

/** Whether the caller is at fault, or its data, its options, its limits. */
export const isOwnDoing = (chain: readonly Link[], { data }: InternalAxiosRequestConfig<unknown>): boolean =>
  isDismissed(chain) ||
  chain.some(
    (link) =>
      OWN_CODES.has(link.code) ||
      isRejection(link.value) ||
      (OWN_EXCEPTIONS.has(link.name) && typeof read(link.value, 'code') === 'number') ||
      isOfFile(link) ||
      link.value === read(data, 'errored') ||
      OWN_MESSAGES.some((pattern) => pattern.test(link.message)),
  );
