import { createHash } from 'node:crypto';

const LONGEST_NAME = 200;
/** The version of what is stored: processes of another one have other keys, and know nothing of these. */
const SCHEMA = 2;

export const sha1 = (text: string | Buffer): string => createHash('sha1').update(text).digest('hex');

/** The keys of a circuit: `state` is a hash, `leases` and `votes` are sorted sets, `report` and `proof` short-lived strings. */
export interface CircuitKeys {
  readonly state: string;
  readonly leases: string;
  readonly votes: string;
  /** The number of the latest report of one process. */
  report(reporter: string): string;
  /** Written to see whether the store takes writes. */
  readonly proof: string;
}

/**
 * The names of the keys of a circuit. What stands in braces decides the slot of a cluster, so all are in one; a circuit's key
 * that is long, or no valid text, goes by its hash.
 */
export function keysOf(prefix: string, key: string): CircuitKeys {
  const isText = !/\p{Surrogate}/u.test(key);
  const name = isText ? encodeURIComponent(key) : '';
  // In UTF-8 all lone surrogates are the same.
  const tag = `{${prefix}:${name && name.length <= LONGEST_NAME ? name : sha1(isText ? key : Buffer.from(key, 'utf16le'))}}:${SCHEMA}`;
  return {
    state: `${tag}:s`,
    leases: `${tag}:p`,
    votes: `${tag}:v`,
    report: (reporter) => `${tag}:r:${reporter}`,
    proof: `${tag}:h`,
  };
}

/** The channel of all circuits with this prefix. */
export const channelOf = (prefix: string): string => `${prefix}:events:${SCHEMA}`;
