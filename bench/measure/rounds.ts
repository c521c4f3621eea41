/** A few milliseconds of work at most: what disturbs the machine then disturbs few of many rounds, or both sides. */
export type Batch = () => Promise<void>;

export interface Pair {
  readonly bare: Batch;
  readonly subject: Batch;
}

export interface RoundOptions {
  /** Rounds that are measured, unless the time is up before. */
  readonly rounds: number;
  /** Until code is compiled, ours and that of others: the more code, the later. */
  readonly warmUpRounds: number;
  /** The most that they may take, ms on the clock. */
  readonly maxMs: number;
}

/** Rounds are measured whatever they take until there are so many. */
const FEWEST_ROUNDS = 10;

/**
 * The time that this process has on a processor meanwhile, all its threads together, in µs: it stands still while others have
 * the processor, and while there is nothing to do but wait.
 */
async function timeOf(batch: Batch): Promise<number> {
  const before = process.cpuUsage();
  await batch();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** What `subject` takes as a share of `bare`, one ratio per round; they take turns at being first. */
export async function ratiosOf(
  { bare, subject }: Pair,
  { rounds, warmUpRounds, maxMs }: RoundOptions,
): Promise<number[]> {
  const ratios: number[] = [];
  // Not between the rounds: it discards the types that compiled code relies on, and what follows is compilation.
  globalThis.gc?.();
  let endsAt = Number.POSITIVE_INFINITY;
  const isOver = () => ratios.length >= FEWEST_ROUNDS && performance.now() > endsAt;
  for (let round = -warmUpRounds; round < rounds && !isOver(); round++) {
    if (round === 0) endsAt = performance.now() + maxMs;
    const bareFirst = round % 2 === 0;
    const first = await timeOf(bareFirst ? bare : subject);
    const second = await timeOf(bareFirst ? subject : bare);
    if (round >= 0) ratios.push(bareFirst ? second / first : first / second);
  }
  return ratios;
}

/** Ratios of several subjects, by name. */
export async function ratiosByName(
  pairs: Readonly<Record<string, () => Pair | Promise<Pair>>>,
  options: RoundOptions,
): Promise<Record<string, number[]>> {
  const ratios: Record<string, number[]> = {};
  for (const [name, make] of Object.entries(pairs)) ratios[name] = await ratiosOf(await make(), options);
  return ratios;
}
