/** One instrument, under the name that OpenTelemetry has for it. */
export interface Instrument {
  readonly name: `axios.resilience.${string}`;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** As in UCUM; in braces what is counted. */
  readonly unit: string;
  /** The names of its labels; `key` is the circuit's key, never a URL. */
  readonly labels: readonly string[];
  readonly description: string;
}

/** What is measured, the same for Prometheus and for OpenTelemetry. */
export const INSTRUMENTS = {
  circuitState: {
    name: 'axios.resilience.circuit.state',
    kind: 'gauge',
    unit: '{circuit}',
    labels: ['key', 'state'],
    description: '1 for the state that the circuit is in, 0 for the others',
  },
  circuitCalls: {
    name: 'axios.resilience.circuit.calls',
    kind: 'counter',
    unit: '{attempt}',
    labels: ['key', 'outcome'],
    description:
      'Attempts of calls that asked a circuit, by outcome; late and observed ones count on top of their own outcome',
  },
  circuitWaits: {
    name: 'axios.resilience.circuit.waits',
    kind: 'counter',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts that waited for the circuit, whether it let them pass in the end or not',
  },
  circuitTransitions: {
    name: 'axios.resilience.circuit.transitions',
    kind: 'counter',
    unit: '{transition}',
    labels: ['key', 'from', 'to', 'reason'],
    description: 'Changes of state of a circuit',
  },
  attemptDuration: {
    name: 'axios.resilience.attempt.duration',
    kind: 'histogram',
    unit: 's',
    labels: ['key', 'outcome'],
    description: 'How long attempts took',
  },
  callAttempts: {
    name: 'axios.resilience.call.attempts',
    kind: 'histogram',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts that a call made, 0 where none was; counts the calls',
  },
  retries: {
    name: 'axios.resilience.retries',
    kind: 'counter',
    unit: '{retry}',
    labels: ['key', 'reason'],
    description: 'Retries, by the status or code that was retried, or the hook that asked for it',
  },
  retriesGivenUp: {
    name: 'axios.resilience.retries.given_up',
    kind: 'counter',
    unit: '{call}',
    labels: ['key', 'stopped'],
    description:
      'Calls that ended without a success or a fallback, also with a 404, by why there was no further attempt',
  },
  fallbacks: {
    name: 'axios.resilience.fallbacks',
    kind: 'counter',
    unit: '{call}',
    labels: ['key', 'stopped'],
    description: 'Calls that fallback data answered, by why there was no further attempt',
  },
  budgetExhausted: {
    name: 'axios.resilience.budget.exhausted',
    kind: 'counter',
    unit: '{call}',
    labels: ['key'],
    description: 'Calls that were not retried because the retry budget was used up',
  },
  registrySize: {
    name: 'axios.resilience.registry.size',
    kind: 'gauge',
    unit: '{circuit}',
    labels: [],
    description: 'Circuits at present',
  },
  registryEvictions: {
    name: 'axios.resilience.registry.evictions',
    kind: 'counter',
    unit: '{circuit}',
    labels: [],
    description: 'Circuits that were dropped: the registry was at its cap, or somebody deleted them',
  },
  limiterLimit: {
    name: 'axios.resilience.limiter.limit',
    kind: 'gauge',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts that the limiter lets be in flight, perhaps below 1',
  },
  limiterInFlight: {
    name: 'axios.resilience.limiter.in_flight',
    kind: 'gauge',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts in flight through the limiter, as of at most a second ago',
  },
  limiterQueue: {
    name: 'axios.resilience.limiter.queue',
    kind: 'gauge',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts that wait for the limiter, as of at most a second ago',
  },
  limiterWaits: {
    name: 'axios.resilience.limiter.waits',
    kind: 'counter',
    unit: '{attempt}',
    labels: ['key'],
    description: 'Attempts that had to wait for the limiter, whether it let them pass in the end or not',
  },
  limiterRejections: {
    name: 'axios.resilience.limiter.rejections',
    kind: 'counter',
    unit: '{attempt}',
    labels: ['key', 'reason'],
    description: 'Attempts that the limiter did not let pass: the queue was full, the wait over, or to last too long',
  },
  storeStatus: {
    name: 'axios.resilience.store.status',
    kind: 'gauge',
    unit: '1',
    labels: ['status'],
    description: '1 while the store of shared circuits answers (live) and tells changes at once (subscribed)',
  },
  storeEvents: {
    name: 'axios.resilience.store.events',
    kind: 'counter',
    unit: '{event}',
    labels: ['event'],
    description:
      'What happened to the store of shared circuits: degraded, recovered, dropped, unsubscribed, subscribed, mismatch, resync',
  },
} as const satisfies Record<string, Instrument>;

/** Seconds; those that OpenTelemetry recommends for the duration of requests. */
export const DURATION_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

export const ATTEMPT_BUCKETS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 11];
