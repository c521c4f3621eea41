import type { Clock } from '../../clock.js';
import type { Attempt } from '../call/call.js';
import type { Guard } from '../call/guard.js';

/** Takes what a retry costs that was decided under an open circuit: not before that lets it through. */
export const budgetGuard = (clock: Clock): Guard<Attempt> => ({
  admit: ({ call: { fare } }) =>
    !fare || fare.pay(clock.now())
      ? undefined
      : { admitted: false, stopped: 'budget', error: new Error('The retry budget is used up') },
});
