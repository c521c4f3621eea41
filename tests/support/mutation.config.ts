import { defineConfig } from 'vitest/config';

/** What Stryker runs against each mutant: the tests of the two folders that are mutated, those without a network. */
export default defineConfig({
  test: {
    include: ['circuit', 'retry', 'interceptors', 'fleet'].map((folder) => `tests/${folder}/**/*.test.ts`),
    exclude: [
      'tests/circuit/attached.test.ts',
      'tests/circuit/registry-of-many.test.ts',
      'tests/retry/what-is-retried.test.ts',
    ],
    env: { SEQUENCES_PER_DETECTOR: '40' },
    testTimeout: 30_000,
  },
});
