import axios, { type AxiosAdapter, type AxiosInstance } from 'axios';
import {
  attach,
  BreakerRegistry,
  byOrigin,
  type CircuitState,
  consecutiveFailures,
  type Delay,
  exponential,
  fullJitter,
  isRejectedError,
  logSink,
  memorySink,
  type Resilience,
  type ResilienceEvents,
  type ResilienceOptions,
  type ResilienceReport,
  type ResilienceRequestOptions,
  type RetryContext,
  reportOf,
} from 'axios-resilience';

let service = 503;
const adapter: AxiosAdapter = async (config) => {
  const response = { data: { status: service }, status: service, statusText: '', headers: {}, config };
  if (service < 400) return response;
  throw new axios.AxiosError('down', 'ERR_BAD_RESPONSE', config, {}, response);
};

const backoff: Delay = ({ attempt, random }) => attempt * random();
const shouldRetry = ({ attempt, response }: RetryContext): boolean | undefined =>
  attempt > 2 ? response?.status === 503 : undefined;
const options: ResilienceOptions = {
  retry: { retries: 2, backoff, shouldRetry, budget: { ratio: 0.5 } },
  breaker: { maxWaitMs: 0, detector: consecutiveFailures(4), cooldownMs: ({ attempt }) => attempt * 1_000 },
  key: byOrigin,
  sinks: [memorySink(), logSink({ info() {}, warn() {}, error() {} })],
};
const override: ResilienceRequestOptions = { retry: { backoff: fullJitter(exponential({ baseMs: 1 })), retries: 1 } };

const api: AxiosInstance = axios.create({ baseURL: 'https://api.example.com/v1', adapter, resilience: { retry: 2 } });
const resilience: Resilience = attach(api, options);

const attempts: number[] = [];
resilience.on('attempt', (event: ResilienceEvents['attempt']) => attempts.push(event.attempt));
resilience.on('stateChange', ({ key, from, to }: ResilienceEvents['stateChange']) =>
  console.log(`${key} ${from} -> ${to}`),
);

const first: unknown = await api.get('/users/42', { resilience: override }).catch((error: unknown) => error);
const report: ResilienceReport | undefined = reportOf(first);
console.log(`${report?.attempts} attempts, ${report?.stopped}`);

const second: unknown = await api.get('/users/42').catch((error: unknown) => error);
console.log(`${reportOf(second)?.attempts} attempts, ${reportOf(second)?.stopped}`);

const third: unknown = await api.request({ url: '/users/42' }).catch((error: unknown) => error);
if (isRejectedError(third)) console.log(`${third.status} ${third.key} ${third.headers['Retry-After']}`);

const { data } = await api.get<{ items: string[] }>('/feed', { resilience: { fallback: { items: ['kept'] } } });
console.log(data.items.join());

service = 200;
resilience.breakers.get('https://api.example.com')?.reset();
const state: CircuitState | undefined = resilience.breakers.get('https://api.example.com')?.state;
console.log(`${(await api.get('/users/42')).status} ${state} ${attempts.join()}`);
resilience.detach();

const shared = new BreakerRegistry({ maxBreakers: 10 });
attach(axios.create(), { breaker: shared }).detach();

export const badOptions = (): void => {
  // @ts-expect-error an option that does not exist
  attach(api, { retires: 3 });
  // @ts-expect-error a number as text
  attach(api, { retry: { retries: '3' } });
  // @ts-expect-error the detector belongs to the circuit, not to one request
  void api.get('/', { resilience: { breaker: { detector: consecutiveFailures(1) } } });
  // @ts-expect-error true is no override
  void api.get('/', { resilience: true });
  // @ts-expect-error an event that does not exist
  resilience.on('retried', () => {});
};
