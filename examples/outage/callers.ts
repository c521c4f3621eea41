import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { attach, type BreakerOptions, type Resilience, reportOf, type Sink } from 'axios-resilience';
import { CALLER_HEADER } from './service.js';

export type Result = 'answered' | 'fallback' | 'failed';

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
  breaker: BreakerOptions,
  options: CallerOptions,
  sinks: Sink[] = [],
): Caller & { readonly resilience: Resilience } {
  const api = createApi(name, options);
  let lastPrices: unknown = {};
  const resilience = attach(api, { breaker, fallback: () => lastPrices, fallbackOn: 'failure', sinks });
  const caller = record(name, options.now, async () => {
    const response = await api.get('/prices');
    lastPrices = response.data;
    return response;
  });
  return { ...caller, resilience };
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
        (response): Result => (reportOf(response)?.fallback ? 'fallback' : 'answered'),
        (): Result => 'failed',
      );
      const endedAt = now();
      finished.push({ result, endedAt, waitedMs: endedAt - startedAt });
    },
  };
}
