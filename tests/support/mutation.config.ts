import { defineConfig } from 'vitest/config';

const FOLDERS = ['circuit', 'retry', 'interceptors', 'fleet', 'limiter', 'outcomes', 'coming-from', 'metrics'];
const FILES = ['delay', 'fake-timers', 'options', 'surface', 'wishes', 'security/prototype-pollution'];

/** Servers, other processes and real time: slow for each mutant, and what they show of the two folders is in the others too. */
const OVER_THE_NETWORK = [
  'circuit/attached',
  'retry/what-is-retried',
  'outcomes/sleep',
  'outcomes/malformed',
  'outcomes/http2',
  'outcomes/proxies',
  'coming-from/axios-retry',
];

/** 100,000 keys, and minutes of traffic: seconds for each mutant. */
const OF_MANY = ['circuit/registry-of-many', 'fleet/error-rates'];

/** They load the library again within a test, so that Stryker takes constants for covered by them, and by them alone. */
const LOADING_AGAIN = ['circuit/key', 'circuit/error'];

/** A surrounding of its own: the page of a browser, a bundle. */
const ELSEWHERE = ['outcomes/happy-dom', 'outcomes/page', 'limiter/bundle'];

const testFile = (name: string) => `tests/${name}.test.ts`;

/** What Stryker runs against each mutant: the tests of the two folders that are mutated, in seconds. */
export default defineConfig({
  test: {
    include: [...FOLDERS.map((folder) => `tests/${folder}/**/*.test.ts`), ...FILES.map(testFile)],
    exclude: [...OVER_THE_NETWORK, ...OF_MANY, ...LOADING_AGAIN, ...ELSEWHERE].map(testFile),
    setupFiles: 'tests/support/same-samples.setup.ts',
    env: { SEQUENCES_PER_DETECTOR: '40' },
    testTimeout: 30_000,
  },
});
