import type { Stopped } from '../../events.js';
import { hide } from '../../fields.js';
import type { Result } from '../outcome/diagnosis.js';

/** One attempt, as it is kept in a report. */
export interface AttemptRecord {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly durationMs: number;
}

/** What became of a call; JSON-safe. */
export interface ResilienceReport {
  /** What the last attempt was counted by; `null` where the `key` function says so. */
  readonly key: string | null;
  /** Attempts made; 0 when the circuit rejected the call, or an interceptor answered it. */
  readonly attempts: number;
  /** The delay before each retry, ms. */
  readonly delaysMs: readonly number[];
  /** How long attempts waited, ms, by what they waited for. */
  readonly waitedMs: WaitedMs;
  /** From the beginning of the call to its end, ms; where it succeeded, to the answer, before that was decoded. */
  readonly elapsedMs: number;
  /** Why there was no further attempt; `undefined` while the call is under way. */
  readonly stopped: Stopped | undefined;
  /** Whether fallback data answered. */
  readonly fallback: boolean;
  /** The attempts in their order. */
  readonly history: readonly AttemptRecord[];
}

interface WaitedMs {
  readonly circuit: number;
  readonly limiter: number;
}

/** The name under which the state of a call stands on its config. A string: older versions of axios drop symbols. */
const STATE = 'resilienceState';

const NONE: readonly never[] = Object.freeze([]);
const NO_WAIT = Object.freeze({ circuit: 0, limiter: 0 });

/** What stands on the config of a call. A class, since axios clones plain objects. */
export interface Reported extends ResilienceReport {
  toJSON(): ResilienceReport;
}

/** A report as plain data that nothing of ours changes any more. */
function plainCopyOf(report: ResilienceReport): ResilienceReport {
  const { key, attempts, delaysMs, waitedMs, elapsedMs, stopped, fallback, history } = report;
  return {
    key,
    attempts,
    delaysMs: [...delaysMs],
    waitedMs: { ...waitedMs },
    elapsedMs,
    stopped,
    fallback,
    history: [...history],
  };
}

/** The report of a call that is more than a success at the first attempt. */
export class CallState implements Reported {
  /** Empty until it is known. */
  key: string | null = '';
  attempts = 0;
  delaysMs: readonly number[] = NONE;
  waitedMs: WaitedMs = NO_WAIT;
  elapsedMs = 0;
  stopped: Stopped | undefined = undefined;
  fallback = false;
  history: readonly AttemptRecord[] = NONE;

  toJSON(): ResilienceReport {
    return plainCopyOf(this);
  }
}

/** The report of a success at the first attempt: as little as it can be told from. */
export class FirstSuccess implements Reported {
  readonly key: string | null;
  readonly elapsedMs: number;
  readonly #status: number | undefined;
  readonly #durationMs: number;

  constructor(key: string | null, elapsedMs: number, status: number | undefined, durationMs: number) {
    this.key = key;
    this.elapsedMs = elapsedMs;
    this.#status = status;
    this.#durationMs = durationMs;
  }

  get attempts(): number {
    return 1;
  }

  get delaysMs(): readonly number[] {
    return [];
  }

  get waitedMs(): WaitedMs {
    return NO_WAIT;
  }

  get stopped(): Stopped {
    return 'success';
  }

  get fallback(): boolean {
    return false;
  }

  get history(): readonly AttemptRecord[] {
    return [{ status: this.#status, code: undefined, durationMs: this.#durationMs }];
  }

  toJSON(): ResilienceReport {
    return plainCopyOf(this);
  }
}

const MAX_CAUSES = 8;
const REPORTS = Symbol.for('axios-resilience.reports');

/** Reports of errors that carry no config; one map for both of our module formats. */
const shared = globalThis as { [REPORTS]?: WeakMap<object, Reported> };
const reports = shared[REPORTS] ?? new WeakMap<object, Reported>();
shared[REPORTS] = reports;

/** Makes `reportOf` know what an error, or a response, is of. */
export function remember(errorOrResponse: unknown, state: Reported): void {
  if (typeof errorOrResponse === 'object' && errorOrResponse !== null) reports.set(errorOrResponse, state);
}

/** What an attempt came to, as the cause of an error: where it was answered, an error that stands for the response. */
export function asCause({ error, response }: Result, state: Reported): unknown {
  const isError = typeof (error as Error | undefined)?.message === 'string';
  if (isError || !response) return error;
  const cause = new Error(`The attempt was answered with status ${response.status}`);
  hide(cause, 'response', response);
  remember(cause, state);
  return cause;
}

/** Puts the report on the config of its call; whether it could. The JSON of an error shows its config, but nothing of ours. */
export const show = (config: object, state: CallState): boolean => hide(config, STATE, state);

/** The same of a success at the first attempt: a plain field is quicker to write. */
export function showSuccess(config: { [STATE]?: unknown }, state: Reported): boolean {
  try {
    config[STATE] = state;
    return true;
  } catch {
    return false;
  }
}

/** The report on a config; not what is inherited, nor what somebody else has put there under the same name. */
function stateOn(config: { [STATE]?: Partial<Reported> } | null | undefined): Reported | undefined {
  const state = config && Object.hasOwn(config, STATE) ? config[STATE] : undefined;
  if (!Array.isArray(state?.delaysMs) || !Array.isArray(state.history)) return undefined;
  return typeof state.toJSON === 'function' ? (state as Reported) : ({ ...state, toJSON: () => state } as Reported);
}

/**
 * What became of the call that this response or error is of; `undefined` for a call that went untouched
 * (`resilience: false`). Follows `error.cause`, so errors of your own that keep it can be asked too.
 */
export function reportOf(responseOrError: unknown): ResilienceReport | undefined {
  let current = responseOrError as { config?: { [STATE]?: Reported }; cause?: unknown } | null | undefined;
  for (let depth = 0; depth < MAX_CAUSES && typeof current === 'object' && current !== null; depth++) {
    const state = reports.get(current) ?? stateOn(current.config);
    if (state) return state.toJSON();
    current = current.cause as typeof current;
  }
  return undefined;
}

/** Makes `reportOf` know what an attempt came to, whatever config that carries: an adapter may have copied it. */
export function rememberResult({ error, response }: Result, state: Reported): void {
  remember(error, state);
  remember(response, state);
}
