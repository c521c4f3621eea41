import { AxiosError, type InternalAxiosRequestConfig } from 'axios';
import type { TurnedAway } from './events.js';
import { hide, read } from './fields.js';

/** What is known when a circuit rejects. */
export interface RejectionContext {
  /** The circuit's key. */
  readonly key: string;
  /** When to try again, in ms from now, >= 0. */
  readonly retryAfterMs: number;
  /** The failure that opened the circuit; `undefined` where it was opened by hand. */
  readonly cause?: unknown;
  /** The call's config; absent when the rejection is not of an axios call. */
  readonly config?: InternalAxiosRequestConfig | undefined;
}

/**
 * No attempt was made, because the circuit is open or all its probes are under way.
 *
 * It carries what Express and Fastify read from an error (`status`, `statusCode`, `headers`), so that a service which
 * lets it through answers 503 with `Retry-After` (RFC 9110, section 10.2.3).
 */
export class CircuitOpenError extends AxiosError {
  readonly rejectedBy = 'circuit' as const;
  /** The circuit's key. */
  readonly key: string;
  /** When to try again, in ms from the moment of the rejection, >= 0. */
  readonly retryAfterMs: number;
  /** As `status`; the name that Fastify and Nest read. */
  readonly statusCode: number = 503;
  /** Keeps the message from clients where the framework asks (Express's http-errors, Nest). */
  readonly expose: boolean = false;
  /** `Retry-After` in whole seconds, rounded up; none while the circuit is isolated, since it is not known for how long. */
  readonly headers: { readonly 'Retry-After'?: string };

  constructor({ key, retryAfterMs, config, cause }: RejectionContext) {
    const hint = Number.isFinite(retryAfterMs) ? `retry in ${Math.ceil(retryAfterMs)} ms` : 'it is isolated';
    super(`The circuit "${key}" is open; ${hint}`, 'ERR_CIRCUIT_OPEN', config);
    this.name = 'CircuitOpenError';
    this.status = 503;
    this.key = key;
    this.retryAfterMs = retryAfterMs;
    giveCause(this, cause);
    this.headers = Number.isFinite(retryAfterMs) ? { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) } : {};
  }
}

interface LimitRejection extends RejectionContext {
  readonly why: TurnedAway;
}

const WHY: Readonly<Record<TurnedAway, string>> = {
  queue: 'the queue is full',
  wait: 'its wait is over',
  held: 'it would have to wait for too long',
};

/**
 * No attempt was made, because a limiter let none pass in time. A sibling of `CircuitOpenError`: it carries what Express and
 * Fastify read from an error (`status`, `statusCode`, `headers`), so that a service which lets it through answers 503.
 */
export class LimitError extends AxiosError {
  readonly rejectedBy = 'limiter' as const;
  /** The limiter's key. */
  readonly key: string;
  /** `queue`: the queue was full; `wait`: the wait was over; `held`: the wait would have been too long. */
  readonly why: TurnedAway;
  /** How long a new attempt would be rejected, in ms from the moment of the rejection; 0 where that is not known. */
  readonly retryAfterMs: number;
  /** As `status`; the name that Fastify and Nest read. */
  readonly statusCode: number = 503;
  /** Keeps the message from clients where the framework asks (Express's http-errors, Nest). */
  readonly expose: boolean = false;
  /** `Retry-After` in whole seconds, rounded up, where it is known. */
  readonly headers: { readonly 'Retry-After'?: string };

  constructor({ key, why, retryAfterMs, config }: LimitRejection) {
    super(`The limiter "${key}" let no attempt pass: ${WHY[why]}`, 'ERR_LIMITED', config);
    this.name = 'LimitError';
    this.status = 503;
    this.key = key;
    this.why = why;
    this.retryAfterMs = retryAfterMs;
    const isKnown = retryAfterMs > 0 && Number.isFinite(retryAfterMs);
    this.headers = isKnown ? { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) } : {};
  }
}

/**
 * Whether a circuit or a limiter rejected the call: `error.rejectedBy` says which. Also true for an error of this package's other
 * module format; not for one that `createError` made.
 */
export const isRejectedError = (error: unknown): error is CircuitOpenError | LimitError =>
  hasCode(error, 'ERR_CIRCUIT_OPEN') || hasCode(error, 'ERR_LIMITED');

/** Whether a limiter rejected the call. */
export const isLimitError = (error: unknown): error is LimitError => hasCode(error, 'ERR_LIMITED');

const hasCode = (error: unknown, code: string): boolean => read(error, 'code') === code;

/** Whether an error is an abort: by its name, or a cancellation of any copy of axios. */
export const isAbort = (error: unknown): boolean =>
  read(error, 'name') === 'AbortError' || read(error, '__CANCEL__') === true;

/** Gives an error a cause where it has none and can take one; never itself. */
export function giveCause(error: unknown, value: unknown): void {
  if (error instanceof Error && !error.cause && error !== value && value !== undefined) {
    hide(error, 'cause', value);
  }
}

const rejections = new WeakMap<object, string>();

/** Remembers that an error is a circuit's rejection, also one of the user's own making. */
export function markRejection(error: unknown, key: string): void {
  if (typeof error === 'object' && error !== null) rejections.set(error, key);
}

/** The key of the circuit whose rejection an error is; `undefined` for any other error. */
export function rejectedKeyOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  return rejections.get(error) ?? (hasCode(error, 'ERR_CIRCUIT_OPEN') ? (error as CircuitOpenError).key : undefined);
}

/** Whether a circuit or a limiter rejected, also with an error that `createError` made. */
export const isRejection = (error: unknown): boolean => isRejectedError(error) || rejections.has(error as object);

interface Exchange {
  readonly config?: unknown;
  readonly status?: number;
  readonly code?: string;
}

const MOST_CAUSES = 8;

/** A failure as it may be kept: one of axios without config, request and response, which hold secrets and memory. */
export function withoutExchange(failure: unknown): unknown {
  try {
    return keptOf(failure);
  } catch {
    return new Error('A failure that cannot be read');
  }
}

function keptOf(failure: unknown, depth = 0): unknown {
  if (typeof failure !== 'object' || failure === null || !('config' in failure)) return failure;
  const { status, code } = failure as Exchange;
  const error = failure instanceof Error ? failure : new AxiosError(`Request failed with status code ${status}`);
  const kept = Object.create(Object.getPrototypeOf(error) as object) as Error;
  const { name, message } = error;
  const cause = depth < MOST_CAUSES ? keptOf(error.cause, depth + 1) : undefined;
  for (const [field, value] of Object.entries({ name, message, cause })) {
    if (value !== undefined) hide(kept, field, value);
  }
  return Object.assign(kept, code === undefined ? {} : { code }, status === undefined ? {} : { status });
}
