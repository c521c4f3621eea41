import axios, { type AxiosError, type InternalAxiosRequestConfig } from 'axios';
import { expectTypeOf, test } from 'vitest';
import type { DelayContext } from '../../src/delay.js';
import {
  attach,
  type CallContext,
  CircuitBreaker,
  type Delay,
  type FallbackContext,
  fullJitter,
  type Outcome,
  type RejectionContext,
  type RetryContext,
  type Stopped,
} from '../../src/index.js';

const api = axios.create();

test('the hooks of retry are given their contexts', () => {
  attach(api, {
    retry: {
      backoff: (context) => {
        expectTypeOf(context).toEqualTypeOf<DelayContext>();
        return context.previousMs ?? context.attempt * context.random();
      },
      shouldRetry: (context) => {
        expectTypeOf(context).toEqualTypeOf<RetryContext>();
        // What is pasted from elsewhere.
        if (context.error?.response?.status === 404 || context.error?.code === 'ECONNRESET') return true;
        return context.status === 404 || context.response?.status === 404 ? true : undefined;
      },
      shouldRetryResponse: async (context) => {
        expectTypeOf(context.response.status).toBeNumber();
        return context.response.status === 202;
      },
      beforeRetry: async ({ config, delayMs, ...context }) => {
        expectTypeOf(config).toEqualTypeOf<InternalAxiosRequestConfig>();
        expectTypeOf(delayMs).toBeNumber();
        expectTypeOf(context.error).toEqualTypeOf<Partial<AxiosError> | undefined>();
        config.headers.set('X-Attempt', String(context.attempt + 1));
      },
    },
  });
  expectTypeOf<RetryContext>().toExtend<CallContext>();
  expectTypeOf<FallbackContext>().toExtend<CallContext>();
});

test('the callbacks of the circuit breaker are given their contexts', () => {
  attach(api, {
    breaker: {
      cooldownMs: (context) => {
        expectTypeOf(context).toEqualTypeOf<DelayContext>();
        return context.attempt * 1_000;
      },
      perKey: (key) => {
        expectTypeOf(key).toBeString();
        return key.startsWith('POST ') ? { cooldownMs: 30_000 } : undefined;
      },
      createError: (context) => {
        expectTypeOf(context).toEqualTypeOf<RejectionContext>();
        return new Error(context.key);
      },
    },
    key: (config) => {
      expectTypeOf(config).toEqualTypeOf<InternalAxiosRequestConfig>();
      return config.baseURL ?? null;
    },
    classify: (context) => {
      expectTypeOf(context).toEqualTypeOf<CallContext>();
      return context.status === 404 ? 'failure' : undefined;
    },
  });
});

test('a fallback and its predicate are given their context', () => {
  attach(api, {
    fallback: ({ key, stopped }: FallbackContext) => ({ key, stopped }),
    fallbackOn: (context) => {
      expectTypeOf(context).toEqualTypeOf<FallbackContext>();
      expectTypeOf(context.stopped).toEqualTypeOf<Stopped>();
      expectTypeOf(context.outcome).toEqualTypeOf<Outcome | undefined>();
      return context.outcome === 'failure';
    },
  });
});

test('a fallback written in place knows its context without being told', () => {
  attach(api, { fallback: ({ key }) => ({ key }) });
  void api.get('/', { resilience: { fallback: async ({ config }) => config.url } });
});

test('data of any kind is a fallback', () => {
  const data: unknown = JSON.parse('[]');
  for (const fallback of [null, 0, '', [], {}, data]) attach(axios.create(), { fallback });
});

test('callbacks that answer with the wrong type do not compile', () => {
  attach(api, {
    retry: {
      // @ts-expect-error a delay is a number
      backoff: () => '100',
      // @ts-expect-error yes, no or as usual
      shouldRetry: () => 'yes',
    },
    breaker: {
      // @ts-expect-error a cooldown does not wait
      cooldownMs: async () => 5,
    }, // @ts-expect-error not an outcome
    classify: () => 'broken', // @ts-expect-error a key is text or null
    key: () => 42,
    // @ts-expect-error a predicate does not wait
    fallbackOn: async () => true,
  });
  attach(api, {
    retry: {
      beforeRetry: (context) => {
        // @ts-expect-error contexts are read-only
        context.attempt = 1;
      },
    },
  });
});

test('a backoff of the user composes with ours', () => {
  const fibonacci: Delay = ({ attempt }) => [100, 100, 200, 300, 500][attempt - 1] ?? 800;
  expectTypeOf(fullJitter(fibonacci)).toEqualTypeOf<Delay>();
});

test('execute answers with what the function answers with', () => {
  const breaker = new CircuitBreaker('queue');
  expectTypeOf(breaker.execute(async () => 42)).resolves.toBeNumber();
  expectTypeOf(breaker.execute(() => 'now')).resolves.toBeString();
});
