import './axios-augmentation.js';

export { attach, type Resilience, resilienceOf } from './attach.js';
export { CircuitBreaker } from './circuit/breaker.js';
export type { CircuitStats, RegistrySnapshot } from './circuit/contract.js';
export { allOf, anyOf } from './circuit/detectors/combination.js';
export { consecutiveFailures, type DetectorFactory, type FailureDetector } from './circuit/detectors/detectors.js';
export {
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  slowCallRate,
} from './circuit/detectors/window-detectors.js';
export type { CircuitPermit } from './circuit/execute.js';
export type { SharedStore } from './circuit/link.js';
export type { CircuitBreakerOptions } from './circuit/options.js';
export { BreakerRegistry } from './circuit/registry.js';
export type { CallContext, FallbackContext, RetryContext } from './contexts.js';
export { DEFAULTS } from './defaults.js';
export { type Delay, decorrelatedJitter, equalJitter, exponential, fullJitter } from './delay.js';
export {
  CircuitOpenError,
  isRejectedError,
  LimitError,
  type RejectionContext,
} from './errors.js';
export type { CircuitState, Outcome, ResilienceEvent, ResilienceEvents, Sink, Stopped } from './events.js';
export { byMethodAndOrigin, byOrigin } from './interceptors/call/key.js';
export { type ResilienceReport, reportOf } from './interceptors/call/report.js';
export type { Limit } from './limiter/contract.js';
export { customLimit } from './limiter/limit.js';
export { Limiter } from './limiter/limiter.js';
export { adaptiveLimit } from './limiter/limits/adaptive-limit.js';
export { concurrencyLimit } from './limiter/limits/concurrency-limit.js';
export { rateLimit } from './limiter/limits/rate-limit.js';
export type { LimitRule } from './limiter/rule.js';
export type {
  BreakerOptions,
  KeyFunction,
  ResilienceOptions,
  ResilienceRequestOptions,
  RetryOptions,
  UpdateOptions,
} from './options.js';
export { RetryBudget } from './retry/budget.js';
export { retry } from './retry/retry.js';
export { logSink } from './sinks/log.js';
export { type MemorySink, memorySink } from './sinks/memory.js';
