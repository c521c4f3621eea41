// Runs the tests of all axios versions against the axios of the day. It only warns: a new release must not stop our work.
import { execFileSync, spawnSync } from 'node:child_process';

const version = execFileSync('npm', ['view', 'axios', 'version'], { encoding: 'utf8' }).trim();
console.log(`axios@latest is ${version}`);
execFileSync(
  'npm',
  ['install', '--no-save', '--no-package-lock', '--no-audit', `axios-${version}@npm:axios@${version}`],
  { stdio: 'inherit' },
);
const { status } = spawnSync('npx', ['vitest', 'run', '--project', `axios ${version}`], {
  stdio: 'inherit',
  env: { ...process.env, AXIOS_ALSO: version },
});
if (status !== 0) console.warn(`\nWarning: tests fail with axios ${version}.`);
