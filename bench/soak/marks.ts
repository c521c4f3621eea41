/** By these headers the service knows which attempt of which call it sees. */
export const CALL_HEADER = 'x-call';
export const ATTEMPT_HEADER = 'x-attempt';

/** So many calls can be told apart. */
export const MOST_CALLS = 4_000_000;

/** Attempt n of a call is bit n - 1. */
export const bitOf = (attempt: number): number => 1 << (attempt - 1);

/** What the service saw of each call; it is asked for under this path. */
export const SEEN_PATH = '/seen';

/** Calls without a circuit go to this path, so that their attempts are known by their key. */
export const UNGUARDED = '/unguarded';
