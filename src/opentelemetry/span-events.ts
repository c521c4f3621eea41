import type { ResilienceEvent } from '../events.js';

/** What is put on the active span. */
export interface SpanEvent {
  readonly name: `axios.resilience.${string}`;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

const ERROR_TYPE = 'error.type';
const CIRCUIT_OPEN = { [ERROR_TYPE]: 'circuit_open' };

/** Retries, rejections and fallbacks, by the semantic conventions for HTTP where these have a name. */
export function spanEventOf(event: ResilienceEvent): SpanEvent | undefined {
  switch (event.type) {
    case 'retry':
      return {
        name: 'axios.resilience.retry',
        attributes: {
          'axios.resilience.key': event.key,
          ...(/^shouldRetry/.test(event.reason) ? undefined : { [ERROR_TYPE]: event.reason }),
          'http.request.method': event.method,
          'http.request.resend_count': event.attempt,
          'axios.resilience.retry.delay': event.delayMs / 1000,
        },
      };
    case 'rejected':
      return {
        name: 'axios.resilience.rejected',
        attributes: event.observed
          ? { 'axios.resilience.key': event.key, 'axios.resilience.observed': true }
          : { 'axios.resilience.key': event.key, ...CIRCUIT_OPEN },
      };
    case 'fallback':
      return {
        name: 'axios.resilience.fallback',
        attributes: {
          'axios.resilience.key': event.key,
          ...(event.cause === 'circuit-open' ? CIRCUIT_OPEN : undefined),
          'axios.resilience.fallback.cause': event.cause,
        },
      };
    default:
      return undefined;
  }
}
