import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig, RawAxiosHeaders } from 'axios';
import type { BreakerRegistry } from '../../circuit/registry.js';
import type { Clock } from '../../clock.js';
import type { Emitter } from '../../emitter.js';
import type { Outcome, Stopped } from '../../events.js';
import type { RetryBudgets } from '../../retry/budget.js';
import type { Fare } from '../../retry/fare.js';
import type { Dispatch, Fields } from '../config/dispatch.js';
import type { Diagnosis, Result } from '../outcome/diagnosis.js';
import type { AttemptTimes } from '../time/attempt-times.js';
import type { Guard, Pass } from './guard.js';
import { byMethodAndBaseUrl } from './key.js';
import { type CallHandlers, type Handler, handler } from './placement.js';
import type { Policy } from './policy.js';
import type { CallState } from './report.js';
import { type Pauses, Waits } from './waits.js';

type Config = InternalAxiosRequestConfig;
type Adapter = Config['adapter'];

/** What all calls of one attached instance share. */
export interface Attachment {
  readonly registry: BreakerRegistry;
  readonly budgets: RetryBudgets;
  readonly events: Emitter;
  readonly clock: Clock;
  readonly random: () => number;
  readonly times: AttemptTimes;
  /** What each attempt passes before it is sent, in this order. */
  readonly guards: readonly Guard<Attempt>[];
  /** What its calls wait for at present. */
  readonly pauses: Pauses;
  /** Sends a config again. */
  readonly dispatch: Dispatch;
  policy: Policy;
}

/** What the user's request interceptors left: every attempt starts from it. */
export interface Captured {
  /** The call's own config. */
  readonly config: Config;
  readonly policy: Policy;
  /** The fields that dispatching may change, as they were; `adapter` may be the armed one, or what wraps it. */
  readonly fields: Fields;
  readonly headers: RawAxiosHeaders;
  /** The adapter that is to be used, as the user named it. */
  readonly adapter: Adapter;
  /** When the first attempt begins: with the call, where nothing of the user's runs between; else not known yet. */
  readonly readyAt: number | undefined;
  /** Why there is to be no attempt. */
  readonly refusal: Stopped | undefined;
}

/** What a call is taken care of by, each at its time. */
export interface Caretakers {
  readonly armed: (call: Call, config: Config) => ReturnType<AxiosAdapter>;
  readonly capture: (call: Call, config: Config, readyAt?: number) => Config;
  readonly answered: (call: Call, response: AxiosResponse) => unknown;
  readonly refused: (call: Call, error: unknown) => unknown;
}

/** What one dispatch of a call came to. */
export interface Round {
  readonly result: Result;
  /** `undefined` where the adapter was not asked. */
  readonly attempt: Attempt | undefined;
  /** What the last attempt that was made said about the service. */
  readonly outcome: Outcome | undefined;
}

/** The last round of a call, and why there is no other. */
export interface Ending extends Round {
  readonly stopped: Stopped;
}

/**
 * One call of the user's, from its beginning to its result: what is fixed for it. Handlers and adapter know it by closure;
 * on the config there is only its report. It is a handler of the response side itself, since objects are what a healthy
 * call costs; for the same reason what is written in trouble alone has no place before.
 */
export class Call implements CallHandlers {
  readonly attachment: Attachment;
  /** The config as axios merged it, before any request interceptor of the user's. */
  readonly config: Config;
  readonly startedAt: number;
  /** The adapter that the config named at the beginning. */
  readonly adapter: Adapter;
  /** Stands in the place of `adapter` while the call is under way. */
  readonly armed: AxiosAdapter;
  readonly fulfilled: (response: AxiosResponse) => unknown;
  readonly rejected: (error: unknown) => unknown;
  readonly #caretakers: Caretakers;
  /** Written by `capture`; `undefined` until the user's request interceptors have run, and for a call that is not ours. */
  captured: Captured | undefined = undefined;
  /** Written by the armed adapter: the attempt that was asked for last, made or refused; let go of by the conclusion. */
  attempt: Attempt | undefined = undefined;
  /** Written by the armed adapter: how many attempts were made. */
  made = 0;
  /** Written where a call turns out to be no success at the first attempt. */
  report: CallState | undefined;
  /** Written where the circuit would reject: what the call has waited for it. */
  waits: Waits | undefined;
  /** Written by the limiters: how long attempts stood in their queues, ms. */
  limitedMs: number | undefined;
  /** Written by `decide`: what the retry costs that is to be sent next. */
  fare: Fare | undefined;
  /** Written by `repeat`: the failure that is to be repeated. */
  failure: Round | undefined;
  /** Written by `repeat`: the response of the attempt before, which the next one replaces. */
  superseded: AxiosResponse | undefined;
  /** The headers that the call puts on its requests by itself, in lower case; written where they are. */
  ownHeaders: Set<string> | undefined;
  /** Written by the conclusion. */
  over = false;

