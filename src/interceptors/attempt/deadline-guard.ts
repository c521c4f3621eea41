import type { Attempt } from '../call/call.js';
import type { Guard } from '../call/guard.js';
import { deadlineError } from '../time/deadline.js';

/** Refuses an attempt for which the call has no time left. */
export const deadlineGuard: Guard<Attempt> = {
  admit: ({ call, config }) =>
    call.remainingMs() <= 0 ? { admitted: false, stopped: 'deadline', error: deadlineError(config) } : undefined,
};
