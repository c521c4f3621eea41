const NEAR = 0.7;

/** The share of letters that two names have in common, in whatever order. */
function likeness(one: string, other: string): number {
  let rest = other.toLowerCase();
  const given = one.toLowerCase();
  if (given[0] !== rest[0] || given.length > 2 * rest.length) return 0;
  for (const letter of given) rest = rest.replace(letter, '');
  return (other.length - rest.length) / Math.max(one.length, other.length);
}

/** The name that was meant, if one is near: it begins with the same letter, and hardly any other differs. */
export const nearName = (written: string, names: readonly string[]): string | undefined =>
  names
    .filter((name) => likeness(written, name) >= NEAR)
    .sort((one, other) => likeness(written, other) - likeness(written, one))[0];
