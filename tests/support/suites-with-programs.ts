import { spawnSync } from 'node:child_process';

/** Tests that need a program which `npm ci` does not install. */
export interface SuiteWithProgram {
  readonly name: string;
  readonly files: string;
  readonly command: string;
  /** The Debian package that has it. */
  readonly debianPackage: string;
}

export const SUITES_WITH_PROGRAMS: readonly SuiteWithProgram[] = [
  { name: 'redis', files: 'tests/redis/**/*.test.ts', command: 'redis-server', debianPackage: 'redis-server' },
  { name: 'promtool', files: 'tests/promtool/**/*.test.ts', command: 'promtool', debianPackage: 'prometheus' },
];

export function canRun({ command }: SuiteWithProgram): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}
