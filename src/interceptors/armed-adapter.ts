import axios, { type AxiosAdapter, AxiosHeaders, getAdapter, type InternalAxiosRequestConfig } from 'axios';
import type { CircuitBreaker } from '../circuit/breaker.js';
import type { Permit, Rejection } from '../circuit/contract.js';
import { CircuitOpenError, markRejection, type RejectionContext } from '../errors.js';
import { oneOf } from '../validation.js';
import { discard } from './bodies.js';
import { type Call, type Captured, circuitKeyOf } from './call.js';
import { conceal, writeOwnHeader } from './concealment.js';
import { deadlineError, dispatchWithin, isDeadlineError } from './deadline.js';
import { accepted, diagnose, failed, isOfOwnHost, type Result } from './diagnosis.js';
import { plainHeaders, serverDelay } from './headers.js';
import { interruptible } from './interruptible.js';
import { byMethodAndBaseUrl } from './key.js';

type Config = InternalAxiosRequestConfig;

const anOutcome = oneOf('success', 'failure', 'neutral');

/** How late a timeout may be before its probe counts as lost. */
const LEASE_GRACE_MS = 1_000;

/**
 * The adapter that stands in for a call's own while the call is under way. Only here is it certain that an attempt
 * follows, so a permit is asked for here, and settled on what the adapter comes to.
 */
export const armedAdapter =
  (call: Call): AxiosAdapter =>
  (config) => {
    try {
      if (call.over || !call.captured) return resolveAdapter(call.adapter, config)(config);
      call.dispatched = config;
      return attempt(call, call.captured, config);
    } catch (error) {
      call.refusal ??= 'not-retryable';
      return Promise.reject(error);
    }
  };

function attempt(call: Call, captured: Captured, config: Config): ReturnType<AxiosAdapter> {
  const { attachment, state } = call;
  const adapter = resolveAdapter(call.adapter, config);
  const circuitKey = circuitKeyOf(config, captured.policy);
  state.key = circuitKey ?? byMethodAndBaseUrl(config);
  if (call.remainingMs() <= 0) {
    call.refusal = 'deadline';
    throw deadlineError(config);
  }
  const now = call.attemptStart();
  const answer = circuitKey === null ? undefined : acquire(call, circuitKey, now, config);
  if (answer instanceof Promise) {
    return whileWanted(call, config, answer).then((later) =>
      admitted(call, captured, config, adapter, later, attachment.clock.now()),
    );
  }
  return admitted(call, captured, config, adapter, answer, now);
}

/** The answer, unless the call is cancelled or its deadline passes before: then the permit goes back. */
async function whileWanted(
  call: Call,
  config: Config,
  answer: Promise<Permit | Rejection>,
): Promise<Permit | Rejection> {
  try {
    return await interruptible(config, call.remainingMs(), () => answer);
  } catch (error) {
    if (isDeadlineError(error)) call.refusal = 'deadline';
    void answer.then((later) => later.admitted && later.settle('neutral'));
    throw error;
  }
}

function admitted(
  call: Call,
  captured: Captured,
  config: Config,
  adapter: AxiosAdapter,
  answer: Permit | Rejection | undefined,
  startedAt: number,
): ReturnType<AxiosAdapter> {
  const { attachment, state } = call;
  const { key } = state;
  if (answer && !answer.admitted) return rejected(call, captured, key, answer, config);
  const { budget, attemptHeader } = captured.policy.retry;
  discard(call.superseded);
  call.superseded = undefined;
  const number = ++state.attempts;
  if (number === 1 && budget) attachment.budgets.deposit(key, budget, startedAt);
  const { timeout } = config;
  if (answer?.timeoutMs) config.timeout = Math.min(timeout || answer.timeoutMs, answer.timeoutMs);
  if (attemptHeader) writeOwnHeader(state, config.headers, attemptHeader, String(number));

  const settle = <Ended>(resultOf: (ended: Ended) => Result, ended: Ended) => {
    if (answer?.timeoutMs) config.timeout = timeout as number;
    try {
      settleAttempt(call, captured, config, answer, number, startedAt, resultOf(ended));
    } catch (thrown) {
      // What cannot be read says nothing of the service, and must not cost a seat.
      answer?.settle('neutral');
      throw thrown;
    }
  };
  return dispatch(adapter, config, call.remainingMs()).then(
    (response) => {
      settle(accepted, response);
      return response;
    },
    (error: unknown) => {
      settle(failed, error);
      throw error;
    },
  );
}

