import { nearName } from './near-name.js';
import { shortened, withoutCredentials, withoutSecrets } from './redaction.js';

/** Checks the value at `path`; throws a `TypeError` for its kind, a `RangeError` for its range. */
export type Rule = (value: unknown, path: string) => void;

/** By the name of the option; a text says where it is to be given in place of here. */
export type Rules = Readonly<Record<string, Rule | string>>;

/** An object of options, as against a list, a function or `null`. */
const isGroup = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const LONGEST_SHOWN = 200;
const MOST_ITEMS = 10;
const DEEPEST = 2;

/** The name of an object's class; `undefined` for a plain object. */
function classOf(value: object): string | undefined {
  const { constructor: made } = Object(Object.getPrototypeOf(value)) as { constructor?: { readonly name: unknown } };
  return typeof made?.name === 'string' && made.name !== 'Object' ? made.name : undefined;
}

/** How functions are called that make what is expected: uncalled they are given by mistake. */
const FACTORY = /^exponential$|(?:Limit|Sink|Store|Engine|Jitter|Failures|Rate|Window)$/;

/** A value as a message shows it: an address that was given in the place of a client may hold a password. */
function show(value: unknown, depth = 0): string {
  if (Array.isArray(value)) {
    if (depth === DEEPEST) return 'a list';
    const items = value.slice(0, MOST_ITEMS).map((item) => show(item, depth + 1));
    return `[${[...items, ...(value.length > MOST_ITEMS ? ['…'] : [])].join(', ')}]`;
  }
  if (value instanceof Promise) return 'a promise';
  if (value instanceof Error) return shownText(withoutSecrets(value));
  if (typeof value === 'function') {
    const { name } = value;
    return name ? `the function ${shownText(name)}${FACTORY.test(name) ? ': call it' : ''}` : 'a function';
  }
  if (isGroup(value)) {
    const name = classOf(value);
    return name ? `an instance of ${shownText(name)}` : 'an object';
  }
  return typeof value === 'string' ? `"${shownText(value)}"` : String(value);
}

const shownText = (text: string): string => withoutCredentials(shortened(text, LONGEST_SHOWN));

/** The error for a value that is not what was expected. A promise is not waited for, nor left to reject unhandled. */
export function unexpected(path: string, expected: string, value: unknown, Kind: ErrorConstructor = TypeError): Error {
  if (value instanceof Promise) value.catch(() => undefined);
  return new Kind(`Expected \`${path}\` to be ${expected}, got ${show(value)}`);
}

export const ofType =
  (type: string, expected: string, inRange: (value: never) => unknown = () => true): Rule =>
  (value, path) => {
    if (typeof value !== type) throw unexpected(path, expected, value);
    if (!inRange(value as never)) throw unexpected(path, expected, value, RangeError);
  };

