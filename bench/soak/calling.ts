import { setMaxListeners } from 'node:events';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import axios from 'axios';
import { attach } from '../../dist/index.js';
import { bytesInUse } from '../measure/memory.js';
import { givenTask } from '../measure/processes.js';
import type { Point } from '../measure/slope.js';
import { callOnce, type Surroundings } from './calls.js';
import { accountChecks, type Check, heapCheck, leftoverChecks, type Seen, serviceChecks } from './checks.js';
import { Ledger } from './ledger.js';
import { ATTEMPT_HEADER, SEEN_PATH } from './marks.js';
import { pick, randomOf } from './random.js';

export interface SoakTask {
  readonly url: string;
  readonly seed: number;
  readonly durationMs: number;
}

export interface SoakResult {
  readonly checks: readonly Check[];
  /** What there was to check, by name. */
  readonly counts: Readonly<Record<string, number>>;
}

const CALLERS = 200;
const TIMEOUT_MS = 1_000;
const COOLDOWN_MS = 300;
const MOST_PAUSE_MS = 200;
/** After each all callers rest, so that what is in use is nobody's. */
const STRETCHES = 10;
/** No call takes so long, with all its attempts: one that has not ended by then is lost. */
const LONGEST_MS = 30_000;

const { url, seed, durationMs } = givenTask() as SoakTask;
const random = randomOf(seed);

let unhandled = 0;
let warnings = 0;
process.on('unhandledRejection', (error) => {
  unhandled++;
  console.error(error);
});
process.on('warning', (warning) => {
  warnings++;
  console.error(warning);
});

const agent = new Agent({ keepAlive: true });
const api = axios.create({ timeout: TIMEOUT_MS, proxy: false, httpAgent: agent });
const resilience = attach(api, {
  retry: { attemptHeader: ATTEMPT_HEADER, backoff: () => random() * 50 },
  breaker: { cooldownMs: COOLDOWN_MS, retryAfter: { maxMs: COOLDOWN_MS } },
});
const { breakers } = resilience;
const ledger = new Ledger(resilience);
const controller = new AbortController();
const source = axios.CancelToken.source();
setMaxListeners(0, controller.signal);
const surroundings: Surroundings = { api, url, random, signal: controller.signal, source, kept: [] };

const before = process.getActiveResourcesInfo();
let endsAt = 0;
const isOver = (): boolean => performance.now() >= endsAt;

async function keepCalling(): Promise<void> {
  while (!isOver()) {
    const call = ledger.begin();
    ledger.end(call, await callOnce(call, surroundings));
    // After a rejection, too, a caller has something else to do for a moment.
    await delay(random() * MOST_PAUSE_MS);
  }
}

/** What an operator does to circuits by hand. */
const INTERVENTIONS: readonly (readonly [number, () => Promise<void>])[] = [
  [3, async () => void [...breakers].at(Math.floor(random() * breakers.size))?.trip({ cooldownMs: 100 })],
  [2, async () => void [...breakers].at(Math.floor(random() * breakers.size))?.reset()],
  [
    1,
    async () => {
      const isolation = [...breakers].at(Math.floor(random() * breakers.size))?.isolate();
      await delay(200);
      isolation?.release();
    },
  ],
  [
    1,
    async () => {
      resilience.update({ breaker: { mode: 'observe' } });
      await delay(500);
      resilience.update({ breaker: { mode: 'enforce' } });
    },
  ],
];

async function keepIntervening(): Promise<void> {
  while (!isOver()) {
    await delay(500);
    await pick(INTERVENTIONS, random)();
  }
}

async function seenByService(): Promise<Seen> {
  const { data, headers } = await axios.get<Buffer>(url + SEEN_PATH, {
    responseType: 'arraybuffer',
    proxy: false,
    httpAgent: agent,
  });
  const attempts = new Uint16Array(Math.max(ledger.calls, data.length / 2));
  attempts.set(new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length)));
  return { attempts, requests: Number(headers['x-requests']), seenTwice: Number(headers['x-seen-twice']) };
}

/** Closed sockets take a moment to be gone. */
async function resourcesLeft(): Promise<string[]> {
  agent.destroy();
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo();
}

/** Whether all callers are at rest again, and none waits for a call that is lost. */
async function keepBusy(lastsMs: number): Promise<boolean> {
  endsAt = performance.now() + lastsMs;
  const waiting = new AbortController();
  const rest = Promise.all([keepIntervening(), ...Array.from({ length: CALLERS }, keepCalling)]).then(() => true);
  const lost = delay(lastsMs + LONGEST_MS, false, { signal: waiting.signal });
  return Promise.race([rest, lost]).finally(() => waiting.abort());
}

const samples: Point[] = [];
while (samples.length < STRETCHES) {
  const atRest = await keepBusy(durationMs / STRETCHES);
  agent.destroy();
  surroundings.kept.length = 0;
  samples.push({ x: ledger.calls, y: await bytesInUse() });
  if (!atRest) break;
}
const seen = await seenByService();
const after = await resourcesLeft();

const result: SoakResult = {
  checks: [
    ...accountChecks(ledger, breakers),
    ...serviceChecks(ledger, seen),
    ...leftoverChecks({ before, after }, controller.signal, source.token),
    heapCheck(samples),
    { name: 'rejections that nobody handles', expected: '0', found: String(unhandled), isGood: unhandled === 0 },
    { name: 'warnings of Node', expected: '0', found: String(warnings), isGood: warnings === 0 },
  ],
  counts: {
    calls: ledger.calls,
    attempts: ledger.attempts,
    retries: ledger.delays,
    'requests that the service saw': seen.requests,
    rejections: ledger.events.rejected,
    fallbacks: ledger.fallbacks,
    ...Object.fromEntries(Object.entries(ledger.stopped).map(([stopped, count]) => [`stopped: ${stopped}`, count])),
    ...Object.fromEntries(
      Object.entries(ledger.answers).map(([answer, count]) => [`attempts that came to ${answer}`, count]),
    ),
  },
};
process.send?.(result);
