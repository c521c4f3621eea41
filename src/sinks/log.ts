import type { ResilienceEvent, Sink } from '../events.js';

/** What is needed of a logger: `console`, pino and winston have it. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** One line per retry, transition, give-up, fallback and listener error; no query strings and no header values. */
export function logSink(logger: Logger): Sink {
  return {
    record(event) {
      const line = describe(event);
      if (line !== undefined) logger[levelOf(event)](`[axios-resilience] ${line}`);
    },
  };
}

function describe(event: ResilienceEvent): string | undefined {
  switch (event.type) {
    case 'retry':
      return `${event.method} ${event.url}: attempt ${event.attempt} failed (${event.reason}), next in ${Math.round(event.delayMs)} ms`;
    case 'giveUp':
      return `${event.key}: gave up after ${event.attempts} attempts in ${Math.round(event.elapsedMs)} ms (${event.stopped})`;
    case 'stateChange':
      return `${event.key}: circuit ${event.from} -> ${event.to} (${event.reason}, failures: ${event.failures})`;
    case 'fallback':
      return `${event.key}: answered by fallback (${event.cause})`;
    case 'listenerError':
      return `${event.key}: ${event.source} threw ${String(event.error)}`;
    default:
      return undefined;
  }
}

function levelOf(event: ResilienceEvent): keyof Logger {
  if (event.type === 'listenerError' || (event.type === 'stateChange' && event.to === 'open')) return 'error';
  return event.type === 'stateChange' || event.type === 'fallback' ? 'info' : 'warn';
}
