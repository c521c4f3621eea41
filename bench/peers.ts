import type { AxiosInstance } from 'axios';

/**
 * What is used of each peer. They are installed for the benchmarks alone, so their own types are not at hand where the
 * project is checked without them.
 */
export interface AxiosRetry {
  (
    api: AxiosInstance,
    options: {
      retries: number;
      retryDelay: (retry: number, error?: unknown) => number;
      shouldResetTimeout?: boolean;
      retryCondition?: (error: { readonly code?: string }) => boolean;
    },
  ): void;
  exponentialDelay(retry: number, error?: unknown): number;
  isNetworkOrIdempotentRequestError(error: unknown): boolean;
}

export interface RetryAxios {
  attach(api: AxiosInstance): number;
}

interface OpossumBreaker<Given extends unknown[], Result> {
  fire(...given: Given): Promise<Result>;
  open(): void;
}

export interface OpossumOptions {
  timeout?: number | false;
  errorThresholdPercentage?: number;
  resetTimeout?: number;
  rollingPercentilesEnabled?: boolean;
}

export type Opossum = new <Given extends unknown[], Result>(
  action: (...given: Given) => Promise<Result>,
  options?: OpossumOptions,
) => OpossumBreaker<Given, Result>;

interface CockatielPolicy {
  execute<Result>(action: () => Result | PromiseLike<Result>): Promise<Result>;
}

/** When a circuit of cockatiel's opens. */
export type CockatielBreaker = object;

export interface Cockatiel {
  readonly handleAll: object;
  readonly ConsecutiveBreaker: new (failures: number) => CockatielBreaker;
  readonly CountBreaker: new (options: { threshold: number; size: number }) => CockatielBreaker;
  readonly SamplingBreaker: new (options: { threshold: number; duration: number }) => CockatielBreaker;
  readonly ExponentialBackoff: new () => object;
  retry(failures: object, options: { maxAttempts: number; backoff: object }): CockatielPolicy;
  circuitBreaker(failures: object, options: { halfOpenAfter: number; breaker: CockatielBreaker }): CockatielPolicy;
  wrap(...policies: CockatielPolicy[]): CockatielPolicy;
}

const load = async <Module>(name: string): Promise<Module> => (await import(name)) as Module;

export const loadAxiosRetry = async (): Promise<AxiosRetry> =>
  (await load<{ default: AxiosRetry }>('axios-retry')).default;
export const loadRetryAxios = (): Promise<RetryAxios> => load('retry-axios');
export const loadOpossum = async (): Promise<Opossum> => (await load<{ default: Opossum }>('opossum')).default;
export const loadCockatiel = (): Promise<Cockatiel> => load('cockatiel');