function acquire(call: Call, key: string, now: number, config: Config): ReturnType<CircuitBreaker['acquire']> {
  const { timeout }: { timeout?: unknown } = config;
  const leaseMs = timeout ? Number(timeout) + LEASE_GRACE_MS : undefined;
  const { clock, registry } = call.attachment;
  return registry.ensure(key).acquire(registry.clock === clock ? now : undefined, leaseMs, call);
}

async function rejected(
  call: Call,
  { policy }: Captured,
  key: string,
  { retryAfterMs, cause }: Rejection,
  config: Config,
): Promise<never> {
  call.refusal = 'circuit-open';
  const context: RejectionContext = { key, retryAfterMs, config, cause };
  const error = (await policy.breaker.createError?.(context)) ?? new CircuitOpenError(context);
  markRejection(error, key);
  throw error;
}

function dispatch(adapter: AxiosAdapter, config: Config, remainingMs: number): ReturnType<AxiosAdapter> {
  try {
    return remainingMs < Number.POSITIVE_INFINITY
      ? dispatchWithin(remainingMs, adapter, config)
      : Promise.resolve(adapter(config));
  } catch (error) {
    return Promise.reject(error);
  }
}

function settleAttempt(
  call: Call,
  { policy }: Captured,
  config: Config,
  permit: Permit | undefined,
  attempt: number,
  startedAt: number,
  result: Result,
): void {
  const { clock, events } = call.attachment;
  const { state } = call;
  const { key } = state;
  const { error, response } = result;
  const now = clock.now();
  const durationMs = now - startedAt;
  const diagnosis = diagnose(result, config);
  call.settled = { diagnosis, response, at: now };
  conceal(state, config);
  const { status, code } = diagnosis;
  let outcome = isDeadlineError(error) ? 'neutral' : diagnosis.outcome;
  try {
    const headers = response?.headers;
    const data: unknown = response?.data;
    const { classify } = policy.breaker;
    const judged = classify?.({ key, status, code, headers, data, error, durationMs, config });
    if (judged !== undefined) anOutcome(judged, 'breaker.classify(context)');
    outcome = judged ?? outcome;
  } catch (thrown) {
    events.emit({ type: 'listenerError', key, source: 'breaker.classify', error: thrown });
  }
  call.outcome = outcome;
  state.history = [...state.history, { status, code, durationMs }];
  const details =
    outcome === 'failure'
      ? { status, retryAfterMs: serverDelay(result), error, response, isLocal: isOfOwnHost(diagnosis) }
      : { error };
  permit?.settle(outcome, call.attachment.registry.clock === clock ? now : undefined, details);
  const guarded = permit !== undefined;
  if (events.active) events.emit({ type: 'attempt', key, attempt, outcome, status, code, durationMs, guarded });
}

/**
 * Adapter names are resolved by our copy of axios, and up to 1.8.4 headers of another copy (ESM beside CommonJS) would be
 * lost, those of the request in the adapter and those of the response behind it: between copies they go as plain objects.
 */
function resolveAdapter(adapter: Config['adapter'], config: Config): AxiosAdapter {
  if (typeof adapter === 'function') return adapter;
  const named = getAdapter(adapter ?? axios.defaults.adapter, config);
  if (config.headers instanceof AxiosHeaders) return named;
  config.headers = new AxiosHeaders(plainHeaders(config.headers));
  const flatten = ({ response }: Result) => {
    if (response) response.headers = Object.assign({}, response.headers);
  };
  return (given) =>
    named(given).then(
      (response) => {
        flatten(accepted(response));
        return response;
      },
      (error: unknown) => {
        flatten(failed(error));
        throw error;
      },
    );
}
