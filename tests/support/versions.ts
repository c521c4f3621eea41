import axios from 'axios';

/** Whether the axios under test is this version or a newer one. */
export function isAtLeast(version: string): boolean {
  const wanted = version.split('.').map(Number);
  const present = axios.VERSION.split('.').map(Number);
  const index = wanted.findIndex((part, position) => part !== present[position]);
  return index === -1 || (present[index] ?? 0) > (wanted[index] ?? 0);
}

/** The adapters that this version has for Node. */
export const ADAPTERS = isAtLeast('1.7.0') ? (['http', 'fetch'] as const) : (['http'] as const);

/** The values of `transitional.legacyInterceptorReqResOrdering` that this version takes; none in older ones. */
export const INTERCEPTOR_ORDERINGS =
  'legacyInterceptorReqResOrdering' in (axios.defaults.transitional ?? {}) ? ([true, false] as const) : [];
