import { createHash } from 'node:crypto';

const LONGEST_NAME = 200;

export const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');

/**
 * The two keys of a circuit. What stands in braces decides the slot of a cluster, so both are in one; a circuit's key that
 * is long, or no valid text, goes by its hash.
 */
export function keysOf(prefix: string, key: string): [circuit: string, leases: string] {
  const isText = !/\p{Surrogate}/u.test(key);
  const name = isText ? encodeURIComponent(key) : '';
  const tag = `{${prefix}:${name && name.length <= LONGEST_NAME ? name : sha1(key)}}`;
  return [`${tag}:s`, `${tag}:p`];
}
