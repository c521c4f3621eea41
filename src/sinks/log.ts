import type { Recorder, ResilienceEvent, ResilienceEvents, Stopped } from '../events.js';
import { withoutSecrets } from '../redaction.js';
import { complete, oneOf, withMethods } from '../validation.js';

const LEVELS = ['info', 'warn', 'error'] as const;

/** How much a line matters. */
export type LogLevel = (typeof LEVELS)[number];

/** What is needed of a logger: `console`, pino and winston have it. */
export type Logger = Readonly<Record<LogLevel, (...line: never[]) => unknown>>;

/** What is logged. */
export interface LogSinkOptions {
  /**
   * The lowest level that is logged: `info`, `warn` or `error`.
   * @default 'info'
   */
  level?: LogLevel | undefined;
}

/** One line: a text for people, fields for machines. */
interface Line {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * One line per retry, transition, call that ended without an answer or that a fallback answered, rejection of a limiter and
 * callback that threw, and for the store of shared circuits. pino and winston are given the event's fields as well. No query strings,
 * no credentials and no header values.
 *
 * @throws a `TypeError` that names the option.
 */
export function logSink(logger: Logger, given?: LogSinkOptions): Recorder {
  withMethods('a logger with methods info, warn and error', ...LEVELS)(logger, 'logSink(logger)');
  const { level } = complete<{ level: LogLevel }>(
    given === undefined ? {} : given,
    'logSink(options)',
    { level: oneOf(...LEVELS) },
    { level: 'info' },
  );
  const lowest = LEVELS.indexOf(level);
  const write = writerOf(logger as Writable);
  return {
    record(event) {
      const line = describe(event);
      if (line && LEVELS.indexOf(line.level) >= lowest) write(line);
    },
  };
}

interface Writable extends Record<LogLevel, (...line: unknown[]) => void> {
  readonly bindings?: unknown;
  readonly child?: unknown;
}

const LONGEST_LINE = 4_500;

/** pino takes the fields first and winston last; on a console they would take many lines. */
function writerOf(logger: Writable): (line: Line) => void {
  const prefixed = (text: string) => `[axios-resilience] ${text.slice(0, LONGEST_LINE).replace(/[\s\p{Cc}]+/gu, ' ')}`;
  if (typeof logger.bindings === 'function') return ({ level, text, fields }) => logger[level](fields, prefixed(text));
  if (typeof logger.child === 'function') return ({ level, text, fields }) => logger[level](prefixed(text), fields);
  return ({ level, text }) => logger[level](prefixed(text));
}

function describe(event: ResilienceEvent): Line | undefined {
  const line = (level: LogLevel, text: string, fields: object = fieldsOf(event)): Line => ({
    level,
    text,
    fields: { event: event.type, ...fields },
  });
  switch (event.type) {
    case 'retry': {
      const { method, url, attempt, reason, delayMs } = event;
      return line('warn', `${method} ${url}: attempt ${attempt} failed (${reason}), next in ${Math.round(delayMs)} ms`);
    }
    case 'call': {
      const { attempts, elapsedMs, stopped, fallback, error } = event;
      if (fallback) return line('info', `${nameOf(event)}: answered by fallback (${stopped})`);
      if (!hasGivenUp(event)) return undefined;
      const many = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
      const met = error?.response?.status ?? error?.code;
      const why = attempts > 0 && met ? `${stopped}: ${met}` : stopped;
      const text = `${nameOf(event)}: gave up after ${many} in ${Math.round(elapsedMs)} ms (${why})`;
      return line(stopped === 'aborted' ? 'info' : 'warn', text);
    }
    case 'stateChange': {
      const { key, from, to, reason, failures } = event;
      const level = to === 'open' ? 'error' : 'info';
      return line(level, `${key}: circuit ${from} -> ${to} (${reason}, failures: ${failures})`);
    }
    case 'rejected': {
      if (event.by === 'circuit') return undefined;
      return line('warn', `${event.key}: the limiter let an attempt not pass (${event.why})`);
    }
    case 'callbackError': {
      const { key, source } = event;
      const error = withoutSecrets(event.error);
      return line('error', `${nameOf(event)}: ${source} threw ${error}`, { key, source, error });
    }
    case 'store':
      return describeStore(event, line);
    default:
      return undefined;
  }
}

/** Where nobody wanted a retry. */
const UNWANTED: readonly Stopped[] = ['not-retryable', 'disabled', 'vetoed'];

/** Whether a call ended without an answer. A 404 is one, unless it was to be repeated. */
function hasGivenUp({ stopped, outcome, error }: ResilienceEvents['call']): boolean {
  if (stopped === 'adapter-replaced') return error !== undefined;
  return stopped !== 'success' && (outcome !== 'success' || !UNWANTED.includes(stopped));
}

type MakeLine = (level: LogLevel, text: string, fields?: object) => Line;

function describeStore(event: ResilienceEvents['store'], line: MakeLine): Line | undefined {
  const { key, status } = event;
  const store = key === null ? 'the store of shared circuits' : `${key}: the store of shared circuits`;
  switch (status) {
    case 'degraded': {
      const error = withoutSecrets(event.error);
      return line('error', `${store} does not answer: ${error}`, { status, error });
    }
    case 'recovered': {
      const { degradedMs } = event;
      return line('info', `${store} answers again after ${Math.round(degradedMs)} ms`, { status, degradedMs });
    }
    case 'unsubscribed': {
      const error = withoutSecrets(event.error);
      return line('warn', `changes of shared circuits do not arrive as messages: ${error}`, { status, error });
    }
    case 'mismatch': {
      const { ours, theirs } = event;
      const text = `${key ?? ''}: processes judge by different rules: ${ours}; elsewhere: ${theirs}`;
      return line('warn', text, { status, key });
    }
    default:
      return undefined;
  }
}

/** How a line names a call without a key. */
const nameOf = ({ key }: { readonly key: string | null }): string => key ?? 'a call without a key';

/** Loggers have a time of their own. */
function fieldsOf({ type: _type, at: _at, ...fields }: ResilienceEvent): object {
  return fields;
}
