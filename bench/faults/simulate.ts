import axios from 'axios';
import type { ResilienceOptions } from '../../dist/index.js';
import { memoryEngine } from '../../dist/store.js';
import { quantile } from '../measure/spread.js';
import { randomOf } from '../soak/random.js';
import { perSecond } from '../storm/goodput.js';
import { type Arrival, arrivalsOf } from './arrivals.js';
import { type Cell, scaleOf } from './cells.js';
import { equip } from './clients.js';
import { networkAdapter } from './network.js';
import { BEFORE_S, type Row, WINDOW_MS } from './rows.js';
import { Service } from './service.js';
import type { VirtualTime } from './virtual-time.js';

/** One client in one fault. */
export interface Simulation {
  readonly row: Row;
  readonly cell: Cell;
  readonly client: string;
  /** For this package as it is by default. */
  readonly options?: ResilienceOptions;
  readonly seed: number;
  /** Whether it ends with the 20 s: `againMs` is not known then. */
  readonly endsEarly?: boolean;
}

/** What came of the calls that began in the first 20 s of a fault. */
export interface Outcome {
  readonly calls: number;
  readonly answered: number;
  readonly requests: number;
  /** Requests of a call beyond its first. */
  readonly retries: number;
  /** How long the calls took that failed; `NaN` where none did. */
  readonly failingMs: { readonly median: number; readonly p90: number; readonly p99: number };
  readonly answeredMs: { readonly median: number; readonly p99: number };
  /** From the end of the fault to the last call that failed, ms; `undefined` where calls fail until the end. */
  readonly againMs: number | undefined;
  /** Calls answered in each second, from `BEFORE_S` before the fault. */
  readonly answeredPerSecond: readonly number[];
  /** Requests that reached the service in each of the same seconds. */
  readonly requestsPerSecond: readonly number[];
}

const WARM_UP_MS = 5_000;
/** How long there are calls after a fault. */
const AFTERWARDS_MS = 15_000;
/** Longer than any call takes. */
const DRAIN_MS = 30_000;

interface Call extends Arrival {
  readonly requestedAt: number[];
  endedAt: number;
  isAnswered: boolean;
}

interface Times {
  readonly faultAt: number;
  readonly recoveredAt: number;
  readonly endAt: number;
}

export async function simulate(time: VirtualTime, simulation: Simulation): Promise<Outcome> {
  const { row, seed, endsEarly } = simulation;
  const faultAt = WARM_UP_MS + 1_000 * randomOf(seed)();
  const recoveredAt = faultAt + row.endMs;
  const windowEndAt = faultAt + WINDOW_MS;
  const endAt = endsEarly ? windowEndAt : Math.max(windowEndAt, recoveredAt + AFTERWARDS_MS);
  const times = { faultAt, recoveredAt, endAt };
  const calls: Call[] = [];
  for (let repetition = 0; repetition < (row.repetitions ?? 1); repetition++) {
    calls.push(...(await callsOf(time, { ...simulation, seed: seed * 1_000 + repetition }, times)));
  }
  return outcomeOf(calls, times);
}

/** Random numbers of the service and of the calls do not depend on the client: all meet the same. */
async function callsOf(
  time: VirtualTime,
  { row, cell, client, options, seed }: Simulation,
  { faultAt, recoveredAt, endAt }: Times,
): Promise<Call[]> {
  time.restart(seed);
  const arrivals = arrivalsOf({ cell, row, faultAt, endAt, random: randomOf(seed + 100_000_000) });
  const calls = arrivals.map((arrival) => ({ ...arrival, requestedAt: [], endedAt: Number.NaN, isAnswered: false }));
  const service = new Service({
    time,
    random: randomOf(seed + 200_000_000),
    workers: scaleOf(cell).workers,
    workMs: cell.workMs,
  });
  for (const { atMs, condition } of row.steps) time.after(faultAt + atMs, () => service.become(condition));
  time.after(recoveredAt, () => service.become({}));
  const { blockedMs } = row;
  if (blockedMs) time.after(faultAt, () => time.block(blockedMs));
  const onRequest = (path: string) => {
    (calls[Number(path.slice(path.lastIndexOf('/') + 1))] as Call).requestedAt.push(time.now);
  };
  const engine = memoryEngine();
  const adapter = networkAdapter({ time, service, onRequest });
  const callers = await Promise.all(
    Array.from({ length: cell.processes }, () =>
      equip(
        axios.create({ baseURL: 'http://service.example', timeout: row.timeoutMs ?? cell.timeoutMs, adapter }),
        client,
        options,
        engine,
      ),
    ),
  );
  for (const call of calls) {
    const end = (isAnswered: boolean) => Object.assign(call, { endedAt: time.now, isAnswered });
    const begin = () => {
      callers[call.process]?.get(call.path).then(
        () => end(true),
        () => end(false),
      );
    };
    time.after(call.at, time.forCallers(begin));
  }
  await time.runUntil(endAt + DRAIN_MS);
  return calls;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function outcomeOf(all: readonly Call[], { faultAt, recoveredAt, endAt }: Times): Outcome {
  const unfinished = all.find(({ endedAt }) => Number.isNaN(endedAt));
  if (unfinished) throw new Error(`The call ${unfinished.path} of ${unfinished.at} ms has not ended`);
  const calls = all.filter(({ at }) => at >= faultAt && at < faultAt + WINDOW_MS);
  const answered = calls.filter(({ isAnswered }) => isAnswered);
  const waits = (some: readonly Call[]) => some.map(({ at, endedAt }) => endedAt - at);
  const failingMs = waits(calls.filter(({ isAnswered }) => !isAnswered));
  const answeredMs = waits(answered);
  const counted = (times: readonly number[]) =>
    perSecond(times, faultAt - BEFORE_S * 1_000, BEFORE_S + WINDOW_MS / 1_000);
  const lastFailedAt = Math.max(
    recoveredAt,
    ...all.filter(({ at, isAnswered }) => at > recoveredAt && !isAnswered).map(({ at }) => at),
  );
  return {
    calls: calls.length,
    answered: answered.length,
    requests: sum(calls.map(({ requestedAt }) => requestedAt.length)),
    retries: sum(calls.map(({ requestedAt }) => Math.max(0, requestedAt.length - 1))),
    failingMs: { median: quantile(failingMs, 0.5), p90: quantile(failingMs, 0.9), p99: quantile(failingMs, 0.99) },
    answeredMs: { median: quantile(answeredMs, 0.5), p99: quantile(answeredMs, 0.99) },
    againMs: lastFailedAt > endAt - 1_000 ? undefined : lastFailedAt - recoveredAt,
    answeredPerSecond: counted(all.filter(({ isAnswered }) => isAnswered).map(({ endedAt }) => endedAt)),
    requestsPerSecond: counted(all.flatMap(({ requestedAt }) => requestedAt)),
  };
}
