import axios, { type AxiosAdapter, AxiosHeaders, getAdapter, type InternalAxiosRequestConfig } from 'axios';
import type { Permit } from '../circuit/contract.js';
import { CircuitOpenError } from '../errors.js';
import { oneOf } from '../validation.js';
import { discard } from './bodies.js';
import { type Call, type Captured, circuitKeyOf } from './call.js';
import { deadlineError, dispatchWithin, isDeadlineError } from './deadline.js';
import { accepted, diagnose, failed, type Result } from './diagnosis.js';
import { plainHeaders, serverDelay, writeHeader } from './headers.js';
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
  const { policy } = captured;
  const { budget, attemptHeader } = policy.retry;
  const adapter = resolveAdapter(call.adapter, config);
  const circuitKey = circuitKeyOf(config, policy);
  const key = circuitKey ?? byMethodAndBaseUrl(config);
  state.key = key;
  const remainingMs = call.remainingMs();
  if (remainingMs <= 0) {
    call.refusal = 'deadline';
    throw deadlineError(config);
  }
  const startedAt = call.attemptStart();
  const permit = circuitKey === null ? undefined : acquire(call, captured, circuitKey, startedAt, config);
  discard(call.superseded);
  const number = ++state.attempts;
  if (number === 1 && budget) attachment.budgets.add(budget.ratio, key, budget, startedAt);
  const { timeout } = config;
  if (permit?.timeoutMs) config.timeout = Math.min(timeout || permit.timeoutMs, permit.timeoutMs);
  if (attemptHeader) writeHeader(config.headers, attemptHeader, String(number));

  const settle = (result: Result) => {
    if (permit?.timeoutMs) config.timeout = timeout as number;
    settleAttempt(call, captured, config, permit, number, startedAt, result);
  };
  return dispatch(adapter, config, remainingMs).then(
    (response) => {
      settle(accepted(response));
      return response;
    },
    (error: unknown) => {
      settle(failed(error));
      throw error;
    },
  );
}

function acquire(call: Call, { policy }: Captured, key: string, now: number, config: Config): Permit {
  const leaseMs = config.timeout ? Number.parseFloat(String(config.timeout)) + LEASE_GRACE_MS : undefined;
  const { clock, registry } = call.attachment;
  const answer = registry.ensure(key).tryAcquire(registry.clock === clock ? now : undefined, leaseMs);
  if (answer.admitted) return answer;
  call.refusal = 'circuit-open';
  const context = { key, retryAfterMs: answer.retryAfterMs, config };
  throw policy.breaker.createError?.(context) ?? new CircuitOpenError(context);
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
  const details = outcome === 'failure' ? { retryAfterMs: serverDelay(result), failure: error ?? response } : undefined;
  permit?.settle(outcome, call.attachment.registry.clock === clock ? now : undefined, details);
  if (events.active) events.emit({ type: 'attempt', key, attempt, outcome, status, code, durationMs });
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
