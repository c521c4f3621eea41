import type { CircuitState } from 'axios-resilience';
import type { FinishedCall, Result } from './callers.js';
import type { Phase } from './service.js';
import { type Format, paint } from './terminal.js';

const FORMATS = {
  answered: 'green',
  failed: 'red',
  healthy: 'green',
  failing: 'red',
  hanging: 'magenta',
  down: 'yellow',
  closed: 'green',
  open: 'red',
  'half-open': 'yellow',
} as const satisfies Record<Result | Phase | CircuitState, Format>;

/** Each result, state and phase has one colour wherever it is shown. */
export const inItsColour = (name: keyof typeof FORMATS, text: string = name): string => paint(FORMATS[name], text);

export const count = (calls: readonly FinishedCall[], result: Result): number =>
  calls.filter((call) => call.result === result).length;

/** `12 answered, 3 failed`; nothing where there is nothing. */
export const countsOf = (calls: readonly FinishedCall[]): string =>
  (['answered', 'failed'] as const)
    .filter((result) => count(calls, result) > 0)
    .map((result) => `${count(calls, result)} ${result}`)
    .join(', ');
