import type { AxiosInstance } from 'axios';
import type { BreakerMode } from './circuit/options.js';
import { BreakerRegistry } from './circuit/registry.js';
import { withReadState } from './circuit/state-reader.js';
import { type Clock, monotonicClock } from './clock.js';
import { ALL_EVENTS, type AnyListener, Emitter, type EventName } from './emitter.js';
import type { ResilienceEvents, Sink } from './events.js';
import { hide } from './fields.js';
import { armed } from './interceptors/attempt/armed-adapter.js';
import { budgetGuard } from './interceptors/attempt/budget-guard.js';
import { circuitGuard } from './interceptors/attempt/circuit-guard.js';
import { deadlineGuard } from './interceptors/attempt/deadline-guard.js';
import { type Attachment, Call } from './interceptors/call/call.js';
import { capture } from './interceptors/call/capture.js';
import { byOrigin } from './interceptors/call/key.js';
import { checkAttachOptions, checkDefaults, checkUpdateOptions } from './interceptors/call/option-rules.js';
import { checkPlacement, place } from './interceptors/call/placement.js';
import { callOptionsOf, DEFAULT_POLICY, extendPolicy } from './interceptors/call/policy.js';
import { tryDelays } from './interceptors/call/rehearsal.js';
import { Pauses } from './interceptors/call/waits.js';
import { bareInstance, dispatchOf } from './interceptors/config/dispatch.js';
import { watchPage } from './interceptors/outcome/page.js';
import { answered, refused } from './interceptors/retry/answer.js';
import { AttemptTimes } from './interceptors/time/attempt-times.js';
import type { AttachedLimiters, Limit, LimiterStats, LimitersOptions } from './limiter/contract.js';
import type { BreakerOptions, ResilienceOptions, UpdateOptions } from './options.js';
import { RetryBudgets } from './retry/budget.js';
import { checkListener, own, unexpected } from './validation.js';

/** What is needed of an axios instance; `axios`, `axios.create()` and `new Axios()` have it. */
export type Attachable = Pick<AxiosInstance, 'interceptors' | 'request'>;

/** The handle of an attached instance. */
export interface Resilience {
  /** The circuit breakers by key. */
  readonly breakers: BreakerRegistry;
  /** The limiters by key, as they are at present; none without `limiter`. */
  readonly limiters: Readonly<Record<string, LimiterStats>>;
  /** Adds a listener; the returned function takes it out. What a listener throws becomes a `callbackError`. */
  on<Type extends keyof ResilienceEvents>(type: Type, listener: (event: ResilienceEvents[Type]) => void): () => void;
  /** Adds a receiver of all events; the returned function takes it out. */
  on(type: '*', sink: Sink): () => void;
  /**
   * Changes options for calls that start afterwards, merged over the present ones. Of the circuits only `mode` can be
   * changed, and changes for all of them at once.
   *
   * @throws a `TypeError` or `RangeError` that names the option; then nothing has changed.
   */
  update(options: UpdateOptions): void;
  /**
   * Ends all waits at once, for a graceful shutdown: calls that wait for a circuit or a limiter are rejected, those that wait
   * for a retry end with their last failure (`stopped: 'closed'`). Attempts under way go on, and calls made afterwards wait for
   * nothing.
   */
  close(): void;
  /** Takes the plugin off the instance. Calls under way finish as they began; the circuits stay as they are. */
  detach(): void;
}

const CARETAKERS = { armed, capture, answered, refused };

const MARK: unique symbol = Symbol.for('axios-resilience');

/**
 * Makes an existing axios instance resilient: failed requests are retried, and each method and base URL is guarded by a
 * circuit breaker. Interceptors registered before or after run once per call, on its final result.
 *
 * @param instance `axios` itself, `axios.create()` or a `new Axios()`.
 * @param options Merged by group over `DEFAULTS`.
 * @throws a `TypeError` or `RangeError` that names the option; an `Error` when the instance is attached already, or its
 *   version of axios does not run interceptors as this plugin needs it. Then the instance is as it was.
 */
