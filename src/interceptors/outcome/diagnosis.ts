import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { Outcome } from '../../events.js';
import { read } from '../../fields.js';
import { isTimeoutCode } from '../../out-of-time.js';
import { isCancelled, timeoutBehind } from './cancellation.js';
import { chainOf, type Link } from './error-chain.js';
import { FILE_CODES, isDismissed, isOwnDoing } from './own-doing.js';
import { isOnlyThePage } from './page.js';

/** How an attempt ended. */
export interface Result {
  /** Whether axios rejected; else it accepted `response`. */
  readonly rejected: boolean;
  readonly error: unknown;
  /** The response, also that of an error. */
  readonly response: AxiosResponse | undefined;
}

export const accepted = (response: AxiosResponse): Result => ({ rejected: false, error: undefined, response });

export function failed(error: unknown): Result {
  const response = read(error, 'response');
  const isResponse = typeof response === 'object' && response !== null;
  return { rejected: true, error, response: isResponse ? (response as AxiosResponse) : undefined };
}

/** Returns the response, or throws the error. */
export function handedOn({ rejected, error, response }: Result): AxiosResponse {
  if (rejected) throw error;
  return response as AxiosResponse;
}

/** What can be told from how an attempt ended. */
export interface Diagnosis {
  readonly outcome: Outcome;
  readonly status: number | undefined;
  /** The most telling code: that of the cause where axios only says `ERR_NETWORK`. */
  readonly code?: string | undefined;
  /** Every telling code on the error, in AggregateErrors and down the chain of causes. */
  readonly codes: readonly string[];
  /** No whole answer came, which may be different the next time. */
  readonly broken?: boolean;
  /** The request surely never reached a server. */
  readonly unsent?: boolean;
  readonly cancelled?: boolean;
}

const NONE: readonly string[] = [];

/** Nobody was there to take the request, or it was handed back untouched. */
const UNSENT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'NGHTTP2_REFUSED_STREAM', // RFC 9113, section 8.7, also for streams above the last of a GOAWAY
  'ERR_HTTP2_GOAWAY_SESSION', // the stream was never opened
  'ERR_HTTP2_INVALID_SESSION',
]);

const CERTIFICATE =
  /^(ERR_TLS_CERT|CERT|CRL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED)/;
const OWN_HOST = /^(ENOTFOUND|EAI_AGAIN|ENETUNREACH|ENETDOWN|EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/;
const BODY_CUT = /^(stream has been )?aborted$|^maxContentLength size of -1 exceeded/;
/** What axios makes of a whole answer that `validateStatus` does not accept. */
const STATUS_CODES = new Set(['', 'ERR_BAD_REQUEST', 'ERR_BAD_RESPONSE']);

/**
 * What an attempt says about the service, decided here alone.
 *
 * | it came to                                                          | outcome |
 * |---------------------------------------------------------------------|---------|
 * | a whole answer                                                      | by its status: 408, 429 and from 500 on failure, 425 neutral, else success |
 * | a call that was cancelled (`cancellation.ts`)                       | neutral |
 * | an end that the caller brought about (`own-doing.ts`)               | neutral |
 * | no whole answer while the browser is offline or leaves (`page.ts`)  | neutral |
 * | no whole answer                                                     | failure |
 *
 * @param adapter As the user named it.
 */
export function diagnose(
  { rejected, error, response }: Result,
  config: InternalAxiosRequestConfig,
  adapter?: InternalAxiosRequestConfig['adapter'],
): Diagnosis {
  if (!rejected)
    return { outcome: response ? ofStatus(response.status) : 'neutral', status: response?.status, codes: NONE };
  const status = statusOf(response);
  const chain = chainOf(timeoutBehind(error) ?? error);
  const codes = codesOf(chain);
  const [code] = codes;
  const seen = { status, code, codes: isDismissed(chain) ? NONE : codes };
  if (isCancelled(error, config)) return { ...seen, outcome: 'neutral', cancelled: true };
  if (status !== undefined && isWhole(response, chain)) return { ...seen, outcome: ofStatus(status) };
  if (isOwnDoing(chain, config, adapter)) return { ...seen, outcome: 'neutral' };
  return {
    ...seen,
    outcome: isOnlyThePage() ? 'neutral' : 'failure',
    broken: !codes.some((name) => CERTIFICATE.test(name)),
    unsent: isUnsent(chain, codes) && !mayHaveRedirected(error),
  };
}

/** Whether the failure is of this host alone: its names, its network, its trust in certificates. */
export const isOfOwnHost = ({ codes }: Diagnosis): boolean =>
  codes.length > 0 && codes.every((code) => OWN_HOST.test(code) || CERTIFICATE.test(code));

/** Whether no answer came in time; a failure that was cancelled is one whose signal's time was over. */
export const isTimeout = ({ codes, cancelled }: Diagnosis): boolean => cancelled === true || codes.some(isTimeoutCode);

const ofStatus = (status = 0): Outcome => {
  if (status === 425) return 'neutral';
  return status === 408 || status === 429 || status >= 500 ? 'failure' : 'success';
};

function statusOf(response: unknown): number | undefined {
  const status = read(response, 'status');
  return typeof status === 'number' ? status : undefined;
}

/** Whether the response of an error came to its end. The adapters leave its data out where it broke off. */
const isWhole = (response: unknown, [first]: readonly Link[]): boolean =>
  !BODY_CUT.test(first?.message ?? '') && (STATUS_CODES.has(first?.code ?? '') || read(response, 'data') !== undefined);

function codesOf(chain: readonly Link[]): readonly string[] {
  const codes = chain.map(({ code, message }) =>
    message.includes('NGHTTP2_REFUSED_STREAM') ? 'NGHTTP2_REFUSED_STREAM' : code,
  );
  const telling = codes.filter((code) => code !== '' && code !== 'ERR_NETWORK');
  const isNetwork = codes.includes('ERR_NETWORK') || chain[0]?.message === 'Network Error';
  return telling.length === 0 && isNetwork ? ['ERR_NETWORK'] : telling;
}

function isUnsent(chain: readonly Link[], codes: readonly string[]): boolean {
  const isOfSocket = (code: string) =>
    FILE_CODES.has(code) && chain.some((link) => link.code === code && link.syscall === 'connect');
  return codes.length > 0 && codes.every((code) => UNSENT_CODES.has(code) || isOfSocket(code));
}

/** A redirect that was followed may have carried the request out before the next hop failed. */
function mayHaveRedirected(error: unknown): boolean {
  const request = read(error, 'request');
  const count = read(request, '_redirectCount');
  if (typeof count === 'number') return count > 0;
  return read(error, 'code') === 'ERR_NETWORK' && !['manual', 'error'].includes(String(read(request, 'redirect')));
}
