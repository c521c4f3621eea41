import type { InternalAxiosRequestConfig } from 'axios';
import '../../axios-augmentation.js';
import { readHeader } from '../../retry-after.js';
import { aName } from '../../validation.js';
import { concealFallback, writeOwnHeader } from '../config/concealment.js';
import { fieldsOf } from '../config/dispatch.js';
import { IDEMPOTENCY_KEY, idempotencyKeyOf, plainHeaders } from '../config/headers.js';
import { writable } from '../config/writable-config.js';
import { type Call, setAdapter } from './call.js';
import { checkRequestOptions } from './option-rules.js';
import { extendPolicy, type Policy } from './policy.js';

type Config = InternalAxiosRequestConfig;

/**
 * Takes what the user's request interceptors left, after all of them; where one of them threw, axios does not come here. It
 * never throws: axios 1.18 and older put a TypeError of their own in the place of what a synchronous handler throws.
 */
export function capture(call: Call, given: Config, readyAt?: number): Config {
  // An interceptor that returns nothing is for axios to complain about.
  if (!(given as Config | undefined)) return given;
  // The one that the call began with has been written to already.
  const config = readyAt === undefined ? writable(given) : given;
  const resilience = Object.hasOwn(config, 'resilience') ? config.resilience : undefined;
  if (resilience === false) {
    if (config.adapter === call.armed) setAdapter(config, call.adapter);
    return config;
  }
  let { policy } = call.attachment;
  let { adapter } = call;
  let refuse: Config['adapter'];
  try {
    if (resilience) concealFallback(config);
    policy = policyOf(policy, resilience);
    if (typeof config.adapter !== 'function') {
      adapter = config.adapter ?? adapter;
      config.adapter = call.armed;
    }
    giveIdempotencyKey(call, config, policy);
  } catch (error) {
    refuse = () => Promise.reject(error);
  }
  const refusal = refuse && 'not-retryable';
  const headers = plainHeaders(config.headers);
  call.captured = { config, policy, fields: fieldsOf(config), headers, adapter, readyAt, refusal };
  if (refuse) config.adapter = refuse;
  return config;
}

function policyOf(policy: Policy, resilience: Exclude<Config['resilience'], false>): Policy {
  if (!resilience) return policy;
  checkRequestOptions(resilience, 'resilience');
  return extendPolicy(policy, resilience);
}

function giveIdempotencyKey(call: Call, config: Config, { idempotencyKey }: Policy): void {
  if (!idempotencyKey.enabled || !/^(post|patch)$/i.test(config.method ?? '')) return;
  const { header = IDEMPOTENCY_KEY, generate = randomUuid, quoted } = idempotencyKey;
  if (idempotencyKeyOf(config.headers, idempotencyKey) || readHeader(config.headers, header) === false) return;
  const key: unknown = generate();
  aName(key, 'idempotencyKey.generate()');
  writeOwnHeader(call, config, header, quoted ? `"${String(key)}"` : String(key));
}

/** A random byte; React Native has no `crypto` unless it is polyfilled. */
const randomByte = (): number =>
  typeof crypto === 'undefined' ? Math.floor(Math.random() * 256) : (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0);

/** As `crypto.randomUUID`, which pages without TLS do not have: version 4, variant 10. */
const randomUuid = (): string =>
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) => {
    return (Number(digit) ^ (randomByte() & (15 >> (Number(digit) / 4)))).toString(16);
  });
