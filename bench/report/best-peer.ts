export interface BestPeer<Name extends string> {
  readonly name: Name;
  readonly value: number;
}

/** Who has the least of what is measured; of whom nothing was measured comes last. */
export function bestPeer<Name extends string>(
  names: readonly Name[],
  measureOf: (name: Name) => number | undefined,
): BestPeer<Name> {
  const [first, ...others] = names.map((name) => ({ name, value: measureOf(name) ?? Number.NaN }));
  if (!first) throw new Error('There is no peer to compare with');
  return others.reduce((best, peer) => (Number.isNaN(best.value) || peer.value < best.value ? peer : best), first);
}

/** As the end of what was measured: `the best peer is cockatiel with 1.04`. */
export const bestPeerText = ({ name, value }: BestPeer<string>, textOf: (value: number) => string): string =>
  `the best peer is ${name} with ${textOf(value)}`;
