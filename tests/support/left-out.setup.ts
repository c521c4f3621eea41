import { canRun, SUITES_WITH_PROGRAMS } from './suites-with-programs.js';

/** Says in one line each which suites cannot run on this machine; in CI that is an error. */
export default function setup(): void {
  for (const suite of SUITES_WITH_PROGRAMS) {
    if (canRun(suite)) continue;
    const { name, files, command, debianPackage } = suite;
    const message = `Left out: the suite "${name}" (${files}), for want of ${command}: apt-get install ${debianPackage}`;
    if (process.env['CI'] === 'true') throw new Error(message);
    console.warn(message);
  }
}
