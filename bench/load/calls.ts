import { setTimeout as delay } from 'node:timers/promises';
import type { Caller } from '../clients.js';

/** A call that came to its end; times in ms since the epoch, as all processes know it. */
export interface FinishedCall {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly answered: boolean;
  /** Whether an open circuit rejected it. */
  readonly rejected: boolean;
}

/** What came of a load. */
export interface Calls {
  readonly finished: readonly FinishedCall[];
  /** How late a call began at most, ms: what the machine had to do besides. */
  readonly latestMs: number;
}

/** So many calls per second from a moment on. */
export interface Stretch {
  readonly lastsMs: number;
  readonly callsPerSecond: number;
}

export const now = (): number => performance.timeOrigin + performance.now();

/** Often enough that calls do not come in crowds. */
const TICK_MS = 2;

/** When each call is due, ms after the beginning. */
function* duesOf(stretches: readonly Stretch[]): Generator<number> {
  let from = 0;
  for (const { lastsMs, callsPerSecond } of stretches) {
    for (let count = 0; count < (lastsMs / 1000) * callsPerSecond; count++)
      yield from + (count * 1000) / callsPerSecond;
    from += lastsMs;
  }
}

/**
 * Calls at given times whatever becomes of the calls before: an open loop. The callers of a service that is down do not
 * stop coming.
 */
export async function callOpenLoop(caller: Caller, stretches: readonly Stretch[]): Promise<Calls> {
  const calls: Promise<FinishedCall>[] = [];
  let latestMs = 0;
  const startedAt = now();
  for (const due of duesOf(stretches)) {
    while (now() < startedAt + due) await delay(TICK_MS);
    latestMs = Math.max(latestMs, now() - startedAt - due);
    calls.push(finished(caller));
  }
  return { finished: await Promise.all(calls), latestMs };
}

async function finished(caller: Caller): Promise<FinishedCall> {
  const startedAt = now();
  const end = (answered: boolean, rejected: boolean) => ({ startedAt, endedAt: now(), answered, rejected });
  try {
    await caller.get('/prices');
    return end(true, false);
  } catch (error) {
    return end(false, isRejection(error));
  }
}

/** By the marks of axios-resilience, opossum and cockatiel. */
function isRejection(error: unknown): boolean {
  const { code, isBrokenCircuitError } = error as { code?: unknown; isBrokenCircuitError?: unknown };
  return code === 'ERR_CIRCUIT_OPEN' || code === 'EOPENBREAKER' || isBrokenCircuitError === true;
}
