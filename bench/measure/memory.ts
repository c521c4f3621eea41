import { setImmediate as nextTurn } from 'node:timers/promises';

/** The heap, and what typed arrays hold outside of it, once there is no garbage left. */
export async function bytesInUse(): Promise<number> {
  for (let collections = 0; collections < 4; collections++) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What each item adds to the memory in use, in bytes; the seeds it is made from do not count. */
export async function bytesPerItem<Seed>(seeds: readonly Seed[], make: (seed: Seed) => unknown): Promise<number> {
  const items: unknown[] = new Array(seeds.length).fill(undefined);
  const before = await bytesInUse();
  for (const [index, seed] of seeds.entries()) items[index] = await make(seed);
  return ((await bytesInUse()) - before) / items.length;
}

/** Keys in one piece each: the engine joins the parts of a text when it is first looked up, and that is memory, too. */
export function keysOf(count: number): string[] {
  return [...new Set(Array.from({ length: count }, (_, index) => `GET https://host-${index}.example.com`))];
}
