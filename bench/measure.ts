/** The middle half of a measurement. */
export interface Spread {
  readonly lower: number;
  readonly median: number;
  readonly upper: number;
}

/** A few milliseconds of work at most: what disturbs the machine then disturbs few of many rounds, or both sides. */
type Batch = () => Promise<void>;

export interface Pair {
  readonly bare: Batch;
  readonly ours: Batch;
}

/** Rounds that are measured with each pair, and rounds before them. */
const ROUNDS = 1_000;
const WARM_UP_ROUNDS = 300;
/** Pairs, one after the other: how one happens to lie in memory is no property of the code. */
const PAIRS = 4;

async function duration(batch: Batch): Promise<number> {
  const startedAt = performance.now();
  await batch();
  return performance.now() - startedAt;
}

/** What `ours` takes as a share of `bare`, one ratio per round; they take turns at being first. */
export async function ratiosOf(make: () => Pair): Promise<number[]> {
  const ratios: number[] = [];
  for (let made = 0; made < PAIRS; made++) {
    const { bare, ours } = make();
    // Not between the rounds: it discards the types that compiled code relies on, and what follows is compilation.
    globalThis.gc?.();
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      const bareFirst = round % 2 === 0;
      const first = await duration(bareFirst ? bare : ours);
      const second = await duration(bareFirst ? ours : bare);
      if (round >= 0) ratios.push(bareFirst ? second / first : first / second);
    }
  }
  return ratios;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
  return { lower: at(0.25), median: at(0.5), upper: at(0.75) };
}

/** The heap, and what typed arrays hold outside of it, once there is no garbage left. */
async function bytesInUse(): Promise<number> {
  for (let collections = 0; collections < 4; collections++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What each item adds to the memory in use, in bytes; the seeds it is made from do not count. */
export async function bytesPerItem<Seed>(seeds: readonly Seed[], make: (seed: Seed) => unknown): Promise<number> {
  const items: unknown[] = new Array(seeds.length).fill(undefined);
  const before = await bytesInUse();
  for (const [index, seed] of seeds.entries()) items[index] = make(seed);
  return ((await bytesInUse()) - before) / items.length;
}
