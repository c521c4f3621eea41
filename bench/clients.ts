import type { AxiosInstance, AxiosResponse } from 'axios';
import { attach, type BreakerOptions, type ResilienceOptions } from '../dist/index.js';
import { loadAxiosRetry, loadCockatiel, loadOpossum, loadRetryAxios } from './peers.js';

/** Somebody's way of calling a service. */
export interface Caller {
  get(url: string): Promise<AxiosResponse>;
  post(url: string, data: unknown): Promise<AxiosResponse>;
}

/** How people make axios resilient today, as the README of each library advises. */
export interface Client {
  readonly settings: string;
  /** Equips an instance of its own; `cooldownMs` is how long its circuit rejects, where it has one; by default what its README says. */
  equip(api: AxiosInstance, cooldownMs?: number): Promise<Caller>;
}

/** Where an experiment does not say: what the READMEs of cockatiel and of this package say. */
export const COOLDOWN_MS = 10_000;

/** What the README of opossum says. */
const OPOSSUM_COOLDOWN_MS = 30_000;

const callerOf = (api: AxiosInstance): Caller => ({
  get: (url) => api.get(url),
  post: (url, data) => api.post(url, data),
});

async function withAxiosRetry(api: AxiosInstance): Promise<Caller> {
  const axiosRetry = await loadAxiosRetry();
  axiosRetry(api, { retries: 3, retryDelay: axiosRetry.exponentialDelay });
  return callerOf(api);
}

const attached = (settings: string, options: ResilienceOptions): Client => ({
  settings: options.breaker === false ? settings : `${settings}; \`breaker.cooldownMs\`: the cooldown`,
  equip: async (api, cooldownMs) => {
    const breaker =
      options.breaker === false || cooldownMs === undefined
        ? options.breaker
        : { ...(options.breaker as BreakerOptions | undefined), cooldownMs };
    attach(api, breaker === undefined ? options : { ...options, breaker });
    return callerOf(api);
  },
});

export const OURS = 'axios-resilience';
export const BARE = 'bare axios';

export const CLIENTS = {
  [BARE]: { settings: 'nothing around it', equip: async (api) => callerOf(api) },
  'empty interceptors': {
    settings: 'one request and one response interceptor that hand on what they are given',
    equip: async (api) => {
      api.interceptors.request.use((config) => config);
      api.interceptors.response.use((response) => response);
      return callerOf(api);
    },
  },
  [OURS]: attached('`attach(api)`', {}),
  'axios-resilience, no breaker': attached('`attach(api, { breaker: false })`', { breaker: false }),
  'axios-resilience, neither': attached('`attach(api, { retry: false, breaker: false })`', {
    retry: false,
    breaker: false,
  }),
  'axios-retry': {
    settings: '`axiosRetry(api, { retries: 3, retryDelay: axiosRetry.exponentialDelay })`',
    equip: withAxiosRetry,
  },
  'axios-retry, timeouts too': {
    settings:
      'the same, told to retry timeouts (`retryCondition`) and to give each attempt its own (`shouldResetTimeout`)',
    equip: async (api) => {
      const axiosRetry = await loadAxiosRetry();
      axiosRetry(api, {
        retries: 3,
        retryDelay: axiosRetry.exponentialDelay,
        shouldResetTimeout: true,
        retryCondition: (error) => axiosRetry.isNetworkOrIdempotentRequestError(error) || error.code === 'ECONNABORTED',
      });
      return callerOf(api);
    },
  },
  'retry-axios': {
    settings: '`api.defaults.raxConfig = { retry: 3 }; rax.attach(api)`',
    equip: async (api) => {
      const { attach: attachRax } = await loadRetryAxios();
      Object.assign(api.defaults, { raxConfig: { retry: 3 } });
      attachRax(api);
      return callerOf(api);
    },
  },
  'axios-retry + opossum': {
    settings:
      'axios-retry, and around each method `{ timeout: 3000, errorThresholdPercentage: 50 }`; `resetTimeout`: the cooldown',
    equip: async (api, cooldownMs = OPOSSUM_COOLDOWN_MS) => {
      const { get, post } = await withAxiosRetry(api);
      const CircuitBreaker = await loadOpossum();
      const options = { timeout: 3_000, errorThresholdPercentage: 50, resetTimeout: cooldownMs };
      const getBreaker = new CircuitBreaker(get, options);
      const postBreaker = new CircuitBreaker(post, options);
      return { get: (url) => getBreaker.fire(url), post: (url, data) => postBreaker.fire(url, data) };
    },
  },
  cockatiel: {
    settings:
      '`wrap(retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }), circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(5) }))`; `halfOpenAfter`: the cooldown',
    equip: async (api, cooldownMs = COOLDOWN_MS) => {
      const { circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleAll, retry, wrap } = await loadCockatiel();
      const policy = wrap(
        retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
        circuitBreaker(handleAll, { halfOpenAfter: cooldownMs, breaker: new ConsecutiveBreaker(5) }),
      );
      return {
        get: (url) => policy.execute(() => api.get(url)),
        post: (url, data) => policy.execute(() => api.post(url, data)),
      };
    },
  },
} as const satisfies Record<string, Client>;

export type ClientName = keyof typeof CLIENTS;

/** What people use today, as it is by default. */
export const PEERS: readonly ClientName[] = ['axios-retry', 'retry-axios', 'axios-retry + opossum', 'cockatiel'];
