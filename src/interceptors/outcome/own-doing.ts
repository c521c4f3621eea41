import type { InternalAxiosRequestConfig } from 'axios';
import { isRejection } from '../../errors.js';
import { read } from '../../fields.js';
import type { Link } from './error-chain.js';

type Config = InternalAxiosRequestConfig<unknown>;

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
  'ERR_UNKNOWN_ENCODING',
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
  // a timer that is given less than 0, or more than it holds, is over at once
  /^timeout (of )?(-\d|\d{10}|Infinity)/,
  // what a `beforeRedirect` throws, as against a place that the server has made up
  /^Redirected request failed: (?!Unsupported protocol|Invalid URL)/,
  // fetch has no codes for these: undici, Deno, Bun, browsers
  /redirect count exceeded|unexpected redirect|maximum number of redirects|redirected too many times/i,
  /^Failed to (construct|parse URL|execute '\w+' on )|is not a valid (URL|HTTP method)|^fetch\(\) URL is invalid/,
  // its arguments, where they cannot be sent: undici, Deno, Bun, workerd
  /^Invalid (URL|HTTP method string: |header (name|value)(: ["']|\.$))|^Header '[^']*' has invalid value$|^Cannot convert argument to a ByteString /,
  /^Method is not valid$|^Request with (a )?GET\b.* body/,
  /^unknown scheme$|^protocol mismatch$|^URL scheme '[^']*' not supported$|^not implemented\.\.\. yet|^Fetch API cannot load: |^bad port$|^Fetch failed: Requests to port \d+ are blocked/i,
  // undici and Firefox, whatever is wrong with the arguments
  /^(Headers|Request|Window|WorkerGlobalScope)(\.\w+| constructor): /,
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

/** A file, or a Unix socket, that is not there, or not ours to use. */
export const FILE_CODES: ReadonlySet<string> = new Set(['EACCES', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EPERM']);

/** A file of this host that could not be read, as against a socket that could not be connected to. */
const isOfFile = ({ code, syscall }: Link): boolean => FILE_CODES.has(code) && syscall !== '' && syscall !== 'connect';

/** The XHR adapter: the page was left, or stopped. */
export const isDismissed = ([first]: readonly Link[]): boolean =>
  first?.code === 'ECONNABORTED' && first.message === 'Request aborted';

/** A fetch that gives no `Request` with its errors, perhaps the user's own. */
const isBareFetch = (env: unknown): boolean =>
  Boolean(read(env, 'fetch')) || read(env, 'Request') === null || typeof Request !== 'function';

/** Older versions of axios fail themselves where fetch gives a DOMException, of which they read the prototype. */
const AXIOS_FAILED = /DOMException|Illegal invocation/;

/** What chooses a host, or connects to it, may know of an outage. Most have an agent; few of those throw by a mistake. */
const mayKnowOfOutage = (config: Config, { name }: Link): boolean =>
  typeof read(config, 'lookup') === 'function' ||
  typeof read(read(config, 'transport'), 'request') === 'function' ||
  (name !== 'TypeError' && Boolean(read(config, 'httpAgent') ?? read(config, 'httpsAgent')));

/**
 * Whether an adapter of axios itself failed before there was a request: it gives the errors of a request that request, or a
 * code. What is left is of options, or of functions of the user.
 */
const isUnasked = ([first]: readonly Link[], config: Config, adapter: Config['adapter']): boolean =>
  !read(first?.value, 'code') &&
  !read(first?.value, 'request') &&
  !isBareFetch(config.env) &&
  !AXIOS_FAILED.test(first?.message ?? '') &&
  !(first && mayKnowOfOutage(config, first)) &&
  [adapter].flat().every((name) => typeof name === 'string');

/**
 * Whether the caller is at fault, or its data, its options, its limits.
 *
 * @param adapter As the user named it.
 */
export const isOwnDoing = (chain: readonly Link[], config: Config, adapter: Config['adapter']): boolean =>
  isUnasked(chain, config, adapter) ||
  isDismissed(chain) ||
  chain.some(
    (link) =>
      OWN_CODES.has(link.code) ||
      isRejection(link.value) ||
      (OWN_EXCEPTIONS.has(link.name) && typeof read(link.value, 'code') === 'number') ||
      isOfFile(link) ||
      link.value === read(config.data, 'errored') ||
      OWN_MESSAGES.some((pattern) => pattern.test(link.message)),
  );
