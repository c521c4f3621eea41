import type { InternalAxiosRequestConfig } from 'axios';
import { unexpected } from '../../validation.js';
import { byMethodAndBaseUrl } from './key.js';
import type { Policy } from './policy.js';

/** What the call is counted by; `null` where the user's function says so. */
export function keyOf(config: InternalAxiosRequestConfig, policy: Policy): string | null {
  const key: unknown = policy.key(config);
  if (key === undefined) return byMethodAndBaseUrl(config);
  if (typeof key !== 'string' && key !== null) throw unexpected('key(config)', 'a string or null', key);
  return key;
}