export function attach(instance: Attachable, options: ResilienceOptions = {}): Resilience {
  const manager = managerOf(instance);
  if (manager[MARK]) {
    throw new Error('axios-resilience is attached to this instance already: resilienceOf(instance) is its handle');
  }
  checkAttachOptions(options, '');
  const defaults = Object((instance as Partial<AxiosInstance>).defaults) as Partial<AxiosInstance['defaults']>;
  checkDefaults(defaults);
  tryDelays(options, defaults);
  const given = own(options);
  const { clock = monotonicClock, random = () => Math.random(), sinks = [] } = given;
  const registry = registryOf(given, clock, random);
  const events = new Emitter();
  for (const sink of sinks) events.pipe(sink);
  const bare = bareInstance(instance as AxiosInstance);
  const dispatch = dispatchOf(bare);
  checkPlacement(bare, dispatch);
  const budgets = new RetryBudgets();
  const { limiters, policy: limiterPolicy } = limitersOf(given.limiter, {
    clock,
    random,
    events,
    registry,
    keyOf: byOrigin,
  });
  const times = new AttemptTimes();
  const attachment: Attachment = {
    registry,
    budgets,
    events,
    clock,
    random,
    guards: [deadlineGuard, ...(limiters ? [limiters] : []), circuitGuard(registry, clock, times), budgetGuard(clock)],
    pauses: new Pauses(),
    times,
    dispatch,
    policy: extendPolicy(DEFAULT_POLICY, callOptionsOf(given, limiterPolicy)),
  };

  watchPage();
  const remove = place(instance as AxiosInstance, (config) => new Call(attachment, CARETAKERS, config));
  for (const breaker of registry) {
    const { key, state } = breaker;
    events.emit(withReadState({ type: 'breakerAdded', key, state }, breaker));
  }
  const unpipe = registry.pipe({
    record: (event) => {
      events.forward(event);
      if (event.type === 'stateChange' && event.to === 'closed') limiters?.recovered(event.key);
    },
  });

  const handle: Resilience = {
    breakers: registry,
    get limiters() {
      return limiters?.stats() ?? {};
    },
    on(type: EventName, listener: AnyListener): () => void {
      checkListener(ALL_EVENTS, type, listener);
      return events.on(type, listener);
    },
    update(changes: UpdateOptions): void {
      checkUpdateOptions(changes, '');
      tryDelays(changes, defaults);
      const { breaker, limiter } = own(changes);
      attachment.policy = extendPolicy(attachment.policy, callOptionsOf(changes, limiter));
      const { mode } = own(Object(breaker) as { mode?: BreakerMode });
      if (mode !== undefined) registry.setMode(mode);
    },
    close: () => attachment.pauses.close(),
    detach(): void {
      if (manager[MARK] !== handle) return;
      remove();
      unpipe();
      delete manager[MARK];
    },
  };
  hide(manager, MARK, handle);
  return handle;
}

/** The handle of an instance, as `attach` gave it; `undefined` for one that is not attached. */
export function resilienceOf(instance: Attachable): Resilience | undefined {
  return managerOf(instance)[MARK];
}

interface Marked {
  [MARK]?: Resilience;
}

/** The manager that knows whether an instance is attached, of what is an instance. */
function managerOf(instance: unknown): Marked {
  if (isInstance(instance)) return instance.interceptors.request as Marked;
  const { default: ofModule } = Object(instance) as { default?: unknown };
  let expected = 'an axios instance';
  if (instance === undefined) expected += ', which a mocked axios.create() does not return';
  if (typeof instance === 'function') expected += ' and not what makes one';
  if (isInstance(ofModule)) expected += ', the `default` of this module';
  throw unexpected('instance', expected, instance);
}

function isInstance(given: unknown): given is Attachable {
  const { request, interceptors } = Object(given) as Partial<Attachable>;
  return typeof request === 'function' && [interceptors?.request, interceptors?.response].every(isManager);
}

function registryOf({ breaker }: ResilienceOptions, clock: Clock, random: () => number): BreakerRegistry {
  if (typeof breaker !== 'object') return new BreakerRegistry({ clock, random });
  if ('pipe' in breaker) return breaker;
  const { registry, createError, maxWaitMs, ...given } = own<BreakerOptions>(breaker);
  if (registry === undefined) return new BreakerRegistry({ ...given, clock, random });
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) throw new TypeError(`Expected \`breaker.${name}\` to be left to the \`registry\`, got both`);
  return registry;
}

type LimitersContext = Omit<LimitersOptions, 'limit' | 'maxQueue'>;

/** The limit brings the code of the limiters, and the options the policy of each call. */
function limitersOf(
  given: ResilienceOptions['limiter'],
  context: LimitersContext,
): { limiters?: AttachedLimiters; policy?: UpdateOptions['limiter'] } {
  if (!given) return {};
  const { limit, maxQueue, ...policy } = own('limiters' in given ? { limit: given as Limit } : given);
  return { limiters: limit.limiters({ ...context, limit, maxQueue }), policy };
}

function isManager(manager: unknown): boolean {
  const { forEach } = Object(manager) as { forEach?: { readonly _isMockFunction?: boolean } };
  if (forEach?._isMockFunction) throw new TypeError(MOCKED);
  return typeof forEach === 'function';
}

/** What `jest.mock('axios')` and `vi.mock('axios')` leave of an instance has nothing to attach to. */
const MOCKED = 'Expected `instance` to be an axios instance, got a mock of one: mock its adapter instead';
