import type { Clock } from '../../clock.js';
import type { RetryBudgets } from '../../retry/budget.js';
import type { Attempt } from '../call/call.js';
import type { Guard } from '../call/guard.js';

/** Takes the token of a retry that was decided under an open circuit: not before that lets it through. */
export const budgetGuard = (budgets: RetryBudgets, clock: Clock): Guard<Attempt> => ({
  admit(attempt) {
    const { waits } = attempt.call;
    const { budget } = attempt.captured.policy.retry;
    const cost = waits?.owedTokens;
    if (!waits || !cost) return undefined;
    waits.owedTokens = 0;
    if (!budget || budgets.withdraw(attempt.name, budget, clock.now(), cost)) return undefined;
    return { admitted: false, stopped: 'budget', error: new Error('The retry budget is used up') };
  },
});
