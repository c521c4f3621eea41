/** Numbers in [0, 1) that are the same again for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the entries, each as often as its weight says. */
export function pick<Entry>(
  weighted: readonly (readonly [weight: number, entry: Entry])[],
  random: () => number,
): Entry {
  let left = random() * weighted.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, entry] of weighted) {
    left -= weight;
    if (left < 0) return entry;
  }
  return (weighted.at(-1) as readonly [number, Entry])[1];
}
