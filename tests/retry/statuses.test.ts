import { expect, test } from 'vitest';
import { hasStatus } from '../../src/retry/statuses.js';

test.each([
  [404, true],
  [403, false],
  [405, false],
  [499, false],
  [500, true],
  [550, true],
  [599, true],
  [600, false],
])('statuses one by one and ranges, first and last included: %i is among 404 and 500 to 599: %s', (status, isAmong) => {
  expect(hasStatus([404, [500, 599]], status)).toBe(isAmong);
});

test('a function is asked about the status', () => {
  expect([404, 503].map((status) => hasStatus((asked) => asked === 503, status))).toEqual([false, true]);
});
