import type { CallContext } from '../../contexts.js';
import type { Policy } from './policy.js';

/**
 * Whether a fallback would answer a call that its circuit rejects: then there is nothing to wait for. A predicate that throws,
 * or answers with a promise, is asked again at the end of the call, and ends it with its error.
 *
 * @param contextOf What the predicate is told; asked where there is one.
 */
export function hasFallback({ fallback, fallbackOn }: Policy, contextOf: () => CallContext): boolean {
  if (fallback === undefined) return false;
  if (typeof fallbackOn !== 'function') return true;
  try {
    const applies: unknown = fallbackOn({ ...contextOf(), stopped: 'circuit-open' });
    if (applies instanceof Promise) applies.catch(() => undefined);
    return Boolean(applies);
  } catch {
    return true;
  }
}
