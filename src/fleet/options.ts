import { MAX_TIMER_MS } from '../clock.js';
import { aFunction, anInteger, aString, milliseconds, oneOf, unexpected } from '../validation.js';

/** How circuits are shared. */
export interface SharedStoreOptions {
  /**
   * `counts`: failures in any process count for all, for the detectors `consecutiveFailures`, `failuresInWindow` and
   * `failureRateInWindow`. `state`: each process judges by its own outcomes, and what is shared is that it tripped; so it is
   * for all other detectors in any case. Before failures of several processes open the circuit by a rate or in succession,
   * the successes of the others are asked for, which takes a quarter of a second.
   * @default 'counts'
   */
  share?: 'counts' | 'state' | undefined;
  /**
   * How long outcomes are gathered before they are reported, ms from 1 to 2_147_483_647. The first failure after a quiet second and one that
   * trips do not wait; where rates and runs are far from tripping they are gathered for at least a second.
   * @default 25
   */
  lingerMs?: number | undefined;
  /**
   * How long the store may take to answer, ms from 1 to 2_147_483_647. Only the first call after a cooldown ever waits for it. After three
   * misses in succession each process decides by itself, until the store answers again.
   * @default 50
   */
  commandTimeoutMs?: number | undefined;
  /**
   * How often circuits in use are read, ms from 100 to 2_147_483_647: the bound on how long a lost message goes unnoticed.
   * @default 5_000
   */
  resyncMs?: number | undefined;
  /**
   * How many processes have to report failures before the circuit opens for all; an integer >= 1. With 1, a single ill
   * process can stop the fleet. A process that trips by itself opens for itself in any case.
   * @default 1
   */
  quorum?: number | undefined;
  /**
   * Names this process in `stats().shared.by` of all others, so that people find out who opened a circuit; 1 to 100
   * characters.
   * @default random; with `redisStore` host and process number
   */
  name?: string | undefined;
  /** Yields numbers in [0, 1), for exact tests. */
  random?: (() => number) | undefined;
}

const aDuration = milliseconds(1, MAX_TIMER_MS);
const aName = (name: unknown, path: string): void => {
  aString(name, path);
  const { length } = name as string;
  if (length === 0 || length > 100) throw unexpected(path, 'a string of 1 to 100 characters', name, RangeError);
};

/** What the options must be like. */
export const FLEET_RULES = {
  share: oneOf('counts', 'state'),
  lingerMs: aDuration,
  commandTimeoutMs: aDuration,
  resyncMs: milliseconds(100, MAX_TIMER_MS),
  quorum: anInteger(1),
  name: aName,
  random: aFunction,
};
