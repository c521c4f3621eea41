import { compiled } from '../measure/compile.js';
import { runApart } from '../measure/processes.js';
import { integer, milliseconds } from '../report/numbers.js';
import type { Section, Table, Verdict } from '../report/section.js';
import type { Network } from './network.js';
import type { Outcome, Simulation } from './simulate.js';

const PROCESSES = 1_000;
const CALLS_PER_SECOND = 10;
const FAULT_MS = 20_000;
const AFTER_MS = 5_000;
const NEAR: Network = { roundTripMs: 2, messageMs: 2, loss: 0 };
const FAR: Network = { roundTripMs: 20, messageMs: 20, loss: 0.02 };
const DETECTORS = ['the default', 'consecutiveFailures(5)', 'failureRateInWindow()'];
const RANDOM_ERRORS = [0.01, 0.03, 0.05, 0.1, 0.3];
const FALSE_BELOW = 0.3;

/** Of one process, at 1 % errors. */
const MOST_COMMANDS_A_SECOND = 1;
const MOST_PROBES_A_SECOND = 4;

interface Row extends Simulation {
  readonly outcome: Outcome;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const orNone = (value: number | undefined, shown: (value: number) => string): string =>
  value === undefined ? '–' : shown(value);

async function simulated(simulations: readonly Simulation[]): Promise<Row[]> {
  const simulator = await compiled(new URL('simulate.ts', import.meta.url));
  const worker = await compiled(new URL('worker.ts', import.meta.url));
  const rows: Row[] = [];
  for (const simulation of simulations) {
    const outcome = await runApart<Outcome>(worker, { simulator, simulation });
    rows.push({ ...simulation, outcome });
    console.error(`  ${simulation.detector}, ${percent(simulation.errorRate)} errors`, JSON.stringify(outcome));
  }
  return rows;
}

const nameOf = ({ detector, network }: Row): string =>
  `${detector}${network === FAR ? `, ${percent(FAR.loss)} lost` : ''}`;

const errorsTable = (rows: readonly Row[]): Table => ({
  title: 'Errors at random',
  head: [
    'detector',
    'errors',
    'processes that opened',
    'by their own calls',
    'the fleet opened',
    'commands per second and process',
    'at the store, most in a second',
    'the same without errors',
  ],
  rows: rows.map((row) => [
    nameOf(row),
    percent(row.errorRate),
    integer(row.outcome.opened),
    integer(row.outcome.openedAlone),
    row.outcome.fleetOpened ? 'yes' : 'no',
    (row.outcome.commandsPerSecond / row.processes).toFixed(2),
    integer(row.outcome.mostCommandsInASecond),
    (row.outcome.healthyCommandsPerSecond / row.processes).toFixed(2),
  ]),
});

const outageTable = (rows: readonly Row[]): Table => ({
  title: 'An outage: every request fails',
  head: [
    'detector',
    'first process open after',
    'last process open after',
    'probes per second at the service, of all processes',
    'first process closed after recovery',
    'last process closed',
    'commands per second and process',
    'at the store, most in a second',
  ],
  rows: rows.map((row) => [
    nameOf(row),
    orNone(row.outcome.firstOpenMs, milliseconds),
    orNone(row.outcome.lastOpenMs, milliseconds),
    orNone(row.outcome.probesPerSecond, (value) => value.toFixed(1)),
    orNone(row.outcome.firstClosedMs, milliseconds),
    orNone(row.outcome.lastClosedMs, milliseconds),
    (row.outcome.commandsPerSecond / row.processes).toFixed(2),
    integer(row.outcome.mostCommandsInASecond),
  ]),
});

function verdictsOf(errors: readonly Row[], outages: readonly Row[]): Verdict[] {
  const few = errors.filter(({ errorRate }) => errorRate < FALSE_BELOW);
  const falsely = few.filter(({ outcome }) => outcome.fleetOpened);
  const rare = few.filter(({ errorRate }) => errorRate === RANDOM_ERRORS[0]);
  const commands = Math.max(...rare.map(({ outcome, processes }) => outcome.commandsPerSecond / processes));
  const most = (network: Network) =>
    Math.max(
      ...outages
        .filter((row) => row.network === network)
        .map(({ outcome }) => outcome.probesPerSecond ?? Number.POSITIVE_INFINITY),
    );
  const openedAll = outages.filter(({ outcome, processes }) => outcome.opened === processes);
  return [
    {
      goal: `no fleet opens at ${RANDOM_ERRORS.filter((rate) => rate < FALSE_BELOW)
        .map(percent)
        .join(', ')} random errors`,
      measured: `${integer(falsely.length)} of ${integer(few.length)} opened`,
      isMet: falsely.length === 0,
    },
    {
      goal: `at ${percent(RANDOM_ERRORS[0] ?? 0)} errors a process sends at most ${MOST_COMMANDS_A_SECOND} command per second`,
      measured: commands.toFixed(2),
      isMet: commands <= MOST_COMMANDS_A_SECOND,
    },
    {
      goal: 'in an outage every process opens',
      measured: `in ${integer(openedAll.length)} of ${integer(outages.length)}`,
      isMet: openedAll.length === outages.length,
    },
    {
      goal: `in an outage the service gets at most ${MOST_PROBES_A_SECOND} requests per second from all processes together`,
      measured: `${most(NEAR).toFixed(1)}; where ${percent(FAR.loss)} is lost ${most(FAR).toFixed(1)}, of the processes that did not get an answer`,
      isMet: most(NEAR) <= MOST_PROBES_A_SECOND,
    },
  ];
}

export async function fleetSim(): Promise<Section> {
  const of = (detector: string, errorRate: number, network = NEAR): Simulation => ({
    processes: PROCESSES,
    callsPerSecond: CALLS_PER_SECOND,
    detector,
    network,
    errorRate,
    faultMs: FAULT_MS,
    afterMs: AFTER_MS,
  });
  const errors = await simulated([
    ...DETECTORS.flatMap((detector) => RANDOM_ERRORS.map((errorRate) => of(detector, errorRate))),
    of('the default', 0.05, FAR),
  ]);
  const outages = await simulated([
    ...DETECTORS.map((detector) => of(detector, 1)),
    ...DETECTORS.map((detector) => of(detector, 1, FAR)),
  ]);
  return {
    title: 'A fleet of 1,000 processes, simulated',
    intro: `Virtual time, one circuit over \`memoryEngine\`, ${integer(PROCESSES)} processes with ${CALLS_PER_SECOND} calls per second each, at random moments, retries off; what fails fails at random, for ${FAULT_MS / 1_000} s. The way to the store and back takes ${NEAR.roundTripMs} to ${2 * NEAR.roundTripMs} ms, a message ${NEAR.messageMs} to ${2 * NEAR.messageMs} ms; where something is lost ${FAR.roundTripMs} to ${2 * FAR.roundTripMs} ms, and ${percent(FAR.loss)} of commands, of answers and of messages do not arrive. Commands include the reads every five seconds. A process in which so many of its own calls fail that its own detector trips opens for itself, and that is no false opening of the fleet.`,
    verdicts: verdictsOf(errors, outages),
    tables: [errorsTable(errors), outageTable(outages)],
  };
}
