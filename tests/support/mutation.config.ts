import { defineConfig } from 'vitest/config';

/** What Stryker runs against each mutant: the tests of the two folders that are mutated, those without a network. */
export default defineConfig({
  test: {
    include: ['tests/circuit/**/*.test.ts', 'tests/retry/**/*.test.ts', 'tests/interceptors/**/*.test.ts'],
    exclude: ['tests/circuit/attached.test.ts', 'tests/circuit/model.test.ts', 'tests/retry/what-is-retried.test.ts'],
  },
});
