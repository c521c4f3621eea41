import { CIRCUIT_DEFAULTS } from './circuit/options.js';
import { BUDGET_DEFAULTS } from './retry/budget.js';
import { DEFAULT_BACKOFF, RETRY_AFTER_DEFAULTS } from './retry/decision.js';

/** Every default, in one place. */
export const DEFAULTS = Object.freeze({
  retry: Object.freeze({
    retries: 3,
    methods: Object.freeze<readonly string[]>(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']),
    statusCodes: Object.freeze<readonly number[]>([
      429, // Too Many Requests (RFC 6585, section 4)
      500, // Internal Server Error
      502, // Bad Gateway
      503, // Service Unavailable
      504, // Gateway Timeout
      408, // Request Timeout (RFC 9110, section 15.5.9)
      425, // Too Early (RFC 8470, section 5.2)
      // What proxies in front of an origin answer for it (Cloudflare).
      520, // an answer that makes no sense
      521, // refused
      522, // no connection in time
      523, // unreachable
      524, // no answer in time
      529, // overloaded
      530, // its name is not known, or it is frozen
    ]),
    errorCodes: undefined,
    backoff: DEFAULT_BACKOFF,
    retryAfter: RETRY_AFTER_DEFAULTS,
    budget: BUDGET_DEFAULTS,
    attemptHeader: false,
  }),
  breaker: Object.freeze({ ...CIRCUIT_DEFAULTS, maxWaitMs: 1_000 }),
  deadlineMs: undefined,
  idempotencyKey: false,
  fallbackOn: 'rejected',
  sinks: Object.freeze([]),
});
