import type { InternalAxiosRequestConfig } from 'axios';
import '../axios-augmentation.js';
import { aName } from '../validation.js';
import { adapterOf, type Call, type Captured, setAdapter } from './call.js';
import { writeOwnHeader } from './concealment.js';
import { IDEMPOTENCY_KEY, plainHeaders, readHeader } from './headers.js';
import { type Handler, handler } from './placement.js';
import { checkRequestOptions, extendPolicy, type Policy } from './policy.js';
import { writable } from './writable-config.js';

type Config = InternalAxiosRequestConfig;

/**
 * Its first run is the beginning of the call, before any request interceptor of the user's; its last the capture, after
 * all of them. It never throws: axios before 1.19 loses errors of synchronous request interceptors.
 */
export function requestInterceptor(call: Call): Handler {
  let runs = 0;
  return handler((config: Config) => {
    runs++;
    if (runs === 1) arm(call, config);
    return runs === call.requestRuns ? capture(call, config) : config;
  });
}

function arm(call: Call, config: Config): void {
  call.adapter = adapterOf(config);
  config.adapter = call.armed;
  if (config.resilienceState) delete config.resilienceState;
}

function capture(call: Call, given: Config): Config {
  // An interceptor that returns nothing is for axios to complain about.
  if (!(given as Config | undefined)) return given;
  const config = writable(given);
  const resilience = Object.hasOwn(config, 'resilience') ? config.resilience : undefined;
  if (resilience === false) {
    if (config.adapter === call.armed) setAdapter(config, call.adapter);
    return config;
  }
  let { policy } = call.attachment;
  let refuse: Config['adapter'];
  try {
    policy = policyOf(policy, resilience);
    if (typeof config.adapter !== 'function') {
      call.adapter = config.adapter ?? call.adapter;
      config.adapter = call.armed;
    }
    giveIdempotencyKey(call, config, policy);
  } catch (error) {
    call.refusal = 'not-retryable';
    refuse = () => Promise.reject(error);
  }
  call.captured = { config, policy, fields: fieldsOf(config), headers: plainHeaders(config.headers) };
  if (refuse) config.adapter = refuse;
  return config;
}

/** What axios would not send, since it is inherited, must not be sent because it was copied. */
function fieldsOf(config: InternalAxiosRequestConfig<unknown>): Captured['fields'] {
  const has = (name: keyof Captured['fields']) => Object.hasOwn(config, name);
  return {
    adapter: has('adapter') ? config.adapter : undefined,
    baseURL: has('baseURL') ? config.baseURL : undefined,
    data: has('data') ? config.data : undefined,
    params: has('params') ? (config.params as unknown) : undefined,
    url: has('url') ? config.url : undefined,
  } as Captured['fields'];
}

function policyOf(policy: Policy, resilience: Exclude<Config['resilience'], false>): Policy {
  if (!resilience) return policy;
  checkRequestOptions(resilience, 'resilience');
  return extendPolicy(policy, resilience);
}

function giveIdempotencyKey({ state }: Call, config: Config, { retry: { idempotencyKey } }: Policy): void {
  if (!idempotencyKey || !/^(post|patch)$/i.test(config.method ?? '')) return;
  const { header = IDEMPOTENCY_KEY, generate = randomUuid, quoted } = idempotencyKey;
  if (readHeader(config.headers, header) !== undefined) return;
  const key: unknown = generate();
  aName(key, 'retry.idempotencyKey.generate()');
  writeOwnHeader(state, config.headers, header, quoted ? `"${String(key)}"` : String(key));
}

/** A random byte; React Native has no `crypto` unless it is polyfilled. */
const randomByte = (): number =>
  typeof crypto === 'undefined' ? Math.floor(Math.random() * 256) : (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0);

/** As `crypto.randomUUID`, which pages without TLS do not have: version 4, variant 10. */
const randomUuid = (): string =>
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) => {
    return (Number(digit) ^ (randomByte() & (15 >> (Number(digit) / 4)))).toString(16);
  });
