import type { Attempt } from './call.js';
import { deadlineError } from './deadline.js';
import type { Guard } from './guard.js';

/** Refuses an attempt for which the call has no time left. */
export const deadlineGuard: Guard<Attempt> = {
  admit: ({ call, config }) =>
    call.remainingMs() <= 0 ? { admitted: false, stopped: 'deadline', error: deadlineError(config) } : undefined,
};
