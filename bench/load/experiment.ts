import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { CLIENTS, type ClientName } from '../clients.js';
import { messageOf, start } from '../measure/processes.js';
import type { Calls, FinishedCall, Stretch } from './calls.js';
import type { LoadTask } from './client.js';

interface Subject {
  readonly client: ClientName;
  /** What its service is told. */
  readonly service: unknown;
}

/** Clients under the same load, each with a service of its own. */
export interface Experiment {
  readonly subjects: readonly Subject[];
  readonly atATime: number;
  /** They begin one after the other, so that the worst second of each is not that of all. */
  readonly apartMs: number;
  readonly timeoutMs: number;
  /** In place of what each has by default. */
  readonly cooldownMs?: number | undefined;
  readonly stretches: readonly Stretch[];
}

export interface Observed<Report> {
  readonly client: ClientName;
  readonly calls: readonly FinishedCall[];
  /** See `Calls`. */
  readonly latestMs: number;
  /** What the service says at the end. */
  readonly report: Report;
}

/** Scripts as `compiled` gives them. */
export interface Scripts {
  readonly client: string;
  readonly service: string;
}

/** A few at a time: more would measure the machine. What is observed comes in the order of the subjects. */
export async function conduct<Report>(scripts: Scripts, experiment: Experiment): Promise<Observed<Report>[]> {
  const observed: Observed<Report>[] = [];
  for (let first = 0; first < experiment.subjects.length; first += experiment.atATime) {
    const subjects = experiment.subjects.slice(first, first + experiment.atATime);
    observed.push(...(await conductAtOnce<Report>(scripts, { ...experiment, subjects })));
  }
  return observed;
}

async function conductAtOnce<Report>(scripts: Scripts, experiment: Experiment): Promise<Observed<Report>[]> {
  const pairs = await Promise.all(experiment.subjects.map((subject) => prepare(scripts, experiment, subject)));
  return Promise.all(
    pairs.map(async (pair, index) => {
      await delay(index * experiment.apartMs);
      return observe<Report>(pair);
    }),
  );
}

interface Pair {
  readonly client: ClientName;
  readonly service: ChildProcess;
  readonly caller: ChildProcess;
}

async function prepare(scripts: Scripts, experiment: Experiment, subject: Subject): Promise<Pair> {
  const { client } = subject;
  const service = start(scripts.service, subject.service);
  const url = await messageOf<string>(service);
  const { timeoutMs, cooldownMs, stretches } = experiment;
  const task: LoadTask = { client, url, timeoutMs, cooldownMs, stretches };
  const caller = start(scripts.client, task);
  await messageOf(caller);
  return { client, service, caller };
}

async function observe<Report>({ client, service, caller }: Pair): Promise<Observed<Report>> {
  service.send('begin');
  caller.send('begin');
  const { finished, latestMs } = await messageOf<Calls>(caller);
  caller.kill();
  service.send('report');
  const report = await messageOf<Report>(service);
  service.kill();
  return { client, calls: finished, latestMs, report };
}

/** A busy machine makes every client look bad. */
export const PUNCTUALITY =
  'The latest call is how late a call began at most, and says how far a row can be trusted: the less the machine has to do besides, the earlier.';

export const settingsOf = (client: ClientName): string => CLIENTS[client].settings;
