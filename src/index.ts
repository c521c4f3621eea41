import './axios-augmentation.js';

export { type Attachable, attach, type Resilience } from './attach.js';
export { CircuitBreaker } from './circuit/breaker.js';
export type {
  CircuitSnapshot,
  CircuitStats,
  Forced,
  Isolation,
  Permit,
  RegistrySnapshot,
  Rejection,
} from './circuit/contract.js';
export { allOf, anyOf } from './circuit/detectors/combination.js';
export {
  type ConsecutiveFailuresOptions,
  consecutiveFailures,
  type DetectorFactory,
  type FailureDetector,
} from './circuit/detectors/detectors.js';
export {
  type FailureRateInWindowOptions,
  type FailureRateOptions,
  type FailuresInWindowOptions,
  failureRate,
  failureRateInWindow,
  failuresInWindow,
  type SlowCallRateOptions,
  slowCallRate,
} from './circuit/detectors/window-detectors.js';
export type { Ended, ExecuteContext, ExecuteOptions } from './circuit/execute.js';
export type {
  CircuitVersion,
  Fleet,
  Opening,
  ProbeRules,
  SharedThreshold,
  SharedView,
} from './circuit/link.js';
export type {
  BreakerMode,
  BreakerRegistryOptions,
  CircuitBreakerOptions,
  FailureDetails,
  HalfOpenOptions,
} from './circuit/options.js';
export { BreakerRegistry, type RegistryUpdate } from './circuit/registry.js';
export type { Clock } from './clock.js';
export {
  type Delay,
  type DelayContext,
  decorrelatedJitter,
  type ExponentialOptions,
  equalJitter,
  exponential,
  fullJitter,
} from './delay.js';
export {
  CircuitOpenError,
  isCircuitOpenError,
  isLimitError,
  LimitError,
  type RejectionContext,
} from './errors.js';
export type {
  AttemptEvent,
  CallEvent,
  CircuitState,
  EventOf,
  EventType,
  EvictedEvent,
  FallbackEvent,
  GiveUpEvent,
  LateEvent,
  LimitedEvent,
  LimiterEvent,
  ListenerErrorEvent,
  Outcome,
  QueuedEvent,
  ReadState,
  RegisteredEvent,
  RejectedEvent,
  ResilienceEvent,
  ResyncEvent,
  RetryEvent,
  Sink,
  StateChangeEvent,
  Stopped,
  StoreDegradedEvent,
  StoreDroppedEvent,
  StoreMismatchEvent,
  StoreRecoveredEvent,
  StoreSubscribedEvent,
  StoreUnsubscribedEvent,
  TransitionReason,
  TurnedAway,
  WaitingEvent,
} from './events.js';
export { fleet } from './fleet/fleet.js';
export { memoryStore } from './fleet/memory-store.js';
export type { FleetOptions } from './fleet/options.js';
export type {
  CircuitStore,
  FailureReport,
  ForceRequest,
  LeaseReply,
  LeaseRequest,
  OutcomesOfAge,
  ReportReply,
  Run,
  Settlement,
  StoreListener,
  StoreRequest,
} from './fleet/store.js';
export { byMethodAndOrigin, byOrigin } from './interceptors/call/key.js';
export { type AttemptRecord, type ResilienceReport, reportOf } from './interceptors/call/report.js';
export type { Limit, LimiterStats } from './limiter/contract.js';
export { customLimit } from './limiter/limit.js';
export { Limiter, type LimiterExecuteOptions, type LimiterOptions } from './limiter/limiter.js';
export { type AdaptiveLimitOptions, adaptiveLimit } from './limiter/limits/adaptive-limit.js';
export { concurrencyLimit } from './limiter/limits/concurrency-limit.js';
export { type RateLimitOptions, rateLimit } from './limiter/limits/rate-limit.js';
export type { LimitedAttempt, LimitedReason, LimitRule, LimitRuleFactory } from './limiter/rule.js';
export type { LimiterCounts, Slot } from './limiter/turnstile.js';
export type { Priority } from './limiter/waiting-line.js';
export {
  type AttachLimiterOptions,
  type BeforeRetryContext,
  type BreakerOptions,
  type ClassifyContext,
  DEFAULTS,
  type FallbackContext,
  type IdempotencyKeyOptions,
  type KeyFunction,
  type RequestBreakerOptions,
  type RequestLimiterOptions,
  type RequestResilience,
  type ResilienceOptions,
  type RetryAfterOptions,
  type RetryContext,
  type RetryOptions,
  type UpdateOptions,
} from './options.js';
export { type BudgetOptions, RetryBudget } from './retry/budget.js';
export {
  type RetryFailure,
  type RetryFunctionOptions,
  type RetryGuard,
  type RetryNotice,
  retry,
} from './retry/retry.js';
export { type Logger, type LogLevel, type LogSinkOptions, logSink } from './sinks/log.js';
export { type KeySummary, type MemorySink, memorySink } from './sinks/memory.js';