export const aBoolean = ofType('boolean', 'a boolean');
export const aFunction = ofType('function', 'a function');
export const aString = ofType('string', 'a string');
export const aName = ofType('string', 'a non-empty string', (value: string) => value);
/** A token (RFC 9110, 5.6.2). */
export const aToken = (expected: string): Rule =>
  ofType('string', expected, (value: string) => /^[\w!#-'*+.^`|~-]+$/.test(value));
/** axios drops headers of any other name without a word. */
export const aHeaderName = aToken('the name of a header');
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

export const anOutcome = oneOf('success', 'failure', 'neutral');

export const listOf =
  (rule: Rule, expected = 'an array'): Rule =>
  (value, path) => {
    if (!Array.isArray(value)) throw unexpected(path, expected, value);
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

/**
 * A function, or an object with a `record`; not one of our functions that make such an object. Those do not take one argument, as
 * a sink does: somebody's own function may have the same name.
 */
export const aSink: Rule = (sink, path) => {
  if (
    typeof sink !== 'function' ||
    (sink.length !== 1 && /^(?:log|memory|prometheus|openTelemetry)Sink$/.test(sink.name))
  )
    withMethods('a function, or a sink with a method record(event)', 'record')(sink, path);
};

/** Takes the rule of the value's `typeof`, else the other. */
export const eitherOf =
  (byType: Readonly<Record<string, Rule>>, otherwise: Rule): Rule =>
  (value, path) =>
    (byType[typeof value] ?? otherwise)(value, path);

/** Takes a value that the test says is one; else the rule decides. */
export const unless =
  (isOne: (value: unknown) => unknown, rule: Rule): Rule =>
  (value, path) => {
    if (!isOne(value)) rule(value, path);
  };

/** `false`, or what the rule says. */
export const orFalse = (rule: Rule): Rule => unless((value) => value === false, rule);

/**
 * An object of known options; `undefined` means not given.
 *
 * @param hint What a name may mean that is not among them, where that is known.
 */
export const options =
  (rules: Rules, expected = 'an object', hint?: (name: string) => string | undefined): Rule =>
  (value, path) => {
    const ruleOf = (name: string) => (Object.hasOwn(rules, name) ? rules[name] : undefined);
    const isOurs = (name: string) => {
      const rule = ruleOf(name);
      return rule ? typeof rule !== 'string' : nearName(name, Object.keys(rules));
    };
    // Options may be made by a class, too, and one of them be misspelt.
    if (!isGroup(value) || (classOf(value) && !Object.keys(value).some(isOurs)))
      throw unexpected(path || 'options', expected, value);
    for (const [name, item] of Object.entries(value)) {
      const at = path ? `${path}.${name}` : name;
      const rule = ruleOf(name);
      if (rule && item === undefined) continue;
      if (!rule) throw new TypeError(`Unknown option \`${shownText(at)}\`${hint?.(name) ?? guess(name, rules)}`);
      if (typeof rule === 'string') throw new TypeError(`Expected \`${at}\` to be ${rule}`);
      rule(item, at);
    }
  };

function guess(written: string, rules: Rules): string {
  const names = Object.keys(rules);
  const here = names.filter((name) => typeof rules[name] !== 'string');
  return hintOf(nearName(written, names), 'options', here);
}

const hintOf = (near: string | undefined, kind: string, names: readonly string[]): string =>
  near ? `: did you mean \`${near}\`?` : `; the ${kind} are ${names.map((name) => `\`${name}\``).join(', ')}`;

/** A listener for one of these events, or a sink for all. */
export function checkListener(events: readonly string[], type: unknown, listener: unknown): void {
  aName(type, 'on(type)');
  const name = String(type);
  if (name !== '*' && !events.includes(name)) {
    const near = nearName(name, events) ?? (/open|close/i.test(name) ? 'stateChange' : undefined);
    throw new TypeError(`Unknown event \`${shownText(name)}\`${hintOf(near, 'events', events)}`);
  }
  (name === '*' ? aSink : aFunction)(listener, `on('${name}', listener)`);
}

/**
 * The fields that an object of options has itself. What somebody else's hole has put on `Object.prototype` is on every
 * object, and must not become an option: read options from here, or from what `merged` gives.
 */
export const own = <T extends object>(given: T): T => Object.assign(Object.create(null) as T, given);

/** The given fields over the base's, both without what they inherit; `undefined` means not given. */
export function merged<T extends object>(base: T, given: object = {}): T {
  // Unlike `Object.create(null)`, this leaves an object whose fields are quick to read.
  const result = Object.setPrototypeOf({ ...base }, null) as Record<PropertyKey, unknown>;
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) result[name] = Array.isArray(value) ? Array.from<unknown>(value) : value;
  }
  return result as T;
}

/** Options that have been checked by these rules, laid over their defaults. */
export function complete<T extends object>(given: object, path: string, rules: Rules, defaults: T): T {
  options(rules)(given, path);
  return merged(defaults, given);
}
