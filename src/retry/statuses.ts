import { aFunction, anInteger, eitherOf, listOf, type Rule, unexpected } from '../validation.js';

/** Statuses one by one, and ranges from the first to the last; or a function that knows them. */
export type Statuses = readonly (number | readonly [from: number, to: number])[] | ((status: number) => boolean);

export function hasStatus(statuses: Statuses, status: number): boolean {
  if (typeof statuses === 'function') return statuses(status);
  for (const item of statuses) {
    if (typeof item === 'number' ? item === status : status >= item[0] && status <= item[1]) return true;
  }
  return false;
}

const aStatus = anInteger(100, 999);

const aRange: Rule = (value, path) => {
  if (!Array.isArray(value) || value.length !== 2) throw unexpected(path, 'a status or a range [from, to]', value);
  const [from, to] = value as unknown[];
  aStatus(from, `${path}[0]`);
  aStatus(to, `${path}[1]`);
  if ((from as number) > (to as number)) throw unexpected(path, 'a range [from, to]', value, RangeError);
};

export const theStatuses: Rule = eitherOf(
  { function: aFunction },
  listOf(eitherOf({ number: aStatus }, aRange), 'an array such as [429, [500, 599]], or a function'),
);
