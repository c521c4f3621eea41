import {
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosResponse,
  CanceledError,
  type InternalAxiosRequestConfig,
} from 'axios';
import type { Clock } from '../../src/clock.js';

/** How one attempt ends: a status, a response, an error, or a function that yields one of them. */
export type Step =
  | number
  | { readonly status: number; readonly headers?: Record<string, unknown>; readonly data?: unknown }
  | Error
  | ((config: InternalAxiosRequestConfig) => Step | Promise<Step>);

/** An adapter without a network that answers from a script and remembers the configs of the attempts. */
export interface ScriptedAdapter extends AxiosAdapter {
  readonly attempts: InternalAxiosRequestConfig[];
  /** Answers in this order; the last one again and again. */
  script(...steps: Step[]): void;
}

/** Time that stands still until it is advanced. */
export interface ManualClock extends Clock {
  advance(milliseconds: number): void;
}

export function startClock(): ManualClock {
  let now = 1_000;
  return {
    now: () => now,
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}

/** A failure of the connection, as the http adapter reports it. */
export const connectionError = (code: string): AxiosError => new AxiosError(`connection failed: ${code}`, code);

/** An attempt that ends only when the call is cancelled, as the real adapters do it. */
export const untilCancelled: Step = (config) =>
  new Promise((_resolve, reject) => {
    const { signal, cancelToken } = config;
    const listener = () => {
      const token = cancelToken as unknown as { reason?: unknown; unsubscribe(listener: () => void): void } | undefined;
      signal?.removeEventListener?.('abort', listener);
      token?.unsubscribe(listener);
      reject(token?.reason ?? new CanceledError(undefined, config));
    };
    signal?.addEventListener?.('abort', listener);
    (cancelToken as unknown as { subscribe(listener: () => void): void } | undefined)?.subscribe(listener);
  });

/** A response that takes its time, by the timers that are installed when it is asked for. */
export const after =
  (delayMs: number, step: Step): Step =>
  () =>
    new Promise((resolve) => {
      setTimeout(() => resolve(step), delayMs);
    });

export function scripted(...steps: Step[]): ScriptedAdapter {
  let script = steps;
  const attempts: InternalAxiosRequestConfig[] = [];
  const adapter = async (config: InternalAxiosRequestConfig): Promise<AxiosResponse> => {
    attempts.push({ ...config, headers: new AxiosHeaders(config.headers) });
    let step: Step = (script.length > 1 ? script.shift() : script[0]) ?? 200;
    while (typeof step === 'function') step = await step(config);
    if (step instanceof AxiosError) {
      step.config = config;
      throw step;
    }
    if (step instanceof Error) throw step;
    const { status, headers = {}, data = '' } = typeof step === 'number' ? { status: step } : step;
    const response: AxiosResponse = {
      data,
      status,
      statusText: '',
      headers: new AxiosHeaders(headers as never),
      config,
    };
    if (!config.validateStatus || config.validateStatus(status)) return response;
    const code = status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
    throw new AxiosError(`Request failed with status code ${status}`, code, config, null, response);
  };
  return Object.assign(adapter, {
    attempts,
    script: (...next: Step[]) => {
      script = next;
    },
  });
}
