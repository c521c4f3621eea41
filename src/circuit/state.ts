import type { Probes } from './probes.js';

/**
 * | state     | leaves it                                                        | to        |
 * |-----------|------------------------------------------------------------------|-----------|
 * | any       | by hand, by `restore`, by another process with the same store    | open, closed |
 * | closed    | the detector trips, or a failure tells how long to stay away     | open      |
 * | open      | the cooldown has elapsed, seen at the next read                  | half-open |
 * | open      | enough probes succeed after all, whose leases had run out        | closed    |
 * | open, half-open | an attempt from among the failures succeeds (`PartialFault`) | closed |
 * | half-open | more probes than may fail or are lost (seen at the next read)    | open      |
 * | half-open | enough probes succeed                                            | closed    |
 */
export type State =
  | { readonly name: 'closed'; readonly probes?: undefined }
  | { readonly name: 'open'; readonly until: number; readonly byHand: boolean; readonly probes: Probes }
  | { readonly name: 'half-open'; readonly probes: Probes };

export const CLOSED: State = { name: 'closed', probes: undefined };
