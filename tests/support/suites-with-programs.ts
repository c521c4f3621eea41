import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Tests that need a program which `npm ci` does not install. */
export interface SuiteWithProgram {
  readonly name: string;
  readonly files: string;
  readonly command: string;
  /** The Debian package that has it. */
  readonly debianPackage: string;
  readonly env?: Readonly<Record<string, string>>;
}

const BROWSER_TESTS = 'tests/browsers/**/*.test.ts';

export const SUITES_WITH_PROGRAMS: readonly SuiteWithProgram[] = [
  { name: 'redis', files: 'tests/redis/**/*.test.ts', command: 'redis-server', debianPackage: 'redis-server' },
  { name: 'promtool', files: 'tests/promtool/**/*.test.ts', command: 'promtool', debianPackage: 'prometheus' },
  {
    name: 'chromium',
    files: BROWSER_TESTS,
    command: 'chromium',
    debianPackage: 'chromium',
    env: { BROWSER: 'chromium' },
  },
  {
    name: 'firefox',
    files: BROWSER_TESTS,
    command: 'firefox-esr',
    debianPackage: 'firefox-esr',
    env: { BROWSER: 'firefox' },
  },
];

export const canRun = ({ command }: SuiteWithProgram): boolean => pathOf(command) !== undefined;

/** Where a program is; `undefined` where it is not installed. */
export function pathOf(command: string): string | undefined {
  const folders = process.env['PATH']?.split(delimiter) ?? [];
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}
