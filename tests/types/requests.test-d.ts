import axios, { type AxiosRequestConfig, type AxiosResponse, type InternalAxiosRequestConfig } from 'axios';
import { expectTypeOf, test } from 'vitest';
import {
  attach,
  consecutiveFailures,
  type ResilienceReport,
  type ResilienceRequestOptions,
  reportOf,
} from '../../src/index.js';

const api = axios.create();

test('config.resilience is typed on every way to make a request', () => {
  expectTypeOf<AxiosRequestConfig>()
    .toHaveProperty('resilience')
    .toEqualTypeOf<ResilienceRequestOptions | false | undefined>();
  expectTypeOf<InternalAxiosRequestConfig>().toHaveProperty('resilience');

  void api.get('/', { resilience: { retry: 1 } });
  void api.get('/', { resilience: false });
  void api.post('/', {}, { resilience: { retry: { retries: 2 }, idempotencyKey: true } });
  void api.request({ url: '/', resilience: { retry: false, breaker: false } });
  void api({ url: '/', resilience: { fallback: null, fallbackOn: 'failure' } });
  axios.create({ resilience: { retry: { budget: false } } });
  api.defaults.resilience = { retry: 5 };
  api.interceptors.request.use((config) => {
    config.resilience = false;
    return config;
  });
});

test('a fallback leaves the type of the data as it is', () => {
  const get = () => api.get<{ items: string[] }>('/', { resilience: { fallback: { items: [] } } });
  expectTypeOf(get).returns.resolves.toEqualTypeOf<AxiosResponse<{ items: string[] }>>();
});

test('what belongs to the circuit is no option of one request', () => {
  // @ts-expect-error the detector is the circuit's
  void api.get('/', { resilience: { breaker: { detector: consecutiveFailures(1) } } });
  // @ts-expect-error the cooldown is the circuit's
  void api.get('/', { resilience: { breaker: { cooldownMs: 1 } } });
  // @ts-expect-error the mode is the circuit's
  void api.get('/', { resilience: { breaker: { mode: 'observe' } } });
  // @ts-expect-error the budget can only be turned on and off
  void api.get('/', { resilience: { retry: { budget: { ratio: 0.5 } } } });
  // @ts-expect-error sinks are the instance's
  void api.get('/', { resilience: { sinks: [] } });
});

test('a bad override does not compile', () => {
  // @ts-expect-error a misspelt option
  void api.get('/', { resilience: { retires: 1 } });
  // @ts-expect-error only `false` leaves a request alone
  void api.get('/', { resilience: true });
  // @ts-expect-error no such condition
  void api.get('/', { resilience: { fallbackOn: 'closed' } });
  // @ts-expect-error a number as text
  void api.post('/', {}, { resilience: { deadlineMs: '5s' } });
  // @ts-expect-error the defaults of an instance are checked too
  axios.create({ resilience: { breaker: { maxBreakers: 5 } } });
});

test('update takes the policies and the mode, and nothing else', () => {
  const { update } = attach(axios.create());
  update({
    retry: false,
    breaker: { mode: 'observe' },
    classify: () => 'neutral',
    fallback: [],
    fallbackOn: 'rejected',
  });
  // @ts-expect-error circuits keep their detector
  update({ breaker: { detector: consecutiveFailures(3) } });
  // @ts-expect-error circuits keep their cooldown
  update({ breaker: { cooldownMs: 5 } });
  // @ts-expect-error sinks are given once
  update({ sinks: [] });
});

test('a report can be asked of anything and cannot be written to', () => {
  expectTypeOf(reportOf).parameter(0).toBeUnknown();
  expectTypeOf(reportOf).returns.toEqualTypeOf<ResilienceReport | undefined>();
  const report = reportOf(new Error('any'));
  // @ts-expect-error a report is read-only
  if (report) report.attempts = 0;
  // @ts-expect-error read-only to the depth
  if (report) report.delaysMs.push(1);
});
