/** A few milliseconds of work at most: what disturbs the machine then disturbs few of many rounds, or both sides. */
export type Batch = () => Promise<void>;

export interface Pair {
  readonly bare: Batch;
  readonly subject: Batch;
}

/**
 * The time in ms: that on the wall, or that which this process has had on a processor, all its threads together. The latter
 * stands still while others have the processor, but also while nothing is done but wait.
 */
const CLOCKS = {
  wall: () => performance.now(),
  processor: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
} as const;

export interface RoundOptions {
  readonly clock: keyof typeof CLOCKS;
  /** Rounds that are measured with each pair, unless the time is up before. */
  readonly rounds: number;
  readonly warmUpRounds: number;
  /** Pairs, one after the other: how one happens to lie in memory is no property of the code. */
  readonly pairs: number;
  /** The most that the rounds of one pair may take, ms on the wall. */
  readonly maxMs: number;
}

/** Rounds are measured whatever they take until there are so many. */
const FEWEST_ROUNDS = 10;

async function duration(batch: Batch, now: () => number): Promise<number> {
  const startedAt = now();
  await batch();
  return now() - startedAt;
}

/** What `subject` takes as a share of `bare`, one ratio per round; they take turns at being first. */
async function ratiosOf(make: () => Pair | Promise<Pair>, options: RoundOptions): Promise<number[]> {
  const ratios: number[] = [];
  const now = CLOCKS[options.clock];
  for (let made = 0; made < options.pairs; made++) {
    const { bare, subject } = await make();
    // Not between the rounds: it discards the types that compiled code relies on, and what follows is compilation.
    globalThis.gc?.();
    const endsAt = performance.now() + options.maxMs;
    const isOver = (measured: number) => measured >= FEWEST_ROUNDS && performance.now() > endsAt;
    for (let round = -options.warmUpRounds, measured = 0; round < options.rounds && !isOver(measured); round++) {
      const bareFirst = round % 2 === 0;
      const first = await duration(bareFirst ? bare : subject, now);
      const second = await duration(bareFirst ? subject : bare, now);
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
