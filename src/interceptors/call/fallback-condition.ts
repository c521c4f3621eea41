import type { CallContext } from '../../contexts.js';
import type { Outcome, Stopped } from '../../events.js';
import type { Policy } from './policy.js';

/**
 * Whether a fallback would answer a call that its circuit rejects: then there is nothing to wait for. A predicate that throws,
 * or answers with a promise, is asked again at the end of the call, and ends it with its error.
 *
 * @param contextOf What the predicate is told; asked where there is one.
 */
export function hasFallback(
  { fallback, fallbackOn }: Policy,
  stopped: Stopped,
  outcome: Outcome | undefined,
  contextOf: () => CallContext,
): boolean {
  if (fallback === undefined) return false;
  if (typeof fallbackOn !== 'function') return appliesTo(fallbackOn, stopped, outcome);
  try {
    const applies: unknown = fallbackOn({ ...contextOf(), stopped });
    if (applies instanceof Promise) applies.catch(() => undefined);
    return Boolean(applies);
  } catch {
    return true;
  }
}

/** What the names of conditions mean. */
export const appliesTo = (
  fallbackOn: 'rejected' | 'failure' | undefined,
  stopped: Stopped,
  outcome?: Outcome,
): boolean =>
  stopped === 'circuit-open' || stopped === 'limited' || (fallbackOn === 'failure' && outcome === 'failure');
