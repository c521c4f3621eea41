import type { ResilienceOptions } from '../../dist/index.js';
import { median } from '../measure/spread.js';
import type { Cell } from './cells.js';
import type { Row } from './rows.js';
import type { Outcome, Simulation } from './simulate.js';
import { simulated } from './simulator.js';

/** What is to be simulated: each client in each row. */
export interface Experiment {
  readonly cell: Cell;
  readonly rows: readonly Row[];
  readonly clients: readonly string[];
  readonly seeds: readonly number[];
  readonly options?: ResilienceOptions;
  readonly endsEarly?: boolean;
}

/** One client in one row of one cell, an outcome per seed: the same calls meet the same service whatever the client. */
export type Runs = readonly Outcome[];

/** By the name of the row and of the client. */
export type Measured = (row: string, client: string) => Runs;

const simulationsOf = ({ cell, rows, clients, seeds, options = {}, endsEarly = false }: Experiment): Simulation[] =>
  rows.flatMap((row) =>
    clients.flatMap((client) => seeds.map((seed) => ({ row, cell, client, options, seed, endsEarly }))),
  );

/** All at once, so that no process has nothing to do. */
export async function measure(experiments: readonly Experiment[]): Promise<Measured[]> {
  const simulations = experiments.map(simulationsOf);
  const outcomes = await simulated(simulations.flat());
  let from = 0;
  return experiments.map(({ rows, clients, seeds }) => {
    const first = from;
    from += rows.length * clients.length * seeds.length;
    return (row, client) => {
      const rowIndex = rows.findIndex(({ name }) => name === row);
      const clientIndex = clients.indexOf(client);
      if (rowIndex === -1 || clientIndex === -1) throw new Error(`"${client}" was not measured in "${row}"`);
      const start = first + (rowIndex * clients.length + clientIndex) * seeds.length;
      return outcomes.slice(start, start + seeds.length);
    };
  });
}

/** The share of the calls that were answered, %. */
export const percentAnswered = ({ answered, calls }: Outcome): number => (100 * answered) / calls;

export const requestsPerCall = ({ requests, calls }: Outcome): number => requests / calls;

/** The median of the seeds; of those without a value none. */
export const medianOf = (runs: Runs, measureOf: (outcome: Outcome) => number): number =>
  median(runs.map(measureOf).filter((value) => !Number.isNaN(value)));

/** How many points more of the calls were answered: the median of the seeds, each compared with itself. */
export const pointsAhead = (runs: Runs, others: Runs): number =>
  median(runs.map((outcome, index) => percentAnswered(outcome) - percentAnswered(others[index] as Outcome)));
