import { consecutiveFailures } from '../../src/index.js';

/** The circuit of the ancestors: it opens at the fifth failure in a row, however fast they came, for ten seconds. */
export const CLASSIC = { detector: consecutiveFailures(5), cooldownMs: 10_000 };
