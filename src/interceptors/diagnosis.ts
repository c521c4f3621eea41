import { type AxiosResponse, type InternalAxiosRequestConfig, isCancel } from 'axios';
import type { Outcome } from '../events.js';
import { TRANSIENT_CODES } from '../retry/transient-codes.js';

/** How an attempt ended. */
export interface Result {
  /** Whether axios rejected; else it accepted `response`. */
  readonly rejected: boolean;
  readonly error: unknown;
  /** The response, also that of an error. */
  readonly response: AxiosResponse | undefined;
}

export const accepted = (response: AxiosResponse): Result => ({ rejected: false, error: undefined, response });

export const failed = (error: unknown): Result => ({ rejected: true, error, response: asError(error).response });

/** What can be told from how an attempt ended. */
export interface Diagnosis {
  readonly outcome: Outcome;
  readonly status: number | undefined;
  /** The most telling code: that of the cause where axios only says `ERR_NETWORK`. */
  readonly code?: string | undefined;
  /** Every telling code on the error, in AggregateErrors and down the chain of causes. */
  readonly codes: readonly string[];
  /** The response began and broke off. */
  readonly bodyCut?: boolean;
  /** The request surely never reached a server. */
  readonly unsent?: boolean;
  readonly cancelled?: boolean;
}

const UNSENT_CODES = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'];
const BODY_CUT = /^(stream has been )?aborted$|^terminated$/;
const OWN_HOST = /^(ENOTFOUND|EAI_AGAIN|ENETUNREACH|ENETDOWN|(ERR_TLS|CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)_.*)$/;
const MAX_CAUSES = 8;

interface ErrorLike {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
  readonly response?: AxiosResponse;
  readonly request?: { readonly _redirectCount?: number; readonly redirect?: unknown };
}

const asError = (value: unknown): ErrorLike => (typeof value === 'object' && value !== null ? value : {});

/** The error, its causes and the members of AggregateErrors among them. */
function chainOf(error: unknown, chain: ErrorLike[] = []): ErrorLike[] {
  const link = asError(error);
  if (!error || chain.length >= MAX_CAUSES || chain.includes(link)) return chain;
  chain.push(link);
  for (const cause of [link.errors, link.cause].flat()) chainOf(cause, chain);
  return chain;
}

function codesOf(chain: readonly ErrorLike[]): string[] {
  const codes = chain.flatMap(({ code, message }) => [
    String(message).includes('NGHTTP2_REFUSED_STREAM') ? 'NGHTTP2_REFUSED_STREAM' : code,
  ]);
  const telling = codes.filter((code) => typeof code === 'string' && code !== 'ERR_NETWORK') as string[];
  const isNetwork = codes.includes('ERR_NETWORK') || chain[0]?.message === 'Network Error';
  return telling.length === 0 && isNetwork ? ['ERR_NETWORK'] : telling;
}

/** A redirect that was followed may have carried the request out before the next hop failed. */
const mayHaveRedirected = ({ request, code }: ErrorLike): boolean =>
  request?._redirectCount === undefined
    ? code === 'ERR_NETWORK' && !['manual', 'error'].includes(request?.redirect as string)
    : request._redirectCount > 0;

const NONE: readonly string[] = [];

const ofStatus = (status = 0): Outcome => (status === 429 || status >= 500 ? 'failure' : 'success');

const isOffline = (): boolean => (globalThis.navigator as Navigator | undefined)?.onLine === false;

/** Reads everything that the policies need from the result of an attempt, in one place. */
export function diagnose({ rejected, error, response }: Result, config: InternalAxiosRequestConfig): Diagnosis {
  const status = response?.status;
  if (!rejected) return { outcome: ofStatus(status), status, codes: NONE };
  try {
    return diagnoseError(error, status, config);
  } catch {
    // An error whose fields cannot be read says nothing of the service.
    return { outcome: 'neutral', status, codes: NONE };
  }
}

/** Whether the failure is of this host alone: its names, its network, its trust in certificates. */
export const isOfOwnHost = ({ codes }: Diagnosis): boolean =>
  codes.length > 0 && codes.every((code) => OWN_HOST.test(code));

function diagnoseError(error: unknown, status: number | undefined, { signal }: InternalAxiosRequestConfig): Diagnosis {
  const chain = chainOf(error);
  const codes = codesOf(chain);
  const [code] = codes;
  const cancelled = isCancel(error) || signal?.aborted === true;
  const bodyCut = chain.some(({ message }) => BODY_CUT.test(String(message)));
  const dismissed = code === 'ECONNABORTED' && chain[0]?.message === 'Request aborted';
  let outcome: Outcome = 'neutral';
  if (bodyCut) outcome = 'failure';
  else if (status) outcome = ofStatus(status);
  else if (codes.some((name) => TRANSIENT_CODES.includes(name)) && !isOffline()) outcome = 'failure';
  return {
    outcome: cancelled || dismissed ? 'neutral' : outcome,
    status,
    code,
    codes: dismissed ? NONE : codes,
    bodyCut,
    unsent:
      codes.length > 0 && codes.every((name) => UNSENT_CODES.includes(name)) && !mayHaveRedirected(asError(error)),
    cancelled,
  };
}
