import { BARE, type ClientName, OURS, PEERS } from '../clients.js';
import type { FinishedCall } from '../load/calls.js';
import { conduct, type Observed, PUNCTUALITY, type Scripts, settingsOf } from '../load/experiment.js';
import { compiled } from '../measure/compile.js';
import { median, quantile } from '../measure/spread.js';
import { bestPeer, bestPeerText } from '../report/best-peer.js';
import { milliseconds } from '../report/numbers.js';
import type { Section, Table, Verdict } from '../report/section.js';
import type { Illness, OutageReport, OutageTask } from './service.js';

const COOLDOWN_MS = 500;
const CALLS_PER_SECOND = 100;
const TIMEOUT_MS = 1_000;
const LATENCY_MS = 20;
const HEALTHY_MS = 1_500;
const DOWN_MS = 5_000;
const AFTERWARDS_MS = 3_000;
const AT_A_TIME = 3;
const APART_MS = 2_000;

const CLIENTS: readonly ClientName[] = [BARE, ...PEERS, OURS];

const MOST_REQUESTS_PER_CALL = 0.03;

interface Outcome {
  readonly requestsPerCall: number;
  readonly waitsMs: readonly number[];
  readonly rejectionsMs: readonly number[];
  readonly callsAfter: number;
  readonly failedAfter: number;
  /** From the recovery of the service to the first answer to a call that began after it. */
  readonly servedAgainMs: number;
  /** See `Calls`. */
  readonly latestMs: number;
}

const waitOf = ({ startedAt, endedAt }: FinishedCall): number => endedAt - startedAt;

function outcomeOf({ calls, latestMs, report: { downAt, upAt, requestsWhileDown } }: Observed<OutageReport>): Outcome {
  const during = calls.filter(({ startedAt }) => startedAt >= downAt && startedAt < upAt);
  const after = calls.filter(({ startedAt }) => startedAt >= upAt);
  const answeredAt = after.filter(({ answered }) => answered).map(({ endedAt }) => endedAt);
  return {
    requestsPerCall: requestsWhileDown / during.length,
    waitsMs: during.map(waitOf),
    rejectionsMs: during.filter(({ rejected }) => rejected).map(waitOf),
    callsAfter: after.length,
    failedAfter: after.filter(({ answered }) => !answered).length,
    servedAgainMs: Math.min(...answeredAt) - upAt,
    latestMs,
  };
}

const tableOf = (title: string, outcomes: ReadonlyMap<ClientName, Outcome>): Table => ({
  title,
  head: [
    '',
    'requests per call while down',
    'wait, median',
    'wait, p99',
    'rejected call, median',
    'calls failed after recovery',
    'served again after',
    'latest call',
    'settings',
  ],
  rows: [...outcomes].map(([client, outcome]) => [
    client,
    outcome.requestsPerCall.toFixed(3),
    milliseconds(median(outcome.waitsMs)),
    milliseconds(quantile(outcome.waitsMs, 0.99)),
    milliseconds(median(outcome.rejectionsMs)),
    `${outcome.failedAfter} of ${outcome.callsAfter}`,
    milliseconds(outcome.servedAgainMs),
    milliseconds(outcome.latestMs),
    settingsOf(client),
  ]),
});

function verdictsOf(illness: Illness, outcomes: ReadonlyMap<ClientName, Outcome>): Verdict[] {
  const { requestsPerCall, rejectionsMs, servedAgainMs } = outcomes.get(OURS) as Outcome;
  const rejectionMs = median(rejectionsMs);
  const best = (measureOf: (outcome: Outcome) => number, textOf: (value: number) => string) =>
    bestPeerText(
      bestPeer(PEERS, (peer) => measureOf(outcomes.get(peer) as Outcome)),
      textOf,
    );
  const where = `the service ${illness}`;
  return [
    {
      goal: `${where}: at most ${MOST_REQUESTS_PER_CALL} requests per call`,
      measured: `${requestsPerCall.toFixed(3)}; ${best(
        (peer) => peer.requestsPerCall,
        (ratio) => ratio.toFixed(3),
      )}`,
      isMet: requestsPerCall <= MOST_REQUESTS_PER_CALL,
    },
    {
      goal: `${where}: a rejected call waits less than 1 ms`,
      measured: `${milliseconds(rejectionMs)}; ${best((peer) => median(peer.rejectionsMs), milliseconds)}`,
      isMet: rejectionMs < 1,
    },
    {
      goal: `${where}: served again within one cooldown (${COOLDOWN_MS} ms)`,
      measured: `${milliseconds(servedAgainMs)}; ${best((peer) => peer.servedAgainMs, milliseconds)}`,
      isMet: servedAgainMs <= COOLDOWN_MS,
    },
  ];
}

async function suffer(scripts: Scripts, illness: Illness): Promise<Observed<OutageReport>[]> {
  const service: OutageTask = { illness, healthyMs: HEALTHY_MS, downMs: DOWN_MS, latencyMs: LATENCY_MS };
  return conduct<OutageReport>(scripts, {
    subjects: CLIENTS.map((client) => ({ client, service })),
    atATime: AT_A_TIME,
    apartMs: APART_MS,
    timeoutMs: TIMEOUT_MS,
    cooldownMs: COOLDOWN_MS,
    stretches: [{ lastsMs: HEALTHY_MS + DOWN_MS + AFTERWARDS_MS, callsPerSecond: CALLS_PER_SECOND }],
  });
}

const outcomesOf = (observed: readonly Observed<OutageReport>[]): Map<ClientName, Outcome> =>
  new Map(observed.map((each) => [each.client, outcomeOf(each)]));

export async function outage(): Promise<Section> {
  const scripts = {
    client: await compiled(new URL('../load/client.ts', import.meta.url)),
    service: await compiled(new URL('service.ts', import.meta.url)),
  };
  const observed = { failing: await suffer(scripts, 'answers 503'), hanging: await suffer(scripts, 'hangs') };
  const failing = outcomesOf(observed.failing);
  const hanging = outcomesOf(observed.hanging);
  return {
    title: 'An outage',
    intro: `${CALLS_PER_SECOND} calls per second, whatever becomes of them, to a real HTTP service that answers after ${LATENCY_MS} ms, is down for ${DOWN_MS / 1000} s, and is healthy again. Timeout ${TIMEOUT_MS} ms, cooldown ${COOLDOWN_MS} ms where there is a circuit. Each client and each service is a process of its own; they run ${AT_A_TIME} at a time. That the service hangs is known after one timeout at the earliest: until then all calls reach it, and a probe that was sent just before it recovers takes as long to fail. ${PUNCTUALITY}`,
    verdicts: [...verdictsOf('answers 503', failing), ...verdictsOf('hangs', hanging)],
    tables: [tableOf('Down: it answers 503', failing), tableOf('Down: it takes requests and never answers', hanging)],
  };
}
