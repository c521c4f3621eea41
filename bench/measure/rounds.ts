/** A few milliseconds of work at most: what disturbs the machine then disturbs few of many rounds, or both sides. */
export type Batch = () => Promise<void>;

export interface Pair {
  readonly bare: Batch;
  readonly subject: Batch;
}

export interface RoundOptions {
  /** Rounds that are measured with each pair, unless the time is up before. */
  readonly rounds: number;
  /** Until code is compiled, ours and that of others: the more code, the later. */
  readonly warmUpRounds: number;
  /** Pairs, one after the other: how one happens to lie in memory is no property of the code. */
  readonly pairs: number;
  /** The most that the rounds of one pair may take, ms on the clock. */
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
async function ratiosOf(make: () => Pair | Promise<Pair>, options: RoundOptions): Promise<number[]> {
  const ratios: number[] = [];
  for (let made = 0; made < options.pairs; made++) {
    const { bare, subject } = await make();
    // Not between the rounds: it discards the types that compiled code relies on, and what follows is compilation.
    globalThis.gc?.();
    let endsAt = Number.POSITIVE_INFINITY;
    const isOver = (measured: number) => measured >= FEWEST_ROUNDS && performance.now() > endsAt;
    for (let round = -options.warmUpRounds, measured = 0; round < options.rounds && !isOver(measured); round++) {
      if (round === 0) endsAt = performance.now() + options.maxMs;
      const bareFirst = round % 2 === 0;
      const first = await timeOf(bareFirst ? bare : subject);
      const second = await timeOf(bareFirst ? subject : bare);
      if (round < 0) continue;
      ratios.push(bareFirst ? second / first : first / second);
      measured++;
    }
  }
  return ratios;
}

/** Ratios of several subjects, by name. */
export async function ratiosByName(
  pairs: Readonly<Record<string, () => Pair | Promise<Pair>>>,
  options: RoundOptions,
): Promise<Record<string, number[]>> {
  const ratios: Record<string, number[]> = {};
  for (const [name, make] of Object.entries(pairs)) ratios[name] = await ratiosOf(make, options);
  return ratios;
}
