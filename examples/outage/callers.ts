import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { attach, type Resilience, type ResilienceOptions } from 'axios-resilience';
import { CALLER_HEADER } from './service.js';

export type Result = 'answered' | 'failed';

/** A call that came to its end. */
export interface FinishedCall {
  readonly result: Result;
  readonly endedAt: number;
  readonly waitedMs: number;
}

/** Somebody who needs prices, and keeps a record of what came of it. */
export interface Caller {
  readonly name: string;
  readonly finished: readonly FinishedCall[];
  /** Never rejects. */
  call(): Promise<void>;
}

export interface CallerOptions {
  readonly baseURL: string;
  readonly timeout: number;
  readonly now: () => number;
}

export function plainCaller(name: string, options: CallerOptions): Caller {
  const api = createApi(name, options);
  return record(name, options.now, () => api.get('/prices'));
}

/** The same, but for one line. */
export function resilientCaller(
  name: string,
  resilience: ResilienceOptions,
  options: CallerOptions,
): Caller & { readonly resilience: Resilience } {
  const api = createApi(name, options);
  const attached = attach(api, resilience);
  return { ...record(name, options.now, () => api.get('/prices')), resilience: attached };
}

function createApi(name: string, { baseURL, timeout }: CallerOptions): AxiosInstance {
  return axios.create({ baseURL, timeout, headers: { [CALLER_HEADER]: name }, proxy: false });
}

function record(name: string, now: () => number, get: () => Promise<AxiosResponse>): Caller {
  const finished: FinishedCall[] = [];
  return {
    name,
    finished,
    async call() {
      const startedAt = now();
      const result = await get().then(
        (): Result => 'answered',
        (): Result => 'failed',
      );
      const endedAt = now();
      finished.push({ result, endedAt, waitedMs: endedAt - startedAt });
    },
  };
}
