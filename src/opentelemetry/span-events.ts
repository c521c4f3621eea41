import type { ResilienceEvent } from '../events.js';

/** What is put on the active span. */
export interface SpanEvent {
  readonly name: `axios.resilience.${string}`;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

const ERROR_TYPE = 'error.type';

const keyed = ({ key }: ResilienceEvent): { readonly 'axios.resilience.key'?: string } =>
  key === null ? {} : { 'axios.resilience.key': key };

/** Retries, rejections and fallbacks, by the semantic conventions for HTTP where these have a name. */
export function spanEventOf(event: ResilienceEvent): SpanEvent | undefined {
  switch (event.type) {
    case 'retry':
      return {
        name: 'axios.resilience.retry',
        attributes: {
          ...keyed(event),
          ...(/^shouldRetry/.test(event.reason) ? undefined : { [ERROR_TYPE]: event.reason }),
          'http.request.method': event.method,
          'http.request.resend_count': event.attempt,
          'axios.resilience.retry.delay': event.delayMs / 1000,
        },
      };
    case 'rejected':
      return {
        name: 'axios.resilience.rejected',
        attributes: {
          'axios.resilience.key': event.key,
          [ERROR_TYPE]: event.by === 'circuit' ? 'circuit_open' : 'limited',
        },
      };
    case 'wouldReject':
      return { name: 'axios.resilience.would_reject', attributes: { 'axios.resilience.key': event.key } };
    case 'call':
      if (!event.fallback) return undefined;
      return {
        name: 'axios.resilience.fallback',
        attributes: {
          ...keyed(event),
          ...(event.stopped === 'circuit-open' ? { [ERROR_TYPE]: 'circuit_open' } : undefined),
          'axios.resilience.stopped': event.stopped,
        },
      };
    default:
      return undefined;
  }
}
