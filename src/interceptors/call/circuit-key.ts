import type { InternalAxiosRequestConfig } from 'axios';
import type { BreakerRegistry } from '../../circuit/registry.js';
import { unexpected } from '../../validation.js';
import { byMethodAndBaseUrl } from './key.js';
import type { Policy } from './policy.js';

/** The circuit's key; `null` where there is none. */
export function circuitKeyOf(config: InternalAxiosRequestConfig, { breaker }: Policy): string | null {
  if (!breaker.enabled) return null;
  const key: unknown = breaker.key(config);
  if (key === undefined) return byMethodAndBaseUrl(config);
  if (typeof key !== 'string' && key !== null) throw unexpected('breaker.key(config)', 'a string or null', key);
  return key;
}

/** Whether the circuit of this key lets nobody pass at present. */
export function isRejecting(registry: BreakerRegistry, key: string): boolean {
  const breaker = registry.get(key);
  return breaker?.mode === 'enforce' && breaker.isOpen;
}
