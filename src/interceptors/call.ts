import type { AxiosAdapter, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig, RawAxiosHeaders } from 'axios';
import type { BreakerRegistry } from '../circuit/registry.js';
import type { Clock } from '../clock.js';
import type { Emitter } from '../emitter.js';
import type { Outcome, Stopped } from '../events.js';
import type { RetryBudgets } from '../retry/budget.js';
import { unexpected } from '../validation.js';
import type { Diagnosis } from './diagnosis.js';
import { byMethodAndBaseUrl } from './key.js';
import type { CallHandlers, Handler } from './placement.js';
import type { Policy } from './policy.js';
import { CallState } from './report.js';

type Config = InternalAxiosRequestConfig;

/** What all calls of one attached instance share. */
export interface Attachment {
  readonly registry: BreakerRegistry;
  readonly budgets: RetryBudgets;
  readonly events: Emitter;
  readonly clock: Clock;
  readonly random: () => number;
  /** Sends a config without the user's interceptors and defaults. */
  readonly bare: AxiosInstance;
  policy: Policy;
}

/** What the user's request interceptors left: every attempt starts from it. */
export interface Captured {
  /** The call's own config. */
  readonly config: Config;
  readonly policy: Policy;
  /** The fields that dispatching may change, as they were. */
  readonly fields: Pick<InternalAxiosRequestConfig<unknown>, 'adapter' | 'baseURL' | 'data' | 'params' | 'url'>;
  readonly headers: RawAxiosHeaders;
}

/** What an adapter came to. */
interface Settlement {
  readonly diagnosis: Diagnosis;
  readonly response: AxiosResponse | undefined;
  /** When, on the attachment's clock, ms. */
  readonly at: number;
}

/** What a call is taken care of by; each is made for one call. */
export interface Caretakers {
  readonly adapter: (call: Call) => AxiosAdapter;
  readonly request: (call: Call) => Handler;
  readonly response: (call: Call) => Handler;
}

/**
 * One call of the user's, from its beginning to its result. Handlers and adapter know it by closure; on the config there
 * is only its report.
 */
export class Call implements CallHandlers {
  readonly request: Handler;
  readonly response: Handler;
  requestRuns: 1 | 2 = 1;
  readonly attachment: Attachment;
  readonly state = new CallState();
  readonly startedAt: number;
  /** The adapter that is to be used, as the config named it. */
  adapter: Config['adapter'];
  /** Stands in the place of `adapter` while the call is under way. */
  readonly armed: AxiosAdapter;
  /** `undefined` until the user's request interceptors have run, and for a call that is not ours. */
  captured: Captured | undefined;
  /** The config that the adapter was given last; `undefined` until it is asked. */
  dispatched: Config | undefined;
  /** Why the last attempt was not made. */
  refusal: Stopped | undefined;
  /** What the adapter came to last, before `transformResponse`. */
  settled: Settlement | undefined;
  /** The response of the attempt before, which the next one replaces. */
  superseded: AxiosResponse | undefined;
  /** What the last attempt said about the service. */
  outcome: Outcome | undefined;
  over = false;

  constructor(attachment: Attachment, { adapter, request, response }: Caretakers) {
    this.attachment = attachment;
    this.startedAt = attachment.clock.now();
    this.armed = adapter(this);
    this.request = request(this);
    this.response = response(this);
  }

  /** Time since the beginning, ms. */
  elapsedMs(now = this.attachment.clock.now()): number {
    return now - this.startedAt;
  }

  /** When an attempt begins: the first with the call, where nothing of the user's runs between. */
  attemptStart(): number {
    return this.requestRuns === 1 && this.state.attempts === 0 ? this.startedAt : this.attachment.clock.now();
  }

  /** What is left of the deadline, ms. */
  remainingMs(): number {
    const deadlineMs = this.captured?.policy.retry.deadlineMs;
    return deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - this.elapsedMs();
  }
}

/** The circuit's key; `null` where there is none. */
export function circuitKeyOf(config: Config, { breaker }: Policy): string | null {
  if (!breaker.enabled) return null;
  const key: unknown = breaker.key(config);
  if (key === undefined) return byMethodAndBaseUrl(config);
  if (typeof key !== 'string' && key !== null) throw unexpected('breaker.key(config)', 'a string or null', key);
  return key;
}

/** Puts an adapter on a config; the absence of one too. */
export function setAdapter(config: Config, adapter: Config['adapter']): void {
  if (adapter) Reflect.set(config, 'adapter', adapter);
  else Reflect.deleteProperty(config, 'adapter');
}

const armedCalls = new WeakMap<object, Call>();

/** Makes `adapterOf` know this call's adapter: its config may now be sent again by a hook, while the call goes on. */
export function rememberArmed(call: Call): void {
  armedCalls.set(call.armed, call);
}

/** The adapter that a config names; where that is the armed one of another call, the one it stands for. */
export const adapterOf = ({ adapter }: Config): Config['adapter'] =>
  (typeof adapter === 'function' ? armedCalls.get(adapter)?.adapter : undefined) ?? adapter;
