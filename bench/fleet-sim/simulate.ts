import {
  CircuitBreaker,
  type CircuitPermit,
  consecutiveFailures,
  type DetectorFactory,
  failureRateInWindow,
} from '../../dist/index.js';
import { memoryEngine, sharedStore } from '../../dist/store.js';
import type { VirtualTime } from '../faults/virtual-time.js';
import { type Network, Traffic, throughNetwork } from './network.js';

export const DETECTORS: Readonly<Record<string, DetectorFactory | undefined>> = {
  'the default': undefined,
  'consecutiveFailures(5)': consecutiveFailures(5),
  'failureRateInWindow()': failureRateInWindow(),
};

/** One experiment: a while in good health, then the fault, then good health again. */
export interface Simulation {
  readonly processes: number;
  /** Of one process. */
  readonly callsPerSecond: number;
  readonly detector: string;
  readonly network: Network;
  /** The share of requests that fail while the fault lasts; they fail at random. */
  readonly errorRate: number;
  readonly faultMs: number;
  /** How long it is watched afterwards. */
  readonly afterMs: number;
}

export interface Outcome {
  readonly calls: number;
  readonly commandsPerSecond: number;
  readonly mostCommandsInASecond: number;
  /** Commands a second before the fault. */
  readonly healthyCommandsPerSecond: number;
  readonly messages: number;
  /** Processes whose circuit was open at some time. */
  readonly opened: number;
  /** Processes that opened by their own detector, before or without the others. */
  readonly openedAlone: number;
  /** Whether the circuit opened for all. */
  readonly fleetOpened: boolean;
  /** From the beginning of the fault until the first and the last process was open, ms. */
  readonly firstOpenMs: number | undefined;
  readonly lastOpenMs: number | undefined;
  /** Requests that the service got a second, from when all were open until the end of the fault. */
  readonly probesPerSecond: number | undefined;
  /** From the end of the fault until the first and the last process was closed again, ms. */
  readonly firstClosedMs: number | undefined;
  readonly lastClosedMs: number | undefined;
}

const KEY = 'GET https://api.example.com';
const ANSWER_MS = 20;
const HEALTHY_MS = 5_000;
/** What is known when all have begun. */
const SETTLED_MS = 1_000;

interface Member {
  readonly breaker: CircuitBreaker;
  openedAt: number | undefined;
  closedAt: number | undefined;
  isOpen: boolean;
  hasTripped: boolean;
}

/** Lets a fleet live through one experiment; time is virtual. */
export async function simulate(time: VirtualTime, simulation: Simulation, seed = 1): Promise<Outcome> {
  time.restart(seed);
  const { processes, callsPerSecond, network, errorRate, faultMs, afterMs } = simulation;
  const store = memoryEngine();
  const traffic = new Traffic();
  const detector = DETECTORS[simulation.detector];
  const members: Member[] = [];
  const closing: (() => Promise<void>)[] = [];
  const faultAt = SETTLED_MS + HEALTHY_MS;
  const endAt = faultAt + faultMs;
  const isFaulty = () => time.now >= faultAt && time.now < endAt;
  let requests = 0;
  let calls = 0;

  for (let index = 0; index < processes; index++) {
    const itsFleet = sharedStore(throughNetwork(store, network, traffic), { random: Math.random });
    const breaker = new CircuitBreaker(KEY, { ...(detector && { detector }), store: itsFleet });
    const member: Member = { breaker, openedAt: undefined, closedAt: undefined, isOpen: false, hasTripped: false };
    breaker.on('stateChange', ({ to, reason }) => {
      member.isOpen = to !== 'closed';
      if (to === 'open') member.openedAt ??= time.now;
      if (to === 'open' && reason === 'threshold') member.hasTripped = true;
      if (to === 'closed' && time.now >= endAt) member.closedAt ??= time.now;
    });
    members.push(member);
    closing.push(() => itsFleet.close());
  }

  const send = (permit: CircuitPermit) => {
    requests++;
    const hasFailed = isFaulty() && Math.random() < errorRate;
    setTimeout(() => permit.settle(hasFailed ? 'failure' : 'success'), ANSWER_MS);
  };
  const call = (breaker: CircuitBreaker) => {
    calls++;
    void breaker.acquire().then(send, () => undefined);
  };
  const perMs = (processes * callsPerSecond) / 1_000;
  let due = 0;
  const calling = time.every(1, () => {
    for (due += perMs; due >= 1; due--) call((members[Math.floor(Math.random() * processes)] as Member).breaker);
  });

  await time.runUntil(SETTLED_MS);
  traffic.restart();
  await time.runUntil(faultAt);
  const healthyCommandsPerSecond = (traffic.commands * 1_000) / HEALTHY_MS;
  traffic.restart();
  const spared = { since: 0, requests: 0 };
  const watching = time.every(1, () => {
    if (spared.since > 0 || time.now < faultAt || !members.every(({ openedAt }) => openedAt !== undefined)) return;
    spared.since = time.now + ANSWER_MS;
    spared.requests = requests;
    watching.isOver = true;
  });
  await time.runUntil(endAt);
  const commandsPerSecond = (traffic.commands * 1_000) / faultMs;
  const mostCommandsInASecond = traffic.mostInASecond;
  const view = await store.read(KEY);
  const sparedMs = endAt - spared.since;
  const probesPerSecond =
    spared.since > 0 && sparedMs > 1_000 ? ((requests - spared.requests) * 1_000) / sparedMs : undefined;
  await time.runUntil(endAt + afterMs);
  calling.isOver = true;
  watching.isOver = true;
  await Promise.all(closing.map((close) => close()));

  const since = (from: number, times: readonly (number | undefined)[]) => {
    const known = times.filter((at) => at !== undefined).map((at) => at - from);
    return known.length > 0 ? ([Math.min(...known), Math.max(...known)] as const) : [undefined, undefined];
  };
  const [firstOpenMs, lastOpenMs] = since(
    faultAt,
    members.map(({ openedAt }) => openedAt),
  );
  const [firstClosedMs, lastClosedMs] = since(
    endAt,
    members.map(({ closedAt }) => closedAt),
  );
  return {
    calls,
    commandsPerSecond,
    mostCommandsInASecond,
    healthyCommandsPerSecond,
    messages: traffic.messages,
    opened: members.filter(({ openedAt }) => openedAt !== undefined).length,
    openedAlone: members.filter(({ hasTripped }) => hasTripped).length,
    fleetOpened: view.generation > 0,
    firstOpenMs,
    lastOpenMs,
    probesPerSecond,
    firstClosedMs,
    lastClosedMs,
  };
}
