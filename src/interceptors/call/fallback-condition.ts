import type { FallbackContext } from '../../options.js';
import type { Policy } from './policy.js';

/**
 * Whether a fallback would answer a call that its circuit rejects: then there is nothing to wait for. A predicate that throws,
 * or answers with a promise, is asked again at the end of the call, and ends it with its error.
 */
export function hasFallback({ fallback, fallbackOn }: Policy, context: FallbackContext): boolean {
  if (fallback === undefined) return false;
  if (typeof fallbackOn !== 'function') return appliesTo(fallbackOn, context);
  try {
    const applies: unknown = fallbackOn(context);
    if (applies instanceof Promise) applies.catch(() => undefined);
    return Boolean(applies);
  } catch {
    return true;
  }
}

/** What the names of conditions mean. */
export const appliesTo = (fallbackOn: 'open' | 'failure' | undefined, { stopped, outcome }: FallbackContext): boolean =>
  stopped === 'circuit-open' || stopped === 'limited' || (fallbackOn === 'failure' && outcome === 'failure');
