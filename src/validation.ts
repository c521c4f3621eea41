import { shortened, withoutCredentials } from './redaction.js';

/** Checks the value at `path`; throws a `TypeError` for its kind, a `RangeError` for its range. */
export type Rule = (value: unknown, path: string) => void;

type Rules = Readonly<Record<string, Rule>>;

/** An object of options, as against a list, a function or `null`. */
const isGroup = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const LONGEST_SHOWN = 200;
const MOST_ITEMS = 10;
const DEEPEST = 2;

/** A value as a message shows it: an address that was given in the place of a client may hold a password. */
function show(value: unknown, depth = 0): string {
  if (Array.isArray(value)) {
    if (depth === DEEPEST) return 'a list';
    const items = value.slice(0, MOST_ITEMS).map((item) => show(item, depth + 1));
    return `[${[...items, ...(value.length > MOST_ITEMS ? ['…'] : [])].join(', ')}]`;
  }
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'function' || isGroup(value)) return `a value of type ${typeof value}`;
  return typeof value === 'string' ? `"${shownText(value)}"` : String(value);
}

const shownText = (text: string): string => withoutCredentials(shortened(text, LONGEST_SHOWN));

/** The error for a value that is not what was expected. A promise is not waited for, nor left to reject unhandled. */
export function unexpected(path: string, expected: string, value: unknown, Kind: ErrorConstructor = TypeError): Error {
  if (value instanceof Promise) value.catch(() => undefined);
  return new Kind(`Expected \`${path}\` to be ${expected}, got ${show(value)}`);
}

const ofType =
  (type: string, expected: string, inRange: (value: never) => unknown = () => true): Rule =>
  (value, path) => {
    if (typeof value !== type) throw unexpected(path, expected, value);
    if (!inRange(value as never)) throw unexpected(path, expected, value, RangeError);
  };

export const aBoolean = ofType('boolean', 'a boolean');
export const aFunction = ofType('function', 'a function');
export const aString = ofType('string', 'a string');
export const aName = ofType('string', 'a non-empty string', (value: string) => value);
/** A token (RFC 9110, 5.6.2): axios drops headers of any other name without a word. */
export const aHeaderName = ofType('string', 'the name of a header', (value: string) =>
  /^[\w!#-'*+.^`|~-]+$/.test(value),
);
export const aRatio = ofType('number', 'a number in (0, 1]', (value: number) => value > 0 && value <= 1);
export const aShare = ofType('number', 'a number from 0 to 1', (value: number) => value >= 0 && value <= 1);
export const aPositiveNumber = ofType(
  'number',
  'a finite number > 0',
  (value: number) => value > 0 && value <= Number.MAX_VALUE,
);

export const anInteger = (min: number, max = Number.POSITIVE_INFINITY): Rule =>
  ofType(
    'number',
    max < Number.POSITIVE_INFINITY ? `an integer from ${min} to ${max}` : `an integer >= ${min}`,
    (value: number) => Number.isInteger(value) && value >= min && value <= max,
  );

/** A duration; finite, unless `max` is `Infinity`. */
export const milliseconds = (min = 0, max = Number.MAX_VALUE, orElse = ''): Rule =>
  ofType(
    'number',
    `a number of milliseconds ${max < Number.MAX_VALUE ? `from ${min} to ${max}` : `>= ${min}`}${orElse}`,
    (value: number) => value >= min && value <= max,
  );

export const oneOf =
  (...choices: readonly unknown[]): Rule =>
  (value, path) => {
    if (!choices.includes(value)) throw unexpected(path, choices.map((choice) => show(choice)).join(' or '), value);
  };

export const listOf =
  (rule: Rule): Rule =>
  (value, path) => {
    if (!Array.isArray(value)) throw unexpected(path, 'an array', value);
    for (const [index, item] of value.entries()) rule(item, `${path}[${index}]`);
  };

/** An object with these methods; no `instanceof`, since it may come from another copy of the module. */
export const withMethods =
  (expected: string, ...names: string[]): Rule =>
  (value, path) => {
    if (!isGroup(value) || names.some((name) => typeof (value as never)[name] !== 'function')) {
      throw unexpected(path, expected, value);
    }
  };

/** A function, or an object with a `record`. */
export const aSink: Rule = (sink, path) => {
  if (typeof sink !== 'function')
    withMethods('a function, or a sink with a method record(event)', 'record')(sink, path);
};

/** Takes the rule of the value's `typeof`, else the other. */
export const eitherOf =
  (byType: Rules, otherwise: Rule): Rule =>
  (value, path) =>
    (byType[typeof value] ?? otherwise)(value, path);

/** `false`, or what the rule says. */
export const orFalse =
  (rule: Rule): Rule =>
  (value, path) => {
    if (value !== false) rule(value, path);
  };

/** An object of known options; `undefined` means not given. */
export const options =
  (rules: Rules): Rule =>
  (value, path) => {
    if (!isGroup(value) || value instanceof Promise) throw unexpected(path || 'options', 'an object', value);
    for (const [name, item] of Object.entries(value)) {
      const at = path ? `${path}.${name}` : name;
      const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
      if (!rule) {
        throw new TypeError(`Unknown option \`${shownText(at)}\`: did you mean \`${nearest(name, rules)}\`?`);
      }
      if (item !== undefined) rule(item, at);
    }
  };

/** The option that shares the most pairs of letters with what was written. */
function nearest(written: string, rules: Rules): string {
  const name = written.slice(0, LONGEST_SHOWN).toLowerCase();
  const likeness = (known: string) => {
    const shared = Array.from(name, (_, at) => name.slice(at, at + 2)).filter((pair) =>
      known.toLowerCase().includes(pair),
    );
    return shared.length / known.length;
  };
  return Object.keys(rules).reduce((best, known) => (likeness(known) > likeness(best) ? known : best));
}

/**
 * The fields that an object of options has itself. What somebody else's hole has put on `Object.prototype` is on every
 * object, and must not become an option: read options from here, or from what `merged` gives.
 */
export const own = <T extends object>(given: T): T => Object.assign(Object.create(null) as T, given);

/**
 * The given fields over the base's, both without what they inherit; `undefined` means not given. Of `groups`, the fields
 * are merged in turn.
 */
export function merged<T extends object>(base: T, given: object = {}, ...groups: (keyof T)[]): T {
  // Unlike `Object.create(null)`, this leaves an object whose fields are quick to read.
  const result = Object.setPrototypeOf({ ...base }, null) as Record<PropertyKey, unknown>;
  for (const [name, value] of Object.entries(given)) {
    const isMerged = groups.includes(name as keyof T) && isGroup(value);
    if (value === undefined) continue;
    if (isMerged) result[name] = merged(result[name] || {}, value);
    else result[name] = Array.isArray(value) ? Array.from<unknown>(value) : value;
  }
  return result as T;
}