  constructor(attachment: Attachment, caretakers: Caretakers, config: Config) {
    this.attachment = attachment;
    this.config = config;
    this.startedAt = attachment.clock.now();
    this.adapter = adapterOf(config);
    this.#caretakers = caretakers;
    this.armed = (given) => caretakers.armed(this, given);
    this.fulfilled = (response) => caretakers.answered(this, response);
    this.rejected = (error) => caretakers.refused(this, error);
    config.adapter = this.armed;
    if (config.resilienceState) delete config.resilienceState;
  }

  ready(): void {
    this.#caretakers.capture(this, this.config, this.startedAt);
  }

  aroundTheirs(): Handler {
    let runs = 0;
    return handler((config: Config) => (++runs === 1 ? config : this.#caretakers.capture(this, config)));
  }

  /** Time since the beginning, ms. */
  elapsedMs(now = this.attachment.clock.now()): number {
    return now - this.startedAt;
  }

  /** What the call has waited for its circuit; made where that is first asked. */
  openWaits(): Waits {
    this.waits ??= new Waits(this.attachment.clock);
    return this.waits;
  }

  /** What is left of the deadline, ms. */
  remainingMs(): number {
    const deadlineMs = this.captured?.policy.deadlineMs;
    return deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - this.elapsedMs();
  }
}

/** One dispatch of a call; written by the armed adapter, and its end by the settlement. */
export class Attempt {
  readonly call: Call;
  readonly captured: Captured;
  /** The config that the adapter was given. */
  readonly config: Config;
  /** What the call is counted by, whether or not there is a circuit; `null` where the user says so. */
  key: string | null = null;
  /** When it was admitted, on the attachment's clock, ms. */
  startedAt: number;
  /** From 1; 0 until it is admitted. */
  number = 0;
  /** What was left of the call's deadline when it was sent, ms. */
  remainingMs = Number.POSITIVE_INFINITY;
  /** What guards gave for it. */
  passes: readonly Pass[] = NO_PASSES;
  /** What the guard gave that it has waited for, until those before that have been asked anew. */
  held: Pass | undefined;
  /** What it held when it began to wait for another guard, for a moment. */
  kept: { readonly by: object; readonly pass: Pass } | undefined;
  /** Why it was not made. */
  refusal: Stopped | undefined;
  /** When the adapter settled, ms. */
  endedAt = 0;
  /** What it said about the service; `undefined` until it has ended. */
  outcome: Outcome | undefined = undefined;
  /** What the adapter was answered, before `transformResponse`. */
  response: AxiosResponse | undefined = undefined;
  /** For an attempt that failed. */
  diagnosis: Diagnosis | undefined;

  constructor(call: Call, captured: Captured, config: Config) {
    this.call = call;
    this.captured = captured;
    this.config = config;
    this.startedAt = (call.made === 0 ? captured.readyAt : undefined) ?? call.attachment.clock.now();
  }

  /** The circuit's key; `null` where there is none. */
  get circuitKey(): string | null {
    return this.captured.policy.breaker.enabled ? this.key : null;
  }

  /** The key, or the default one where there is none: budget and times are kept by it. */
  get name(): string {
    return this.key ?? byMethodAndBaseUrl(this.config);
  }
}

export const NO_PASSES: readonly Pass[] = [];

/** Puts an adapter on a config, the absence of one too, unless somebody has closed it since: `Reflect.set` would be slow. */
export function setAdapter(config: Config, adapter: Adapter): void {
  try {
    if (adapter) config.adapter = adapter;
    else delete config.adapter;
  } catch {
    return;
  }
}

/** On an armed adapter that a hook may send again: the call whose it is. */
const CALL = Symbol('call');

interface Armed {
  [CALL]?: Call;
}

/** Makes `adapterOf` know this call's adapter: its config may now be sent again by a hook, while the call goes on. */
export function rememberArmed(call: Call): void {
  (call.armed as Armed)[CALL] = call;
}

/** The adapter that a config names; where that is the armed one of another call, the one it stands for. */
function adapterOf({ adapter }: Config): Adapter {
  const call = typeof adapter === 'function' ? (adapter as Armed)[CALL] : undefined;
  return call ? (call.captured ?? call).adapter : adapter;
}
