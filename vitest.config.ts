import { defineConfig } from 'vitest/config';
import { canRun, SUITES_WITH_PROGRAMS } from './tests/support/suites-with-programs.js';

/** The axios versions that the plugin is held to; each is installed under an alias. */
const AXIOS_VERSIONS = ['1.6.0', '1.6.8', '1.7.9', '1.8.4', '1.13.2', '1.15.0', '1.18.0', '1.20.0'];
const also = process.env['AXIOS_ALSO'];
if (also) AXIOS_VERSIONS.push(also);

const SAME_SAMPLES = ['tests/support/same-samples.setup.ts'];
const ACROSS_VERSIONS = ['tests/across-versions/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 15_000,
    setupFiles: SAME_SAMPLES,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['tests/**/*.test.{ts,tsx}', 'examples/**/*.test.ts'],
          exclude: SUITES_WITH_PROGRAMS.map(({ files }) => files),
          globalSetup: 'tests/support/left-out.setup.ts',
          typecheck: { enabled: false },
        },
      },
      ...AXIOS_VERSIONS.map((version) => ({
        extends: true as const,
        resolve: { alias: [{ find: /^axios$/, replacement: `axios-${version}` }] },
        test: {
          name: `axios ${version}`,
          include: ACROSS_VERSIONS,
          env: { AXIOS_VERSION: version },
          setupFiles: ['tests/support/alias-axios.ts', ...SAME_SAMPLES],
        },
      })),
      // One file at a time and after all the others: they run many processes and measure time.
      ...SUITES_WITH_PROGRAMS.filter(canRun).map(({ name, files, env = {} }) => ({
        extends: true as const,
        test: {
          name,
          include: [files],
          env,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      })),
    ],
  },
});
